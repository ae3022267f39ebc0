"""Slots: how many exchanges may be under way at once, and the queue of those that wait to begin.

A *slot* is the right to have an exchange under way. Whoever waits for one is served first come, first
served; whoever stops waiting is passed over.
"""

from __future__ import annotations

import asyncio
import collections

from .. import defaults
from .deadline import until


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
        self._waiting: collections.OrderedDict[asyncio.Future[None], None] = (
            collections.OrderedDict()
        )

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
        turn = self._loop.create_future()
        self._waiting[turn] = None
        try:
            async with until(deadline, "Timeout in request queue"):
                await turn
        except BaseException:
            if turn in self._waiting:
                del self._waiting[turn]
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back()  # it came too late: to the next
            raise

    def give_back(self) -> None:
        """Give one back: whoever has waited longest gets it."""
        self.taken -= 1
        while self._waiting and self.taken < self.most:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_result(None)
                self.taken += 1

    def close(self, error: Exception) -> None:
        """Tell all who wait that there is nothing to wait for."""
        while self._waiting:
            turn, _ = self._waiting.popitem(last=False)
            if not turn.done():
                turn.set_exception(error)
