"""The recorder: stands between a client and CouchDB, and takes down what they say to each other."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from typing import Any
from urllib.parse import unquote, urlsplit

from tornado.httputil import HTTPHeaders, HTTPServerRequest

from tests.replay.exchanges import (
    as_text,
    describe_answer,
    describe_feed,
    describe_request,
    is_feed,
)
from tests.replay.serving import Answering, Serving
from tests.replay.veil import Veil

# Answers are held back so long: what a client sends without waiting for them comes meanwhile, and is
# seen to be at once with what is under way.
HELD = 0.02
PATIENCE = 5.0  # seconds for the last answers
_OF_THE_CONNECTION = ("Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect")


class Recorder(Serving):
    """A proxy that records.

    Args:
        upstream (str): CouchDB's url, with an administrator's credentials.

    Attributes:
        url (str): its own url, with the same credentials.
        veil (Veil): what it hides.
        late (list of str): requests that came when the recording was over.
    """

    def __init__(self, upstream: str) -> None:
        parts = urlsplit(upstream)
        credentials, at, self._upstream = parts.netloc.rpartition("@")
        self._scheme, self._prefix = parts.scheme, parts.path.rstrip("/")
        self._threads = ThreadPoolExecutor(64)  # one for each request under way
        super().__init__()
        self.url = f"http://{credentials}{at}{self.netloc}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self.veil = Veil([self.netloc, self._upstream], user, password)
        self.late: list[str] = []
        self._exchanges: list[dict[str, Any]] = []
        self._under_way = 0
        self._recording = True

    def close(self) -> None:
        """End it, and what is under way at CouchDB."""
        super().close()
        self._threads.shutdown()

    def recorded(self) -> list[dict[str, Any]]:
        """Stop recording, and give the exchanges.

        Those that were at once are in an order of their own, so that it is the same each time.

        Raises:
            RuntimeError: CouchDB has not answered, or not to the end.
        """
        self._recording = False
        deadline = time.monotonic() + PATIENCE
        while self._under_way and time.monotonic() < deadline:  # nobody may wait for what it asks
            time.sleep(HELD)
        for exchange in self._exchanges:
            if "answer" not in exchange:
                raise RuntimeError(f"no whole answer to {as_text(exchange['request'])}")
        groups: list[list[dict[str, Any]]] = []
        for each in self._exchanges:
            exchange = dict(each)
            if exchange.pop("at_once"):
                groups[-1].append(exchange)
            else:
                groups.append([exchange])
        for group in groups:
            group.sort(key=lambda exchange: as_text(exchange["request"]))
        return [
            {"at_once": True, **exchange} if at else exchange
            for group in groups
            for at, exchange in enumerate(group)
        ]

    async def serve(self, request: HTTPServerRequest) -> None:
        """Ask CouchDB, give back what it says, and note both."""
        exchange: dict[str, Any] = {"request": describe_request(request, self.veil)}
        if self._recording:
            self._exchanges.append(exchange)
            exchange["at_once"] = self._under_way > 0
        else:
            self.late.append(as_text(exchange["request"]))
        self._under_way += 1
        connection = self._connect()
        try:
            answer = await self._in_thread(self._ask, connection, request)
            act = self._follow if is_feed(request) else self._pass_on
            exchange["answer"] = await act(request, answer, Answering(request))
        finally:
            self._under_way -= 1
            _hang_up(connection)

    async def _pass_on(
        self, request: HTTPServerRequest, answer: HTTPResponse, client: Answering
    ) -> dict[str, Any]:
        """An answer that has an end."""
        body = self._to_client(await self._in_thread(answer.read))
        await asyncio.sleep(HELD)
        headers = self._headers(answer, request.method == "HEAD")
        client.whole(answer.status, headers, body)
        return describe_answer(request.method or "", answer.status, headers, body, self.veil)

    async def _follow(
        self, _: HTTPServerRequest, answer: HTTPResponse, client: Answering
    ) -> dict[str, Any]:
        """A feed: passed on piece by piece, until it ends or the client leaves it."""
        client.begin(answer.status, self._headers(answer))
        pieces: list[tuple[int, bytes]] = []
        leaving = asyncio.ensure_future(client.gone.wait())
        while True:
            reading = self._in_thread(answer.read1, 65536)
            await asyncio.wait([reading, leaving], return_when=asyncio.FIRST_COMPLETED)
            if client.gone.is_set():
                reading.add_done_callback(lambda done: done.cancelled() or done.exception())
                break
            if not (piece := self._to_client(reading.result())):
                leaving.cancel()
                client.end()
                break
            client.piece(piece)
            pieces.append((len(self._exchanges), piece))
        left = client.gone.is_set()
        return describe_feed(answer.status, self._headers(answer), pieces, left, self.veil)

    # -- to CouchDB ---------------------------------------------------------------------------

    def _in_thread(self, act: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        return self._loop.run_in_executor(self._threads, act, *args)

    def _connect(self) -> HTTPConnection:
        kind = HTTPSConnection if self._scheme == "https" else HTTPConnection
        return kind(self._upstream)

    def _ask(self, connection: HTTPConnection, request: HTTPServerRequest) -> HTTPResponse:
        # CouchDB must find itself where a body names it, not the recorder.
        body = request.body.replace(self.netloc.encode(), self._upstream.encode())
        connection.putrequest(
            request.method or "", f"{self._prefix}{request.uri}", skip_accept_encoding=True
        )
        for name, value in request.headers.get_all():
            if name not in _OF_THE_CONNECTION:
                connection.putheader(name, value.replace(self.netloc, self._upstream))
        if body or request.method in ("POST", "PUT"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        return connection.getresponse()

    def _headers(self, answer: HTTPResponse, length: bool = False) -> list[tuple[str, str]]:
        told = HTTPHeaders()  # which spells names in one way
        for name, value in answer.getheaders():
            told.add(name, value.replace(self._upstream, self.netloc))
        return [
            (name, value)
            for name, value in told.get_all()
            if name not in _OF_THE_CONNECTION or (length and name == "Content-Length")
        ]

    def _to_client(self, body: bytes) -> bytes:
        return body.replace(self._upstream.encode(), self.netloc.encode())


def _hang_up(connection: HTTPConnection) -> None:
    with contextlib.suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)  # which ends the reading of a feed
    connection.close()
