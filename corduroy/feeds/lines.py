"""What a feed's response says, made of its bytes as they come. No I/O: a parser is fed, and answers.

Only what is whole is looked at. A line, an event or a body that has not come to its end when the
connection breaks is forgotten with its parser.
"""

from __future__ import annotations

import json
from typing import Any, Protocol

import msgspec

from ..transport.encoding import collector_paused, decode_json

Row = dict[str, Any]

_decode_lines = msgspec.json.Decoder().decode_lines


class Parser(Protocol):
    """Makes rows of one response's body.

    Attributes:
        last_seq: the seq that the response ended with; None as long as it has not.
        pending (int | None): how many changes are still to come, where the server has told.
        error (dict | None): the error that the response broke off with.
        beat (bool): whether the piece fed last was nothing but a sign of life.
    """

    last_seq: Any
    pending: int | None
    error: Row | None
    beat: bool

    def feed(self, piece: bytes) -> list[Row]:
        """Take the next piece of the body; give the rows that are whole now.

        Raises:
            ValueError: this is no feed.
        """

    def finish(self) -> list[Row]:
        """The body has ended in an orderly way; give the rows that this completes.

        Raises:
            ValueError: the end is missing.
        """


class _Parser:
    def __init__(self) -> None:
        self.last_seq: Any = None
        self.pending: int | None = None
        self.error: Row | None = None
        self.beat = False
        self._rest: list[bytes] = []  # the beginning of what is not whole yet

    def _whole_lines(self, piece: bytes) -> bytes:
        """All lines that are whole now; the rest waits."""
        end = piece.rfind(b"\n") + 1
        if not end:
            self._rest.append(piece)
            return b""
        if self._rest:
            lines = b"".join([*self._rest, memoryview(piece)[:end]])
        else:
            lines = piece if end == len(piece) else piece[:end]
        self._rest = [piece[end:]] if end < len(piece) else []
        return lines

    def _rows(self, found: list[Any]) -> list[Row]:
        """The changes among what was found. Only the last can be something else: the end."""
        if not found:
            return found
        last = found[-1]
        if not isinstance(last, dict):
            raise ValueError("this is no line of a feed")
        if "seq" not in last and "db_name" not in last:
            self._end(last)
            found.pop()
        if found and not (isinstance(found[0], dict) and ("seq" in found[0] or "id" in found[0])):
            raise ValueError("this is no line of a feed")
        return found

    def _end(self, last: Row) -> None:
        if "last_seq" in last:
            self.last_seq = last["last_seq"]
            pending = last.get("pending")
            self.pending = pending if isinstance(pending, int) else None
        elif "error" in last:
            self.error = last
        else:
            raise ValueError("this is no line of a feed")


class Lines(_Parser):
    """``feed=continuous``: a line of JSON for each change, an empty one as a sign of life."""

    def feed(self, piece: bytes) -> list[Row]:
        lines = self._whole_lines(piece)
        with collector_paused(len(lines)):
            found = _decode(lines)
        self.beat = bool(lines) and not found and not self._rest
        return self._rows(found)

    def finish(self) -> list[Row]:
        if not b"".join(self._rest).strip():
            return []
        # Whether the last line is whole only its JSON can tell.
        return self.feed(b"\n")


def _decode(lines: bytes) -> list[Any]:
    """Decode lines of JSON; empty ones give nothing."""
    try:
        return _decode_lines(lines)
    except ValueError:
        # A lone surrogate is no Unicode, but a document that has one must not end the feed for ever.
        return [json.loads(line) for line in lines.split(b"\n") if line.strip()]


class Events(_Parser):
    """``feed=eventsource``: an event for each change, as browsers take them."""

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []  # of the event that is under way
        self._kind = b""

    def feed(self, piece: bytes) -> list[Row]:
        lines = self._whole_lines(piece)
        found: list[bytes] = []
        for line in lines.split(b"\n")[:-1]:
            field, _, value = line.removesuffix(b"\r").partition(b":")
            if not field and not value:
                if self._data and not self._kind:
                    found.append(b"\n".join(self._data))
                self._data, self._kind = [], b""
            elif field == b"data" and (value := value.removeprefix(b" ")):
                self._data.append(value)
            elif field == b"event":
                self._kind = value.strip()
        self.beat = bool(lines) and not found and not self._data and not self._rest
        with collector_paused(len(lines)):
            return self._rows(_decode(b"\n".join(_in_one_line(data) for data in found)))

    def finish(self) -> list[Row]:
        return []  # an event without its empty line is none


def _in_one_line(data: bytes) -> bytes:
    return data.replace(b"\n", b" ") if b"\n" in data else data


class Body(_Parser):
    """``feed=longpoll``: one JSON object, whole at the end."""

    def feed(self, piece: bytes) -> list[Row]:
        self._rest.append(piece)
        self.beat = not piece.strip()
        return []

    def finish(self) -> list[Row]:
        answer = decode_json(b"".join(self._rest))
        self._rest = []
        if not isinstance(answer, dict) or "results" not in answer:
            self._end(answer if isinstance(answer, dict) else {})
            return []
        if "last_seq" not in answer or not isinstance(answer["results"], list):
            raise ValueError("this is no answer to a feed")
        self._end(answer)
        return self._rows(answer["results"]) if answer["results"] else []


PARSERS: dict[str, type[Lines | Events | Body]] = {
    "continuous": Lines,
    "eventsource": Events,
    "longpoll": Body,
}
"""What reads each kind of feed."""
