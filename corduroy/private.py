"""The private event loops on which blocking calls run: one for each thread that makes any.

A loop is made with its thread's first blocking call, and closed when the thread ends. A forked child
leaves those of its parent alone.
"""

from __future__ import annotations

import asyncio
import atexit
import contextvars
import functools
import os
import selectors
import signal
import threading

# What is behind `signal`, whose own functions look up an Enum: eight microseconds in each call.
from _signal import getsignal as get_handler  # type: ignore[import-not-found]
from _signal import signal as set_handler
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from types import FrameType
from typing import Any

from .transport.loops import keep_forever, process

# Seconds in which an interrupted call has to end its exchange.
_PATIENCE = 1.0

_CTRL_C = int(signal.SIGINT)
_RAISES = signal.default_int_handler

Start = Callable[[asyncio.AbstractEventLoop], "asyncio.Future[Any]"]


def block_on(start: Start, *, beside: bool = False, hidden: bool = True) -> Any:
    """Start something on a loop of this thread's own that nobody else sees, and wait for its end.

    Args:
        start: is called with the loop; gives a Future that stops the loop when it is done. Stopping it
            there and then saves the turn in which a loop hears of a Future's end.
        beside (bool): a loop runs in this thread already: run in a helper thread, and wait.
        hidden (bool): code that runs meanwhile is not to know of the loop that it runs on.

    Returns:
        What the Future gives; raises what it raises.
    """
    private = _private()
    if private is None or private.is_lost:
        if private is not None and private.generation != process.generation:
            keep_forever(private)
        private = _PrivateLoop()
        _threads.owner = _Owner(private)
    return private.run_beside(start, hidden) if beside else private.run(start, hidden)


class PrivateEventLoop(asyncio.SelectorEventLoop):
    """A loop that runs for the sake of blocking calls.

    Attributes:
        hidden (bool): whether it is nobody else's business: code of the caller's own that runs on it
            (a merge, an iterator, a signal handler) is in a script like the call itself.
    """

    hidden = False


def _private() -> _PrivateLoop | None:
    owner = getattr(_threads, "owner", None)
    return None if owner is None else owner.private


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
        self.generation = process.generation
        self._loop = PrivateEventLoop(_LazySelector())
        self._helper: ThreadPoolExecutor | None = None
        self._hears_signals = threading.current_thread() is threading.main_thread()

    @property
    def is_lost(self) -> bool:
        """Whether another one has to take its place: it is the parent process's, or was given up."""
        return self.generation != process.generation or self._loop.is_closed()

    @property
    def is_running(self) -> bool:
        """Whether a call is under way."""
        return self._loop.is_running()

    def run(self, start: Start, hidden: bool) -> Any:
        if not self._hears_signals or get_handler(_CTRL_C) is not _RAISES:
            return self._run(start, hidden, [])
        presses: list[int] = []
        set_handler(_CTRL_C, functools.partial(self._on_ctrl_c, presses))
        try:
            value = self._run(start, hidden, presses)
        finally:
            set_handler(_CTRL_C, _RAISES)
        if presses:
            raise KeyboardInterrupt
        return value

    def _on_ctrl_c(self, presses: list[int], number: int, frame: FrameType | None) -> None:
        """Have the call cancelled, instead of raising amid the loop's own work, which would be left
        half done; whoever presses twice does not want to wait for that."""
        presses.append(number)
        if len(presses) > 1:
            raise KeyboardInterrupt
        self._loop.call_soon_threadsafe(self._loop.stop)

    def _run(self, start: Start, hidden: bool, presses: list[int]) -> Any:
        future = start(self._loop)
        self._loop.hidden = hidden
        try:
            while not future.done() and not presses:
                self._loop.run_forever()
            if presses:
                raise KeyboardInterrupt
            return future.result()
        except BaseException:
            self._clear_up(future)
            raise
        finally:
            self._loop.hidden = False
            del future  # it holds what was raised, which holds this frame

    def _clear_up(self, future: asyncio.Future[Any]) -> None:
        """Let what was interrupted, or has failed, end its exchange."""
        loop = self._loop
        future.cancel()
        # What was raised amid the loop's own work (by a handler of the program's, or whoever pressed
        # twice) may have kept it from what it was about to do.
        limit = loop.call_later(_PATIENCE, loop.stop)
        while not future.done() and loop.time() < limit.when():
            loop.run_forever()
        limit.cancel()
        if not future.done():
            self.close()
            return
        if not future.cancelled():
            future.exception()  # it has been heard of
        # What has failed closes its connection with the loop's next turn. (To wait for a Future here
        # would fail: what was cancelled at once has told the loop to stop already.)
        loop.call_soon(loop.stop)
        loop.run_forever()

    def run_beside(self, start: Start, hidden: bool) -> Any:
        """Run in a helper thread while this thread, whose own loop is running, waits."""
        if self._helper is None:
            self._helper = ThreadPoolExecutor(1, "corduroy-blocking")
        context = contextvars.copy_context()
        started: list[asyncio.Future[Any]] = []

        def noted(loop: asyncio.AbstractEventLoop) -> asyncio.Future[Any]:
            started.append(start(loop))
            return started[0]

        outcome = self._helper.submit(
            context.run, functools.partial(block_on, noted, hidden=hidden)
        )
        try:
            return outcome.result()
        except BaseException:
            if not outcome.done() and started:
                started[0].get_loop().call_soon_threadsafe(started[0].cancel)
            raise

    def close(self) -> None:
        if self._helper is not None:
            self._helper.shutdown()
        self._loop.close()


class _Owner:
    """Closes a thread's loop when the thread ends, whoever else knows the loop: what was raised in a
    call leads to it, for as long as somebody keeps that.

    A forked child loses its parent's other threads before it is told that it is one; to close their
    loops would have the kernel wake the parent's no more. And daemon threads are amid their calls when
    the interpreter ends.
    """

    def __init__(self, private: _PrivateLoop) -> None:
        self.private = private
        self._process = os.getpid()

    def __del__(self) -> None:
        if self._process != os.getpid() or self.private.is_running:
            keep_forever(self.private)
        elif not self.private.is_lost:
            self.private.close()


_threads = threading.local()


@atexit.register
def _close_private_loop() -> None:
    private = _private()
    if private is not None and not private.is_lost:
        private.close()
        del _threads.owner
