"""HTTP/1.1 as far as a proxy must follow it: where messages begin and end, and their content."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

PIECE = 65536  # bytes that are taken from a socket at once, and the longest head
BLANK_LINE = b"\r\n\r\n"


class ProtocolError(Exception):
    """What has come is not the HTTP that the proxy can follow."""


class Request(NamedTuple):
    """The head of a request.

    Attributes:
        method (str): such as ``GET``.
        target (str): path and query, as they were sent.
        headers (dict): names in lower case.
        number (int): 1 for the first request that the proxy has seen, 2 for the second…
    """

    method: str
    target: str
    headers: dict[str, str]
    number: int


class Piece(NamedTuple):
    """Bytes of a message, as they came, and which of them are content and no framing."""

    data: bytes
    content: list[range]

    def parts(self) -> Iterator[tuple[int, bytes]]:
        """Give the content, each part with the place in the data where it begins."""
        for part in self.content:
            yield part.start, self.data[part.start : part.stop]


class Framing(Protocol):
    """Finds the end of a message's body."""

    over: bool

    def follow(self, data: bytes) -> tuple[int, list[range]]:
        """Tell how many of the bytes belong to the message, and which of these are content."""


class Counted:
    """A body of so many bytes."""

    def __init__(self, length: int) -> None:
        self._left = length
        self.over = not length

    def follow(self, data: bytes) -> tuple[int, list[range]]:
        size = min(self._left, len(data))
        self._left -= size
        self.over = not self._left
        return size, [range(size)]


class Unbounded:
    """A body that ends with the connection."""

    over = False

    def follow(self, data: bytes) -> tuple[int, list[range]]:
        return len(data), [range(len(data))]


class Chunked:
    """A body in chunks: lines with sizes, content between them, and trailers after the last."""

    def __init__(self) -> None:
        self.over = False
        self._left = 0  # bytes of content to come in this chunk
        self._line = b""
        self._in_trailers = False

    def follow(self, data: bytes) -> tuple[int, list[range]]:
        content = []
        at = 0
        while at < len(data) and not self.over:
            if self._left:
                size = min(self._left, len(data) - at)
                content.append(range(at, at + size))
                self._left -= size
                at += size
                continue
            end = data.find(b"\n", at) + 1 or len(data)
            self._line += data[at:end]
            at = end
            if self._line.endswith(b"\n"):
                self._end_line(self._line.strip())
                self._line = b""
        return at, content

    def _end_line(self, line: bytes) -> None:
        if self._in_trailers:
            self.over = not line
        elif line:  # otherwise it is the end of a chunk
            self._left = int(line.partition(b";")[0], 16)
            self._in_trailers = not self._left


def parse_head(head: bytes) -> tuple[list[str], dict[str, str]]:
    """Split a head into the three parts of its first line, and its headers."""
    first, *lines = head.removesuffix(BLANK_LINE).decode("latin-1").split("\r\n")
    parts = first.split(" ", 2)
    if len(parts) < 2:
        raise ProtocolError(f"not HTTP: {first:.80}")
    fields = (line.partition(":") for line in lines)
    return parts, {name.lower(): value.strip() for name, _, value in fields}


def request_framing(headers: Mapping[str, str]) -> Framing:
    """Tell how the body of a request ends."""
    if "chunked" in headers.get("transfer-encoding", ""):
        return Chunked()
    return Counted(int(headers.get("content-length", 0)))


def answer_framing(method: str, status: int, headers: Mapping[str, str]) -> Framing:
    """Tell how the body of an answer ends."""
    if method == "HEAD" or status in (204, 304):
        return Counted(0)
    if "chunked" not in headers.get("transfer-encoding", "") and "content-length" not in headers:
        return Unbounded()
    return request_framing(headers)


Deliver = Callable[[Piece], Awaitable[None]]


class Stream:
    """One of the proxy's sockets; nothing comes or goes while its gate is closed."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket = sock
        self.gate = asyncio.Event()
        self.gate.set()
        self._loop = asyncio.get_running_loop()
        self._unread = b""

    async def connect(self, address: Any) -> None:
        """Connect to a server."""
        await self._loop.sock_connect(self.socket, address)

    async def send(self, data: bytes) -> None:
        """Send; returns when the system has taken it all, so that the other end sets the pace."""
        await self.gate.wait()
        await self._loop.sock_sendall(self.socket, data)

    async def receive(self) -> bytes:
        """Receive what there is; nothing if the other end has closed."""
        data = self._unread or await self._loop.sock_recv(self.socket, PIECE)
        self._unread = b""
        await self.gate.wait()
        return data

    async def wait_for_data(self) -> bool:
        """Wait until there is something to receive; False if nothing will ever come."""
        self._unread = await self.receive()
        return bool(self._unread)

    async def head(self) -> bytes:
        """Receive a message's head, with the blank line; less than that if the stream ends."""
        head = b""
        while (end := head.find(BLANK_LINE)) < 0:
            if len(head) > PIECE:
                raise ProtocolError("a head without end")
            more = await self.receive()
            if not more:
                return head
            head += more
        end += len(BLANK_LINE)
        self._unread = head[end:]
        return head[:end]

    async def relay_body(self, framing: Framing, deliver: Deliver) -> None:
        """Deliver a body as it comes; less than that if the stream ends."""
        while not framing.over:
            data = await self.receive()
            if not data:
                return
            size, content = framing.follow(data)
            self._unread = data[size:]
            await deliver(Piece(data[:size], content))

    async def relay_answer(self, method: str, deliver: Deliver) -> None:
        """Deliver an answer, with the interim ones that precede it; less if the stream ends."""
        status = 100
        while status < 200:
            head = await self.head()
            await deliver(Piece(head, []))
            if not head.endswith(BLANK_LINE):
                return
            parts, headers = parse_head(head)
            status = int(parts[1])
        await self.relay_body(answer_framing(method, status, headers), deliver)
