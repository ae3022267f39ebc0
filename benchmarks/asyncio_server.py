"""The canned server for machines without nginx: ``python -m benchmarks.asyncio_server``.

Prints its port when it listens. All answers are rendered beforehand; a request costs it a look
into a dictionary.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import Callable, Iterable, Mapping
from email.utils import formatdate

from .canned import (
    ANSWERS,
    CONTENT_TYPE,
    HEADERS,
    MISSING,
    SERVER,
    STREAMED_ANSWERS,
    Answer,
    in_chunks,
)

END = b"\r\n\r\n"


def head(status: str, length: str, headers: Mapping[str, str] = HEADERS) -> bytes:
    fields = {"Server": SERVER, "Date": formatdate(usegmt=True), "Content-Type": CONTENT_TYPE}
    lines = [f"{name}: {value}" for name, value in (fields | headers).items()]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, length]).encode() + END


def render(answer: Answer) -> tuple[bytes, bytes]:
    if answer.chunked:
        body = b"".join(in_chunks(answer.body()))
        return head("200 OK", "Transfer-Encoding: chunked", answer.headers), body
    body = b"".join(answer.body())
    return head("200 OK", f"Content-Length: {len(body)}", answer.headers), body


def responses(answers: Iterable[Answer] = ANSWERS) -> dict[bytes, bytes]:
    """By method and path, as the request line begins."""
    found = {}
    for answer in answers:
        top, body = render(answer)
        path = answer.path.encode()
        found[b"HEAD " + path] = top
        found[b"GET " + path] = found[b"POST " + path] = top + body
    return found


class Canned(asyncio.Protocol):
    transport: asyncio.Transport

    def __init__(self, answers: dict[bytes, bytes]) -> None:
        self._answers = answers
        self._missing = head("404 Object Not Found", f"Content-Length: {len(MISSING)}")
        self._unread = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        data = self._unread + data
        while (end := data.find(END)) >= 0:
            request = data[:end]
            size = end + len(END) + body_length(request)
            if len(data) < size:
                break
            data = data[size:]
            self.answer(request)
        self._unread = data

    def answer(self, request: bytes) -> None:
        line = request[: request.index(b" HTTP/")].partition(b"?")[0]
        response = self._answers.get(line)
        if response is None:
            response = self._missing + (b"" if line.startswith(b"HEAD ") else MISSING)
        self.transport.write(response)
        if b"connection: close" in request.lower():
            self.transport.close()


def body_length(request: bytes) -> int:
    if request.startswith((b"GET ", b"HEAD ")):
        return 0
    for line in request.split(b"\r\n"):
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            return int(value)
    return 0


async def serve(connection: Callable[[], Canned]) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(connection, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


def main(connection: Callable[[], Canned]) -> None:
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve(connection))


if __name__ == "__main__":
    rendered = responses([*ANSWERS, *(STREAMED_ANSWERS if "large" in sys.argv else [])])
    main(lambda: Canned(rendered))
