"""What a benchmark is made of. Knows nothing of processes, servers or printing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .canned import Answer
    from .meter import Meter

Figures = Mapping[str, float]
"""What was measured of one contestant: ``rate``, ``seconds``, ``cpu_us``, ``peak_mb``…"""

Results = Mapping[str, Figures]
"""The figures of a benchmark's contestants, by their names."""


@dataclass(frozen=True)
class Contestant:
    """A client and the way it is used. `run` does its imports itself: memory is measured.

    A client that cannot be had on every machine says what it `lacks`, and is skipped.
    """

    name: str
    run: Callable[[Meter, str], None]
    lacks: Callable[[], str | None] = lambda: None


@dataclass(frozen=True)
class Group:
    """Contestants that do the same, and the two that the others are held against.

    Where client and server only ever wait for each other, `in_turns`, they share a CPU: to wake
    another one takes a virtual machine longer than the request, and differently each time.

    Where a process happens to have its memory makes it a tenth faster or slower. Where an operation
    takes microseconds, a contestant has several `turns` in a round, each in a process of its own, and
    the mean of their figures counts.
    """

    title: str
    contestants: Sequence[Contestant]
    floor: str
    peer: str
    in_turns: bool = False
    turns: int = 1


@dataclass(frozen=True)
class Column:
    heading: str
    figure: str
    layout: str


@dataclass(frozen=True)
class Bar:
    """A figure that must be reached, or not be passed."""

    name: str
    value: Callable[[Results], float]
    target: float
    at_most: bool = False

    def __str__(self) -> str:
        return f"{'<=' if self.at_most else '>='}{self.target:.2f}"

    def met(self, value: float) -> bool:
        """Judged as printed: nobody should read ``1.00 <=1.00 SHORT``."""
        shown = round(value, 2)
        return shown <= self.target if self.at_most else shown >= self.target


def ratio(figure: str, ours: str, theirs: str) -> Callable[[Results], float]:
    """A bar's value: one contestant's figure divided by another's."""
    return lambda results: results[ours][figure] / results[theirs][figure]


REQUESTS = Column("requests/s", "rate", "{:,.0f}")
SECONDS = Column("seconds", "seconds", "{:.3f}")


@dataclass(frozen=True)
class Benchmark:
    name: str
    title: str
    groups: Sequence[Group]
    bars: Sequence[Bar]
    speed: Column = REQUESTS
    extra: Sequence[Column] = ()
    answers: Sequence[Answer] = ()
    """What the canned server has to answer for this one alone."""

    @property
    def contestants(self) -> list[Contestant]:
        return [contestant for group in self.groups for contestant in group.contestants]

    def contestant(self, name: str) -> Contestant:
        return next(each for each in self.contestants if each.name == name)
