"""One small document, again and again: in sequence, and 32 at once.

Every answer is a 200 with the whole document, also where a client (couchdb-python) sends
If-None-Match. couchdb3 as it comes gets no session here and posts to /_session before each
document (its bar was set on that); *couchdb3 basic* does not. The floor decodes with orjson.
Tornado's clients are given 32 connections; by default they have 10.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import TYPE_CHECKING, Any

from .canned import DATABASE, DOCUMENT
from .meter import Meter, at_once, repeat
from .model import Bar, Benchmark, Contestant, Group, ratio

if TYPE_CHECKING:
    from tornado.httpclient import AsyncHTTPClient

WORKERS = 32
PATH = f"/{DATABASE}/{DOCUMENT}"


def check(doc: Mapping[str, Any]) -> None:
    if doc["_id"] != DOCUMENT or doc["n"] != 1:
        raise ValueError(f"not the document: {doc!r}")


def corduroy_blocking(meter: Meter, url: str) -> None:
    from corduroy import Couch

    db = Couch(url).database(DATABASE)
    check(db.get(DOCUMENT))
    meter.run(repeat(lambda: db.get(DOCUMENT)))


def corduroy_future(workers: int) -> Callable[[Meter, str], None]:
    def run(meter: Meter, url: str) -> None:
        from corduroy import Couch

        db = Couch(url).database(DATABASE)

        async def main() -> None:
            check(await db.get(DOCUMENT))
            await meter.run_async(at_once([lambda: db.get(DOCUMENT)] * workers))

        asyncio.run(main())

    return run


def corduroy_callback(meter: Meter, url: str) -> None:
    """Chains of callbacks, each of which asks for the next document."""
    from corduroy import Couch

    db = Couch(url).database(DATABASE)

    async def phase(until: float) -> int:
        done, running = 0, WORKERS
        finished = asyncio.get_running_loop().create_future()

        def got(data: Any, status: Any) -> None:
            nonlocal done, running
            if status.exception is not None:
                finished.set_exception(status.exception)
                return
            done += 1
            if perf_counter() < until:
                # Not returned: the first Future would wait for the whole chain.
                db.get(DOCUMENT, callback=got)
                return
            running -= 1
            if not running:
                finished.set_result(None)

        for _ in range(WORKERS):
            db.get(DOCUMENT, callback=got)
        await finished
        return done

    async def main() -> None:
        check(await db.get(DOCUMENT))
        await meter.run_async(phase)

    asyncio.run(main())


def aiocouch(workers: int) -> Callable[[Meter, str], None]:
    """`Document.fetch` on a new document: what ``await db[id]`` does, and a layer less."""

    def run(meter: Meter, url: str) -> None:
        from aiocouch import CouchDB
        from aiocouch.document import Document

        async def main() -> None:
            async with CouchDB(url) as server:
                db = await server[DATABASE]

                async def fetch() -> Document:
                    doc = Document(db, DOCUMENT)
                    await doc.fetch(discard_changes=True)
                    return doc

                check(dict(await fetch()))
                await meter.run_async(at_once([fetch] * workers))

        asyncio.run(main())

    return run


def couchdb3(**options: str) -> Callable[[Meter, str], None]:
    def run(meter: Meter, url: str) -> None:
        from couchdb3 import Server

        db = Server(url, **options)[DATABASE]
        check(db.get(DOCUMENT, check=True))
        meter.run(repeat(lambda: db.get(DOCUMENT, check=True)))

    return run


def couchdb_python(meter: Meter, url: str) -> None:
    from couchdb import Server

    db = Server(url)[DATABASE]
    check(db[DOCUMENT])
    meter.run(repeat(lambda: db[DOCUMENT]))


def tornado(make: Callable[[], AsyncHTTPClient], workers: int) -> Callable[[Meter, str], None]:
    def run(meter: Meter, url: str) -> None:
        from tornado.escape import json_decode

        async def main() -> None:
            client = make()

            async def fetch() -> Any:
                return json_decode((await client.fetch(url + PATH)).body)

            check(await fetch())
            await meter.run_async(at_once([fetch] * workers))

        asyncio.run(main())

    return run


def simple_client() -> AsyncHTTPClient:
    from tornado.simple_httpclient import SimpleAsyncHTTPClient

    return SimpleAsyncHTTPClient(force_instance=True, max_clients=WORKERS)


def curl_client() -> AsyncHTTPClient:
    from tornado.curl_httpclient import CurlAsyncHTTPClient

    return CurlAsyncHTTPClient(force_instance=True, max_clients=WORKERS)


def floor(workers: int) -> Callable[[Meter, str], None]:
    """A connection for each worker."""

    def run(meter: Meter, url: str) -> None:
        import orjson

        from .floor import Connection, connections, request

        asked = request(url, PATH)

        def worker(connection: Connection) -> Callable[[], Awaitable[Any]]:
            async def fetch() -> Any:
                return orjson.loads(await connection.fetch(asked))

            return fetch

        async def main() -> None:
            async with connections(url, workers) as opened:
                calls = [worker(connection) for connection in opened]
                check(await calls[0]())
                await meter.run_async(at_once(calls))

        asyncio.run(main())

    return run


IN_SEQUENCE = Group(
    "in sequence",
    [
        Contestant("corduroy blocking", corduroy_blocking),
        Contestant("corduroy future", corduroy_future(1)),
        Contestant("aiocouch", aiocouch(1)),
        Contestant("couchdb3", couchdb3()),
        Contestant("couchdb3 basic", couchdb3(auth_method="basic")),
        Contestant("couchdb-python", couchdb_python),
        Contestant("tornado simple", tornado(simple_client, 1)),
        Contestant("tornado curl", tornado(curl_client, 1)),
        Contestant("floor", floor(1)),
    ],
    floor="floor",
    peer="aiocouch",
    in_turns=True,
)

AT_ONCE = Group(
    f"{WORKERS} at once",
    [
        Contestant("corduroy future32", corduroy_future(WORKERS)),
        Contestant("corduroy callback32", corduroy_callback),
        Contestant("aiocouch32", aiocouch(WORKERS)),
        Contestant("tornado simple32", tornado(simple_client, WORKERS)),
        Contestant("tornado curl32", tornado(curl_client, WORKERS)),
        Contestant("floor32", floor(WORKERS)),
    ],
    floor="floor32",
    peer="aiocouch32",
    turns=3,
)


def faster(name: str, ours: str, theirs: str, target: float) -> Bar:
    return Bar(f"get.{name}", ratio("rate", f"corduroy {ours}", theirs), target)


BENCHMARK = Benchmark(
    "get",
    "One small document",
    [IN_SEQUENCE, AT_ONCE],
    [
        faster("future32/aiocouch", "future32", "aiocouch32", 3),
        faster("future32/floor", "future32", "floor32", 0.5),
        faster("blocking/couchdb-python", "blocking", "couchdb-python", 1.5),
        faster("blocking/couchdb3", "blocking", "couchdb3", 8),
        faster("callback32/future32", "callback32", "corduroy future32", 0.85),
    ],
)
