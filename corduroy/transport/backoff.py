"""How long to wait before the next attempt: capped exponential back-off with full jitter."""

from __future__ import annotations

import datetime
import email.utils
import random

_MOST = 3600.0  # seconds that a server's Retry-After may ask for
_DOUBLINGS = 32  # beyond these every delay is at its cap, and numbers stay small


class Backoff:
    """The delays between attempts that fail one after another.

    Each delay is drawn anew between 0 and a bound that doubles, so that many clients of a server that
    has gone away do not come back in step.

    Args:
        first (float): the bound of the first delay, in seconds.
        most (float): the greatest bound, in seconds.

    Attributes:
        failures (int): how many attempts in a row have failed.
    """

    def __init__(self, first: float = 0.1, most: float = 30.0) -> None:
        self.first = first
        self.most = most
        self.failures = 0

    @property
    def bound(self) -> float:
        """The most seconds that the next delay can be."""
        return min(self.most, self.first * 2.0 ** min(self.failures, _DOUBLINGS))

    def delay(self, at_least: float = 0.0) -> float:
        """Take note of a failure.

        Args:
            at_least (float): seconds that the server has asked for.

        Returns:
            float: seconds to wait.
        """
        drawn = random.uniform(0.0, self.bound)
        self.failures += 1
        return drawn + at_least

    def start_over(self) -> None:
        """Take note of a success."""
        self.failures = 0


def retry_after(value: str | None) -> float:
    """How long a server asks to be left alone.

    Args:
        value (str | None): its ``Retry-After``: seconds, or a date.

    Returns:
        float: seconds from now, an hour at most; 0 where it says nothing that makes sense.
    """
    if value is None:
        return 0.0
    try:
        seconds = float(value)
    except ValueError:
        try:
            date = email.utils.parsedate_to_datetime(value)
        except (ValueError, OverflowError):  # the latter for a day, say, of twenty digits
            return 0.0
        if date.tzinfo is None:
            date = date.replace(tzinfo=datetime.UTC)
        seconds = (date - datetime.datetime.now(datetime.UTC)).total_seconds()
    return min(seconds, _MOST) if seconds > 0 else 0.0
