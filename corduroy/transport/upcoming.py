"""Upcoming: exchanges that nobody awaits, and that cannot begin at once.

They wait for a slot, and for a connection, without a Task, which would be most of what a request costs
that is one of many.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from .. import defaults
from .answer import Answer, NoTurn
from .connection import Connection
from .idle import Origin

if TYPE_CHECKING:
    from .pool import Pool


class Exchange(Protocol):
    """An exchange that is over.

    Attributes:
        served (int): how many others its connection had served before.
    """

    served: int

    def result(self) -> Answer:
        """What came of it; raises what went wrong."""


def _nobody(exchange: Exchange) -> None:
    """Is told of an exchange that somebody has been told of."""


class Upcoming:
    """An exchange to come; if it never does, it is over by itself, without a connection.

    Args:
        pool (Pool): where it takes place.
        origin, head, done_by, safe, bodiless, over, now: as of `Pool.begin`.
    """

    __slots__ = (
        "_bodiless", "_connect_by", "_connection", "_dialing", "_done_by", "_error", "_given_up",
        "_head", "_origin", "_over", "_pool", "_safe", "_timer", "served",
    )  # fmt: skip

    def __init__(
        self,
        pool: Pool,
        origin: Origin,
        head: bytes,
        done_by: float,
        safe: bool,
        bodiless: bool,
        over: Callable[[Exchange], None],
        now: float,
    ) -> None:
        self._pool = pool
        self._origin = origin
        self._head = head
        self._done_by = done_by
        seconds = defaults.connect_timeout
        limits = (done_by, now + seconds if seconds else 0.0)
        self._connect_by = min(filter(None, limits), default=0.0)
        self._safe = safe
        self._bodiless = bodiless
        self._over = over
        self._connection: Connection | None = None
        self._dialing: asyncio.Task[Connection] | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._given_up = False
        self._error: BaseException | None = None
        self.served = 0

    def wait(self) -> None:
        """Wait for its turn."""
        pool = self._pool
        pool.slots.enter(self)
        if self._connect_by:
            self._timer = pool.loop.call_at(self._connect_by, self._run_out)

    def come(self) -> bool:
        """It has a slot."""
        self._silence()
        connection = self._pool.at_hand(self._origin, self._safe)
        if connection is None:
            self.dial()
        else:
            self._start(connection)
        return True

    def dial(self) -> None:
        """Make a connection; it has a slot."""
        pool = self._pool
        self._dialing = pool.loop.create_task(pool.connect(self._origin, self._connect_by))
        self._dialing.add_done_callback(self._dialled)

    def fail(self, error: BaseException) -> None:
        """Its turn will never come."""
        self._silence()
        self._pool.slots.taken += 1  # which whoever hears of the end gives back
        self._end(error)

    def cancel(self) -> bool:
        """Give it up: it ends with a `CancelledError`, soon or at once."""
        if self._connection is not None:
            return self._connection.cancel()
        if self._dialing is not None:
            self._given_up = True
            self._dialing.cancel()
            return True
        if not self._pool.slots.leave(self):
            return False
        self.fail(asyncio.CancelledError())
        return True

    def result(self) -> Answer:
        """Raises why it did not come about."""
        assert self._error is not None
        raise self._error

    def _run_out(self) -> None:
        if self._pool.slots.leave(self):
            self.fail(NoTurn("Timeout in request queue"))

    def _dialled(self, task: asyncio.Task[Connection]) -> None:
        self._dialing = None
        if task.cancelled():
            self._end(asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            self._end(error)
        elif self._given_up:
            task.result().abort()
            self._end(asyncio.CancelledError())
        elif self._pool.gone is not None:  # which has closed the connection, too
            self._end(self._pool.gone())
        else:
            self._start(task.result())

    def _start(self, connection: Connection) -> None:
        self._connection = connection
        connection.start(self._head, True, self._bodiless, self._done_by, self._over)

    def _end(self, error: BaseException) -> None:
        self._error = error
        over, self._over = self._over, _nobody
        over(self)
        del over  # what it raises for somebody remembers this frame

    def _silence(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
