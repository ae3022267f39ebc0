"""Slots: how many exchanges may be under way at once, and the queue of those that wait to begin.

A *slot* is the right to have an exchange under way. Whoever waits for one is served first come, first
served; whoever stops waiting is passed over.
"""

from __future__ import annotations

import asyncio
import collections
from collections.abc import Callable
from typing import Protocol

from .. import defaults
from .answer import NoTurn
from .deadline import until


class Turn(Protocol):
    """Whoever waits for a slot."""

    def come(self) -> bool:
        """It has one; False: it does not want it any more."""

    def fail(self, error: BaseException) -> None:
        """It will never have one."""


class _Awaited:
    """A turn that a coroutine waits for."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.future: asyncio.Future[None] = loop.create_future()

    def come(self) -> bool:
        if self.future.done():
            return False
        self.future.set_result(None)
        return True

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Slots:
    """The slots of one event loop.

    Args:
        loop: the loop.
        most (int | None): how many there are; None: as many as `defaults` say, whenever one is taken or
            given back.

    Attributes:
        taken (int): how many are.
    """

    __slots__ = ("_loop", "_most", "_waiting", "taken")

    def __init__(self, loop: asyncio.AbstractEventLoop, most: int | None) -> None:
        self._loop = loop
        self._most = most
        self.taken = 0
        # In the order in which they came; one that stops waiting is found among thousands at once.
        self._waiting: collections.OrderedDict[Turn, None] = collections.OrderedDict()

    @property
    def most(self) -> int:
        """How many there are."""
        return defaults.max_clients if self._most is None else self._most

    @property
    def free(self) -> bool:
        """Whether whoever comes now need not wait."""
        most = self._most
        return not self._waiting and self.taken < (defaults.max_clients if most is None else most)

    async def take(self, deadline: float) -> None:
        """Take one, and wait for it if need be; it must be given back.

        Args:
            deadline (float): the loop's time by which that must be; 0: no limit.

        Raises:
            DeadlineMissed: none was free in time.
            Exception: what `close` was told.
        """
        if self.free:
            self.taken += 1
            return
        turn = _Awaited(self._loop)
        self.enter(turn)
        try:
            async with until(deadline, "Timeout in request queue", kind=NoTurn):
                await turn.future
        except BaseException:
            future = turn.future
            if not self.leave(turn) and not future.cancelled() and future.exception() is None:
                self.give_back()  # it came too late: to the next
            raise

    def enter(self, turn: Turn) -> None:
        """Wait for one at the end of the queue."""
        self._waiting[turn] = None

    def leave(self, turn: Turn) -> bool:
        """Wait no longer.

        Returns:
            bool: whether it was still waiting.
        """
        if turn not in self._waiting:
            return False
        del self._waiting[turn]
        return True

    def give_back(self) -> None:
        """Give one back: whoever has waited longest gets it."""
        self.taken -= 1
        while self._waiting and self.taken < self.most:
            turn, _ = self._waiting.popitem(last=False)
            self.taken += 1
            if not turn.come():
                self.taken -= 1

    def close(self, error: Callable[[], BaseException]) -> None:
        """Tell all who wait, each by an error of their own, that there is nothing to wait for."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            turn.fail(error())
