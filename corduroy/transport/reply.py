"""What a server answers, and the ways in which an exchange fails."""

from __future__ import annotations


class ConnectionBroken(ConnectionError):
    """The exchange did not come to its end.

    Attributes:
        answered (bool): whether any byte of an answer had come.
        reused (bool): whether the connection had served an exchange before.
    """

    answered = False
    reused = False


class DeadlineMissed(TimeoutError):
    """The exchange was not done in the time it had."""


class MalformedAnswer(ConnectionBroken):
    """What came is no HTTP."""


class BodyTooLarge(ConnectionBroken):
    """The body is larger than the client takes."""


class Reply:
    """What a server answered: status, headers, and the body, once it is whole.

    The parser has checked the headers. They are taken apart only when somebody asks for them, which
    most answers never see.

    Attributes:
        code (int): the status.
        body (bytes | bytearray): the body; empty where it is read in pieces.
    """

    __slots__ = ("_head", "_headers", "body", "code")

    def __init__(self, code: int, head: bytes) -> None:
        self.code = code
        self.body: bytes | bytearray = b""
        self._head = head  # status line and headers, a line each
        self._headers: list[tuple[bytes, bytes]] | None = None

    @property
    def phrase(self) -> str:
        """The status line's words."""
        line = self._head.partition(b"\r\n")[0]
        return line.split(b" ", 2)[2].decode("latin-1") if line.count(b" ") > 1 else ""

    @property
    def raw_headers(self) -> list[tuple[bytes, bytes]]:
        """The headers, in order, as they came."""
        if self._headers is None:
            self._headers = []
            for line in self._head.split(b"\r\n")[1:]:
                if (
                    line.startswith((b" ", b"\t")) and self._headers
                ):  # folded, as long ones once were
                    name, value = self._headers.pop()
                    self._headers.append((name, b"%b %b" % (value, line.strip())))
                elif line:
                    name, _, value = line.partition(b":")
                    self._headers.append((name, value.strip(b" \t")))
        return self._headers

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers, in order, as text."""
        return [(name.decode("latin-1"), _text(value)) for name, value in self.raw_headers]

    def header(self, name: bytes) -> bytes | None:
        """The first header of a name.

        Args:
            name (bytes): the name, in lower case.

        Returns:
            bytes | None: its value; None where there is none.
        """
        return next((value for key, value in self.raw_headers if key.lower() == name), None)

    @property
    def gzipped(self) -> bool:
        """Whether the body is compressed."""
        # Few headers hold either letter, and one letter is found ten times as fast as a word.
        if self._head.find(b"z") < 0 and self._head.find(b"Z") < 0:
            return False
        coding = self.header(b"content-encoding")
        return coding is not None and coding.lower() == b"gzip"


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
