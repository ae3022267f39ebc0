"""A server in a thread of its own, which both the recorder and the replayer are."""

from __future__ import annotations

import asyncio
import threading
from http.client import responses
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.httputil import HTTPHeaders, HTTPServerRequest, ResponseStartLine
from tornado.testing import bind_unused_port

MOST = 1 << 30  # bytes of a body


class Serving:
    """A server on a port of the loopback interface.

    Attributes:
        netloc (str): its address, as ``host:port``.
    """

    def __init__(self) -> None:
        socket, port = bind_unused_port()
        self.netloc = f"127.0.0.1:{port}"
        self._loop = asyncio.new_event_loop()
        self._over = asyncio.Event()
        ready = threading.Event()
        self._thread = threading.Thread(target=self._run, args=[socket, ready])
        self._thread.start()
        ready.wait()

    def close(self) -> None:
        """End the server, and what is under way on it."""
        self._loop.call_soon_threadsafe(self._over.set)
        self._thread.join()

    async def serve(self, request: HTTPServerRequest) -> None:
        """Answer a request."""
        raise NotImplementedError

    def _run(self, socket: Any, ready: threading.Event) -> None:
        async def main() -> None:
            tasks: set[asyncio.Task[None]] = set()

            def begin(request: HTTPServerRequest) -> None:
                task = self._loop.create_task(self.serve(request))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

            server = HTTPServer(begin, max_body_size=MOST, max_buffer_size=MOST)
            server.add_sockets([socket])
            ready.set()
            await self._over.wait()
            for task in tasks:
                task.cancel()
            server.stop()
            await server.close_all_connections()

        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(main())


def reply(
    request: HTTPServerRequest, status: int, headers: list[tuple[str, str]], body: bytes
) -> None:
    """Send a whole answer."""
    sent = HTTPHeaders()
    for name, value in headers:
        sent.add(name, value)
    if request.method != "HEAD" and status not in (204, 304):
        sent["Content-Length"] = str(len(body))
    connection = request.connection
    assert connection is not None
    start = ResponseStartLine("HTTP/1.1", status, responses.get(status, "Unknown"))
    connection.write_headers(start, sent, body if request.method != "HEAD" else None)
    connection.finish()
