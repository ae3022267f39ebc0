"""Row streams through a proxy that breaks them: what is raised, and how they go on."""

from __future__ import annotations

import asyncio
import contextlib
import random
import socket
import threading
import time

import pytest

from corduroy import ConnectionFailed, Couch, HTTPError, RequestTimeout, ServerError
from tests.api.conftest import GoneThrough
from tests.faults.proxy import (
    Answer,
    Cut,
    CutInCharacter,
    CutInLine,
    Delay,
    Refuse,
    Reset,
    Silence,
    Stall,
    bad_gateway,
    error_500,
    too_many,
    unavailable,
)

DOCS = [
    {"_id": f"döc-{n:04}", "kind": n % 3, "n": n, "text": "naïve ✓ " * (n % 5)} for n in range(900)
]
VIEWS = {
    "by_kind": {"map": "function (doc) { emit(doc.kind, doc.n); }"},
    "twice": {"map": "function (doc) { emit(doc.kind, 1); emit(doc.kind, 2); }"},
    "sums": {
        "map": "function (doc) { emit([doc.kind, doc.n % 100], doc.n); }",
        "reduce": "_sum",
    },
}


@pytest.fixture(scope="module")
def library(couchdb_url):
    """The name of a database with many rows under one key."""
    with Couch(couchdb_url, style="blocking") as couch:
        name = f"broken-streams-{time.time_ns()}"
        db = couch.create(name)
        db.save([*map(dict, DOCS), {"_id": "_design/d", "views": VIEWS}])
        for view in VIEWS:
            db.view(f"d/{view}", limit=1)
        yield name
        couch.delete(name)


@pytest.fixture
def db(proxy, library, http_client):
    """The database, through the proxy."""
    with Couch(proxy.url, http_client=http_client, timeout=2.0) as couch:
        yield couch.database(library)


@pytest.fixture(params=["for", "async for", "callback"])
def gone_through(request):
    """The ways to go through a stream that differ where something breaks."""
    return GoneThrough(request.param)


def whole(library, couchdb_url, name, **options):
    with Couch(couchdb_url, style="blocking") as couch:
        return list(couch.database(library).view(name, **options))


@pytest.mark.parametrize(
    "fault", [Cut(9000), Reset(9000), CutInLine(30), CutInCharacter(30)], ids=str
)
def test_a_break_is_raised(gone_through, proxy, db, fault):
    proxy.next(fault)
    with pytest.raises(ConnectionFailed):
        gone_through(db.docs)


def test_what_came_before_a_break_is_handed_out(proxy, db, classic):
    proxy.next(CutInLine(30) if not classic else Cut(30_000))
    got = []

    def note(docs, status):
        got.extend(doc._id for doc in docs or ())

    async def in_loop():
        await db.docs(callback=note)

    asyncio.run(in_loop())
    assert 20 < len(got) < 900
    assert got == ["_design/d", *(doc["_id"] for doc in DOCS)][: len(got)]


def test_a_server_that_falls_silent_is_given_up(gone_through, proxy, couchdb_url, library):
    with Couch(proxy.url, timeout=0.3) as couch:
        proxy.next(Stall(9000))
        with pytest.raises(RequestTimeout):
            gone_through(couch.database(library).docs)


STREAMS = {
    "rows": lambda db: db.docs(),
    "pages": lambda db: db.pages("_all_docs"),
    "an attachment": lambda db: db.stream_attachment("döc-0000", "f"),
}


@pytest.mark.parametrize("made", STREAMS.values(), ids=STREAMS)
def test_all_of_it_is_asked_for_as_often_as_is_said(call, proxy, db, made):
    proxy.plan = lambda request: unavailable()
    for retries in (0, 2):
        before = proxy.requests
        with pytest.raises(ServerError):
            call(made(db).all, retries=retries)
        assert proxy.requests - before == retries + 1


def test_a_stream_that_goes_on_does_so_by_its_own_count(call, proxy, db):
    faults = [Cut(9000), unavailable(), None]
    proxy.plan = lambda request: faults.pop(0)
    assert len(call(db.ids(resume=True).all, retries=0)) == len(DOCS) + 1


@pytest.mark.parametrize("fault", [Silence(), Stall(9000)], ids=["at once", "amid it"])
def test_all_of_it_has_a_deadline_if_one_is_said(call, proxy, couchdb_url, library, fault):
    with Couch(proxy.url, timeout=20) as couch:
        docs = couch.database(library).docs
        proxy.next(fault)
        began = time.monotonic()
        with pytest.raises(RequestTimeout):
            call(docs().all, timeout=0.3)
        assert time.monotonic() - began < 5
        assert len(call(docs().all, timeout=20)) == len(DOCS) + 1


@pytest.mark.parametrize("name", ["retries", "timeout"])
def test_a_loop_takes_no_limits_of_a_call(refused, db, proxy, name):
    for method, *given in ((db.stream, "_all_docs"), (db.docs,), (db.pages, "_all_docs")):
        refused(TypeError, name, method, *given, **{name: 1})
    refused(ValueError, name, db.docs().all, **{name: -1})
    assert not proxy.requests


ASKED = [
    ("_all_docs", {}),
    ("_all_docs", {"descending": True, "include_docs": True}),
    ("_all_docs", {"startkey": "döc-0100", "endkey": "döc-0700", "skip": 20, "limit": 400}),
    ("_all_docs", {"keys": [f"döc-{n:04}" for n in range(899, 0, -2)]}),
    ("_all_docs", {"keys": [f"döc-{n:04}" for n in range(700)], "skip": 200, "limit": 300}),
    ("d/by_kind", {"keys": [2, 0, 1], "skip": 350}),
    ("d/by_kind", {}),
    ("d/by_kind", {"descending": True, "skip": 5}),
    ("d/by_kind", {"key": 1}),
    ("d/by_kind", {"key": 1, "limit": 250, "skip": 3}),
    ("d/by_kind", {"keys": [2, 0, 7, 1], "include_docs": True}),
    ("d/by_kind", {"startkey": 2, "endkey": 1, "descending": True, "limit": 500}),
    ("d/twice", {}),
    ("d/twice", {"descending": True}),
    ("d/sums", {"group": True}),
    ("d/sums", {"group_level": 2}),
    ("d/sums", {"reduce": False, "startkey": [1]}),
]


@pytest.mark.parametrize(("name", "options"), ASKED, ids=lambda given: str(given)[:40])
def test_a_stream_that_resumes_gives_each_row_once_and_in_order(
    gone_through, proxy, db, library, couchdb_url, monkeypatch, name, options
):
    monkeypatch.setattr("corduroy.streams.asked._KEYS", 150)
    monkeypatch.setattr("corduroy.streams.parsing._SOME", 20)
    monkeypatch.setattr("corduroy.streams.reader._FIRST_DELAY", 0.001)
    seed = random.randrange(10**6)
    rng = random.Random(seed)
    left = 25

    def plan(request):
        nonlocal left
        left -= 1
        if left < 0:
            return None
        if left % 3 == 0:  # so that there are rows, now and then
            return Cut(rng.randrange(9000, 30_000))
        return rng.choice(
            [
                Cut(rng.randrange(500, 30_000)),
                Reset(rng.randrange(3000, 30_000)),
                CutInLine(rng.randrange(1, 60)),
                CutInCharacter(rng.randrange(1, 60)),
                Refuse(reset=True),
                error_500(),
                bad_gateway(),
                unavailable(),
                too_many(0),
            ]
        )

    proxy.next(Cut(rng.randrange(2000, 30_000)))  # one that never came is not gone on with
    proxy.plan = plan
    rows = gone_through(db.stream, name, resume=True, **options)
    assert rows == whole(library, couchdb_url, name, **options), f"seed {seed}"


def test_a_silent_server_is_left_for_another_connection(proxy, library, couchdb_url):
    with Couch(proxy.url, timeout=0.3) as couch:
        proxy.next(Stall(9000))
        rows = list(couch.database(library).stream("d/by_kind", resume=True))
    assert rows == whole(library, couchdb_url, "d/by_kind")


def test_documents_and_ids_go_on_as_well(gone_through, proxy, db):
    for method in (db.docs, db.ids):
        proxy.next(CutInCharacter(40), Reset(9000))
        got = [getattr(each, "_id", each) for each in gone_through(method, resume=True)]
        assert got == ["_design/d", *(doc["_id"] for doc in DOCS)]


def test_what_stays_broken_is_raised_in_the_end(gone_through, proxy, db, monkeypatch):
    monkeypatch.setattr("corduroy.streams.reader._FIRST_DELAY", 0.001)
    proxy.plan = lambda request: Cut(9000) if proxy.requests < 2 else Answer(503)
    with pytest.raises(ServerError):
        gone_through(db.docs, resume=True)
    assert proxy.requests == 1 + 7


def test_a_server_that_was_never_there_is_told_of_at_once(gone_through, proxy, db):
    proxy.refusing = True
    with pytest.raises(ConnectionFailed):
        gone_through(db.docs, resume=True)


def test_access_that_is_refused_amid_a_stream_is_final(gone_through, proxy, db):
    proxy.next(Cut(9000), Answer(403, b'{"error":"forbidden","reason":"no more"}'))
    with pytest.raises(HTTPError, match="no more"):
        gone_through(db.docs, resume=True)


def test_a_cancelled_wait_loses_no_row(db, proxy):
    proxy.plan = lambda request: Delay(0.3, after=20_000)

    async def in_loop():
        stream, got, waits = aiter(db.ids()), [], 0
        while True:
            try:
                async with asyncio.timeout(0.05):
                    got.append(await anext(stream))
            except TimeoutError:
                waits += 1
            except StopAsyncIteration:
                return got, waits

    got, waits = asyncio.run(in_loop())
    assert got == ["_design/d", *(doc["_id"] for doc in DOCS)]
    assert waits


def test_rows_that_are_left_in_no_order_cannot_be_gone_on_with(db):
    for name, options, words in (
        ("d/by_kind", {"sorted": False}, "resume: rows that are not sorted"),
        ("d/sums", {"group_level": 1, "descending": True}, "resume: groups of a level"),
        ("d/by_kind", {"keys": [1, 1]}, "resume: the keys of a view must differ"),
        ("d/by_kind", {"keys": [1], "descending": True}, "resume: keys of a view, and descending"),
    ):
        with pytest.raises(ValueError, match=words):
            db.stream(name, resume=True, **options)


def test_leaving_early_frees_the_connection(proxy, library, couchdb_url):
    def gone():
        deadline = time.monotonic() + 10
        while proxy.connections and time.monotonic() < deadline:
            time.sleep(0.01)
        return not proxy.connections

    with Couch(proxy.url) as couch:
        db = couch.database(library)
        for _ in db.docs():
            break
        assert gone()
        items = iter(db.docs())
        next(items)
        items.close()
        assert gone()

        async def in_loop():
            async for _ in db.docs():
                break
            await asyncio.sleep(0.01)
            assert await asyncio.to_thread(gone)
            begun = asyncio.Event()

            async def got(docs, status):
                begun.set()
                await asyncio.sleep(60)

            future = db.docs(callback=got)
            await begun.wait()
            future.cancel()
            await asyncio.wait([future])
            await asyncio.sleep(0.01)
            assert await asyncio.to_thread(gone)

        asyncio.run(in_loop())
    with contextlib.suppress(ZeroDivisionError):
        for _ in Couch(proxy.url).database(library).docs():
            raise ZeroDivisionError
    assert gone()


class Endless:
    """A server that sends rows for as long as somebody takes them.

    Attributes:
        url (str): its address.
        sent (int): how many bytes it has got rid of.
    """

    def __init__(self):
        self.sent = 0
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self):
        connection, _ = self._socket.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            connection.sendall(b'{"total_rows":1,"offset":0,"rows":[\r\n')
            piece = b'{"id":"a","key":"a","value":"%b"},\r\n' % (b"x" * 65536)
            while True:
                connection.sendall(piece)
                self.sent += len(piece)

    def close(self):
        self._socket.close()


def test_a_reader_that_does_not_read_slows_the_server(http_client):
    """What the two systems hold for a connection is all that is on its way."""

    def stands_still():
        before = -1
        while before != server.sent:
            before = server.sent
            time.sleep(0.3)
        return before < 30_000_000

    with contextlib.closing(Endless()) as server:
        rows = iter(Couch(server.url, http_client=http_client).database("db").stream("_all_docs"))
        next(rows)
        assert stands_still()
        rows.close()

    async def in_loop(how):
        db = Couch(server.url, http_client=http_client).database("db")
        if how == "async for":
            rows = aiter(db.stream("_all_docs"))
            await anext(rows)
            assert await asyncio.to_thread(stands_still)
            await rows.aclose()
            return
        future = db.stream("_all_docs", callback=lambda rows, status: asyncio.sleep(60))
        await asyncio.sleep(0.2)
        assert await asyncio.to_thread(stands_still)
        future.cancel()
        await asyncio.wait([future])

    for how in ("async for", "callback"):
        with contextlib.closing(Endless()) as server:
            asyncio.run(in_loop(how))


@pytest.mark.usefixtures("once")
def test_pages_of_what_a_selector_finds_are_asked_for_again(gone_through, proxy, db):
    asked = {"selector": {"kind": 1}, "page": 50}
    proxy.plan = lambda request: Cut(500) if proxy.requests == 3 else None
    # To curl an answer that was cut is a whole one, at times; what there is of it is no JSON then.
    with pytest.raises((ConnectionFailed, ServerError)):
        gone_through(db.find_all, **asked)
    faults = iter([None, Cut(500), error_500(), Reset(300)])
    proxy.plan = lambda request: next(faults, None)
    found = gone_through(db.find_all, **asked, resume=True)
    assert sorted(doc.n for doc in found) == list(range(1, 900, 3))
