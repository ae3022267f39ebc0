"""What is under way, for those who are called when it is over instead of awaiting it.

A coroutine needs a Task to run in; a request that finds a connection at hand does not. To whoever
began them they look alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, Protocol


class Pending(Protocol):
    """Something under way."""

    def cancel(self) -> bool:
        """Give it up: its `Waiting` gets a `CancelledError`, soon or at once."""


class Waiting(Protocol):
    """Who waits for what is under way.

    Attributes:
        pending (Pending | None): what that is.
    """

    pending: Pending | None

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

    def tell(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            waiting.resume(None, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            waiting.resume(None, error)
        else:
            waiting.resume(task.result(), None)

    waiting.pending = task = loop.create_task(coroutine)
    task.add_done_callback(tell)
