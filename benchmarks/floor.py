"""The least that a Python client can do: an asyncio Protocol and httptools, nothing above them.

It knows no timeouts, errors, redirects or authentication: what a client is slower than this, it
spends on being a client.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import httptools


class Connection(asyncio.Protocol):
    """One kept-alive connection, one request at a time."""

    transport: asyncio.Transport
    accepted = 200

    def __init__(self) -> None:
        self._parser = httptools.HttpResponseParser(self)
        self._loop = asyncio.get_running_loop()
        self._body = bytearray()
        self._answer: asyncio.Future[bytearray] | None = None

    async def fetch(self, request: bytes) -> bytearray:
        """The body of the answer, which is not kept here."""
        answer: asyncio.Future[bytearray] = self._loop.create_future()
        self._answer = answer
        self._body = bytearray()
        self.transport.write(request)
        try:
            return await answer
        finally:
            self._answer = None
            self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._answer is not None:
            self._answer.set_exception(exc or ConnectionError("the server closed the connection"))

    def on_body(self, piece: bytes) -> None:
        self._body += piece

    def on_message_complete(self) -> None:
        assert self._answer is not None
        if (status := self._parser.get_status_code()) == self.accepted:
            self._answer.set_result(self._body)
        else:
            self._answer.set_exception(ValueError(f"the server answered {status}"))


class Lines(Connection):
    """Hands on each line of an answer as it comes in; `fetch` then returns nothing."""

    def __init__(self, got: Callable[[bytes], object]) -> None:
        super().__init__()
        self._got = got
        self._rest = b""

    def on_body(self, piece: bytes) -> None:
        *lines, self._rest = (self._rest + piece).split(b"\n")
        for line in lines:
            if line:
                self._got(line)


@asynccontextmanager
async def connections(
    url: str, number: int, connection: Callable[[], Connection] = Connection
) -> AsyncIterator[list[Connection]]:
    host, port = urlsplit(url).hostname or "", urlsplit(url).port or 80
    connect = asyncio.get_running_loop().create_connection
    opened = [(await connect(connection, host, port))[1] for _ in range(number)]
    yield opened
    for each in opened:
        each.transport.close()


def request(url: str, path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: {urlsplit(url).netloc}\r\n\r\n".encode()
