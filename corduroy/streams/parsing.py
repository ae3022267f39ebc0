"""The rows of one answer, made of its bytes as they come. No I/O: a parser is fed, and answers.

CouchDB sends a line for each row; PouchDB Server, and many a proxy, all of them in one line. Rows are
decoded some at a time, up to a cut that looks like the end of one: what stands before it decodes as a
list if, and only if, it is one. Where that was a wrong guess, brackets are counted.
"""

from __future__ import annotations

import gc
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec

from ..transport.encoding import collector_paused, decode_json

Row = dict[str, Any]

# So many objects are made at a time, about: for every 700 that are alive the garbage collector comes,
# and would find nothing.
_SOME = 600
_LEAST = 1024  # bytes that are taken for them
_MOST = 256 * 1024
_PORTION = 32 * 1024

# An answer whose rows have not begun by then has none.
_LONGEST_HEAD = 1024 * 1024

# After so many wrong guesses there are no more.
_GUESSES = 3

# A row up to its second value: ``{"id":"mimi","key":``, as rows mostly begin.
_begin_of_row = re.compile(
    rb'(\s*+\{"[^"\\]*+":)("(?:[^"\\]++|\\.)*+"|[\w.+-]++)(,"[^"\\]*+":)'
).match

_rows_begin = re.compile(rb'"rows"\s*:\s*\[').finditer
_space = re.compile(rb"\s*+").match


class DocRow(msgspec.Struct, gc=False):
    """A row of which only the document is wanted: the rest is not even made."""

    doc: dict[str, Any] | None = None
    error: str | None = None
    reason: str | None = None

    @classmethod
    def of(cls, row: Row) -> DocRow:
        """Make one of a whole row; a ValueError, if that is none."""
        if not isinstance(row.get("doc"), dict | None):
            raise ValueError("a row has a document that is none")
        return cls(row.get("doc"), row.get("error"), row.get("reason"))


_KINDS = {dict, DocRow}

_decode_doc_rows = msgspec.json.Decoder(list[DocRow]).decode


class BrokenOff(ValueError):
    """An answer has come to its end amid its rows."""


Decode = Callable[[bytes | bytearray], list[Any]]


def _decode_odd(text: bytes | bytearray) -> list[Any]:
    """Decode rows, also those with a lone surrogate, which is no Unicode: one document that has it
    must not keep all others back."""
    try:
        rows: list[Any] = json.loads(text)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return rows


class RowParser:
    """Makes rows of the body of one answer. It is fed when there are no `rows` to take.

    Args:
        docs_only (bool): make `DocRow` of the rows, and not dicts.

    Attributes:
        about (dict): what the answer says beside the rows, as far as it has come.
        error (dict | None): the error that the answer broke off with.
        over (bool): whether nothing more is to come.
    """

    def __init__(self, docs_only: bool = False) -> None:
        self.about: dict[str, Any] = {}
        self.error: Row | None = None
        self.over = False
        self._docs_only = docs_only
        self._data = bytearray()
        self._in_rows = False
        self._finished = False
        self._cut = b""  # what a row ends, and the next one begins with
        self._goes_on: Callable[[bytearray, int], Any] | None = None  # and what comes then
        self._searched = 0  # it does not stand before this place
        self._guesses = 0  # that are left
        self._portion = _PORTION
        self._count = _Count()

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        self._data += piece

    def finish(self) -> None:
        """The body has ended in an orderly way."""
        self._finished = True

    def rows(self) -> list[Row]:
        """The next rows that are whole, a convenient number of them.

        Raises:
            BrokenOff: the answer has ended too early.
            ValueError: this is no answer with rows.
        """
        if self.over or not (self._in_rows or self._find_rows()):
            return []
        if self._guesses and not self._finished and not self._count.at:
            end = self._guess()
            if not end:
                return []
            if (rows := self._taken(end)) is not None:
                return rows
            self._guesses -= 1
        return self._counted()

    # -- what comes before the rows -----------------------------------------------------------

    def _find_rows(self) -> bool:
        data = self._data
        begin = self._find_bracket()
        if not begin:
            if self._finished or len(data) > _LONGEST_HEAD:
                self._break_off()
            return False
        if len(data) < begin + _LEAST and not self._finished and not data.endswith(b"\n"):
            return False
        self._lay_out(begin)
        del data[:begin]
        self._in_rows = True
        return True

    def _find_bracket(self) -> int:
        """Where the rows begin, behind their bracket; 0: not yet."""
        for found in _rows_begin(self._data):
            try:
                about = decode_json(self._data[: found.end()] + b"]}")
            except ValueError:  # it stands in a string
                continue
            if isinstance(about, dict) and about.pop("rows", None) == []:
                self.about = about
                return found.end()
        return 0

    def _lay_out(self, begin: int) -> None:
        """Take it that all rows begin as the first one does."""
        found = _space(self._data, begin)
        assert found is not None
        if b"\n" in found.group():  # JSON's strings have it escaped: there is nothing to guess
            self._cut, self._guesses = b"}," + found.group(), _GUESSES
        elif first := _begin_of_row(self._data, begin):
            opening, value, name = first.groups()
            self._cut, self._guesses = b"}," + opening, _GUESSES
            kind = rb'"(?:[^"\\]++|\\.)*+"' if value.startswith(b'"') else rb"[\w.+-]++"
            self._goes_on = re.compile(kind + re.escape(name), re.DOTALL).match

    # -- the rows -----------------------------------------------------------------------------

    def _guess(self) -> int:
        """Where a row seems to end, a portion further; 0: nowhere yet."""
        data, cut, goes_on = self._data, self._cut, self._goes_on
        found = -1 if self._searched > self._portion else data.rfind(cut, 0, self._portion)
        while found > 0 and goes_on is not None and not goes_on(data, found + len(cut)):
            found = data.rfind(cut, 0, found)
        if found < 0 and len(data) > self._portion:
            found = data.find(cut, max(self._portion, self._searched) - len(cut))
            self._searched = len(data) if found < 0 else 0
        return found + 1

    def _taken(self, end: int, decode: Decode = decode_json) -> list[Any] | None:
        """Take the rows that end at a place; None if they do not end there."""
        data = self._data
        if self._docs_only and decode is decode_json:
            decode = _decode_doc_rows
        with collector_paused(end):
            before = gc.get_count()[0]
            try:
                rows: list[Any] = decode(b"[" + data[:end].lstrip(b", \t\r\n") + b"]")
            except (ValueError, RecursionError):
                return None
            if not set(map(type, rows)) <= _KINDS:
                return None
            made = gc.get_count()[0] - before + len(rows)  # each row becomes one more
        if decode is _decode_odd and self._docs_only:
            rows = list(map(DocRow.of, rows))
        del data[:end]
        self._searched, self._count.begun = 0, True
        self._portion = min(max(_LEAST, end * _SOME // max(1, made)), _MOST)
        return rows

    def _counted(self) -> list[Row]:
        """The next rows, whose ends are found by counting brackets."""
        count = self._count
        count.go_on(self._data, self._portion)
        if end := count.end:
            rows = self._taken(end, _decode_odd)
            if rows is None:
                raise ValueError("this is no JSON")
            count.begin_at(end)
            return rows
        if self._finished:
            self._end(count.at if count.is_out else 0)
        return []

    def _end(self, at: int) -> None:
        """Read what comes after the rows; 0: they do not end."""
        try:
            rest = decode_json(b'{"rows":[' + self._data[at:])
        except ValueError:
            self._break_off()
            return
        if rest.pop("rows") != []:
            raise ValueError("this is no JSON")
        self.about |= rest
        self.over = True

    def _break_off(self) -> None:
        """The answer ends with an error, or where it should not."""
        said = bytes(self._data[self._data.rfind(b"\n{") + 1 :])
        try:
            error = decode_json(said)
        except ValueError:
            error = None
        if not isinstance(error, dict) or "error" not in error:
            if self._in_rows or self.about:
                raise BrokenOff("the answer ends amid its rows")
            raise ValueError("the answer has no rows")
        self.error, self.over = error, True


_between = re.compile(rb"\s*+(,?+)\s*+").match
_past_strings = re.compile(
    rb'[^"{}\[\]]*+(?:"(?:[^"\\]++|\\.)*+"[^"{}\[\]]*+)*+([{}\[\]])', re.DOTALL
).match
_bracket = re.compile(rb'[^"{}\[\]]*+(["{}\[\]])').match
_in_string = re.compile(rb'(?:[^"\\]++|\\.)*+("?+)', re.DOTALL).match


class _Count:
    """Counts brackets, to tell where rows end. What it has seen once it does not look at again.

    Attributes:
        at (int): so far it has come.
        end (int): where the last row that is whole ends; 0: there is none.
        is_out (bool): whether what comes next is no row.
        begun (bool): whether rows have been taken, so that a comma comes before the next one.
    """

    def __init__(self) -> None:
        self.at = 0
        self.end = 0
        self.is_out = False
        self.begun = False
        self._depth = 0
        self._in_string = False

    def begin_at(self, end: int) -> None:
        """What comes before that place has been taken away."""
        self.at -= end
        self.end = 0

    def go_on(self, data: bytearray, enough: int) -> None:
        """Count on.

        Args:
            data (bytearray): all that has come and not been taken away.
            enough (int): so many bytes of whole rows will do.
        """
        while self.end < enough and not self.is_out and self.at < len(data):
            if self._in_string:
                if not self._leave_string(data):
                    return
            elif self._depth == 0 and not self._enter_row(data):
                return
            elif found := _past_strings(data, self.at) or _bracket(data, self.at):
                self._meet(found.group(1), found.end())
            else:
                self.at = len(data)

    def _enter_row(self, data: bytearray) -> bool:
        """Come to the next row, if it is there, and if it is one."""
        found = _between(data, self.at)
        assert found is not None
        if found.end() == len(data):
            return False
        comma = bool(found.group(1)) or not (self.begun or self.at)
        self.is_out = data[found.end()] != ord("{") or not comma
        if not self.is_out or data[found.end()] == ord("]"):
            self.at = found.end()
        return not self.is_out

    def _meet(self, bracket: bytes, after: int) -> None:
        self.at = after
        if bracket == b'"':
            self._in_string = True
        elif bracket in b"{[":
            self._depth += 1
        else:
            self._depth -= 1
            if self._depth == 0:
                self.end = after

    def _leave_string(self, data: bytearray) -> bool:
        found = _in_string(data, self.at)
        assert found is not None
        self.at = found.end()
        if not found.group(1):
            return False
        self._in_string = False
        return True
