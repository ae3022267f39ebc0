"""A server that takes down what arrives, as a parser that knows nothing of corduroy reads it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

import h11

# Whatever an operation looks for in an answer is there.
ANSWER: dict[str, Any] = {
    "couchdb": "Welcome",
    "version": "3.5.0",
    "features": ["partitioned"],
    "ok": True,
    **dict.fromkeys(("id", "_id", "name"), "x"),
    **dict.fromkeys(("rev", "_rev"), "1-a"),
    **{name: [] for name in ("rows", "docs", "results", "indexes", "jobs", "hits", "tokens")},
    **dict.fromkeys(("last_seq", "total_rows"), 0),
    "_revisions": {"start": 1, "ids": ["a"]},
    "uuids": ["u"],
    "all_nodes": [],
    "cluster_nodes": [],
}


class Arrived(NamedTuple):
    """A request, as it arrived."""

    method: str
    target: str
    headers: list[tuple[str, str]]  # names in lower case, text as Latin-1 has it
    body: bytes

    @property
    def segments(self) -> list[str]:
        """The segments of the path, decoded one by one."""
        path = self.target.partition("?")[0]
        assert path.startswith("/")
        raw = path[1:].split("/")
        assert "." not in raw, "whoever normalises the path drops this segment"
        assert ".." not in raw, "whoever normalises the path drops two segments"
        return [_decoded(each) for each in raw]

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The query, as a form's decoder has it."""
        _, mark, query = self.target.partition("?")
        if not mark:
            return []
        pairs = (pair.partition("=") for pair in query.split("&"))
        return [
            (_decoded(name.replace("+", " ")), _decoded(value.replace("+", " ")))
            for name, _, value in pairs
        ]


def _decoded(text: str) -> str:
    return unquote_to_bytes(text).decode()


class _Exchange(asyncio.Protocol):
    """One connection."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._transport: Any = None
        self._begin()

    def _begin(self, data: bytes = b"") -> None:
        """A request begins. Its answer does not concern the parser, which is no more used after it."""
        self._http = h11.Connection(h11.SERVER)
        self._request: Any = None
        self._body = b""
        if data:
            self._http.receive_data(data)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        self._recorder.transports.append(transport)

    def data_received(self, data: bytes) -> None:
        self._http.receive_data(data)
        try:
            while (event := self._http.next_event()) not in (h11.NEED_DATA, h11.PAUSED):
                self._meet(event)
        except h11.ProtocolError as error:
            self._recorder.arrived.append(Arrived(f"<{error}>", "", [], data))
            self._transport.close()

    def _meet(self, event: Any) -> None:
        if isinstance(event, h11.Request):
            self._request = event
        elif isinstance(event, h11.Data):
            self._body += bytes(event.data)
        elif isinstance(event, h11.EndOfMessage):
            request = self._request
            headers = [(name.decode(), value.decode("latin-1")) for name, value in request.headers]
            method, target = request.method.decode(), request.target.decode()
            self._recorder.arrived.append(Arrived(method, target, headers, self._body))
            self._transport.write(self._recorder.answers[method == "HEAD"])
            self._begin(self._http.trailing_data[0])


class Recorder:
    """Listens on loopback, on the loop that opens it.

    Attributes:
        url (str): its address.
        arrived (list of Arrived): the requests that have arrived since somebody emptied it.
        answers ((bytes, bytes)): what it answers, and what of that a HEAD gets.
    """

    def __init__(self) -> None:
        self.url = ""
        self.arrived: list[Arrived] = []
        body = json.dumps(ANSWER).encode()
        head = (
            b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
            b'Content-Length: %d\r\nETag: "1-a"\r\n\r\n' % len(body)
        )
        self.answers = head + body, head
        self.transports: list[Any] = []
        self._server: asyncio.Server | None = None

    async def open(self) -> None:
        make: Callable[[], asyncio.Protocol] = lambda: _Exchange(self)  # noqa: E731
        self._server = await asyncio.get_running_loop().create_server(make, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for transport in self.transports:
            transport.close()
        await asyncio.sleep(0)
