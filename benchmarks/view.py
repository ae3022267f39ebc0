"""50,000 rows with their documents: from the call until every row has been looked at.

What is compared: a contestant asks for ``_all_docs?include_docs=true`` in its fastest way, then
reads the id of every row and one field of its document. aiocouch is asked for its rows as they
are (`View.get`): its `docs()` is slower. Letting go of the rows is not counted.

The floor is *decode*: the same bytes over the floor's connection, put together in memory and
decoded by msgspec with the garbage collector paused.

Memory: *above idle* is the peak of the first call, above the process at rest. For *decode* that
is the body and the objects made of it; *held* is the objects alone, with the body gone again:
what the decoded body takes, to which corduroy's peak is compared.
"""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Awaitable, Callable, Iterable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .canned import DATABASE, ROWS, VIEW
from .get import curl_client, simple_client
from .meter import BOX, Meter
from .model import SECONDS, Bar, Benchmark, Column, Contestant, Group, Results, ratio

if TYPE_CHECKING:
    from tornado.httpclient import AsyncHTTPClient

PATH = f"{VIEW}?include_docs=true"

Touch = Callable[[Any], None]


def touch_objects(rows: Iterable[Any]) -> None:
    letters = total = 0
    for row in rows:
        letters += len(row.id)
        total += row.doc["n"]
    check(letters, total)


def touch_dicts(rows: Iterable[Mapping[str, Any]]) -> None:
    letters = total = 0
    for row in rows:
        letters += len(row["id"])
        total += row["doc"]["n"]
    check(letters, total)


def check(letters: int, total: int) -> None:
    if (letters, total) != (8 * ROWS, ROWS * (ROWS - 1) // 2):
        raise ValueError(f"not the rows that were sent: {letters} letters of ids, {total}")


def measure(meter: Meter, fetch: Callable[[], Any], touch: Touch) -> None:
    meter.ready()
    touch(fetch())
    meter.mark_peak()
    until = perf_counter() + BOX
    while perf_counter() < until:
        meter.start()
        rows = fetch()
        touch(rows)
        meter.stop()
        del rows


async def measure_async(meter: Meter, fetch: Callable[[], Awaitable[Any]], touch: Touch) -> None:
    meter.ready()
    touch(await fetch())
    meter.mark_peak()
    until = perf_counter() + BOX
    while perf_counter() < until:
        meter.start()
        rows = await fetch()
        touch(rows)
        meter.stop()
        del rows
        # The loop still holds the Future that brought them, until this step ends.
        await asyncio.sleep(0)


def corduroy_blocking(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)
    measure(meter, lambda: db.view("_all_docs", include_docs=True), touch_objects)


def corduroy_future(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    async def fetch() -> Any:
        return await db.view("_all_docs", include_docs=True)

    asyncio.run(measure_async(meter, fetch, touch_objects))


def corduroy_callback(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    async def fetch() -> Any:
        came = asyncio.get_running_loop().create_future()

        def got(data: Any, status: Any) -> None:
            if status.exception is None:
                came.set_result(data)
            else:
                came.set_exception(status.exception)

        db.view("_all_docs", include_docs=True, callback=got)
        return await came

    asyncio.run(measure_async(meter, fetch, touch_objects))


def aiocouch(meter: Meter, url: str) -> None:
    from aiocouch import CouchDB
    from aiocouch.view import AllDocsView

    async def main() -> None:
        async with CouchDB(url) as server:
            view = AllDocsView(await server[DATABASE])

            async def fetch() -> list[dict[str, Any]]:
                return (await view.get(include_docs=True)).rows

            await measure_async(meter, fetch, touch_dicts)

    asyncio.run(main())


def couchdb3(meter: Meter, url: str) -> None:
    from couchdb3 import Server

    db = Server(url, auth_method="basic")[DATABASE]
    measure(meter, lambda: db.all_docs(include_docs=True).rows, touch_objects)


def couchdb_python(meter: Meter, url: str) -> None:
    from couchdb import Server

    db = Server(url)[DATABASE]
    measure(meter, lambda: db.view("_all_docs", include_docs=True).rows, touch_objects)


def tornado(make: Callable[[], AsyncHTTPClient]) -> Callable[[Meter, str], None]:
    def run(meter: Meter, url: str) -> None:
        from tornado.escape import json_decode

        async def main() -> None:
            client = make()

            async def fetch() -> Any:
                return json_decode((await client.fetch(url + PATH)).body)["rows"]

            await measure_async(meter, fetch, touch_dicts)

        asyncio.run(main())

    return run


def decode(meter: Meter, url: str) -> None:
    import msgspec

    from .floor import Connection, connections, request

    async def fetch(connection: Connection) -> Any:
        body = await connection.fetch(request(url, PATH))
        gc.disable()
        try:
            rows = msgspec.json.decode(body)["rows"]
        finally:
            gc.enable()
        del body
        # The loop still holds the Future that brought the body, until this step ends.
        await asyncio.sleep(0)
        return rows

    def touch(rows: Any) -> None:
        if not meter.notes:  # the first call, as for the peak
            meter.notes["held_mb"] = meter.above_idle_mb()
        touch_dicts(rows)

    async def main() -> None:
        async with connections(url, 1) as [connection]:
            await measure_async(meter, lambda: fetch(connection), touch)

    asyncio.run(main())


GROUP = Group(
    "_all_docs?include_docs=true",
    [
        Contestant("corduroy blocking", corduroy_blocking),
        Contestant("corduroy future", corduroy_future),
        Contestant("corduroy callback", corduroy_callback),
        Contestant("aiocouch", aiocouch),
        Contestant("couchdb3", couchdb3),
        Contestant("couchdb-python", couchdb_python),
        Contestant("tornado simple", tornado(simple_client)),
        Contestant("tornado curl", tornado(curl_client)),
        Contestant("decode", decode),
    ],
    floor="decode",
    peer="aiocouch",
)


def faster(style: str, peer: str) -> Bar:
    return Bar(f"view.{style}/{peer}", ratio("rate", f"corduroy {style}", peer), 2)


def near_decoding(style: str) -> Bar:
    value = ratio("seconds", f"corduroy {style}", "decode")
    return Bar(f"view.{style}/decode", value, 1.3, at_most=True)


def memory(style: str) -> Bar:
    def value(results: Results) -> float:
        return results[f"corduroy {style}"]["above_idle_mb"] / results["decode"]["held_mb"]

    return Bar(f"view.{style}-memory/decoded", value, 1, at_most=True)


BENCHMARK = Benchmark(
    "view",
    f"{ROWS:,} rows with documents",
    [GROUP],
    [
        faster("future", "aiocouch"),
        faster("blocking", "couchdb3"),
        faster("blocking", "couchdb-python"),
        near_decoding("blocking"),
        near_decoding("future"),
        memory("blocking"),
        memory("future"),
    ],
    speed=SECONDS,
    extra=[Column("held MB", "held_mb", "{:.1f}")],
)
