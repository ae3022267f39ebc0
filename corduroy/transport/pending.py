"""What is under way, for those who are called when it is over instead of awaiting it.

A coroutine needs a Task to run in; a request that finds a connection at hand does not. To whoever
began them they look alike.
"""

from __future__ import annotations

import asyncio
import functools
from collections.abc import Coroutine
from typing import Any, Protocol


class Pending(Protocol):
    """Something under way."""

    def cancel(self) -> bool:
        """Give it up: its `Waiting` gets a `CancelledError`, soon or at once."""


class Limits:
    """How long something may take, and how often it may be tried.

    Attributes:
        deadline (float | None): the loop's time by which all must be done; 0: no limit; None: as the
            session has it, from the first request on.
        strict (bool): whether that counts for requests which have more time by themselves, too.
        retries (int | None): how often a request is tried again; None: as the session has it.
        closings (int | None): how often the session had been closed when the first request began, once
            one has: after another time nothing more goes out.
    """

    __slots__ = ("closings", "deadline", "retries", "strict")

    def __init__(self) -> None:
        self.deadline: float | None = None
        self.strict = False
        self.retries: int | None = None
        self.closings: int | None = None


class Waiting(Protocol):
    """Who waits for what is under way; its other attributes are those of `Limits`.

    Attributes:
        pending (Pending | None): what that is.
    """

    pending: Pending | None
    deadline: float | None
    strict: bool
    retries: int | None
    closings: int | None

    def resume(self, value: Any, error: BaseException | None) -> None:
        """Go on with the value, or with what was raised; called once, on the loop."""


def in_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], waiting: Waiting
) -> None:
    """Run a coroutine in a Task.

    Args:
        loop: where it runs.
        coroutine: what runs.
        waiting (Waiting): is told of its end.
    """

    waiting.pending = task = loop.create_task(coroutine)
    task.add_done_callback(functools.partial(_tell, waiting))


def _tell(waiting: Waiting, task: asyncio.Task[Any]) -> None:
    error = asyncio.CancelledError() if task.cancelled() else task.exception()
    waiting.resume(None if error is not None else task.result(), error)
    del waiting, task, error  # what is raised from here on remembers this frame
