"""100,000 small documents, written to a real server: the embedded one, or that of ``COUCHDB_URL``.

What is compared is the client: a server takes most of the time, and the same for everybody. So the
figure that counts is the CPU time of the client for each document. The documents come from a
generator, as they would from a file; each contestant writes them as its manual says. Those that
leave it to the program how many go in one request get 2,000 at a time, which is what corduroy sends.
The floor writes the same requests over an asyncio connection, encoded by orjson.

Peak memory is that of the whole run.
"""

from __future__ import annotations

import asyncio
import base64
import os
import uuid
from collections.abc import Callable, Coroutine, Iterator
from itertools import islice
from typing import Any
from urllib.parse import urlsplit

from .meter import Meter
from .model import Bar, Benchmark, Column, Contestant, Group, ratio

COUNT = 100_000
BATCH = 2000


def documents(prefix: str) -> Iterator[dict[str, Any]]:
    for n in range(COUNT):
        yield {"_id": f"{prefix}{n:07}", "type": "reading", "n": n, "value": n / 7, "ok": True}


def batches(prefix: str) -> Iterator[list[dict[str, Any]]]:
    docs = documents(prefix)
    while batch := list(islice(docs, BATCH)):
        yield batch


class Place:
    """A fresh database on the server that is written to."""

    def __init__(self) -> None:
        from corduroy import Couch
        from corduroy.testing import Server

        url = os.environ.get("COUCHDB_URL", "")
        self._embedded = None if url else Server()
        if self._embedded is not None:
            self._embedded.start()
            url = self._embedded.url
        self.url = url
        self.name = f"bench-{uuid.uuid4().hex}"
        self._couch = Couch(url, style="blocking")
        self._couch.create(self.name)

    def check(self) -> None:
        found = self._couch[self.name].info()["doc_count"]
        if found != COUNT:
            raise ValueError(f"{found} documents were written, not {COUNT}")

    def remove(self) -> None:
        self._couch.delete(self.name)
        if self._embedded is not None:
            self._embedded.stop()

    @property
    def login(self) -> tuple[str, str, str]:
        """The url without credentials, and these."""
        parts = urlsplit(self.url)
        bare = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
        return bare, parts.username or "", parts.password or ""


def blocking(write: Callable[[Place, Meter], None]) -> Callable[[Meter, str], None]:
    """A contestant that writes to a place, and starts the meter when it is ready."""

    def run(meter: Meter, _: str) -> None:
        place = Place()
        try:
            write(place, meter)
            meter.stop(COUNT)
            meter.mark_peak()
            place.check()
        finally:
            place.remove()

    return run


def on_a_loop(
    write: Callable[[Place, Meter], Coroutine[Any, Any, None]],
) -> Callable[[Meter, str], None]:
    return blocking(lambda place, meter: asyncio.run(write(place, meter)))


def begin(meter: Meter) -> None:
    meter.ready()
    meter.start()


def corduroy_save(place: Place, meter: Meter) -> None:
    from corduroy import Couch

    db = Couch(place.url).database(place.name)
    begin(meter)
    db.save(documents("d"))


def corduroy_with(place: Place, meter: Meter) -> None:
    from corduroy import Couch

    db = Couch(place.url).database(place.name)
    begin(meter)
    with db.writer() as writer:
        for doc in documents("d"):
            writer.put(doc)


async def corduroy_async_with(place: Place, meter: Meter) -> None:
    from corduroy import Couch

    async with Couch(place.url) as couch:
        db = couch.database(place.name)
        begin(meter)
        async with db.writer() as writer:
            for doc in documents("d"):
                await writer.put(doc)


async def aiocouch(place: Place, meter: Meter) -> None:
    from aiocouch import CouchDB

    url, user, password = place.login
    async with CouchDB(url, user=user or None, password=password or None) as server:
        db = await server[place.name]
        begin(meter)
        for batch in batches("d"):
            async with db.create_docs([doc["_id"] for doc in batch]) as bulk:
                left = iter(batch)
                async for new in bulk:
                    new.update(next(left))


def couchdb3(place: Place, meter: Meter) -> None:
    from couchdb3 import Server

    url, user, password = place.login
    db = Server(url, user=user or None, password=password or None)[place.name]
    begin(meter)
    for batch in batches("d"):
        db.bulk_docs(batch)


def couchdb_python(place: Place, meter: Meter) -> None:
    from couchdb import Server

    db = Server(place.url)[place.name]
    begin(meter)
    for batch in batches("d"):
        db.update(batch)


async def floor(place: Place, meter: Meter) -> None:
    import orjson

    from .floor import Connection, connections

    class Writing(Connection):
        accepted = 201

    url, user, password = place.login
    login = base64.b64encode(f"{user}:{password}".encode()).decode()
    lines = [f"POST /{place.name}/_bulk_docs HTTP/1.1", f"Host: {urlsplit(url).netloc}"]
    lines += ["Content-Type: application/json", f"Authorization: Basic {login}"]
    head = "\r\n".join(lines if user else lines[:-1])
    left = batches("d")

    async def work(connection: Connection) -> None:
        for batch in left:
            body = orjson.dumps({"docs": batch})
            length = f"{head}\r\nContent-Length: {len(body)}\r\n\r\n"
            answer = await connection.fetch(length.encode() + body)
            for doc, said in zip(batch, orjson.loads(answer), strict=True):
                doc["_rev"] = said["rev"]

    async with connections(url, 4, Writing) as opened:
        begin(meter)
        await asyncio.gather(*map(work, opened))


OURS = ("save", "with", "async with")

GROUP = Group(
    "_bulk_docs",
    [
        Contestant("corduroy save", blocking(corduroy_save)),
        Contestant("corduroy with", blocking(corduroy_with)),
        Contestant("corduroy async with", on_a_loop(corduroy_async_with)),
        Contestant("aiocouch", on_a_loop(aiocouch)),
        Contestant("couchdb3", blocking(couchdb3)),
        Contestant("couchdb-python", blocking(couchdb_python)),
        Contestant("floor", on_a_loop(floor)),
    ],
    floor="floor",
    peer="aiocouch",
)


def bars(style: str) -> list[Bar]:
    ours, name = f"corduroy {style}", f"write.{style.replace(' ', '-')}"
    return [
        *(
            Bar(f"{name}-cpu/{peer}", ratio("cpu_us", ours, peer), 0.33, at_most=True)
            for peer in ("aiocouch", "couchdb3")
        ),
        Bar(f"{name}-peak-mb", lambda results: results[ours]["peak_mb"], 60, at_most=True),
    ]


BENCHMARK = Benchmark(
    "write",
    f"{COUNT:,} small documents, written",
    [GROUP],
    [bar for style in OURS for bar in bars(style)],
    speed=Column("documents/s", "rate", "{:,.0f}"),
)
