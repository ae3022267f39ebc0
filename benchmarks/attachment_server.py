"""Takes and gives attachments of any size: ``python -m benchmarks.attachment_server`` prints its port.

A document has one attachment, whose name is its size. What comes is read, and forgotten but for its
digest. Whoever is slow is waited for.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import functools
import hashlib
import json
from collections.abc import AsyncIterator

PIECE = bytes(range(256)) * 256
CONTENT_TYPE = "application/octet-stream"
BOUNDARY = "0123456789abcdef"

Read = AsyncIterator[bytes]


def pieces(size: int) -> list[bytes]:
    """The content of an attachment; it is one piece, again and again."""
    whole, rest = divmod(size, len(PIECE))
    return [PIECE] * whole + ([PIECE[:rest]] if rest else [])


@functools.cache
def digest(size: int) -> str:
    found = hashlib.md5(usedforsecurity=False)
    for piece in pieces(size):
        found.update(piece)
    return base64.b64encode(found.digest()).decode()


class Server:
    """Answers the requests of all connections."""

    def __init__(self) -> None:
        self._stored = ""  # the digest of what came last

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                await self._answer(head, reader, writer)
        writer.close()

    async def _answer(
        self, head: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        method, target, _ = head.split(" ", 2)
        path, _, query = target.partition("?")
        name = path.rpartition("/")[2]
        if method == "PUT":
            found = hashlib.md5(usedforsecurity=False)
            async for piece in body(head, reader):
                found.update(piece)
            self._stored = base64.b64encode(found.digest()).decode()
            say(writer, "201 Created", {"ok": True, "id": "doc", "rev": "1-a"})
        elif method == "HEAD":
            if not name.isdigit():  # it came with its document: the digest is that of both
                start(writer, "200 OK", 0, "")
            else:
                tag = self._stored if "rev=" in query else digest(int(name))
                start(writer, "200 OK", int(name), tag)
        elif "attachments=true" in query:
            await give_bundle(writer, int(name))
        elif path == "/":
            say(writer, "200 OK", {"couchdb": "Welcome", "version": "3.5.0"})
        else:
            start(writer, "200 OK", int(name), digest(int(name)))
            await give(writer, int(name))
        await writer.drain()


async def body(head: str, reader: asyncio.StreamReader) -> AsyncIterator[bytes]:
    """The body of a request, piece by piece."""
    lowered = head.lower()
    if "transfer-encoding: chunked" in lowered:
        while size := int(await reader.readline(), 16):
            yield await reader.readexactly(size)
            await reader.readline()
        await reader.readline()
        return
    left = int(lowered.partition("content-length: ")[2].partition("\r\n")[0])
    while left:
        piece = await reader.read(min(left, len(PIECE)))
        if not piece:
            raise ConnectionError
        left -= len(piece)
        yield piece


def start(writer: asyncio.StreamWriter, status: str, size: int, tag: str) -> None:
    lines = [
        f"HTTP/1.1 {status}",
        f"Content-Type: {CONTENT_TYPE}",
        f"Content-Length: {size}",
        f'ETag: "{tag}"',
        "Accept-Ranges: bytes",
    ]
    writer.write("\r\n".join([*lines, "", ""]).encode())


def say(writer: asyncio.StreamWriter, status: str, value: object) -> None:
    text = json.dumps(value)
    lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(text)}"]
    writer.write("\r\n".join([*lines, "", text]).encode())


async def give(writer: asyncio.StreamWriter, size: int) -> None:
    for piece in pieces(size):
        writer.write(piece)
        await writer.drain()


async def give_bundle(writer: asyncio.StreamWriter, size: int) -> None:
    """A document whose id is the size of its two attachments."""
    half = size // 2
    stub = {
        "content_type": CONTENT_TYPE,
        "length": half,
        "digest": f"md5-{digest(half)}",
        "follows": True,
    }
    doc = {"_id": str(size), "_rev": "1-a", "_attachments": {"a": stub, "b": stub}}
    first = f"--{BOUNDARY}\r\nContent-Type: application/json\r\n\r\n{json.dumps(doc)}"
    between = f"\r\n--{BOUNDARY}\r\nContent-Length: {half}\r\n\r\n"
    last = f"\r\n--{BOUNDARY}--"
    length = len(first) + 2 * (len(between) + half) + len(last)
    lines = [
        "HTTP/1.1 200 OK",
        f'Content-Type: multipart/related; boundary="{BOUNDARY}"',
        f"Content-Length: {length}",
    ]
    writer.write("\r\n".join([*lines, "", first]).encode())
    for _ in range(2):
        writer.write(between.encode())
        await give(writer, half)
    writer.write(last.encode())


async def main() -> None:
    server = await asyncio.start_server(Server().serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(main())
