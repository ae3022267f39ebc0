"""Lets the contestants take turns, each time in a new process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from statistics import fmean

from .model import Benchmark, Figures, Results
from .servers import ROOT, CannedServer

TIMEOUT = 60

# glibc fetches each large piece of memory from the system and gives it back, three calls each time,
# until a program happens to have let go of a larger one: asyncio's 256 KiB for each reading, say.
# Whether that has happened decides over half of the floor's speed, so everybody gets it from the start.
MEMORY = {"MALLOC_MMAP_THRESHOLD_": str(4 << 20), "MALLOC_TRIM_THRESHOLD_": str(16 << 20)}


@dataclass
class Outcome:
    """What came of a run: the results of each round, by benchmark, and why others have none."""

    rounds: dict[str, list[Results]] = field(default_factory=dict)
    failures: dict[tuple[str, str], str] = field(default_factory=dict)
    skipped: dict[tuple[str, str], str] = field(default_factory=dict)

    def completed(self, benchmark: Benchmark) -> list[Results]:
        """Without those contestants that failed in any of the rounds."""
        return [
            {name: each for name, each in results.items() if not self.failed(benchmark, name)}
            for results in self.rounds[benchmark.name]
        ]

    def failed(self, benchmark: Benchmark, contestant: str) -> bool:
        return (benchmark.name, contestant) in self.failures

    def out(self, benchmark: Benchmark, contestant: str) -> bool:
        return self.failed(benchmark, contestant) or (benchmark.name, contestant) in self.skipped


def run(benchmarks: Iterable[Benchmark], rounds: int, server: CannedServer) -> Outcome:
    outcome = Outcome()
    for benchmark in benchmarks:
        skip(benchmark, outcome)
        outcome.rounds[benchmark.name] = done = []
        for number in range(1, rounds + 1):
            print(f"{benchmark.name}, round {number} of {rounds}", file=sys.stderr)
            done.append(run_round(benchmark, server, outcome, backwards=number % 2 == 0))
    return outcome


def skip(benchmark: Benchmark, outcome: Outcome) -> None:
    for contestant in benchmark.contestants:
        if (lack := contestant.lacks()) is not None:
            outcome.skipped[benchmark.name, contestant.name] = lack
            print(f"{benchmark.name}: {contestant.name} skipped: {lack}", file=sys.stderr)


def run_round(
    benchmark: Benchmark, server: CannedServer, outcome: Outcome, backwards: bool
) -> Results:
    """Everybody's turns; who has failed or was skipped is out.

    Every other round goes backwards: what a contestant finds depends on who was before it.
    """
    taken: dict[str, list[Figures]] = {}
    for group in benchmark.groups:
        cpus = server.cpus(group.in_turns)
        names = [contestant.name for contestant in group.contestants] * group.turns
        for name in reversed(names) if backwards else names:
            if outcome.out(benchmark, name):
                continue
            try:
                figures = run_once(benchmark.name, name, server.url, cpus)
            except ContestantFailed as failure:
                outcome.failures[benchmark.name, name] = str(failure)
                print(f"  {name}: failed", file=sys.stderr)
            else:
                taken.setdefault(name, []).append(figures)
                print(f"  {name}: {figures['rate']:,.1f}/s", file=sys.stderr)
    return {name: means(turns) for name, turns in taken.items()}


def means(turns: list[Figures]) -> Figures:
    """The mean of each figure."""
    return {figure: fmean(turn[figure] for turn in turns) for figure in turns[0]}


class ContestantFailed(Exception):
    """Its text is what the contestant's process wrote to stderr."""


def run_once(benchmark: str, contestant: str, url: str, cpus: Iterable[int]) -> Figures:
    arguments = [benchmark, contestant, url, ",".join(map(str, cpus))]
    command = [sys.executable, "-m", "benchmarks.worker", *arguments]
    try:
        done = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, **MEMORY},
            capture_output=True,
            text=True,
            timeout=TIMEOUT,
            check=False,
        )
    except subprocess.TimeoutExpired as expired:
        text = expired.stderr.decode() if isinstance(expired.stderr, bytes) else expired.stderr
        raise ContestantFailed(f"{text or ''}\nnot done after {TIMEOUT} s") from None
    if done.returncode:
        raise ContestantFailed(done.stderr or f"exit status {done.returncode}")
    figures: Figures = json.loads(done.stdout.splitlines()[-1])
    return figures
