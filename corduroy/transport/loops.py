"""HTTP clients belong to the event loop that they were made on, and go away with it.

A loop's ``close`` is wrapped once, since nothing else tells that a loop ends in every way that loops
end (``asyncio.run``, `IOLoop.close`, a test case's ``tearDown``); loops that are never closed are seen
to when the interpreter exits. A forked child forgets the clients that it inherited, without touching
their sockets: those are its parent's.
"""

from __future__ import annotations

import asyncio
import atexit
import os
import weakref
from typing import Protocol


class Closable(Protocol):
    """An HTTP client, or the pool of one."""

    def close(self) -> None:
        """Close its connections."""


_clients: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, weakref.WeakSet[Closable]] = (
    weakref.WeakKeyDictionary()
)

_inherited: list[object] = []


class _Process:
    """This process.

    Attributes:
        generation (int): how many forks lie between the first process and this one.
    """

    generation = 0


process = _Process()


def keep_forever(inherited: object) -> None:
    """Keep what a forked child inherited from ever being closed, or collected, in it."""
    _inherited.append(inherited)


def close_with_loop(loop: asyncio.AbstractEventLoop, client: Closable) -> None:
    """Have a client closed when its loop is.

    Args:
        loop: the loop.
        client (Closable): the client.
    """
    known = _clients.get(loop)
    if known is None:
        known = _clients[loop] = weakref.WeakSet()
        close, reference = loop.close, weakref.ref(loop)

        def close_clients_first() -> None:
            ending = reference()
            if ending is not None:
                _close_clients(ending)
            close()

        loop.close = close_clients_first  # type: ignore[method-assign]
    known.add(client)


def close_now(loop: asyncio.AbstractEventLoop, client: Closable) -> None:
    """Close a client before its loop is, unless that has happened: curl's cannot be closed twice.

    Args:
        loop: the loop, as `close_with_loop` has got it.
        client (Closable): the client.
    """
    known = _clients.get(loop, weakref.WeakSet())
    if client in known:
        known.discard(client)
        client.close()


def _close_clients(loop: asyncio.AbstractEventLoop) -> None:
    known = _clients.pop(loop, None)
    if known and not loop.is_closed() and not loop.is_running():
        for client in known:
            client.close()
        settle(loop)


def settle(loop: asyncio.AbstractEventLoop) -> None:
    """Let a loop that stands still take the turns in which closed connections leave their sockets, and
    what was about to be one tells its race, and that whoever waits for it.

    Args:
        loop: the loop. Another one may be running in this thread: that one just waits.
    """
    running = asyncio._get_running_loop()
    asyncio._set_running_loop(None)
    try:
        for _ in range(4):
            loop.call_soon(loop.stop)
            loop.run_forever()
    finally:
        asyncio._set_running_loop(running)


@atexit.register
def _close_all() -> None:
    for loop in list(_clients):
        _close_clients(loop)


def _forget() -> None:
    process.generation += 1
    keep_forever([(loop, list(known)) for loop, known in _clients.items()])
    _clients.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget)
