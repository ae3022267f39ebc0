"""What the tests of the recorder and the replayer share: plain requests, and recordings by hand."""

from __future__ import annotations

import contextlib
import http.client
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest
from tornado.httputil import HTTPServerRequest

from tests.replay.recorder import Recorder
from tests.replay.replayer import Replayer
from tests.replay.serving import Answering, Serving


class Got(NamedTuple):
    """An answer."""

    status: int
    headers: dict[str, str]
    body: bytes


class Upstream(Serving):
    """A server that does with each request what it is told to.

    Attributes:
        act: gets the request and an `Answering`; may be a coroutine function.
        asked (list of HTTPServerRequest): the requests.
    """

    def __init__(self) -> None:
        self.act: Callable[[HTTPServerRequest, Answering], Any] = lambda request, client: (
            client.whole(200, [], b"{}\n")
        )
        self.asked: list[HTTPServerRequest] = []
        super().__init__()

    async def serve(self, request: HTTPServerRequest) -> None:
        self.asked.append(request)
        pending = self.act(request, Answering(request))
        if pending is not None:
            await pending


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    """A server to put a recorder in front of."""
    server = Upstream()
    yield server
    server.close()


@pytest.fixture
def send() -> Callable[..., Got]:
    """``send(server, "GET", "/db")``: send a request as it is; headers and body as `http.client` has
    them."""

    def sent(server: Any, method: str, target: str, **content: Any) -> Got:
        connection = http.client.HTTPConnection(server.netloc, timeout=20)
        with contextlib.closing(connection):
            connection.request(method, target, **content)
            answer = connection.getresponse()
            return Got(answer.status, dict(answer.getheaders()), answer.read())

    return sent


@pytest.fixture
def replay() -> Iterator[Callable[..., Replayer]]:
    """``replay(exchange, …)``: a server that follows these."""
    with contextlib.ExitStack() as stack:

        def start(*exchanges: dict[str, Any]) -> Replayer:
            replayer = Replayer(list(exchanges), "admin")
            stack.callback(replayer.close)
            return replayer

        yield start


@pytest.fixture
def record() -> Iterator[Callable[[str], Recorder]]:
    """``record(url)``: a recorder in front of a server."""
    with contextlib.ExitStack() as stack:

        def start(url: str) -> Recorder:
            recorder = Recorder(url)
            stack.callback(recorder.close)
            return recorder

        yield start


def exchange(method: str = "GET", path: str = "/db", at_once: bool = False, **more: Any) -> Any:
    """An exchange; its answer tells the path."""
    return {
        **({"at_once": True} if at_once else {}),
        "request": {"method": method, "path": path, **more},
        "answer": {"status": 200, "json": {"was": path}},
    }
