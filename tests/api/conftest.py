"""What the tests of the API share: a canned server, a company to query, and refusals."""

from __future__ import annotations

import asyncio
import json
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.testing import bind_unused_port

from corduroy import Couch, Database


class Canned(NamedTuple):
    """One answer."""

    code: int = 200
    body: bytes = b"{}"
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "application/json"),)


class CannedServer:
    """A server that answers what it is told to, and takes down what it was asked.

    Attributes:
        url (str): its address.
        answer: a `Canned`, or a function that makes one, or a value to be sent as JSON, of a request.
        asked (list of HTTPServerRequest): the requests, in order.
    """

    def __init__(self) -> None:
        self.answer: Canned | Callable[[HTTPServerRequest], Any] = Canned()
        self.asked: list[HTTPServerRequest] = []
        sockets, port = bind_unused_port()
        self.url = f"http://127.0.0.1:{port}"
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[sockets])
        self._thread.start()
        self._ready.wait()

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    def _run(self, sockets: Any) -> None:
        async def serve() -> None:
            server = HTTPServer(self._serve)
            server.add_sockets([sockets])
            self._ready.set()
            await self._over.wait()
            server.stop()
            await server.close_all_connections()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(serve())

    def _serve(self, request: HTTPServerRequest) -> None:
        self.asked.append(request)
        answer = self.answer(request) if callable(self.answer) else self.answer
        if not isinstance(answer, Canned):
            answer = Canned(200, json.dumps(answer).encode())
        headers = HTTPHeaders({"Content-Length": str(len(answer.body))})
        for name, value in answer.headers:
            headers.add(name, value)
        assert request.connection is not None
        start = ResponseStartLine("HTTP/1.1", answer.code, "As Told")
        request.connection.write_headers(
            start, headers, answer.body if request.method != "HEAD" else None
        )
        request.connection.finish()


@pytest.fixture
def canned() -> Iterator[CannedServer]:
    """A server that answers ``canned.answer``, and remembers what it was ``asked``."""
    server = CannedServer()
    yield server
    server.close()


@pytest.fixture
def answering(canned: CannedServer) -> Callable[..., None]:
    """``answering(code, body)``: let the canned server answer so from now on."""

    def answer(
        code: int = 200, body: bytes = b"{}", headers: tuple[tuple[str, str], ...] | None = None
    ) -> None:
        canned.answer = Canned(code, body, Canned().headers if headers is None else headers)

    return answer


@pytest.fixture
def canned_couch(
    canned: CannedServer, http_client: type[AsyncHTTPClient] | None
) -> Iterator[Couch[Any]]:
    """The canned server, as a `Couch`."""
    with Couch(canned.url, http_client=http_client) as couch:
        yield couch


@pytest.fixture
def canned_db(canned_couch: Couch[Any]) -> Database[Any]:
    """A database on the canned server."""
    return canned_couch.database("canned")


@pytest.fixture(scope="session")
def nobody() -> str:
    """An address where nobody listens."""
    listener, port = bind_unused_port()
    listener.close()
    return f"http://127.0.0.1:{port}"


PEOPLE = ["Ann", "Bob", "Cy", "Dee", "Eve", "Fay", "Gus", "Hal", "Ivy", "Jo"]

EMPLOYEES = {
    "_id": "_design/employees",
    "views": {
        "byname": {"map": "function (doc) { if (doc.first) emit(doc.first, doc.age); }"},
        "byteam": {
            "map": "function (doc) { if (doc.first) emit([doc.team, doc.first], doc.age); }",
            "reduce": "_sum",
        },
    },
}


@pytest.fixture(scope="module")
def staff(couchdb_url: str, http_client: type[AsyncHTTPClient] | None) -> Iterator[Database[Any]]:
    """A database of ten people (ids ``p0``…, ages 20…, teams red and blue) and views of them. It is
    the whole module's: read only."""
    name = f"staff-{uuid.uuid4().hex}"
    with Couch(couchdb_url, http_client=http_client) as couch:
        blocking = couch.with_style("blocking").create(name)
        people = [
            {"_id": f"p{at}", "first": first, "age": 20 + at, "team": ["red", "blue"][at % 2]}
            for at, first in enumerate(PEOPLE)
        ]
        blocking.save([dict(EMPLOYEES), *people])
        yield couch.database(name)
        couch.with_style("blocking").delete(name)


@pytest.fixture
def guarded(db: Database[Any]) -> Database[Any]:
    """A fresh database with a validation function: documents with ``bad`` are forbidden."""
    db.with_style("blocking").save(
        {
            "_id": "_design/guard",
            "validate_doc_update": (
                "function (doc, old, user) { if (doc.bad) throw({forbidden: 'no bad documents'}); }"
            ),
        }
    )
    return db


@pytest.fixture(params=["blocking", "future", "callback"])
def refused(request: pytest.FixtureRequest) -> Callable[..., None]:
    """``refused(kind, words, method, *args)``: the call itself raises, in each of the styles, without
    being awaited; nobody is called back."""

    def check(
        kind: type[Exception], words: str, method: Callable[..., Any], *args: Any, **options: Any
    ) -> None:
        async def in_loop() -> None:
            told: list[Any] = []
            if request.param == "callback":
                options["callback"] = lambda *said: told.append(said)
            with pytest.raises(kind, match=words):
                method(*args, **options)
            await asyncio.sleep(0)
            assert not told

        if request.param == "blocking":
            with pytest.raises(kind, match=words):
                method(*args, **options)
        else:
            asyncio.run(in_loop())

    return check


class GoneThrough:
    """Goes through a stream in one of the ways there are: ``gone_through(db.docs, …)``.

    Attributes:
        way (str): ``"for"``, ``"async for"``, ``"await"``, ``"all"`` or ``"callback"``.
        stream: the latest stream; None where a callback got it all.
    """

    stream: Any = None

    def __init__(self, way: str) -> None:
        self.way = way

    def __call__(self, method: Callable[..., Any], *args: Any, **options: Any) -> list[Any]:
        """All that the stream gives; raises what it raises."""
        if self.way in ("for", "all"):
            self.stream = method(*args, **options)
            return list(self.stream) if self.way == "for" else self.stream.all()
        how = self._call_back if self.way == "callback" else self._await
        return asyncio.run(how(method, args, options))

    async def _await(self, method: Callable[..., Any], args: Any, options: Any) -> list[Any]:
        self.stream = method(*args, **options)
        if self.way == "await":
            return await self.stream
        return [item async for item in self.stream]

    async def _call_back(self, method: Callable[..., Any], args: Any, options: Any) -> list[Any]:
        got: list[Any] = []
        told: list[Any] = []

        def take(items: Any, status: Any) -> str:
            assert not told, "called after the end"
            if status.exception is not None or not items:
                told.append(status)
            else:
                got.extend(items)
            return "given"

        future = method(*args, callback=take, **options)
        assert not got, "the callback came before the call had returned"
        assert await future == "given"
        (status,) = told
        status.check()
        return got


@pytest.fixture(params=["for", "async for", "await", "all", "callback"])
def gone_through(request: pytest.FixtureRequest) -> GoneThrough:
    """``gone_through(db.docs, …)``: a list of what a stream gives, in each way to go through it."""
    return GoneThrough(request.param)
