"""How a command fails, and what it bears before that."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from ..errors import HTTPError, may_pass
from ..feeds.values import in_short
from ..transport.backoff import Backoff, retry_after
from ..transport.tls import is_distrust

T = TypeVar("T")

# A server that is restarted is back before these have passed: a minute, on average.
_ATTEMPTS = 10
_FIRST_PAUSE = 0.5

Say = Callable[[str], None]


class CommandFailed(Exception):
    """What a command could not do: a line for whoever has called it."""


async def persistently(ask: Callable[[], Awaitable[T]], say: Say) -> T:
    """Ask again, later and later, where that may help. It must do no harm to ask twice.

    Args:
        ask: asks.
        say: is told why it is asked again.

    Returns:
        What was asked for.

    Raises:
        HTTPError: it will not help, or has not.
    """
    backoff = Backoff(first=_FIRST_PAUSE)
    while True:
        try:
            return await ask()
        except HTTPError as error:
            trusted = not is_distrust(error.__cause__)
            if not (may_pass(error) and trusted) or backoff.failures + 1 >= _ATTEMPTS:
                raise
            seconds = backoff.delay(retry_after(error.status.headers.get("Retry-After")))
            say(f"{in_short(error)}; trying again in {seconds:.1f} s")
            await asyncio.sleep(seconds)
