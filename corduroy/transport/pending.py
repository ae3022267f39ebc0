"""What is under way, for those who are called when it is over instead of awaiting it.

A coroutine needs a Task to run in; a request that finds a connection at hand does not. To whoever
began them they look alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

Done = Callable[[Any, BaseException | None], None]
"""Called once, on the loop, with the value, or with None and what was raised."""


class Pending(Protocol):
    """Something under way, of whose end a `Done` is told."""

    def cancel(self) -> bool:
        """Give it up: its `Done` gets a `CancelledError`, soon or at once."""


def in_task(
    loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], done: Done
) -> Pending:
    """Run a coroutine in a Task.

    Args:
        loop: where it runs.
        coroutine: what runs.
        done: is told of its end.

    Returns:
        Pending: the Task.
    """

    def tell(task: asyncio.Task[Any]) -> None:
        if task.cancelled():
            done(None, asyncio.CancelledError())
        elif (error := task.exception()) is not None:
            done(None, error)
        else:
            done(task.result(), None)

    task = loop.create_task(coroutine)
    task.add_done_callback(tell)
    return task
