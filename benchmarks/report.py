"""The tables, the bars and the JSON file."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Iterator, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from statistics import median
from typing import Any

from . import nano
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
    "corduroy", "aiocouch", "aiohttp", "couchdb3", "couchdb", "cloudant", "tornado", "pycurl",
    "httptools", "msgspec", "orjson",
)  # fmt: skip


def medians(rounds: Sequence[Results], groups: Sequence[Group]) -> dict[str, Figures]:
    """The median of every figure, and of the ratios that each round had."""
    rated = [with_ratios(results, groups) for results in rounds]
    return {
        name: {figure: median(results[name][figure] for results in rated) for figure in figures}
        for name, figures in rated[0].items()
    }


def with_ratios(results: Results, groups: Sequence[Group]) -> dict[str, Figures]:
    """The figures, each with its speed in relation to the floor's and the peer's."""
    rated: dict[str, Figures] = {}
    for group in groups:
        references = {"of_floor": group.floor, "of_peer": group.peer}
        rates = {ratio: results[by]["rate"] for ratio, by in references.items() if by in results}
        for contestant in group.contestants:
            if (figures := results.get(contestant.name)) is not None:
                ratios = {ratio: figures["rate"] / rate for ratio, rate in rates.items()}
                rated[contestant.name] = {**figures, **ratios}
    return rated


def table(benchmark: Benchmark, rounds: Sequence[Results]) -> Iterator[str]:
    results = medians(rounds, benchmark.groups)
    columns = [benchmark.speed, *RATIOS, *COSTS, *benchmark.extra]
    width = max(len(contestant.name) for contestant in benchmark.contestants)
    yield f"{benchmark.name}: {benchmark.title}"
    for group in benchmark.groups:
        yield ""
        yield "  ".join([f"{group.title:{width}}", *(each.heading for each in columns)])
        for name in (contestant.name for contestant in group.contestants):
            if name in results:
                cells = (_cell(each, results[name]).rjust(len(each.heading)) for each in columns)
                yield "  ".join([f"{name:{width}}", *cells]).rstrip()
    yield ""


def _cell(column: Column, figures: Figures) -> str:
    return column.layout.format(figures[column.figure]) if column.figure in figures else ""


def judge(bar: Bar, rounds: Sequence[Results]) -> dict[str, Any]:
    """Rounds are judged one by one: contestants of the same round had the same machine."""
    try:
        value = median(bar.value(results) for results in rounds)
    except KeyError:  # a contestant has failed
        return {"name": bar.name, "value": None, "target": str(bar), "ok": False}
    return {"name": bar.name, "value": value, "target": str(bar), "ok": bar.met(value)}


def bar_line(judged: dict[str, Any]) -> str:
    value = "-" if judged["value"] is None else f"{judged['value']:.2f}"
    return f"bar {judged['name']} {value} {judged['target']} {'ok' if judged['ok'] else 'SHORT'}"


def document(benchmarks: list[Benchmark], outcome: Outcome, server: str) -> dict[str, Any]:
    """All that is known, for the JSON file."""
    completed = {each.name: outcome.completed(each) for each in benchmarks}
    return {
        "server": server,
        "python": platform.python_version(),
        "machine": {"platform": platform.platform(), "cpus": os.cpu_count()},
        "versions": {name: found for name in PACKAGES if (found := _version(name))}
        | nano.versions(),
        "benchmarks": {each.name: _figures(each, completed[each.name]) for each in benchmarks},
        "bars": [judge(bar, completed[each.name]) for each in benchmarks for bar in each.bars],
        "failures": {": ".join(who): why for who, why in outcome.failures.items()},
        "skipped": {": ".join(who): why for who, why in outcome.skipped.items()},
    }


def _figures(benchmark: Benchmark, rounds: Sequence[Results]) -> dict[str, Any]:
    return {
        name: {**figures, "rounds": [results[name] for results in rounds]}
        for name, figures in medians(rounds, benchmark.groups).items()
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def write(path: Path, content: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content, indent=1) + "\n")
