"""Delivery: what hands a feed's changes to a callback, batch after batch."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable
from typing import Any

from ..errors import HTTPError
from ..status import Status
from ..styles import call_back
from .run import Run

FeedCallback = Callable[..., Any]

delivering: contextvars.ContextVar[Run | None] = contextvars.ContextVar(
    "corduroy_delivering", default=None
)
"""Whose callback this is running in, or for."""


class Delivery:
    """One run's changes on their way to a callback.

    Args:
        run (Run): where they come from.
        callback: where they go, as of `ChangesFeed`.
        latency (float): for how many seconds a batch is gathered.
        feed: who is to be named, in the loop's exception handler.
    """

    def __init__(self, run: Run, callback: FeedCallback, latency: float, feed: Any) -> None:
        self._run = run
        self._callback = callback
        self._takes_status = takes_status(callback)
        self._latency = latency
        self._feed = feed

    async def deliver(self) -> None:
        """Hand out batch after batch, to the end."""
        run = self._run
        delivering.set(run)
        try:
            while await run.step():
                if self._latency and run.at == 0:
                    await run.gather(self._latency)
                    if run.dropping:  # it was stopped meanwhile
                        continue
                if not await self._hand_out(run):
                    return
        except Exception as error:
            await self._tell_of_end(error)
        except BaseException:  # the loop's end, as a rule
            run.stop()
            raise

    async def _hand_out(self, run: Run) -> bool:
        """Call back with the next changes; False if that has failed."""
        changes = run.batch[run.at :] if self._latency else [run.batch[run.at]]
        run.at += len(changes)
        run.in_hand = len(changes)
        try:
            if (awaitable := self._called(run.seq, changes, Status(200))) is not None:
                await awaitable
        except Exception as error:
            run.take_back(len(changes))
            await run.fail(error, f"the callback has failed: {error!r:.80}")
            _report("the callback of a changes feed has failed", error, self._feed)
            return False
        run.in_hand = 0
        return True

    async def _tell_of_end(self, error: Exception) -> None:
        if not self._takes_status:
            _report("a changes feed has ended", error, self._feed)
            return
        try:
            told = error.status if isinstance(error, HTTPError) else Status(599, exception=error)
            if (awaitable := self._called(self._run.seq, [], told)) is not None:
                await awaitable
        except Exception as raised:
            _report("the callback of a changes feed has failed", raised, self._feed)

    def _called(self, seq: Any, changes: list[Any], status: Status) -> Awaitable[Any] | None:
        if self._takes_status:
            return call_back(self._callback, seq, changes, status)
        return call_back(self._callback, seq, changes)


def _report(message: str, error: BaseException, feed: Any) -> None:
    asyncio.get_running_loop().call_exception_handler(
        {"message": message, "exception": error, "feed": feed}
    )


def takes_status(callback: Any) -> bool:
    """Whether a callback wants to be told of the status, as its third argument.

    Raises:
        TypeError: it takes something else.
    """
    try:
        signature = inspect.signature(callback)
    except (TypeError, ValueError):  # one that is written in C
        return False
    found = list(signature.parameters.values())
    if any(one.kind is one.VAR_POSITIONAL for one in found):
        return True
    places = [one for one in found if one.kind in (one.POSITIONAL_ONLY, one.POSITIONAL_OR_KEYWORD)]
    third = places[2] if len(places) > 2 else None
    wants = third is not None and (third.default is third.empty or third.name == "status")
    try:
        signature.bind(*[None] * (3 if wants else 2))
    except TypeError:
        raise TypeError("callback must take (seq, changes), or (seq, changes, status)") from None
    return wants
