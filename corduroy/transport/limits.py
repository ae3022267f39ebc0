"""How much of an answer is held in memory at once, and what is said of more."""

from __future__ import annotations

import sys

from .. import defaults
from .answer import BodyTooLarge


def most_bytes(limit: int | None) -> int:
    """How many bytes there may be.

    Args:
        limit (int | None): what the program has said; 0: no limit; None: as `defaults` say.

    Returns:
        int: the number; where there is no limit, one that memory has no room for.
    """
    return (defaults.max_body_size if limit is None else limit) or sys.maxsize


class Allowance:
    """How many bytes of something may still be held.

    Args:
        what (str): what it is.
        limit (int | None): as of `most_bytes`.
    """

    def __init__(self, what: str, limit: int | None) -> None:
        self._what = what
        self._most = self._left = most_bytes(limit)

    def use(self, size: int) -> None:
        """Take note of bytes that are going to be held.

        Raises:
            BodyTooLarge: these are too many.
        """
        self._left -= size
        if self._left < 0:
            raise too_large(self._what, self._most)


def too_large(what: str, limit: int) -> BodyTooLarge:
    """What is raised where something is larger than it may be.

    Args:
        what (str): what it is.
        limit (int): how many bytes it may have.
    """
    return BodyTooLarge(
        f"{what} is larger than {limit} bytes: what may be held at once is set by max_body_size, "
        "of Couch or of corduroy.defaults"
    )
