"""Writes docs/performance.md, and what it shows: ``python -m benchmarks.performance [JSON]``.

It takes what the last whole run of the benchmarks has left in build/bench.json.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from .canned import STREAMED
from .report import COSTS, RATIOS
from .servers import ROOT
from .stream import ROWS, sized
from .suite import BENCHMARKS

DOCS = ROOT / "docs"
GREY = "#888888"
OURS = "#a0522d"
PEERS = ("cloudant", "couchdb-python", "couchdb3", "aiocouch")

INTRODUCTION = """\
# Performance

What `make bench` measured at the last release, on one machine: read the ratios, and run it on yours.
[Benchmarks](guide/benchmarks.md) tells what is compared, and how.
"""

ROWS_TEXT = """\
## A row costs the same among a thousand and among two million

`for doc in db.docs()`: the client's CPU time for each document, and the peak memory of its process,
against how many documents there are. Clients that hold the whole answer are shown where they were
measured, at 200,001.

![Microseconds of CPU for each document](performance-rows.svg)

![Peak memory](performance-memory.svg)
"""


def main() -> None:
    source = Path(sys.argv[1]) if len(sys.argv) > 1 else ROOT / "build/bench.json"
    measured = json.loads(source.read_text())
    missing = sorted(BENCHMARKS.keys() - measured["benchmarks"].keys())
    if missing:
        sys.exit(f"{source} lacks {', '.join(missing)}: run `make bench` whole")
    stream = measured["benchmarks"]["stream"]
    chart(stream, "row_us", "CPU µs a document", DOCS / "performance-rows.svg")
    chart(stream, "peak_mb", "peak MB", DOCS / "performance-memory.svg")
    (DOCS / "performance.md").write_text("\n".join(page(measured)))


def chart(results: Mapping[str, Any], figure: str, label: str, path: Path) -> None:
    """Draw a figure against the number of rows."""
    import matplotlib as mpl

    mpl.use("svg")
    # The same picture of the same figures, and no addresses in it; its text stays text.
    mpl.rcParams.update({"svg.hashsalt": "corduroy", "svg.fonttype": "none", "font.size": 9})
    from matplotlib.figure import Figure

    drawing = Figure(figsize=(6.4, 3.2), layout="constrained")
    axes = drawing.subplots()
    found = [results[sized(rows)][figure] for rows in STREAMED]
    axes.plot(STREAMED, found, "o-", color=OURS, label="corduroy")
    for rows, value in zip(STREAMED, found, strict=True):
        axes.annotate(f"{value:.1f}", (rows, value), (0, 7), textcoords="offset points", color=OURS)
    others = [name for name in ("floor", *PEERS) if name in results]
    for at, name in enumerate(sorted(others, key=lambda name: results[name][figure])):
        value, left = results[name][figure], at % 2  # neighbours would cover each other
        axes.plot([ROWS], [value], "s", color=GREY)
        axes.annotate(
            f"{name} {value:.1f}",
            (ROWS, value),
            (-7 if left else 7, -3),
            textcoords="offset points",
            ha="right" if left else "left",
            color=GREY,
        )
    axes.set_xscale("log")
    axes.set_ylim(bottom=0)
    axes.set_xticks(STREAMED, [f"{rows:,}" for rows in STREAMED])
    axes.set_ylabel(label, color=GREY)
    axes.set_xlabel("documents", color=GREY)
    axes.tick_params(which="both", colors=GREY)
    for spine in axes.spines.values():
        spine.set_color(GREY)
    drawing.savefig(path, transparent=True, metadata={"Date": None, "Creator": None})


def page(measured: Mapping[str, Any]) -> Iterator[str]:
    yield INTRODUCTION
    machine, versions = measured["machine"], measured["versions"]
    yield (
        f"Python {measured['python']}, {machine['cpus']} CPUs, {machine['platform']}; "
        + ", ".join(f"{name} {version}" for name, version in versions.items())
        + ".\n"
    )
    yield ROWS_TEXT
    for benchmark in BENCHMARKS.values():
        results = measured["benchmarks"][benchmark.name]
        yield f"## {benchmark.title}\n"
        columns = [benchmark.speed, *RATIOS, *COSTS, *benchmark.extra]
        for group in benchmark.groups:
            names = [each.name for each in group.contestants if each.name in results]
            yield from table(
                group.title,
                names,
                [each.heading for each in columns],
                [
                    [
                        each.layout.format(results[name][each.figure])
                        if each.figure in results[name]
                        else ""
                        for each in columns
                    ]
                    for name in names
                ],
            )
    yield "## The bars\n"
    bars = measured["bars"]
    cells = [
        [
            f"{bar['value']:.2f}" if bar["value"] is not None else "-",
            bar["target"],
            "ok" if bar["ok"] else "short",
        ]
        for bar in bars
    ]
    yield from table("bar", [bar["name"] for bar in bars], ["measured", "target", ""], cells)


def table(
    title: str, names: Sequence[str], headings: Sequence[str], cells: Sequence[Sequence[str]]
) -> Iterator[str]:
    """A table of Markdown."""
    yield row([title, *headings])
    yield row(["---", *("--:" for _ in headings)])
    for name, values in zip(names, cells, strict=True):
        yield row([name, *values])
    yield ""


def row(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


if __name__ == "__main__":
    main()
