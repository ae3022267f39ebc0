"""Lets the contestants take turns, each time in a new process, and takes the medians."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import median

from .model import Benchmark, Figures, Group
from .servers import ROOT, CannedServer

TIMEOUT = 60


@dataclass
class Outcome:
    """What came of a run: figures by benchmark and contestant, or why there are none."""

    rounds: dict[str, dict[str, list[Figures]]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def results(self, benchmark: Benchmark) -> dict[str, Figures]:
        """The medians of those contestants that came through every round."""
        return {
            name: {figure: median(each[figure] for each in rounds) for figure in rounds[0]}
            for name, rounds in self.rounds[benchmark.name].items()
            if f"{benchmark.name}: {name}" not in self.failures
        }


def run(benchmarks: Iterable[Benchmark], rounds: int, server: CannedServer) -> Outcome:
    outcome = Outcome()
    for benchmark in benchmarks:
        outcome.rounds[benchmark.name] = {}
        for number in range(1, rounds + 1):
            print(f"{benchmark.name}, round {number} of {rounds}", file=sys.stderr)
            for group in benchmark.groups:
                run_round(benchmark, group, server, outcome)
    return outcome


def run_round(benchmark: Benchmark, group: Group, server: CannedServer, outcome: Outcome) -> None:
    """Everybody once; who has failed is out."""
    measured = outcome.rounds[benchmark.name]
    for contestant in group.contestants:
        title = f"{benchmark.name}: {contestant.name}"
        if title in outcome.failures:
            continue
        try:
            figures = run_once(
                benchmark.name, contestant.name, server.url, server.cpus(group.in_turns)
            )
        except ContestantFailed as failure:
            outcome.failures[title] = str(failure)
            print(f"{title} failed", file=sys.stderr)
        else:
            measured.setdefault(contestant.name, []).append(figures)
            print(f"  {contestant.name}: {figures['rate']:,.1f}/s", file=sys.stderr)


class ContestantFailed(Exception):
    """Its text is what the contestant's process wrote to stderr."""


def run_once(benchmark: str, contestant: str, url: str, cpus: Iterable[int]) -> Figures:
    arguments = [benchmark, contestant, url, ",".join(map(str, cpus))]
    command = [sys.executable, "-m", "benchmarks.worker", *arguments]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=TIMEOUT, check=False
        )
    except subprocess.TimeoutExpired as expired:
        text = expired.stderr.decode() if isinstance(expired.stderr, bytes) else expired.stderr
        raise ContestantFailed(f"{text or ''}\nnot done after {TIMEOUT} s") from None
    if done.returncode:
        raise ContestantFailed(done.stderr or f"exit status {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
