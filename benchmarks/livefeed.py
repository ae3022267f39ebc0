"""One change at a time, on a feed that waits for it: from the writing until the consumer has it.

A server of its own (`live_server`) writes 220 changes, one every 5 ms; each says when it was written,
and the consumer looks at the same clock. The first 20 warm up. *median ms* and *worst ms* are of the
others. corduroy's callback is called with every change by itself (latency 0).

The floor is an asyncio connection whose answer is cut into lines, each decoded by orjson. Its bar is
a difference, not a ratio: most of such a moment is the system's, which wakes one process for another.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from statistics import median
from time import perf_counter_ns
from typing import Any

from .canned import DATABASE, FEED
from .live_server import CHANGES
from .meter import Meter
from .model import Bar, Benchmark, Column, Contestant, Group, Results
from .servers import asyncio_server

ASKED: dict[str, Any] = {"feed": "continuous", "since": 0}
WARM_UP = 20


class Delays:
    """How old each change was when it came, in nanoseconds."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._found: list[int] = []

    def begin(self) -> None:
        self._meter.ready()
        self._meter.start()

    def came(self, id: str) -> bool:
        """Whether that was the last."""
        self._found.append(perf_counter_ns() - int(id))
        return len(self._found) == CHANGES

    def end(self) -> None:
        if len(self._found) != CHANGES:
            raise ValueError(f"{len(self._found)} changes came, not {CHANGES}")
        self._meter.stop(CHANGES)
        counted = self._found[WARM_UP:]
        self._meter.seconds = median(counted) / 1e9 * CHANGES
        self._meter.notes |= {"median_ms": median(counted) / 1e6, "worst_ms": max(counted) / 1e6}


def blocking(read: Callable[[str, Delays], None]) -> Callable[[Meter, str], None]:
    """A contestant that reads the feed at an address."""

    def run(meter: Meter, url: str) -> None:
        with asyncio_server("live_server") as (_, port):
            delays = Delays(meter)
            read(f"http://127.0.0.1:{port}", delays)
            delays.end()

    return run


def on_a_loop(
    read: Callable[[str, Delays], Coroutine[Any, Any, None]],
) -> Callable[[Meter, str], None]:
    return blocking(lambda url, delays: asyncio.run(read(url, delays)))


async def corduroy_callback(url: str, delays: Delays) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)
    last: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def got(seq: Any, changes: Any) -> None:
        for change in changes:
            if delays.came(change.id):
                last.set_result(None)

    delays.begin()
    feed = db.changes(**ASKED, latency=0, callback=got)
    await last
    feed.stop()


async def corduroy_async_for(url: str, delays: Delays) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)
    delays.begin()
    async for change in db.changes(**ASKED):
        if delays.came(change.id):
            break


def corduroy_for(url: str, delays: Delays) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)
    delays.begin()
    for change in db.changes(**ASKED):
        if delays.came(change.id):
            break


async def aiocouch(url: str, delays: Delays) -> None:
    from aiocouch import CouchDB

    async with CouchDB(url) as server:
        db = await server[DATABASE]
        delays.begin()
        async for event in db.changes(**ASKED):
            if delays.came(event.id):
                break


def couchdb_python(url: str, delays: Delays) -> None:
    from couchdb import Server

    db = Server(url)[DATABASE]
    delays.begin()
    for change in db.changes(**ASKED):
        if delays.came(change["id"]):
            break


def cloudant(url: str, delays: Delays) -> None:
    from cloudant import couchdb_admin_party

    with couchdb_admin_party(url=url) as client:
        db = client[DATABASE]
        delays.begin()
        for change in db.changes(**ASKED):
            if delays.came(change["id"]):
                break


async def floor(url: str, delays: Delays) -> None:
    import orjson

    from .floor import Lines, connections, request

    def got(line: bytes) -> None:
        delays.came(orjson.loads(line)["id"])

    async with connections(url, 1, lambda: Lines(got)) as [connection]:
        delays.begin()
        await connection.fetch(request(url, f"{FEED}?feed=continuous&since=0"))


GROUP = Group(
    "_changes?feed=continuous",
    [
        Contestant("corduroy callback", on_a_loop(corduroy_callback)),
        Contestant("corduroy async for", on_a_loop(corduroy_async_for)),
        Contestant("corduroy for", blocking(corduroy_for)),
        Contestant("aiocouch", on_a_loop(aiocouch)),
        Contestant("couchdb-python", blocking(couchdb_python)),
        Contestant("cloudant", blocking(cloudant)),
        Contestant("floor", on_a_loop(floor)),
    ],
    floor="floor",
    peer="aiocouch",
    in_turns=True,
)


def beyond_the_floor(results: Results) -> float:
    return results["corduroy callback"]["median_ms"] - results["floor"]["median_ms"]


BENCHMARK = Benchmark(
    "livefeed",
    "A change on a waiting feed",
    [GROUP],
    [Bar("livefeed.callback-floor-ms", beyond_the_floor, 5, at_most=True)],
    speed=Column("median ms", "median_ms", "{:.3f}"),
    extra=[Column("worst ms", "worst_ms", "{:.3f}")],
)
