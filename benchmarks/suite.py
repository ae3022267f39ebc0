"""The benchmarks, in the order in which they run: add yours here."""

from . import get, view

BENCHMARKS = {each.name: each for each in (get.BENCHMARK, view.BENCHMARK)}
