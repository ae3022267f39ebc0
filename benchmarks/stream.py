"""All documents of a database, streamed: from the call until the last one has been looked at.

What is compared: a contestant goes through ``_all_docs?include_docs=true`` in its fastest documented
way, and reads the id and one field of each document. *first ms* is how long the first one took,
*row µs* what each of them cost the client's CPU. Peers hold the whole answer before they give its
first row.

The bytes are those of CouchDB 3.5, a line for each row and small chunks; and for one contestant those
of PouchDB Server, all in one line. The floor is an asyncio connection whose answer is cut into lines,
each decoded by orjson.

The same stream of 1,000 to 2,000,000 rows shows whether a row costs the same in all of them, and
takes no more memory. (A thousand rows carry the cost of the request and its connection.) *slow
reader* takes a hundred times as long as the server, and leaves in the middle.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from time import perf_counter
from typing import Any, NamedTuple

from .canned import STREAMED, STREAMED_ANSWERS, couchdb_database, pouchdb_database
from .meter import BOX, Meter
from .model import SECONDS, Bar, Benchmark, Column, Contestant, Group, Results, ratio

ROWS = 200_001
COUCHDB = couchdb_database(ROWS)
SLOW_ROWS = 100_000
SLOWNESS = 150e-6  # seconds a row: the server sends one in 1.5 µs


class Read(NamedTuple):
    """When the first document was there, and the sum of all ids' lengths and numbers."""

    first: float
    sum: int


def expected(rows: int) -> int:
    return sum(len(f"{n:08d}") + n for n in range(rows))


class Times:
    """Hands the time of one stream after the other to a meter."""

    def __init__(self, meter: Meter, rows: int) -> None:
        self._meter = meter
        self._rows = rows
        self._sum = expected(rows)
        self._firsts: list[float] = []

    def take(self, began: float, read: Read) -> None:
        self._meter.stop()
        if read.sum != self._sum:
            raise ValueError(f"not the documents that were sent: {read.sum}, not {self._sum}")
        self._firsts.append(read.first - began)
        notes = self._meter.notes
        notes["first_ms"] = sum(self._firsts) / len(self._firsts) * 1000
        notes["row_us"] = self._meter.cpu / self._meter.operations / self._rows * 1e6


def measure(meter: Meter, read: Callable[[], Read], rows: int = ROWS) -> None:
    times = Times(meter, rows)
    meter.ready()
    until = perf_counter() + BOX
    while perf_counter() < until:
        meter.start()
        times.take(perf_counter(), read())


async def measure_async(
    meter: Meter, read: Callable[[], Awaitable[Read]], rows: int = ROWS
) -> None:
    times = Times(meter, rows)
    meter.ready()
    until = perf_counter() + BOX
    while perf_counter() < until:
        meter.start()
        times.take(perf_counter(), await read())


def read_docs(docs: Iterable[Any]) -> Read:
    first = 0.0
    total = 0
    for doc in docs:
        first = first or perf_counter()
        total += len(doc["_id"]) + doc["n"]
    return Read(first, total)


def read_rows(rows: Iterable[Any]) -> Read:
    first = 0.0
    total = 0
    for row in rows:
        first = first or perf_counter()
        total += len(row["id"]) + row["doc"]["n"]
    return Read(first, total)


async def read_docs_async(docs: AsyncIterable[Any]) -> Read:
    first = 0.0
    total = 0
    async for doc in docs:
        first = first or perf_counter()
        total += len(doc["_id"]) + doc["n"]
    return Read(first, total)


def corduroy_for(name: str, rows: int = ROWS) -> Callable[[Meter, str], None]:
    def run(meter: Meter, url: str) -> None:
        from corduroy import Couch

        db = Couch(url).database(name)
        measure(meter, lambda: read_docs(db.docs()), rows)

    return run


def corduroy_async_for(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(COUCHDB)
    asyncio.run(measure_async(meter, lambda: read_docs_async(db.docs())))


def corduroy_callback(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(COUCHDB)

    async def read() -> Read:
        first = 0.0
        total = 0

        def got(docs: Any, status: Any) -> None:
            nonlocal first, total
            status.check()
            first = first or perf_counter()
            for doc in docs:
                total += len(doc["_id"]) + doc["n"]

        await db.docs(callback=got)
        return Read(first, total)

    asyncio.run(measure_async(meter, read))


def read_row_objects(rows: Iterable[Any]) -> Read:
    first = 0.0
    total = 0
    for row in rows:
        first = first or perf_counter()
        total += len(row.id) + row.doc["n"]
    return Read(first, total)


def corduroy_rows(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(COUCHDB)
    measure(meter, lambda: read_row_objects(db.stream("_all_docs", include_docs=True)))


def slow_reader(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(COUCHDB)
    meter.ready()
    meter.start()
    for count, doc in enumerate(db.docs(), 1):
        if count == SLOW_ROWS:
            break
        if count % 10 == 0:
            time.sleep(10 * SLOWNESS)
        assert doc["n"] == count - 1
    meter.stop()


def aiocouch(meter: Meter, url: str) -> None:
    from aiocouch import CouchDB
    from aiocouch.view import AllDocsView

    async def main() -> None:
        async with CouchDB(url) as server:
            view = AllDocsView(await server[COUCHDB])

            async def read() -> Read:
                return read_rows((await view.get(include_docs=True)).rows)

            await measure_async(meter, read)

    asyncio.run(main())


def couchdb3(meter: Meter, url: str) -> None:
    from couchdb3 import Server

    db = Server(url, auth_method="basic")[COUCHDB]
    measure(meter, lambda: read_rows(db.all_docs(include_docs=True).rows))


def couchdb_python(meter: Meter, url: str) -> None:
    from couchdb import Server

    db = Server(url)[COUCHDB]
    measure(meter, lambda: read_rows(db.view("_all_docs", include_docs=True)))


def cloudant(meter: Meter, url: str) -> None:
    from cloudant import couchdb_admin_party

    with couchdb_admin_party(url=url) as client:
        db = client[COUCHDB]
        measure(meter, lambda: read_rows(db.all_docs(include_docs=True)["rows"]))


def floor(meter: Meter, url: str) -> None:
    import orjson

    from .floor import Lines, connections, request

    asked = request(url, f"/{COUCHDB}/_all_docs?include_docs=true")

    async def read() -> Read:
        first = 0.0
        total = 0

        def got(line: bytes) -> None:
            nonlocal first, total
            if line.startswith(b'{"id"'):
                row = orjson.loads(line.rstrip(b",\r"))
                first = first or perf_counter()
                total += len(row["id"]) + row["doc"]["n"]

        async with connections(url, 1, lambda: Lines(got)) as [connection]:
            await connection.fetch(asked)
        return Read(first, total)

    asyncio.run(measure_async(meter, read))


def sized(rows: int) -> str:
    return f"corduroy {rows:,} rows"


WAYS = Group(
    f"{ROWS:,} documents",
    [
        Contestant("corduroy for", corduroy_for(COUCHDB)),
        Contestant("corduroy async for", corduroy_async_for),
        Contestant("corduroy callback", corduroy_callback),
        Contestant("corduroy stream", corduroy_rows),
        Contestant("corduroy pouchdb", corduroy_for(pouchdb_database(ROWS))),
        Contestant("aiocouch", aiocouch),
        Contestant("couchdb3", couchdb3),
        Contestant("couchdb-python", couchdb_python),
        Contestant("cloudant", cloudant),
        Contestant("floor", floor),
    ],
    floor="floor",
    peer="aiocouch",
)

SIZES = Group(
    "1,000 to 2,000,000",
    [
        *(Contestant(sized(rows), corduroy_for(couchdb_database(rows), rows)) for rows in STREAMED),
        Contestant("corduroy slow reader", slow_reader),
    ],
    floor="",  # of streams of other lengths there are no ratios
    peer="",
)

MOST_MB = 40


def near_the_floor(way: str) -> Bar:
    value = ratio("seconds", f"corduroy {way}", "floor")
    return Bar(f"stream.{way.replace(' ', '-')}/floor", value, 1.3, at_most=True)


def figure(name: str, contestant: str, figure: str, most: float) -> Bar:
    return Bar(name, lambda results: results[contestant][figure], most, at_most=True)


def slow_growth(results: Results) -> float:
    return results["corduroy slow reader"]["peak_mb"] - results["corduroy for"]["peak_mb"]


def growth(results: Results) -> float:
    """What a row costs among two million, against the least that it costs in fewer."""
    costs = [results[sized(rows)]["row_us"] for rows in STREAMED]
    return costs[-1] / min(costs)


OURS = ("for", "async for", "pouchdb")

BENCHMARK = Benchmark(
    "stream",
    "All documents of a database, streamed",
    [WAYS, SIZES],
    [
        *map(near_the_floor, OURS),
        *(
            figure(f"stream.{way.replace(' ', '-')}-first-ms", f"corduroy {way}", "first_ms", 100)
            for way in OURS
        ),
        *(
            figure(f"stream.{way.replace(' ', '-')}-peak-mb", f"corduroy {way}", "peak_mb", MOST_MB)
            for way in OURS
        ),
        figure("stream.2,000,000-peak-mb", sized(2_000_000), "peak_mb", MOST_MB),
        Bar("stream.slow-reader-more-mb", slow_growth, 1, at_most=True),
        Bar("stream.row-of-2,000,000/cheapest", growth, 1.2, at_most=True),
    ],
    speed=SECONDS,
    extra=[Column("first ms", "first_ms", "{:.1f}"), Column("row µs", "row_us", "{:.2f}")],
    answers=STREAMED_ANSWERS,
)
