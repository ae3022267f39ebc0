"""The rows of a view, decoded without the whole body beside them.

CouchDB sends a line for each row, after a line that opens the object and before one that closes it.
A large body is decoded some lines at a time, from its end, and shrinks while its rows are made: what is
in memory at once is hardly more than the rows. A body that is small, or is not laid out in lines
(PouchDB Server's), is decoded in one piece.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import chain
from typing import Any

from .transport.encoding import collector_paused, decode_json

# Large enough for the codec to run at full speed, and small beside the objects it makes.
_BATCH = 256 * 1024


Finish = Callable[[list[dict[str, Any]]], None]


def decode_rows(
    body: bytes | bytearray,
    batch: int = _BATCH,
    name: str = "rows",
    finish: Finish | None = None,
) -> dict[str, Any]:
    """Decode the answer of a view, or of ``_find``.

    Args:
        body (bytes | bytearray): the JSON text; a bytearray is used up.
        batch (int): how many bytes of lines are decoded at a time.
        name (str): what the answer calls its rows; ``_find`` says ``"docs"``.
        finish: is called with the rows, a batch at a time. What it replaces makes room for the next
            batch, and the collector is paused.

    Returns:
        dict: ``{"total_rows", "offset", "rows", …}``.

    Raises:
        ValueError: it is no JSON object with rows.
    """
    first = body.find(b"\n") + 1
    last = body.rfind(b"\n]") + 1
    if isinstance(body, bytearray) and len(body) > batch and _in_lines(body, name, first, last):
        answer = decode_json(body[:first] + body[last:])
        answer[name] = _decode_lines(body, first, last, batch, finish)
        return answer  # type: ignore[no-any-return]
    answer = decode_json(body)
    if not isinstance(answer, dict) or not isinstance(answer.get(name), list):
        raise ValueError(f"the answer has no {name}")
    _check(answer[name])
    if finish is not None:
        finish(answer[name])
    return answer


def _in_lines(body: bytearray, name: str, first: int, last: int) -> bool:
    """Whether the rows begin at ``first``, end at ``last``, and each have a line of their own."""
    if not body[:first].rstrip().endswith(b'"%b":[' % name.encode()) or last <= first:
        return False
    try:
        decode_json(body[first : body.find(b"\n", first)].rstrip(b",\r"))
    except ValueError:
        return False
    return True


def _decode_lines(
    body: bytearray, first: int, last: int, batch: int, finish: Finish | None
) -> list[dict[str, Any]]:
    """Decode the rows between two places, and cut them off; where they stand, without a copy."""
    batches = []
    del body[last:]
    with collector_paused(len(body)):
        while len(body) > first:
            while body[-1] in b",\r\n":
                del body[-1]
            # No line break stands within a row: JSON strings have them escaped.
            before = body.rfind(b"\n", first - 1, max(first, len(body) - batch))
            body[before : before + 1] = b"["
            body += b"]"
            with memoryview(body) as whole, whole[before:] as lines:
                batches.append(decode_json(lines))
            _check(batches[-1])
            if finish is not None:
                finish(batches[-1])
            del body[before:]
    return list(chain.from_iterable(reversed(batches)))


def _check(rows: list[Any]) -> None:
    """Refuse what is no row."""
    if not set(map(type, rows)) <= {dict}:
        raise ValueError("some of the rows are none")
