"""Multipart bodies, taken apart as they come and put together. No I/O: a parser is fed, and answers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from enum import Enum, auto

from .transport.encoding import render_headers

_LONGEST_HEAD = 16 * 1024
"""Bytes of a part's headers; CouchDB's have a file name, of any length, and a few numbers."""

_LONGEST_LINE = 256  # of a delimiter, with the blanks that may follow it

Event = dict[str, str] | bytes | None
"""A part's headers, their names in lower case, with which it begins; a piece of it; None: its end."""

_boundary = re.compile(r';\s*boundary=(?:"([^"\\]+)"|([^\s;"]+))', re.IGNORECASE).search


def boundary_of(content_type: str) -> str | None:
    """The boundary that a content type names.

    Args:
        content_type (str): the header's value.

    Returns:
        str | None: the boundary; None where it is no multipart's.
    """
    found = _boundary(content_type)
    if found is None or not content_type.lower().startswith("multipart/"):
        return None
    return found[1] or found[2]


class _At(Enum):
    """Where a parser is."""

    PREAMBLE = auto()
    DELIMITER = auto()  # behind the boundary
    HEADERS = auto()
    BODY = auto()
    EPILOGUE = auto()


class MultipartParser:
    """Takes a multipart body apart.

    Args:
        boundary (str): what stands between its parts.
    """

    def __init__(self, boundary: str) -> None:
        self._delimiter = b"\r\n--" + boundary.encode("latin-1")
        self._data = bytearray(b"\r\n")  # the first delimiter may have no line before it
        self._at = _At.PREAMBLE
        self._announced: int | None = None  # how long the part says that it is
        self._size = 0

    def feed(self, piece: bytes) -> list[Event]:
        """Take the next piece of the body.

        Args:
            piece (bytes): the piece.

        Returns:
            list of Event: what it brings.

        Raises:
            ValueError: this is no multipart body, or a part is not as long as it says.
        """
        self._data += piece
        events: list[Event] = []
        while self._step(events):
            pass
        return events

    def finish(self) -> None:
        """The body has ended.

        Raises:
            ValueError: it is not whole.
        """
        if self._at is not _At.EPILOGUE:
            raise ValueError("a multipart body has ended before its last part")

    def _step(self, events: list[Event]) -> bool:
        """Go on by one step; tells whether there is another."""
        if self._at in (_At.PREAMBLE, _At.BODY):
            return self._find_delimiter(events)
        if self._at is _At.DELIMITER:
            return self._end_delimiter()
        if self._at is _At.HEADERS:
            return self._take_headers(events)
        self._data.clear()
        return False

    def _find_delimiter(self, events: list[Event]) -> bool:
        data = self._data
        end = data.find(self._delimiter)
        found = end >= 0
        if not found:  # its beginning may be at the end
            end = max(0, len(data) - len(self._delimiter) + 1)
        if self._at is _At.BODY:
            self._size += end
            if end:
                events.append(bytes(data[:end]))
            if found:
                self._end_part(events)
        del data[: end + len(self._delimiter) if found else end]
        if found:
            self._at = _At.DELIMITER
        return found

    def _end_part(self, events: list[Event]) -> None:
        if self._announced is not None and self._announced != self._size:
            raise ValueError(f"a part of {self._announced} bytes has {self._size}")
        events.append(None)

    def _end_delimiter(self) -> bool:
        data = self._data
        if data.startswith(b"--"):
            self._at = _At.EPILOGUE
            return True
        line, end, _ = data[:_LONGEST_LINE].partition(b"\r\n")
        if line.strip(b" \t\r") and data != b"-":
            raise ValueError("a boundary is followed by something else than a part")
        if not end:
            if len(line) == _LONGEST_LINE:
                raise ValueError("a boundary is followed by a line without end")
            return False
        del data[: len(line)]  # the headers' end is an empty line, also where there are none
        self._at = _At.HEADERS
        return True

    def _take_headers(self, events: list[Event]) -> bool:
        data = self._data
        end = data.find(b"\r\n\r\n", 0, _LONGEST_HEAD)
        if end < 0:
            if len(data) >= _LONGEST_HEAD:
                raise ValueError(f"the headers of a part are longer than {_LONGEST_HEAD} bytes")
            return False
        headers = _headers(bytes(data[:end]))
        del data[: end + 4]
        length = headers.get("content-length")
        if length is not None and not (length.isascii() and length.isdigit()):
            raise ValueError(f"the length of a part is no number: {length!r:.40}")
        self._announced = None if length is None else int(length)
        self._at = _At.BODY
        self._size = 0
        events.append(headers)
        return True


def _headers(head: bytes) -> dict[str, str]:
    headers: dict[str, str] = {}
    for line in head.split(b"\r\n")[1:]:
        name, colon, value = line.partition(b":")
        if not colon or not name.strip():
            raise ValueError(f"a part has a header that is none: {line!r:.80}")
        text = value.strip().decode("utf-8", "replace")
        headers.setdefault(name.strip().decode("latin-1").lower(), text)
    return headers


def opening(boundary: str, headers: Mapping[str, str], first: bool = False) -> bytes:
    """What stands before a part.

    Args:
        boundary (str): the boundary.
        headers (dict of str to str): the part's headers.
        first (bool): whether it is the first one.

    Returns:
        bytes: the delimiter and the headers.
    """
    lines = f"--{boundary}\r\n{render_headers(headers)}\r\n"
    return (b"" if first else b"\r\n") + lines.encode()


def closing(boundary: str) -> bytes:
    """What stands behind the last part."""
    return f"\r\n--{boundary}--".encode()
