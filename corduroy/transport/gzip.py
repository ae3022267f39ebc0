"""Decompression that a small answer cannot turn into an arbitrarily large one unnoticed."""

from __future__ import annotations

import zlib
from collections.abc import Awaitable, Callable, Iterator

from tornado.log import gen_log

from .answer import BodyTooLarge, MalformedAnswer
from .limits import Allowance, most_bytes, too_large

_STEP = 64 * 1024

# Honest data rarely shrinks a hundredfold; a body that does, and is this large, is an attack, unless
# the program has said how much it takes.
_SUSPECT_RATIO = 100
_SUSPECT_SIZE = 100 * 1024 * 1024

Read = Callable[[], Awaitable[bytes]]


def gunzip(body: bytes | bytearray, limit: int | None) -> bytearray:
    """Decompress a whole body.

    Args:
        body (bytes): one or more gzip members.
        limit (int | None): the most bytes to produce, as of `most_bytes`; None: what is implausible is
            not taken, either.

    Returns:
        bytearray: the plain body.

    Raises:
        MalformedAnswer: the body is no gzip, or a truncated one.
        BodyTooLarge: the plain body would be larger.
    """
    inflater = _Inflater()
    plain = bytearray()
    most = most_bytes(limit)
    plausible = most if limit is not None else max(_SUSPECT_SIZE, len(body) * _SUSPECT_RATIO)
    for piece in inflater.feed(body):
        plain += piece
        if len(plain) > most:
            raise too_large("the plain body", most)
        if len(plain) > plausible:
            gen_log.warning("decompressed body too large: more than %d bytes", plausible)
            raise BodyTooLarge(
                f"decompressed body too large: {len(body)} bytes have become more than {plausible}; "
                "if that is no attack, give max_body_size"
            )
    inflater.finish()
    return plain


def plain_reader(read: Read, zipped: bool) -> Read:
    """What reads a body piece by piece, decompressed where it has to be.

    Args:
        read: gives the next piece as it came; empty at the end.
        zipped (bool): whether the pieces are those of a gzip.

    Returns:
        Read: gives the next plain piece, from a gzip at most 64 KiB; raises as `gunzip`.
    """
    return _Plain(read).read if zipped else read


def limited_reader(read: Read, allowance: Allowance) -> Read:
    """What reads a body piece by piece, as far as that is allowed.

    Args:
        read: gives the next piece; empty at the end.
        allowance (Allowance): how many bytes there may be.

    Returns:
        Read: gives the next piece; raises `BodyTooLarge` for what is beyond that.
    """

    async def limited() -> bytes:
        piece = await read()
        allowance.use(len(piece))
        return piece

    return limited


class _Plain:
    """Reads a gzip. A wait that is cancelled loses nothing, as it would in a generator."""

    def __init__(self, read: Read) -> None:
        self._read = read
        self._inflater = _Inflater()
        self._pieces: Iterator[bytes] = iter(())

    async def read(self) -> bytes:
        while True:
            for plain in self._pieces:
                return plain
            if not (piece := await self._read()):
                self._inflater.finish()
                return b""
            self._pieces = self._inflater.feed(piece)


class _Inflater:
    """Decompresses one gzip member after another."""

    def __init__(self) -> None:
        self._member: zlib._Decompress | None = None

    def feed(self, body: bytes | bytearray) -> Iterator[bytes]:
        for at in range(0, len(body), _STEP):  # with each step zlib copies what it has not taken
            piece = body[at : at + _STEP]
            while piece:
                if self._member is None or self._member.eof:
                    self._member = zlib.decompressobj(16 + zlib.MAX_WBITS)  # 16: gzip's framing
                try:
                    plain = self._member.decompress(piece, _STEP)
                except zlib.error as error:
                    raise MalformedAnswer(f"the body is no gzip: {error}") from None
                if plain:
                    yield plain
                piece = self._member.unconsumed_tail or self._member.unused_data

    def finish(self) -> None:
        if self._member is not None and not self._member.eof:
            raise MalformedAnswer("the body is a truncated gzip")
