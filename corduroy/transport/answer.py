"""What a server answers, and the ways in which an exchange fails."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from ..errors import AnswerTooLarge, ServerError
from ..veil import place_of, refused
from .encoding import decode_json

_SECRET = ("authorization", "cookie", "set-cookie", "x-auth-couchdb-token")


class ConnectionBroken(ConnectionError):
    """The exchange did not come to its end.

    Attributes:
        answered (bool): whether any byte of an answer had come.
        reused (bool): whether the connection had served an exchange before.
    """

    answered = False
    reused = False


class ClientClosed(ConnectionBroken):
    """The program has closed the client: nobody wants another attempt."""

    def __init__(self, message: str = "the client was closed") -> None:
        super().__init__(message)


class DeadlineMissed(TimeoutError):
    """The exchange was not done in the time it had.

    Attributes:
        sent (bool): whether there was a connection that the request went out on.
    """

    sent = True


class NoTurn(DeadlineMissed):
    """No connection was free in time; it says nothing of the server."""

    sent = False


class MalformedAnswer(ConnectionBroken):
    """What came is no HTTP."""


class SpokeTLS(MalformedAnswer):
    """What came is TLS, and nobody has asked for it."""


class BodyTooLarge(ConnectionBroken):
    """The body is larger than the client takes."""

    raised_as = AnswerTooLarge


class Answer:
    """What a server answered: status, headers, and the body, once it is whole.

    The parser has checked the headers. They are taken apart only when somebody asks for them, which
    most answers never see.

    Attributes:
        code (int): the status.
        body (bytes | bytearray): the body; empty where it is read in pieces, a sink took it, or `json`
            has let go of it.
        method, url (str): what it answers, without credentials; set by the session.
    """

    __slots__ = ("_head", "_headers", "body", "code", "method", "url")

    def __init__(self, code: int, head: bytes) -> None:
        self.code = code
        self.body: bytes | bytearray = b""
        self.method: str
        self.url: str
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

    @property
    def told_headers(self) -> list[tuple[str, str]]:
        """The headers that an exception may hold. Exceptions are logged and pickled: no cookie, which
        would be a session, must go with them, and of where a redirect leads no more than the place."""
        told = ((name, value, name.lower()) for name, value in self.headers)
        return [
            (name, place_of(value) if lower.endswith("location") else refused(value))
            for name, value, lower in told
            if lower not in _SECRET
        ]

    def header(self, name: str) -> str | None:
        """The first header of a name.

        Args:
            name (str): the name, in lower case.

        Returns:
            str | None: its value; None where there is none.
        """
        wanted = name.encode()
        found = (value for key, value in self.raw_headers if key.lower() == wanted)
        value = next(found, None)
        return None if value is None else _text(value)

    @property
    def gzipped(self) -> bool:
        """Whether the body is compressed."""
        # Few headers hold either letter, and one letter is found ten times as fast as a word.
        if self._head.find(b"z") < 0 and self._head.find(b"Z") < 0:
            return False
        return (self.header("content-encoding") or "").lower() == "gzip"

    def json(
        self, shape: Any = dict, decode: Callable[[bytes | bytearray], Any] = decode_json
    ) -> Any:
        """The decoded body, which is let go of while its values are made.

        Args:
            shape: what has to be in it, a type: see `shapes`.
            decode: makes values of the body; raises ValueError where there are none.

        Raises:
            ServerError: it is no JSON, or has another shape.
        """
        body, self.body = self.body, b""
        empty = not body
        try:
            found = decode(body)
            if shape is not dict or type(found) is not dict:
                msgspec.convert(found, shape)
            return found
        except msgspec.ValidationError as error:
            failure = self._useless("odd_answer", f"the answer is odd: {error}", body)
        except (ValueError, RecursionError) as error:
            said = "it is empty" if empty else f"{_beginning(body)} ({error})"
            failure = self._useless("invalid_json", f"the answer is no JSON: {said}", body)
        try:
            del body  # an error's traceback would show it
            found = None
            raise failure  # not where it was met, for the same reason
        finally:
            del failure  # it holds this frame

    def _useless(self, error: str, reason: str, body: bytes | bytearray) -> ServerError:
        return ServerError(
            self.code,
            error,
            reason,
            method=self.method,
            url=self.url,
            headers=self.told_headers,
            response=_beginning(body),
        )


def _beginning(body: bytes | bytearray) -> str:
    """The beginning of a body, in a line that may be shown anywhere."""
    said = " ".join(bytes(body[:200]).decode("utf-8", "replace").split())[:120]
    said = refused(said)
    return "".join(
        letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in said
    )


def _text(value: bytes) -> str:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return value.decode("latin-1")
