"""Takes a dump apart as its bytes come: into lines, unpacked where it is gzip."""

from __future__ import annotations

import asyncio
import os
import stat
import zlib
from collections.abc import AsyncIterator, Iterator
from typing import BinaryIO

PIECE = 256 * 1024
_UNPACKED = 1024 * 1024  # bytes that are unpacked at a time: little gzip can hold much

_GZIP = 31  # zlib's word for it
_BEGINS_GZIP = b"\x1f"  # no JSON does


class Lines:
    """The lines of a dump, as its bytes come."""

    def __init__(self) -> None:
        self._gzip: bool | None = None
        self._unpacker = zlib.decompressobj(_GZIP)
        self._at = 0
        self._amid = False  # a member of gzip
        self._open: list[bytes] = []  # a line of which the end is still to come

    @property
    def gzip(self) -> bool:
        """Whether it is packed."""
        return bool(self._gzip)

    @property
    def whole(self) -> bool:
        """Whether it may end here: not amid a line, nor amid what was packed."""
        return not self._open and not self._amid

    @property
    def rest(self) -> bytes:
        """What has come of a line of which the end is still to come."""
        return b"".join(self._open)

    def feed(self, data: bytes) -> Iterator[tuple[bytes, int | None]]:
        """Take more bytes.

        Args:
            data (bytes): what follows.

        Yields:
            (bytes, int | None): a line, without its end; and the place in the file behind it, where the
            file could be cut off there. Of gzip the place comes later, with an empty line.

        Raises:
            zlib.error: it is no gzip any more.
        """
        if self._gzip is None:
            self._gzip = data.startswith(_BEGINS_GZIP)
        if self._gzip:
            yield from self._unpacked(data)
        else:
            for line in self._split(data):
                self._at += len(line) + 1
                yield line, self._at

    def _unpacked(self, data: bytes) -> Iterator[tuple[bytes, int | None]]:
        more = False  # to come of what has been taken already
        while data or more:
            unpacker = self._unpacker
            plain = unpacker.decompress(data, _UNPACKED)
            more = len(plain) == _UNPACKED
            left = unpacker.unused_data or unpacker.unconsumed_tail
            self._at += len(data) - len(left)
            self._amid = not unpacker.eof
            data = left
            for line in self._split(plain):
                yield line, None
            if unpacker.eof:
                more = False
                self._unpacker = zlib.decompressobj(_GZIP)
                if not self._open:
                    yield b"", self._at

    def _split(self, plain: bytes) -> list[bytes]:
        first, *others = plain.split(b"\n")
        if first:
            self._open.append(first)
        if not others:
            return []
        lines = [b"".join(self._open), *others[:-1]]
        self._open = [others[-1]] if others[-1] else []
        return lines


async def pieces(file: BinaryIO) -> AsyncIterator[bytes]:
    """The bytes of a file, or of what another program writes, which is waited for."""
    kind = os.fstat(file.fileno()).st_mode
    if not (stat.S_ISFIFO(kind) or stat.S_ISSOCK(kind) or file.isatty()):
        while data := file.read(PIECE):
            yield data
        return
    reader = asyncio.StreamReader(limit=PIECE)
    loop = asyncio.get_running_loop()
    transport, _ = await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    try:
        while data := await reader.read(PIECE):
            yield data
    finally:
        transport.close()
