"""Deadlines of what is awaited."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

from .answer import DeadlineMissed


@contextlib.asynccontextmanager
async def until(
    deadline: float, message: str, sent: bool = False, kind: type[DeadlineMissed] = DeadlineMissed
) -> AsyncIterator[None]:
    """Limit what is done in the block.

    Args:
        deadline (float): the loop's time by which it must be done; 0: no limit.
        message (str): what the error says.
        sent (bool): as of `DeadlineMissed`.
        kind: what is raised.

    Raises:
        DeadlineMissed: it was not.
    """
    try:
        async with asyncio.timeout_at(deadline or None) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            missed = kind(message)
            missed.sent = sent
            try:
                raise missed from None
            finally:
                del missed  # it holds this frame
        raise
