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

    Attributes:
        code (int): the status.
        phrase (str): the status line's words.
        raw_headers (list of (bytes, bytes)): the headers, in order, as they came.
        body (bytes | bytearray): the body; empty where it is read in pieces.
    """

    __slots__ = ("_headers", "body", "code", "phrase", "raw_headers")

    def __init__(self, code: int, phrase: str, raw_headers: list[tuple[bytes, bytes]]) -> None:
        self.code = code
        self.phrase = phrase
        self.raw_headers = raw_headers
        self.body: bytes | bytearray = b""

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
        for key, value in self.raw_headers:
            if len(key) == len(name) and key.lower() == name:
                return value
        return None

    @property
    def gzipped(self) -> bool:
        """Whether the body is compressed."""
        coding = self.header(b"content-encoding")
        return coding is not None and coding.lower() == b"gzip"


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
