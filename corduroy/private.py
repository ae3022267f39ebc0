"""The private event loops on which blocking calls run: one for each thread that makes any.

A loop is made with its thread's first blocking call, and closed when the thread ends. A forked child
leaves those of its parent alone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import selectors
import threading
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from .transport.loops import generation, keep_forever

T = TypeVar("T")


def block_on(coroutine: Coroutine[Any, Any, T], *, beside: bool = False, hidden: bool = True) -> T:
    """Run a coroutine to its end and return its value.

    Args:
        coroutine: what to run, on a loop of this thread's own that nobody else sees.
        beside (bool): a loop runs in this thread already: run in a helper thread, and wait.
        hidden (bool): code that it calls is not to know of the loop that it runs on.

    Returns:
        What the coroutine returns; raises what it raises.
    """
    private = _private()
    if private is None or private.generation != generation():
        if private is not None:
            keep_forever(private)
        private = _threads.private = _PrivateLoop()
    return private.run_beside(coroutine, hidden) if beside else private.run(coroutine, hidden)


def hidden_loop_runs() -> bool:
    """Whether this thread is in the midst of a blocking call, whose loop is nobody's business.

    Code of the caller's own that runs then (a merge, an iterator, a signal handler) is in a script
    like the call itself.
    """
    private = _private()
    return private is not None and private.hidden


def _private() -> _PrivateLoop | None:
    return getattr(_threads, "private", None)


class _LazySelector(selectors.DefaultSelector):
    """Asks the system about sockets when the loop has nothing else to do, and now and then.

    A loop with work at hand asks without waiting, four times in each blocking call; most of what such
    a call costs is system calls.
    """

    _BUSY_TURNS = 16
    _skipped = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is not None and timeout <= 0 and self._skipped < self._BUSY_TURNS:
            self._skipped += 1
            return []
        self._skipped = 0
        return super().select(timeout)


class _PrivateLoop:
    """The event loop on which one thread's blocking calls run; closed when the thread ends."""

    def __init__(self) -> None:
        self.generation = generation()
        self.hidden = False
        self._loop = asyncio.SelectorEventLoop(_LazySelector())
        self._helper: ThreadPoolExecutor | None = None

    def run(self, coroutine: Coroutine[Any, Any, T], hidden: bool) -> T:
        task = self._loop.create_task(self._stop_after(coroutine))
        self.hidden = hidden
        try:
            self._loop.run_forever()
            return task.result()
        except BaseException:
            # Ctrl-C stops the loop between two steps of the task: let it end its exchange.
            task.cancel()
            while not task.done():
                self._loop.run_forever()
            if not task.cancelled():
                task.exception()  # it has been heard of
            # What has failed closes its connection with the loop's next turn.
            self._loop.run_until_complete(asyncio.sleep(0))
            raise
        finally:
            self.hidden = False

    async def _stop_after(self, coroutine: Coroutine[Any, Any, T]) -> T:
        # Stopping here saves the turn that run_until_complete takes to hear of the end.
        try:
            return await coroutine
        finally:
            self._loop.stop()

    def run_beside(self, coroutine: Coroutine[Any, Any, T], hidden: bool) -> T:
        """Run in a helper thread while this thread, whose own loop is running, waits."""
        if self._helper is None:
            self._helper = ThreadPoolExecutor(1, "corduroy-blocking")
        context = contextvars.copy_context()
        started: list[tuple[asyncio.AbstractEventLoop, asyncio.Task[T]]] = []

        async def work() -> T:
            task = asyncio.ensure_future(coroutine)
            started.append((asyncio.get_running_loop(), task))
            return await task

        run = functools.partial(block_on, work(), hidden=hidden)
        future = self._helper.submit(context.run, run)
        try:
            return future.result()
        except BaseException:
            if not future.done() and started:
                loop, task = started[0]
                loop.call_soon_threadsafe(task.cancel)
            raise

    def close(self) -> None:
        if self._helper is not None:
            self._helper.shutdown()
        self._loop.close()

    def __del__(self) -> None:
        if self.generation == generation() and not self._loop.is_closed():
            self.close()


_threads = threading.local()


@atexit.register
def _close_private_loop() -> None:
    private = _private()
    if private is not None and private.generation == generation():
        private.close()
        del _threads.private
