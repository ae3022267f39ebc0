"""The rows of a view, decoded while they come in.

CouchDB sends a line for each row, after a line that opens the object and before one that closes it.
A large body is decoded some lines at a time, so that it is never there as a whole beside the objects
that are made of it. A body that is small, or is not laid out in lines (PouchDB Server's), is decoded
in one piece.
"""

from __future__ import annotations

from typing import Any

from .transport.encoding import decode_json

# Large enough for the codec to run at full speed, and small beside the objects it makes.
_BATCH = 1024 * 1024


class RowsParser:
    """Makes the answer of a view from the pieces of its body; touches no socket.

    `feed` never raises; what is wrong with a body is told of by `finish`.

    Args:
        batch (int): how many bytes are gathered before lines are decoded.
    """

    def __init__(self, batch: int = _BATCH) -> None:
        self._batch = batch
        self._wanted = batch  # more than a batch while one row is longer than that
        self._pieces: list[bytes] = []  # not decoded yet
        self._size = 0
        self._head: bytes | None = None  # the first line, once the body is known to be in lines
        self._tail: bytes | None = None  # from the line on that closes the rows
        self._in_lines = True
        self._rows: list[dict[str, Any]] = []
        self._error: ValueError | None = None

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body.

        Args:
            piece (bytes): any part of it, cut anywhere.
        """
        self._pieces.append(piece)
        self._size += len(piece)
        if self._size >= self._wanted and self._in_lines and self._error is None:
            try:
                self._decode_lines()
            except ValueError as error:
                self._error = error

    def finish(self) -> dict[str, Any]:
        """The answer, once the whole body has been fed.

        Returns:
            dict: ``{"total_rows", "offset", "rows", …}``.

        Raises:
            ValueError: the body is no JSON object with rows.
        """
        if self._error is None and self._head is not None:
            self._decode_lines()
        if self._error is not None:
            raise self._error
        if self._head is None:
            answer = decode_json(self._take())
        else:
            answer = decode_json(self._head + (self._tail or b"") + self._take())
            answer["rows"] = self._rows
        if not isinstance(answer, dict) or not isinstance(answer.get("rows"), list):
            raise ValueError("the answer has no rows")
        return answer

    def _take(self) -> bytes:
        """All that is not decoded yet, in one piece, and forgotten here."""
        text = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._size = 0
        return text

    def _decode_lines(self) -> None:
        """Decode the lines that are complete, and keep the rest for later."""
        text = self._take()
        if self._head is None:
            line = text.find(b"\n") + 1
            if not text[:line].rstrip().endswith(b'"rows":['):
                self._in_lines = False
                self._keep(text)
                return
            self._head, text = text[:line], text[line:]
        if self._tail is not None:
            self._keep(text)
            return
        # No line break stands within a row: JSON strings have them escaped.
        end = 0 if text.startswith(b"]") else text.find(b"\n]") + 1
        if end or text.startswith(b"]"):
            text, self._tail = text[:end], text[end:]
            complete = len(text)
        else:
            complete = text.rfind(b"\n") + 1
        lines = text[:complete].rstrip(b"\r\n,")
        self._keep(text[complete:])
        del text
        if lines:
            self._rows += decode_json(b"[%b]" % lines)

    def _keep(self, text: bytes) -> None:
        if text:
            self._pieces.append(text)
            self._size = len(text)
        self._wanted = max(self._batch, 2 * self._size)
