"""Which loop a call runs on: the one that runs here, the one that will, or this thread's own."""

from __future__ import annotations

import asyncio
import threading
import warnings
from collections.abc import Coroutine
from typing import Any

from ..private import PrivateEventLoop, block_on
from ..transport.loops import process


def running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, and that the caller knows of."""
    running = asyncio._get_running_loop()
    return None if type(running) is PrivateEventLoop and running.hidden else running


def coming_loop(running: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """The running loop, or the one that this thread is going to run."""
    if running is not None:
        return running
    # Pythons differ in what they do where there is none yet: make one, warn and make one, or raise.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return asyncio.get_event_loop()
        except (RuntimeError, DeprecationWarning):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            return loop


def start(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as a call in style ``auto`` runs.

    Args:
        coroutine: what to run.

    Returns:
        A Future where an event loop runs in this thread; else the value, when it is there.
    """
    running = running_loop()
    if running is not None:
        return running.create_task(coroutine)
    # A generator's yields are Futures, so what runs it must see the loop.
    return wait_for(coroutine, hidden=False)


async def _then_stop(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    finally:
        loop.stop()


def wait_for(coroutine: Coroutine[Any, Any, Any], *, hidden: bool = True) -> Any:
    """Run a coroutine on this thread's private loop, and wait for its end.

    Args:
        coroutine: what to run; on the same loop as all that this thread waits for.
        hidden (bool): code that runs meanwhile is not to know of that loop.

    Returns:
        What it returns; raises what it raises.
    """
    return block_on(
        lambda loop: loop.create_task(_then_stop(loop, coroutine)),
        beside=asyncio._get_running_loop() is not None,
        hidden=hidden,
    )


class Home:
    """Where something lives that goes on between calls: a thread, and a loop in it.

    Attributes:
        loop: the loop; None as long as it is not known.
        private (bool): whether the loop runs only while somebody blocks (`wait_for`).
    """

    def __init__(self, private: bool = False) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.private = private
        self._thread = threading.get_ident()
        self._generation = process.generation
        self._beside = asyncio._get_running_loop() is not None

    def choose_loop(self) -> asyncio.AbstractEventLoop:
        """Take the running loop, or the one that this thread is going to run."""
        self.loop = coming_loop(running_loop())
        return self.loop

    @property
    def is_inherited(self) -> bool:
        """Whether it is the parent process's, which goes on with it."""
        return self._generation != process.generation

    @property
    def is_running_here(self) -> bool:
        """Whether this is called by its loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    @property
    def stands_still_here(self) -> bool:
        """Whether its loop does nothing until this thread lets it."""
        return (
            self.loop is not None
            and self._thread == threading.get_ident()
            and (not self.private or self._beside == (asyncio._get_running_loop() is not None))
            and not self.loop.is_running()
        )
