"""Measures one contestant from inside its process."""

from __future__ import annotations

import asyncio
import resource
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from time import perf_counter, process_time

WARM_UP = 0.3
BOX = 1.5
"""Seconds: a contestant does what it can in them, so that slow ones do not hold up the run."""

MB = 1e6

Phase = Callable[[float], int]
"""Works until that moment of `perf_counter`, and says how many operations it did."""


class Meter:
    """Adds up the time between `start` and `stop`, and keeps two marks of memory."""

    def __init__(self) -> None:
        self.operations = 0
        self.seconds = 0.0
        self.cpu = 0.0
        self.notes: dict[str, float] = {}
        self._idle = 0.0
        self._peak = 0.0
        self._since = (0.0, 0.0)

    def ready(self) -> None:
        """The contestant has imported its modules and made its client."""
        self._idle = resident_mb()

    def start(self) -> None:
        self._since = (perf_counter(), process_time())

    def stop(self, operations: int = 1) -> None:
        cpu = process_time() - self._since[1]
        self.seconds += perf_counter() - self._since[0]
        self.cpu += cpu
        self.operations += operations

    def mark_peak(self) -> None:
        """Takes the peak now; otherwise it is that of the whole run."""
        self._peak = peak_mb()

    def above_idle_mb(self) -> float:
        """What is held at this moment, above what was held when it was ready."""
        return resident_mb() - self._idle

    def figures(self) -> dict[str, float]:
        peak = self._peak or peak_mb()
        return {
            "rate": self.operations / self.seconds,
            "seconds": self.seconds / self.operations,
            "cpu_us": self.cpu / self.operations * 1e6,
            "peak_mb": peak,
            "above_idle_mb": peak - self._idle,
            **self.notes,
        }

    def run(self, phase: Phase) -> None:
        """Measures `phase`, after a warm-up."""
        self.ready()
        phase(perf_counter() + WARM_UP)
        self.start()
        self.stop(phase(perf_counter() + BOX))

    async def run_async(self, phase: Callable[[float], Awaitable[int]]) -> None:
        self.ready()
        await phase(perf_counter() + WARM_UP)
        self.start()
        self.stop(await phase(perf_counter() + BOX))


def repeat(call: Callable[[], object]) -> Phase:
    """A phase that makes one call after the other."""

    def phase(until: float) -> int:
        done = 0
        while perf_counter() < until:
            call()
            done += 1
        return done

    return phase


def at_once(
    calls: Sequence[Callable[[], Awaitable[object]]],
) -> Callable[[float], Awaitable[int]]:
    """A phase with a worker for each of `calls`, which awaits it again and again."""

    async def worker(call: Callable[[], Awaitable[object]], until: float) -> int:
        done = 0
        while perf_counter() < until:
            await call()
            done += 1
        return done

    async def phase(until: float) -> int:
        return sum(await asyncio.gather(*(worker(call, until) for call in calls)))

    return phase


def peak_mb() -> float:
    """The most memory that this process has held.

    Not ru_maxrss where it can be helped: Linux hands that of the parent on to the child.
    """
    if (kib := _proc_status("VmHWM")) is not None:
        return kib * 1024 / MB
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / MB


def resident_mb() -> float:
    """The memory that this process holds now; where that is not told, the most it has held."""
    kib = _proc_status("VmRSS")
    return peak_mb() if kib is None else kib * 1024 / MB


def _proc_status(name: str) -> int | None:
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) for line in lines if line.startswith(name + ":")), None)
