"""A backlog of 200,000 changes, read off a continuous feed until the last one is there.

What is compared: a contestant asks for ``_changes?feed=continuous&since=0`` in its fastest
documented way and reads the id and the seq of every change; the clock stops at the last. *first ms*
is how long the first one took.

The canned server sends what CouchDB 3.5 does, chunk by chunk: whole lines, six to a chunk. After
the changes the answer ends as CouchDB ends it when `limit` is reached, with a line that has the
last_seq. Nobody depends on it: some take no `limit`, some hand that line out like a change. All of
them leave after the last change.

The floor is an asyncio connection whose answer is cut into lines, each decoded by orjson. nano has
no follower that asks for a continuous feed: it gives the bytes, and its users cut them into lines.
Its own way to read a backlog in one request, `spool`, takes half as long again.

Peak memory is that of the whole run, several backlogs long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from statistics import fmean
from time import perf_counter
from typing import Any, NamedTuple

from . import nano
from .canned import CHANGES, DATABASE, FEED, seq
from .meter import BOX, Meter
from .model import SECONDS, Bar, Benchmark, Column, Contestant, Group, Results, ratio

ASKED: dict[str, Any] = {"feed": "continuous", "since": 0}
LETTERS = sum(8 + len(seq(1)) - 1 + len(str(n)) for n in range(1, CHANGES + 1))


class Read(NamedTuple):
    """When the first change was there, and how long all ids and seqs are together."""

    first: float
    letters: int


class Times:
    """Hands the time of one backlog after the other to a meter."""

    def __init__(self, meter: Meter) -> None:
        self._meter = meter
        self._began = 0.0
        self._firsts: list[float] = []

    def start(self) -> None:
        self._began = perf_counter()
        self._meter.start()

    def stop(self, read: Read) -> None:
        self._meter.stop()
        check(read)
        self._firsts.append(read.first - self._began)
        self._meter.notes["first_ms"] = fmean(self._firsts) * 1000


def check(read: Read) -> None:
    if read.letters != LETTERS:
        raise ValueError(f"not the changes that were sent: {read.letters} letters, not {LETTERS}")


def measure(meter: Meter, read: Callable[[], Read]) -> None:
    meter.ready()
    check(read())
    times = Times(meter)
    until = perf_counter() + BOX
    while perf_counter() < until:
        times.start()
        times.stop(read())


async def measure_async(meter: Meter, read: Callable[[], Awaitable[Read]]) -> None:
    meter.ready()
    check(await read())
    times = Times(meter)
    until = perf_counter() + BOX
    while perf_counter() < until:
        times.start()
        times.stop(await read())


def corduroy_callback(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    async def read() -> Read:
        came: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        first = 0.0
        count = letters = 0

        def got(seq: Any, changes: Any) -> None:
            nonlocal first, count, letters
            first = first or perf_counter()
            for change in changes:
                letters += len(change.id) + len(change.seq)
            count += len(changes)
            if count == CHANGES:
                came.set_result(None)

        feed = db.changes(**ASKED, limit=CHANGES, callback=got)
        await came
        feed.stop()
        return Read(first, letters)

    asyncio.run(measure_async(meter, read))


def corduroy_async_for(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    async def read() -> Read:
        first = 0.0
        letters = 0
        async for change in db.changes(**ASKED, limit=CHANGES):
            first = first or perf_counter()
            letters += len(change.id) + len(change.seq)
        return Read(first, letters)

    asyncio.run(measure_async(meter, read))


def corduroy_for(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    def read() -> Read:
        first = 0.0
        letters = 0
        for change in db.changes(**ASKED, limit=CHANGES):
            first = first or perf_counter()
            letters += len(change.id) + len(change.seq)
        return Read(first, letters)

    measure(meter, read)


def aiocouch(meter: Meter, url: str) -> None:
    from aiocouch import CouchDB

    async def main() -> None:
        async with CouchDB(url) as server:
            db = await server[DATABASE]

            async def read() -> Read:
                first = 0.0
                count = letters = 0
                async for event in db.changes(**ASKED):
                    first = first or perf_counter()
                    letters += len(event.id) + len(event.sequence)
                    count += 1
                    if count == CHANGES:
                        break
                return Read(first, letters)

            await measure_async(meter, read)

    asyncio.run(main())


def read_dicts(changes: Iterable[Mapping[str, Any]]) -> Read:
    first = 0.0
    letters = 0
    for count, change in enumerate(changes, 1):
        first = first or perf_counter()
        letters += len(change["id"]) + len(change["seq"])
        if count == CHANGES:
            break
    return Read(first, letters)


def couchdb_python(meter: Meter, url: str) -> None:
    from couchdb import Server

    db = Server(url)[DATABASE]
    measure(meter, lambda: read_dicts(db.changes(**ASKED)))


def cloudant(meter: Meter, url: str) -> None:
    from cloudant import couchdb_admin_party

    with couchdb_admin_party(url=url) as client:
        db = client[DATABASE]
        measure(meter, lambda: read_dicts(db.changes(**ASKED)))


def floor(meter: Meter, url: str) -> None:
    import orjson

    from .floor import Lines, connections, request

    asked = request(url, f"{FEED}?feed=continuous&since=0")

    async def read() -> Read:
        first = 0.0
        count = letters = 0

        def got(line: bytes) -> None:
            nonlocal first, count, letters
            if count < CHANGES:
                change = orjson.loads(line)
                first = first or perf_counter()
                letters += len(change["id"]) + len(change["seq"])
                count += 1

        async with connections(url, 1, lambda: Lines(got)) as [connection]:
            await connection.fetch(asked)
        return Read(first, letters)

    asyncio.run(measure_async(meter, read))


def nano_stream(meter: Meter, url: str) -> None:
    """Node measures itself, the way it is done here."""
    found = nano.run(url, DATABASE, CHANGES, BOX)
    check(Read(0, found.pop("letters")))
    meter.operations, meter.seconds = found.pop("operations"), found.pop("seconds")
    meter.notes.update(found)


OURS = ("callback", "async for", "for")
PEERS = ("aiocouch", "couchdb-python", "cloudant")

GROUP = Group(
    "_changes?feed=continuous",
    [
        Contestant("corduroy callback", corduroy_callback),
        Contestant("corduroy async for", corduroy_async_for),
        Contestant("corduroy for", corduroy_for),
        Contestant("aiocouch", aiocouch),
        Contestant("couchdb-python", couchdb_python),
        Contestant("cloudant", cloudant),
        Contestant("nano", nano_stream, lacks=nano.lacks),
        Contestant("floor", floor),
    ],
    floor="floor",
    peer="aiocouch",
)


def bar_name(style: str, what: str) -> str:
    return f"changes.{style.replace(' ', '-')}{what}"


def near_the_floor(style: str) -> Bar:
    value = ratio("seconds", f"corduroy {style}", "floor")
    return Bar(bar_name(style, "/floor"), value, 1.5, at_most=True)


def ahead(style: str) -> Bar:
    """Of every peer, and of nano where that can run."""

    def value(results: Results) -> float:
        peers = [*PEERS, *(["nano"] if "nano" in results else [])]
        return results[f"corduroy {style}"]["rate"] / max(results[peer]["rate"] for peer in peers)

    return Bar(bar_name(style, "/fastest-peer"), value, 1)


def memory(style: str) -> Bar:
    return Bar(
        bar_name(style, "-peak-mb"),
        lambda results: results[f"corduroy {style}"]["peak_mb"],
        40,
        at_most=True,
    )


BENCHMARK = Benchmark(
    "changes",
    f"A backlog of {CHANGES:,} changes",
    [GROUP],
    [bar(style) for bar in (near_the_floor, ahead, memory) for style in OURS],
    speed=SECONDS,
    extra=[Column("first ms", "first_ms", "{:.1f}")],
)
