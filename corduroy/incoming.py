"""Attachments on their way in: piece by piece, cut to a range, compared with their digest."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import hashlib
import re
from collections.abc import Callable, Iterator
from typing import Any

from tornado.httpclient import HTTPClientError

from .errors import ConnectionFailed, DigestMismatch, error_from_failure
from .receivers import Receiver
from .transport.answer import Answer
from .transport.gzip import Read, gunzip, limited_reader, plain_reader
from .transport.limits import Allowance
from .transport.messages import Request
from .transport.session import Session
from .transport.stream import Stream as Body

Progress = Callable[[int], Any]

_md5 = re.compile(r"[A-Za-z0-9+/]{22}==").fullmatch


def check_progress(progress: Any) -> None:
    """Refuse what cannot be told of progress."""
    if progress is not None and not callable(progress):
        raise TypeError(f"progress must be callable, not {progress!r:.80}")


def told_md5(answer: Answer) -> str | None:
    """The MD5 that a server tells of an attachment.

    Args:
        answer (Answer): its answer to GET or HEAD of the attachment.

    Returns:
        str | None: base64; of the content, or of its gzip if that is what came. None where nobody could
        compare it: CouchDB keeps texts compressed, and tells the digest of that even if it sends them
        plain; then it has no ranges to give.
    """
    if answer.header("accept-ranges") == "none" and not answer.gzipped:
        return None
    said = answer.header("content-md5") or (answer.header("etag") or "").strip('"')
    return said if _md5(said) else None  # whoever has changed a body on the way has marked the ETag


@contextlib.contextmanager
def failing(answer: Answer) -> Iterator[None]:
    """Raise what goes wrong with an answer as a `ConnectionFailed` or a `RequestTimeout`."""
    method, url = answer.method, answer.url
    try:
        yield
    except (OSError, HTTPClientError) as error:
        raise error_from_failure(error, method=method, url=url) from error
    except ValueError as error:
        said = str(error)
        raise ConnectionFailed(None, "broken_answer", said, method=method, url=url) from error


class Seal:
    """The digest of an attachment that comes, beside the one that the server tells.

    Args:
        answer (Answer): the answer that brings it.
        said (str | None): the MD5 that it must have, base64; None: nobody knows.
        either (bool): whether that may be of what a gzip holds, or else of the gzip itself.
    """

    def __init__(self, answer: Answer, said: str | None, either: bool = False) -> None:
        self._answer = answer
        self._said = said
        kinds = 0 if said is None else 1 + either
        self._found = [hashlib.md5(usedforsecurity=False) for _ in range(kinds)]

    def came(self, piece: bytes | bytearray) -> None:
        """Take note of bytes as they have come."""
        if self._found:
            self._found[0].update(piece)

    def inflated(self, piece: bytes | bytearray) -> None:
        """Take note of what a gzip has held."""
        if len(self._found) > 1:
            self._found[1].update(piece)

    def check(self) -> None:
        """All has come.

        Raises:
            DigestMismatch: it is not what the server has.
        """
        found = [base64.b64encode(each.digest()).decode() for each in self._found]
        if found and self._said not in found:
            raise DigestMismatch(
                None,
                "digest_mismatch",
                f"what came has the MD5 {found[-1]}, and the server says {self._said}",
                method=self._answer.method,
                url=self._answer.url,
            )


def _seal_of(answer: Answer) -> Seal:
    """The seal of an attachment that is an answer of its own."""
    # Of what is compressed on the way, by PouchDB Server say, the digest is that of the content.
    return Seal(answer, told_md5(answer) if answer.code == 200 else None, answer.gzipped)


class Span:
    """The bytes of an attachment that somebody wants.

    Args:
        range ((int, int | None) | None): the first and the last one; None: all of them.

    Raises:
        TypeError, ValueError: it is no range.
    """

    def __init__(self, range: tuple[int, int | None] | None) -> None:
        self.first, self.last = _checked(range)
        self._partial = range is not None
        self._at = 0

    @property
    def headers(self) -> dict[str, str]:
        """What asks a server for it."""
        if not self._partial:
            return {"Accept": "*/*"}
        wanted = f"bytes={self.first}-{'' if self.last is None else self.last}"
        return {"Accept": "*/*", "Range": wanted, "Accept-Encoding": "identity"}

    def begin(self, answer: Answer) -> None:
        """An answer begins, which has the range, or else all the bytes."""
        self._at = self.first if answer.code == 206 else 0

    def cut(self, piece: bytes | bytearray) -> bytes:
        """What is wanted of the next piece."""
        begin, self._at = self._at, self._at + len(piece)
        end = len(piece) if self.last is None else max(0, self.last + 1 - begin)
        return bytes(piece[max(0, self.first - begin) : end])

    @property
    def over(self) -> bool:
        """Whether nothing more is wanted."""
        return self.last is not None and self._at > self.last


def _checked(range: tuple[int, int | None] | None) -> tuple[int, int | None]:
    if range is None:
        return 0, None
    try:
        first, last = range
    except (TypeError, ValueError):
        raise TypeError(f"range must be (first, last), not {range!r:.80}") from None
    for position in (first, 0 if last is None else last):
        if isinstance(position, bool) or not isinstance(position, int) or position < 0:
            said = "range must be two byte positions, or one and None"
            raise ValueError(f"{said}, not {range!r:.80}")
    if last is not None and last < first:
        raise ValueError(f"range ends before it begins: {range!r:.80}")
    return first, last


def whole(answer: Answer, span: Span, limit: int | None) -> bytes:
    """The content of an attachment that has come in one piece.

    Args:
        answer (Answer): the answer to a raw request, its body at hand.
        span (Span): what is wanted of it.
        limit (int | None): how many bytes may be held; as of `most_bytes`.

    Returns:
        bytes: the content.

    Raises:
        DigestMismatch: it is not what the server has.
        ConnectionFailed: it is a gzip that is not whole.
    """
    seal = _seal_of(answer)
    body, answer.body = answer.body, b""
    seal.came(body)
    if answer.gzipped:
        with failing(answer):
            body = gunzip(body, limit)
        seal.inflated(body)
    seal.check()
    span.begin(answer)
    return span.cut(body)


class PieceReader:
    """Goes through an attachment as the server sends it; a `streams.Reader` of bytes.

    Args:
        session (Session): the way to the server.
        request (Request): what asks for it, raw.
        span (Span): what is wanted of it.
        progress: is told how many bytes have come, each time.
        apart (bool): whether it may take its time, apart from ordinary requests.
        held (Allowance | None): how much of it may be held in memory; None: it is not going to be.
    """

    def __init__(
        self,
        session: Session,
        request: Request,
        span: Span,
        progress: Progress | None,
        apart: bool = True,
        held: Allowance | None = None,
    ) -> None:
        self.about: dict[str, Any] = {}
        self.answer: Answer | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.retries: int | None = None
        self._session = session
        self._request = request
        self._span = span
        self._progress = progress
        self._apart = apart
        self._held = held
        self._within = session.timeout_of(request)
        self._body: Body | None = None
        self._read: Read
        self._seal: Seal
        self._over = False

    def ready(self) -> list[bytes]:
        """See `streams.Reader.ready`."""
        return []

    async def more(self) -> list[bytes]:
        """See `streams.Reader.more`."""
        piece = await self.read()
        return [piece] if piece else []

    async def read(self) -> bytes:
        """Wait for the next piece of what is wanted; empty at the end."""
        self.loop = asyncio.get_running_loop()
        while not self._over:
            body = self._body or await self._open()
            with failing(body.answer):
                piece = await self._read()
            self._seal.inflated(piece)
            if not piece:
                self._over = True
                self._seal.check()
            elif wanted := self._span.cut(piece):
                if self._progress is not None:
                    self._progress(len(wanted))
                return wanted
            self._over = self._over or self._span.over
        self.close()
        await asyncio.sleep(0)  # a connection is closed in the loop's next turn
        return b""

    async def pour(self, receiver: Receiver) -> Receiver:
        """Have a receiver take all of it; see `pour`."""
        try:
            return await pour(self.read, receiver)
        finally:
            self.close()

    async def _open(self) -> Body:
        self._request.retries = self.retries
        body = await self._session.stream(self._request, self._within, apart=self._apart)
        self._body, self.answer = body, body.answer
        self._span.begin(body.answer)
        self._seal = seal = _seal_of(body.answer)

        async def read() -> bytes:
            piece = await body.read(self._within)
            seal.came(piece)
            return piece

        self._read = plain_reader(read, body.answer.gzipped)
        if self._held is not None:
            self._read = limited_reader(self._read, self._held)
        return body

    def close(self) -> None:
        """See `streams.Reader.close`."""
        body, self._body = self._body, None
        self._over = True
        if body is not None:
            body.close()


async def pour(read: Read, receiver: Receiver) -> Receiver:
    """Have a receiver take an attachment.

    Args:
        read: gives the next piece; empty at the end.
        receiver (Receiver): where it goes.

    Returns:
        Receiver: the same.
    """
    with receiver:
        while piece := await read():
            if (taken := receiver.take(piece)) is not None:
                await taken
    return receiver
