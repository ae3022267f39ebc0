"""The recorder: stands between a client and CouchDB, and takes down what they say to each other."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httputil import HTTPHeaders, HTTPServerRequest, parse_response_start_line
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.replay.exchanges import (
    as_text,
    describe_answer,
    describe_feed,
    describe_request,
    is_feed,
)
from tests.replay.serving import MOST, Answering, Serving
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
        super().__init__()
        parts = urlsplit(upstream)
        credentials, at, self._upstream = parts.netloc.rpartition("@")
        self._prefix = f"{parts.scheme}://{self._upstream}{parts.path.rstrip('/')}"
        self.url = f"http://{credentials}{at}{self.netloc}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self.veil = Veil([self.netloc, self._upstream], user, password)
        self.late: list[str] = []
        self._exchanges: list[dict[str, Any]] = []
        self._under_way = 0
        self._recording = True
        self._client: AsyncHTTPClient | None = None

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
        for exchange in self._exchanges:
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
        exchange: dict[str, Any] = {
            "at_once": self._under_way > 0,
            "request": describe_request(request, self.veil),
        }
        if self._recording:
            self._exchanges.append(exchange)
        else:
            self.late.append(as_text(exchange["request"]))
        self._under_way += 1
        try:
            act = self._follow if is_feed(request) else self._pass_on
            exchange["answer"] = await act(request, Answering(request))
        finally:
            self._under_way -= 1

    async def _pass_on(self, request: HTTPServerRequest, client: Answering) -> dict[str, Any]:
        """An answer that has an end."""
        body = bytearray()
        head = _Head()
        await self._ask(request, head, body.extend)
        await asyncio.sleep(HELD)
        length = request.method == "HEAD"  # of a body that does not come
        headers = self._for_client(head, length)
        whole = self._to_client(bytes(body))
        client.whole(head.status, headers, whole)
        assert request.method is not None
        return describe_answer(request.method, head.status, headers, whole, self.veil)

    async def _follow(self, request: HTTPServerRequest, client: Answering) -> dict[str, Any]:
        """A feed: passed on piece by piece, until it ends or the client leaves it."""
        head = _Head()
        pieces: list[tuple[int, bytes]] = []

        def piece(data: bytes) -> None:
            if client.gone.is_set():
                raise ConnectionError(
                    "the client has left"
                )  # which frees the connection to CouchDB
            if not client.begun:
                client.begin(head.status, self._for_client(head))
            client.piece(self._to_client(data))
            pieces.append((len(self._exchanges), self._to_client(data)))

        asking = asyncio.ensure_future(self._ask(request, head, piece))
        leaving = asyncio.ensure_future(client.gone.wait())
        await asyncio.wait([asking, leaving], return_when=asyncio.FIRST_COMPLETED)
        left = not asking.done()
        if left:
            asking.cancel()
        else:
            leaving.cancel()
            await asking
            if not client.begun:
                client.begin(head.status, self._for_client(head))
            client.end()
        return describe_feed(head.status, self._for_client(head), pieces, left, self.veil)

    def _for_client(self, head: _Head, length: bool = False) -> list[tuple[str, str]]:
        return [
            (name, value.replace(self._upstream, self.netloc))
            for name, value in head.headers().get_all()
            if name not in _OF_THE_CONNECTION or (length and name == "Content-Length")
        ]

    def _to_client(self, body: bytes) -> bytes:
        return body.replace(self._upstream.encode(), self.netloc.encode())

    async def _ask(
        self, request: HTTPServerRequest, head: _Head, piece: Callable[[bytes], None]
    ) -> None:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MOST)
        headers = HTTPHeaders()
        for name, value in request.headers.get_all():
            if name not in _OF_THE_CONNECTION:
                headers.add(name, value.replace(self.netloc, self._upstream))
        await self._client.fetch(
            HTTPRequest(
                f"{self._prefix}{request.uri}",
                method=request.method or "",
                headers=headers,
                # CouchDB must find itself where a body names it, not the recorder.
                body=request.body.replace(self.netloc.encode(), self._upstream.encode()) or None,
                allow_nonstandard_methods=True,
                decompress_response=False,
                follow_redirects=False,
                request_timeout=0,
                header_callback=head.lines.append,
                streaming_callback=piece,
            ),
            raise_error=False,
        )
        if not head.lines:
            raise ConnectionError(f"no answer from {self._upstream}")


class _Head:
    """The first lines of an answer, as they come."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    @property
    def status(self) -> int:
        return parse_response_start_line(self.lines[0].strip()).code

    def headers(self) -> HTTPHeaders:
        return HTTPHeaders.parse("".join(self.lines[1:]))
