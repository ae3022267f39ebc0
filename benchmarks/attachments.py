"""An attachment of 1 GB, up and down, and two of half of that with their document in one request.

A server of its own (`attachment_server`) takes and gives them, and tells their digests: corduroy
compares those, which takes it a good part of its time. What goes up comes from a sparse file; what
comes down goes to /dev/null. *above idle* is the peak above a client that has asked for one thing.

The floor is a socket, and as much of the work as nobody can do without: to read the file and write
pieces of it, or to read pieces, and to compute their digest.
"""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from .attachment_server import PIECE
from .meter import Meter
from .model import SECONDS, Bar, Benchmark, Contestant, Group
from .servers import asyncio_server

SIZE = 1_000_000_000
NAME = str(SIZE)


def with_server(measure: Callable[[Meter, str, Path], None]) -> Callable[[Meter, str], None]:
    """A contestant that has a server, and a file of the size."""

    def run(meter: Meter, url: str) -> None:
        with (
            asyncio_server("attachment_server") as (_, port),
            tempfile.NamedTemporaryFile() as file,
        ):
            file.truncate(SIZE)
            measure(meter, f"http://127.0.0.1:{port}", Path(file.name))

    return run


def blocking(call: Callable[[Any, Path], Any]) -> Callable[[Meter, str], None]:
    """corduroy without a loop."""

    def measure(meter: Meter, url: str, path: Path) -> None:
        from corduroy import Couch

        db = Couch(url, timeout=0).database("db")
        db.head_attachment("doc", NAME)
        db.head_attachment("doc", str(SIZE // 2))  # the server computes its digests once
        meter.ready()
        meter.start()
        call(db, path)
        meter.stop()

    return with_server(measure)


def future(call: Callable[[Any, Path], Awaitable[Any]]) -> Callable[[Meter, str], None]:
    """corduroy under a loop."""

    def measure(meter: Meter, url: str, path: Path) -> None:
        from corduroy import Couch

        async def main() -> None:
            db = Couch(url, timeout=0).database("db")
            await db.head_attachment("doc", NAME)
            await db.head_attachment("doc", str(SIZE // 2))
            meter.ready()
            meter.start()
            await call(db, path)
            meter.stop()

        asyncio.run(main())

    return with_server(measure)


def up(db: Any, path: Path) -> Any:
    return db.put_attachment({"_id": "doc"}, path, NAME)


def up_of_iterable(db: Any, path: Path) -> Any:
    pieces = (PIECE for _ in range(SIZE // len(PIECE)))
    return db.put_attachment({"_id": "doc"}, pieces, NAME)


def up_with_document(db: Any, path: Path) -> Any:
    half = {"data": Half(path), "content_type": "application/octet-stream"}
    return db.save({"_id": "doc", "_attachments": {"a": half, "b": dict(half, data=Half(path))}})


class Half:
    """One half of a file, as an open file."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("rb")

    def read(self, size: int = -1) -> bytes:
        return self._file.read(max(0, min(size, SIZE // 2 - self._file.tell())))

    def seek(self, place: int, whence: int = os.SEEK_SET) -> int:
        return self._file.seek(SIZE // 2 if whence == os.SEEK_END else place)

    def tell(self) -> int:
        return self._file.tell()


def down(db: Any, path: Path) -> Any:
    return db.get_attachment("doc", NAME, to=os.devnull)


def down_for(db: Any, path: Path) -> None:
    check(sum(map(len, db.stream_attachment("doc", NAME))))


async def down_async_for(db: Any, path: Path) -> None:
    size = 0
    async for piece in db.stream_attachment("doc", NAME):
        size += len(piece)
    check(size)


def down_with_document(db: Any, path: Path) -> Any:
    return db.get_with_attachments(NAME, to=lambda name: os.devnull)


def check(size: int) -> None:
    if size != SIZE:
        raise ValueError(f"{size} bytes came, not {SIZE}")


def floor_up(meter: Meter, url: str, path: Path) -> None:
    head = f"PUT /db/doc/{NAME} HTTP/1.1\r\nHost: x\r\nContent-Length: {SIZE}\r\n\r\n"
    with connected(url) as connection, path.open("rb") as file:
        meter.ready()
        meter.start()
        connection.sendall(head.encode())
        digest = hashlib.md5(usedforsecurity=False)
        while piece := file.read(len(PIECE)):
            digest.update(piece)
            connection.sendall(piece)
        connection.recv(4096)
        meter.stop()


def floor_down(meter: Meter, url: str, path: Path) -> None:
    request = f"{{}} /db/doc/{NAME} HTTP/1.1\r\nHost: x\r\n\r\n"
    with connected(url) as connection, open(os.devnull, "wb") as file:
        connection.sendall(request.format("HEAD").encode())
        connection.recv(4096)
        meter.ready()
        meter.start()
        connection.sendall(request.format("GET").encode())
        piece, buffer = connection.recv(4096).partition(b"\r\n\r\n")[2], bytearray(len(PIECE))
        file.write(piece)
        digest, size = hashlib.md5(piece, usedforsecurity=False), len(piece)
        while size < SIZE and (count := connection.recv_into(buffer)):
            digest.update(memoryview(buffer)[:count])
            file.write(memoryview(buffer)[:count])
            size += count
        meter.stop()
    check(size)


def connected(url: str) -> socket.socket:
    return socket.create_connection(("127.0.0.1", urlsplit(url).port or 0))


UP = Group(
    "up",
    [
        Contestant("corduroy blocking up", blocking(up)),
        Contestant("corduroy future up", future(up)),
        Contestant("corduroy up of an iterable", blocking(up_of_iterable)),
        Contestant("corduroy up with document", blocking(up_with_document)),
        Contestant("floor up", with_server(floor_up)),
    ],
    floor="floor up",
    peer="",
)

DOWN = Group(
    "down",
    [
        Contestant("corduroy blocking down", blocking(down)),
        Contestant("corduroy future down", future(down)),
        Contestant("corduroy for", blocking(down_for)),
        Contestant("corduroy async for", future(down_async_for)),
        Contestant("corduroy down with document", blocking(down_with_document)),
        Contestant("floor down", with_server(floor_down)),
    ],
    floor="floor down",
    peer="",
)


def flat(contestant: str) -> Bar:
    name = contestant.removeprefix("corduroy ").replace(" ", "-")
    return Bar(
        f"attachments.{name}-above-idle-mb",
        lambda results: results[contestant]["above_idle_mb"],
        16,
        at_most=True,
    )


BENCHMARK = Benchmark(
    "attachments",
    "An attachment of 1 GB",
    [UP, DOWN],
    [
        flat(each.name)
        for group in (UP, DOWN)
        for each in group.contestants
        if each.name.startswith("corduroy")
    ],
    speed=SECONDS,
)
