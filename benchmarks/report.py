"""The tables, the bars and the JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from .model import Bar, Benchmark, Column, Figures, Group, Results
from .runner import Outcome

RATIOS = (
    Column("of the floor", "of_floor", "{:.2f}"),
    Column("of aiocouch", "of_peer", "{:.2f}"),
)
COSTS = (
    Column("CPU µs/op", "cpu_us", "{:,.0f}"),
    Column("peak MB", "peak_mb", "{:.1f}"),
    Column("above idle", "above_idle_mb", "{:.1f}"),
)
PACKAGES = (
    "corduroy", "aiocouch", "aiohttp", "couchdb3", "couchdb", "tornado", "pycurl",
    "httptools", "msgspec", "orjson",
)  # fmt: skip


def with_ratios(results: Results, group: Group) -> dict[str, Figures]:
    """The group's figures, each with its speed in relation to the floor's and the peer's."""
    found: dict[str, Figures] = {}
    for contestant in group.contestants:
        if (measured := results.get(contestant.name)) is None:
            continue
        figures = dict(measured)
        for figure, reference in (("of_floor", group.floor), ("of_peer", group.peer)):
            if reference in results:
                figures[figure] = figures["rate"] / results[reference]["rate"]
        found[contestant.name] = figures
    return found


def table(benchmark: Benchmark, results: Results) -> Iterator[str]:
    columns = [benchmark.speed, *RATIOS, *COSTS, *benchmark.extra]
    width = max(len(contestant.name) for contestant in benchmark.contestants)
    yield f"{benchmark.name}: {benchmark.title}"
    for group in benchmark.groups:
        yield ""
        yield "  ".join([f"{group.title:{width}}", *(each.heading for each in columns)])
        for name, figures in with_ratios(results, group).items():
            cells = (_cell(each, figures).rjust(len(each.heading)) for each in columns)
            yield "  ".join([f"{name:{width}}", *cells]).rstrip()
    yield ""


def _cell(column: Column, figures: Figures) -> str:
    return column.layout.format(figures[column.figure]) if column.figure in figures else ""


def judge(bar: Bar, results: Results) -> dict[str, Any]:
    try:
        value = bar.value(results)
    except KeyError:  # a contestant has failed
        return {"name": bar.name, "value": None, "target": str(bar), "ok": False}
    return {"name": bar.name, "value": value, "target": str(bar), "ok": bar.met(value)}


def bar_line(judged: dict[str, Any]) -> str:
    value = "-" if judged["value"] is None else f"{judged['value']:.2f}"
    return f"bar {judged['name']} {value} {judged['target']} {'ok' if judged['ok'] else 'SHORT'}"


def document(benchmarks: list[Benchmark], outcome: Outcome, server: str) -> dict[str, Any]:
    """All that is known, for the JSON file."""
    return {
        "server": server,
        "python": platform.python_version(),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "versions": {name: found for name in PACKAGES if (found := _version(name))},
        "benchmarks": {each.name: _figures(each, outcome) for each in benchmarks},
        "bars": [judge(bar, outcome.results(each)) for each in benchmarks for bar in each.bars],
        "failures": outcome.failures,
    }


def _figures(benchmark: Benchmark, outcome: Outcome) -> dict[str, Any]:
    results = outcome.results(benchmark)
    return {
        group.title: {
            name: {**figures, "rounds": outcome.rounds[benchmark.name][name]}
            for name, figures in with_ratios(results, group).items()
        }
        for group in benchmark.groups
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
