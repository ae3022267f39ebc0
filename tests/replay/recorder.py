"""The recorder: stands between a client and CouchDB, and takes down what they say to each other."""

from __future__ import annotations

import asyncio
import time
from typing import Any
from urllib.parse import unquote, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.httputil import HTTPHeaders, HTTPServerRequest
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from tests.replay.exchanges import as_text, describe_answer, describe_request
from tests.replay.serving import MOST, Serving, reply
from tests.replay.veil import Veil

# Answers are held back so long: what a client sends without waiting for them comes meanwhile, and is
# seen to be at once with what is under way.
HELD = 0.02
PATIENCE = 5.0  # seconds for the last answers
_HOP_BY_HOP = ("Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect")


class Recorder(Serving):
    """A proxy that records.

    Args:
        upstream (str): CouchDB's url, with an administrator's credentials.

    Attributes:
        url (str): its own url, with the same credentials.
        veil (Veil): what it hides.
        late (list of str): requests that came when the test was over.
    """

    def __init__(self, upstream: str) -> None:
        super().__init__()
        parts = urlsplit(upstream)
        credentials, _, self._upstream = parts.netloc.rpartition("@")
        self._prefix = f"{parts.scheme}://{self._upstream}{parts.path.rstrip('/')}"
        self.url = f"http://{credentials}@{self.netloc}" if credentials else f"http://{self.netloc}"
        user, password = unquote(parts.username or ""), unquote(parts.password or "")
        self.veil = Veil([self.netloc, self._upstream], user, password)
        self.late: list[str] = []
        self._exchanges: list[dict[str, Any]] = []
        self._under_way = 0
        self._recording = True
        self._client: AsyncHTTPClient | None = None

    def close(self) -> None:
        """End it."""
        super().close()
        if self._client is not None:
            self._client.close()

    def recorded(self) -> list[dict[str, Any]]:
        """Stop recording, and give the exchanges.

        Those that were at once are in an order of their own, so that it is the same each time.
        """
        self._recording = False
        deadline = time.monotonic() + PATIENCE
        while self._under_way and time.monotonic() < deadline:  # nobody may wait for what it asks
            time.sleep(HELD)
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
        """Ask CouchDB, note what it says, and give that back."""
        assert request.method is not None
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
            answer = await self._ask(request)
            await asyncio.sleep(HELD)
        finally:
            self._under_way -= 1
        headers = [(name, self._for_client(value)) for name, value in answer.headers.get_all()]
        body = answer.body.replace(self._upstream.encode(), self.netloc.encode())
        exchange["answer"] = describe_answer(request.method, answer.code, headers, body, self.veil)
        length = [] if request.method == "HEAD" else ["Content-Length"]
        kept = [
            pair for pair in headers if pair[0] not in ("Transfer-Encoding", "Connection", *length)
        ]
        reply(request, answer.code, kept, body)

    def _for_client(self, text: str) -> str:
        return text.replace(self._upstream, self.netloc)

    async def _ask(self, request: HTTPServerRequest) -> Any:
        if self._client is None:
            self._client = SimpleAsyncHTTPClient(force_instance=True, max_body_size=MOST)
        headers = HTTPHeaders()
        for name, value in request.headers.get_all():
            if name not in _HOP_BY_HOP:
                headers.add(name, value.replace(self.netloc, self._upstream))
        return await self._client.fetch(
            HTTPRequest(
                f"{self._prefix}{request.uri}",
                method=request.method,
                headers=headers,
                # CouchDB must find itself where a body names it, not the recorder.
                body=request.body.replace(self.netloc.encode(), self._upstream.encode()) or None,
                allow_nonstandard_methods=True,
                decompress_response=False,
                follow_redirects=False,
                request_timeout=0,
            ),
            raise_error=False,
        )
