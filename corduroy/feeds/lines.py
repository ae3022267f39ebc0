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


# What is a place in a history: an int of CouchDB 1.x, a str, a list of BigCouch's; null, where
# ``seq_interval`` has left it out.
_SEQS = {int, str, list, type(None)}

# So many rows are made at a time, about. The garbage collector comes for every 700 objects, and a row
# is three of them, with the change four.
_SOME = 150
_LEAST = 1024  # bytes that are taken for them


class Parser(Protocol):
    """Makes rows of one response's body. It is fed once all `rows` are taken.

    Attributes:
        more (bool): whether there are rows to take, as far as is known.
        size (int): of how many bytes the rows taken last are made.
        last_seq: the seq that the response ended with; None as long as it has not.
        pending (int | None): how many changes are still to come, where the server has told.
        error (dict | None): the error that the response broke off with.
        beat (bool): whether what was fed last was nothing but a sign of life.
    """

    more: bool
    size: int
    last_seq: Any
    pending: int | None
    error: Row | None
    beat: bool

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""

    def finish(self) -> None:
        """The body has ended in an orderly way.

        Raises:
            ValueError: the end is missing.
        """

    def rows(self) -> list[Row]:
        """The next rows that are whole, a convenient number of them.

        Raises:
            ValueError: this is no feed.
        """


class _Parser:
    """What parsers have in common: lines, of which the whole ones are taken in portions."""

    def __init__(self) -> None:
        self.more = False
        self.size = 0
        self.last_seq: Any = None
        self.pending: int | None = None
        self.error: Row | None = None
        self.beat = False
        self._rest: list[bytes] = []  # the beginning of what is not whole yet
        self._lines = b""  # whole ones
        self._at = 0  # so much of them has been taken
        self._portion = 8 * 1024  # bytes that make some rows, as it seems

    def feed(self, piece: bytes) -> None:
        end = piece.rfind(b"\n") + 1
        if not end:
            self._rest.append(piece)
            self.beat = False
            return
        if self._rest:
            self._lines = b"".join([*self._rest, memoryview(piece)[:end]])
        else:
            self._lines = piece if end == len(piece) else piece[:end]
        self._rest = [piece[end:]] if end < len(piece) else []
        self._at, self.more, self.beat = 0, True, not self._rest

    def rows(self) -> list[Row]:
        if not self.more:
            return []
        lines, at = self._lines, self._at
        end = lines.rfind(b"\n", at, at + self._portion) + 1 or lines.find(b"\n", at) + 1
        self._at, self.more, self.size = end, end < len(lines), end - at
        if at or self.more:
            lines = lines[at:end]
        with collector_paused(self.size):
            found = self._decoded(lines)
        if found:
            self.beat = False
            self._portion = max(_LEAST, self.size * _SOME // len(found))
        if not self.more:
            self._lines = b""
        return self._rows(found)

    def _decoded(self, lines: bytes) -> list[Any]:
        """What stands in whole lines."""
        raise NotImplementedError

    def _rows(self, found: list[Any]) -> list[Row]:
        """The changes among what was found. Only the last can be something else: the end."""
        if not found:
            return found
        if not set(map(type, found)) <= {dict}:
            raise ValueError("this is no line of a feed")
        last = found[-1]
        if "seq" not in last and "db_name" not in last:
            self._end(last)
            found.pop()
        if found and not ("seq" in found[0] or "id" in found[0]):
            raise ValueError("this is no line of a feed")
        if not {type(row.get("seq")) for row in found} <= _SEQS:
            raise ValueError("this is no seq of a change")
        return found

    def _end(self, last: Row) -> None:
        if type(last.get("last_seq", ...)) in _SEQS:
            self.last_seq = last["last_seq"]
            pending = last.get("pending")
            self.pending = pending if isinstance(pending, int) else None
        elif "error" in last and "last_seq" not in last:
            self.error = last
        else:
            raise ValueError("this is no line of a feed")


class Lines(_Parser):
    """``feed=continuous``: a line of JSON for each change, an empty one as a sign of life."""

    def finish(self) -> None:
        if b"".join(self._rest).strip():
            # Whether the last line is whole only its JSON can tell.
            self.feed(b"\n")

    def _decoded(self, lines: bytes) -> list[Any]:
        return _decode(lines)


def _decode(lines: bytes) -> list[Any]:
    """Decode lines of JSON; empty ones give nothing."""
    try:
        return _decode_lines(lines)
    except (ValueError, RecursionError):
        # A lone surrogate is no Unicode, but a document that has one must not end the feed for ever.
        try:
            return [json.loads(line) for line in lines.split(b"\n") if line.strip()]
        except RecursionError:
            raise ValueError("it is nested too deeply") from None


class Events(_Parser):
    """``feed=eventsource``: an event for each change, as browsers take them."""

    def __init__(self) -> None:
        super().__init__()
        self._data: list[bytes] = []  # of the event that is under way
        self._kind = b""

    def finish(self) -> None:
        pass  # an event without its empty line is none

    def _decoded(self, lines: bytes) -> list[Any]:
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
        if self._data:  # the beginning of an event is more than a sign of life
            self.beat = False
        return _decode(b"\n".join(_in_one_line(data) for data in found))


def _in_one_line(data: bytes) -> bytes:
    return data.replace(b"\n", b" ") if b"\n" in data else data


class Body(_Parser):
    """``feed=longpoll``: one JSON object, whole at the end."""

    def feed(self, piece: bytes) -> None:
        self._rest.append(piece)
        self.beat = not piece.strip()

    def finish(self) -> None:
        self.more = True

    def rows(self) -> list[Row]:
        if not self.more:
            return []
        body, self._rest, self.more = b"".join(self._rest), [], False
        self.size = len(body)
        answer = decode_json(body)
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
