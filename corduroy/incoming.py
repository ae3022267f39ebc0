"""Attachments on their way in: piece by piece, cut to a range, compared with their digest."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import re
from collections.abc import Callable
from typing import Any

from tornado.httpclient import HTTPClientError

from .errors import DigestMismatch, error_from_failure
from .receivers import Receiver
from .transport.answer import Answer
from .transport.gzip import Read, gunzip, plain_reader
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


class Seal:
    """The digest of an attachment that comes, beside the one that the server tells.

    Args:
        answer (Answer): the answer that brings it.
    """

    def __init__(self, answer: Answer) -> None:
        self._answer = answer
        self._said = told_md5(answer) if answer.code == 200 else None
        # Of what is compressed on the way, by PouchDB Server say, the digest is that of the content.
        kinds = 0 if self._said is None else 1 + answer.gzipped
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
    if not isinstance(first, int) or first < 0 or not (last is None or isinstance(last, int)):
        raise ValueError(f"range must be two byte positions, or one and None, not {range!r:.80}")
    if last is not None and last < first:
        raise ValueError(f"range ends before it begins: {range!r:.80}")
    return first, last


def whole(answer: Answer, span: Span) -> bytes:
    """The content of an attachment that has come in one piece.

    Args:
        answer (Answer): the answer to a raw request, its body at hand.
        span (Span): what is wanted of it.

    Returns:
        bytes: the content.

    Raises:
        DigestMismatch: it is not what the server has.
        ConnectionFailed: it is a gzip that is not whole.
    """
    seal = Seal(answer)
    body, answer.body = answer.body, b""
    seal.came(body)
    if answer.gzipped:
        try:
            body = gunzip(body, None)
        except OSError as error:
            raise error_from_failure(error, method=answer.method, url=answer.url) from error
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
    """

    def __init__(
        self,
        session: Session,
        request: Request,
        span: Span,
        progress: Progress | None,
        apart: bool = True,
    ) -> None:
        self.about: dict[str, Any] = {}
        self.answer: Answer | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self._session = session
        self._request = request
        self._span = span
        self._progress = progress
        self._apart = apart
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
        self.loop = asyncio.get_running_loop()
        while not self._over:
            body = self._body or await self._open()
            piece = await self._next(body)
            if not piece:
                self._over = True
                self._seal.check()
            elif wanted := self._span.cut(piece):
                if self._progress is not None:
                    self._progress(len(wanted))
                return [wanted]
            self._over = self._over or self._span.over
        self.close()
        await asyncio.sleep(0)  # a connection is closed in the loop's next turn
        return []

    async def _open(self) -> Body:
        body = await self._session.stream(self._request, self._within, apart=self._apart)
        self._body, self.answer = body, body.answer
        self._span.begin(body.answer)
        self._seal = seal = Seal(body.answer)

        async def read() -> bytes:
            piece = await body.read(self._within)
            seal.came(piece)
            return piece

        self._read = plain_reader(read, body.answer.gzipped, None)
        return body

    async def _next(self, body: Body) -> bytes:
        try:
            piece = await self._read()
        except (OSError, HTTPClientError) as error:
            answer = body.answer
            raise error_from_failure(error, method=answer.method, url=answer.url) from error
        self._seal.inflated(piece)
        return piece

    def close(self) -> None:
        """See `streams.Reader.close`."""
        body, self._body = self._body, None
        self._over = True
        if body is not None:
            body.close()


async def pour(reader: PieceReader, receiver: Receiver) -> int:
    """Have a receiver take what a reader gives.

    Args:
        reader (PieceReader): the attachment.
        receiver (Receiver): where it goes.

    Returns:
        int: how many bytes went there.
    """
    try:
        with receiver:
            while pieces := await reader.more():
                for piece in pieces:
                    if (taken := receiver.take(piece)) is not None:
                        await taken
    finally:
        reader.close()
    return receiver.size


async def gather(reader: PieceReader) -> bytes:
    """All that a reader gives."""
    found = bytearray()
    try:
        while pieces := await reader.more():
            for piece in pieces:
                found += piece
    finally:
        reader.close()
    return bytes(found)
