"""What the whole suite shares: the three calling styles, the clients, and the kind of server."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import inspect
import signal
import socket
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import Couch, Database, Status
from tests import profiles
from tests.faults.proxy import FaultProxy

pytest_plugins = ["tests.replay.plugin"]


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--http-client",
        choices=("corduroy", "simple", "curl"),
        default="corduroy",
        help="the AsyncHTTPClient that the databases of the tests go through",
    )


def pytest_configure() -> None:
    # A shell has what it runs in the background ignore Ctrl-C, and so do the programs that that starts.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    profiles.load()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if _cancels_without_closing(item):
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    result = yield
    if _cancels_without_closing(item):
        gc.collect()  # after the test, and not amid another one
    return result


def _cancels_without_closing(item: pytest.Item) -> bool:
    """Whether a test is about Tornado's simple client, which leaves the socket of a request that was
    cancelled to the garbage collector."""
    return SimpleAsyncHTTPClient in getattr(getattr(item, "callspec", None), "params", {}).values()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine function on an event loop of its own."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    wanted = inspect.signature(pyfuncitem.obj).parameters
    asyncio.run(pyfuncitem.obj(**{name: pyfuncitem.funcargs[name] for name in wanted}))
    return True


class Caller:
    """Calls an operation in one of the three styles, and gives its value, or raises."""

    def __init__(self, style: str) -> None:
        self.style = style
        self.runner = asyncio.Runner()

    def __call__(self, method: Callable[..., Any], *args: Any, **options: Any) -> Any:
        if self.style == "blocking":
            return method(*args, **options)
        if self.style == "future":
            return self.runner.run(self._await(method, args, options))
        return self.runner.run(self._call_back(method, args, options))

    async def _await(self, method: Callable[..., Any], args: Any, options: Any) -> Any:
        future = method(*args, **options)
        assert isinstance(future, asyncio.Future)
        return await future

    async def _call_back(self, method: Callable[..., Any], args: Any, options: Any) -> Any:
        told: list[tuple[Any, Status]] = []
        future = method(*args, callback=lambda *said: told.append(said), **options)
        assert not told, "the callback came before the call had returned"
        await future
        ((data, status),) = told  # exactly once
        if status.exception is not None:
            assert not status.ok
            raise status.exception
        return data


@pytest.fixture(params=["blocking", "future", "callback"])
def call(request: pytest.FixtureRequest) -> Iterator[Caller]:
    """``call(db.get, "x")``: the same call in each of the three styles, one test run each."""
    caller = Caller(request.param)
    with contextlib.closing(caller.runner):
        yield caller


@pytest.fixture(scope="session")
def http_client(request: pytest.FixtureRequest) -> type[AsyncHTTPClient] | None:
    """The class of HTTP clients that this run is for; None: corduroy's own."""
    name = request.config.getoption("--http-client")
    if name == "curl":
        from tornado.curl_httpclient import CurlAsyncHTTPClient

        return CurlAsyncHTTPClient
    return SimpleAsyncHTTPClient if name == "simple" else None


@pytest.fixture
def couch(couchdb_url: str, http_client: type[AsyncHTTPClient] | None) -> Iterator[Couch[Any]]:
    """The server of this run."""
    with Couch(couchdb_url, http_client=http_client) as server:
        yield server


@pytest.fixture
def db(couch: Couch[Any]) -> Iterator[Database[Any]]:
    """A fresh database."""
    blocking = couch.with_style("blocking")
    name = f"test-{uuid.uuid4().hex}"
    blocking.create(name)
    yield couch.database(name)
    blocking.delete(name)


@pytest.fixture
def proxy(couchdb_url: str) -> Iterator[FaultProxy]:
    """A proxy in front of the server of this run."""
    with FaultProxy(couchdb_url) as between:
        yield between


@pytest.fixture
def full_house() -> Iterator[str]:
    """The address of a server that takes no connection: its backlog is full."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full, contextlib.ExitStack() as stack:
        for _ in range(4):
            guest = stack.enter_context(socket.socket())
            guest.setblocking(False)
            guest.connect_ex(full.getsockname())
        yield f"http://127.0.0.1:{full.getsockname()[1]}"


@pytest.fixture
def straight(couchdb_url: str) -> Iterator[Database[Any]]:
    """A fresh database, without a proxy between, in the blocking style."""
    with Couch(couchdb_url, style="blocking") as server:
        made = server.create(f"straight-{uuid.uuid4().hex}")
        yield made
        server.delete(made.name)


@pytest.fixture(scope="session")
def classic(couchdb_url: str) -> bool:
    """Whether the server of this run speaks as CouchDB 1.x does (PouchDB Server)."""
    with Couch(couchdb_url, style="blocking") as server:
        return "couchdb" not in server.info()


@pytest.fixture
def once(monkeypatch):
    """Requests are sent once: what a test provokes is seen, and not got over."""
    monkeypatch.setattr("corduroy.defaults.retries", 0)
