"""What a program leaves behind: tasks, timers, sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import time
from collections.abc import AsyncIterator
from pathlib import Path

_PATIENCE = 10.0  # seconds in which the other end of a connection, which a thread has, may go


def sockets() -> int:
    """How many sockets this process has, listening ones included; 0 where Linux does not tell."""
    found = 0
    with contextlib.suppress(FileNotFoundError):
        for entry in list(Path("/proc/self/fd").iterdir()):
            with contextlib.suppress(OSError):  # gone
                found += os.readlink(entry).startswith("socket:")
    return found


@contextlib.asynccontextmanager
async def leaving_nothing() -> AsyncIterator[None]:
    """Assert that a block leaves no task, no timer that would do something, and no socket behind.

    Whatever it has made is to be closed in it: connections that are kept alive are sockets.
    """
    loop = asyncio.get_running_loop()
    before, others = sockets(), asyncio.all_tasks()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    gc.collect()  # what is only now let go of complains now
    assert asyncio.all_tasks() - others == set()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]
    patience = time.monotonic() + _PATIENCE
    while sockets() > before and time.monotonic() < patience:  # noqa: ASYNC110  (nothing tells)
        await asyncio.sleep(0.01)
    assert sockets() <= before
