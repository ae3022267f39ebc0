"""Cursors: where a page begins or ends, as a str that may go through a browser, and is not trusted."""

from __future__ import annotations

import base64
import binascii
from typing import Any, NamedTuple

from .transport.encoding import decode_json, encode_json


class Cursor(NamedTuple):
    """A place between two rows, and which way to go from there.

    The place is told by a row of which it is known that it was there, so it stays the same whatever
    comes and goes: behind so many of the rows with its key and id as ``seen`` says, in the order of
    the pages. (A document may emit one key several times.)

    Attributes:
        back (bool): whether the page is what comes before the place.
        seen (int): how many rows with this key and id are before the place.
        key: the row's key.
        id (str | None): its id; None for a reduced row.
        at (int | None): where in ``keys`` the key is; None where there are no ``keys``.
    """

    back: bool
    seen: int
    key: Any
    id: str | None = None
    at: int | None = None

    def row(self) -> dict[str, Any]:
        """The row's key, and its id."""
        return {"key": self.key, "id": self.id}

    def encode(self) -> str:
        """The cursor as a str; it can stand in an url as it is."""
        text = encode_json([int(self.back), *self[1:]], "cursor")
        return base64.urlsafe_b64encode(text).decode().rstrip("=")


def decode_cursor(text: Any) -> Cursor:
    """Take a cursor that came back from wherever it has been.

    Args:
        text (str): what `Cursor.encode` gave.

    Returns:
        Cursor: the cursor.

    Raises:
        TypeError: it is no str.
        ValueError: no page has ever had it.
    """
    if not isinstance(text, str):
        raise TypeError(f"cursor must be a str, as a page has it, not {text!r:.80}")
    try:
        packed = text.encode("ascii")
        value = decode_json(base64.urlsafe_b64decode(packed + b"=" * (-len(packed) % 4)))
        back, seen, key, id, at = value
        cursor = Cursor(back == 1, seen, key, id, at)
        # There is one form for each, which also leaves no room for what JSON cannot say.
        whole = (
            _is_count(back, most=1)
            and _is_count(seen)
            and (id is None or isinstance(id, str))
            and (at is None or _is_count(at))
            and cursor.encode() == text
        )
    except (ValueError, TypeError, RecursionError, binascii.Error):
        whole = False
    if not whole:
        raise wrong_cursor(text)
    return cursor


def _is_count(value: Any, most: int = 2**53) -> bool:
    return type(value) is int and 0 <= value <= most


def wrong_cursor(text: str) -> ValueError:
    """The error for a cursor that no page of these rows can have had."""
    return ValueError(f"cursor {text!r:.80} is none that a page of these rows has given")
