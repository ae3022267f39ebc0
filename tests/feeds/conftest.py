"""What the tests of feeds share: three ways to consume one, a proxy, and a server with a script."""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corduroy import ChangesFeed, Couch, Database
from tests.faults.proxy import FaultProxy

PATIENCE = 20.0


async def until(condition: Callable[[], Any], patience: float = PATIENCE) -> None:
    """Wait until something is so, for so many seconds at most."""
    async with asyncio.timeout(patience):
        while not condition():  # noqa: ASYNC110  (nothing tells of it)
            await asyncio.sleep(0.005)


class Consumer:
    """Consumes a feed in one of the three ways.

    Attributes:
        way (str): ``"callback"``, ``"async for"`` or ``"for"``.
        feed (ChangesFeed): the latest feed.
    """

    feed: ChangesFeed

    def __init__(self, way: str) -> None:
        self.way = way

    def __call__(
        self, db: Any, count: int | None = None, each: Callable[[Any], Any] = id, **options: Any
    ) -> list[Any]:
        """Listen until there are so many changes, or until the end; raise what ends it.

        Args:
            db: the database, or a feed that goes on.
            count: how many changes are wanted.
            each: is called with each change.
            **options: of the feed.
        """
        got: list[Any] = []

        def take(change: Any) -> bool:
            got.append(change)
            each(change)
            return count is not None and len(got) >= count

        if self.way == "for":
            self.feed = db if isinstance(db, ChangesFeed) else ChangesFeed(db, **options)
            for change in self.feed:
                if take(change):
                    break
        else:
            how = self._await if self.way == "async for" else self._call_back
            asyncio.run(asyncio.wait_for(how(db, take, options), PATIENCE))
        return got

    async def _await(self, db: Any, take: Callable[[Any], bool], options: Any) -> None:
        self.feed = db if isinstance(db, ChangesFeed) else ChangesFeed(db, **options)
        async for change in self.feed:
            if take(change):
                break
        await asyncio.sleep(0)  # the loop that was left has let go of the feed
        assert not self.feed.listening
        await self.feed.stop()

    async def _call_back(self, db: Any, take: Callable[[Any], bool], options: Any) -> None:
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def got(seq: Any, changes: list[Any], status: Any) -> None:
            if status.exception is not None:
                assert changes == []
                over.set_exception(status.exception)
                return
            assert changes
            for change in changes:
                assert self.feed.listening
                if take(change):
                    self.feed.stop()
                    over.set_result(None)
                    return

        def ended(state: Any) -> None:
            if state.name == "stopped" and self.feed.exception is None and not over.done():
                asyncio.get_running_loop().call_later(
                    0.05, lambda: over.done() or over.set_result(None)
                )
            if given is not None:
                given(state)

        if isinstance(db, ChangesFeed):
            self.feed, given = db, None
            db._callback, db._on_state = got, ended
        else:
            given = options.pop("on_state", None)
            options = {"latency": 0, **options}
            self.feed = ChangesFeed(db, got, on_state=ended, **options)
        self.feed.listen()
        await over
        await self.feed.stop()


@pytest.fixture(params=["callback", "async for", "for"])
def follow(request: pytest.FixtureRequest) -> Consumer:
    """``follow(db, 3)``: the first three changes, in each of the three ways, one test run each."""
    return Consumer(request.param)


@pytest.fixture
def save(db: Database[Any]) -> Callable[..., list[str]]:
    """``save("a", "b", n=1)``: save documents of these ids, one after another; gives the ids."""

    def saved(*ids: str, **fields: Any) -> list[str]:
        for id in ids:
            db.with_style("blocking").save({"_id": id, **fields}, force=True)
        return list(ids)

    return saved


@pytest.fixture
def later() -> Iterator[Callable[..., None]]:
    """``later(0.1, function, *args)``: call it in a thread after so many seconds."""
    timers: list[threading.Timer] = []

    def start(seconds: float, function: Callable[..., Any], *args: Any) -> None:
        timers.append(threading.Timer(seconds, function, args))
        timers[-1].start()

    yield start
    for timer in timers:
        timer.join()


@pytest.fixture
def proxied(proxy: FaultProxy, db: Database[Any], http_client: Any) -> Iterator[Database[Any]]:
    """The database, through the proxy."""
    with Couch(proxy.url, http_client=http_client) as couch:
        yield couch.database(db.name)


class Script:
    """A server that answers each request with the bytes that it is told to.

    Attributes:
        url (str): its address.
        answers (list of bytes): what to send, a request each; the last one again and again. After it
            the connection is closed, unless it ends with ``HOLD``.
        asked (list of str): the request lines.
        gone (int): how many clients have closed a connection that was held.
    """

    HOLD = b"\0hold"

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.answers: list[bytes] = []
        self.asked: list[str] = []
        self.bodies: list[bytes] = []
        self.gone = 0
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            asked = connection.recv(65536)
            head, _, body = asked.partition(b"\r\n\r\n")
            length = re.search(rb"(?i)content-length: (\d+)", head)
            while length is not None and len(body) < int(length[1]):
                body += connection.recv(65536)
            self.asked.append(head.split(b"\r\n")[0].decode())
            self.bodies.append(body)
            answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
            connection.sendall(answer.removesuffix(self.HOLD))
            if answer.endswith(self.HOLD):
                if not connection.recv(1):
                    self.gone += 1
                return
            connection.shutdown(socket.SHUT_WR)
            connection.recv(1)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread
        self._listener.close()


def answer(body: bytes, kind: str = "application/json", code: int = 200, head: str = "") -> bytes:
    """An answer that ends with its connection."""
    lines = f"HTTP/1.1 {code} Told\r\nContent-Type: {kind}\r\n{head}\r\n"
    return lines.encode() + body


@pytest.fixture
def script() -> Iterator[Script]:
    server = Script()
    yield server
    server.close()


@pytest.fixture
def scripted(script: Script, http_client: Any) -> Iterator[Database[Any]]:
    """A database on the server that follows a script."""
    with Couch(script.url, http_client=http_client) as couch:
        yield couch.database("db")
