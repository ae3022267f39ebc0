"""A server in a thread of its own, which both the recorder and the replayer are."""

from __future__ import annotations

import asyncio
import threading
from http.client import HTTPException, responses
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
        """Answer a request; if it raises, the connection is closed."""
        raise NotImplementedError

    def _run(self, socket: Any, ready: threading.Event) -> None:
        async def main() -> None:
            tasks: set[asyncio.Task[None]] = set()

            def begin(request: HTTPServerRequest) -> None:
                task = self._loop.create_task(self._serve(request))
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

    async def _serve(self, request: HTTPServerRequest) -> None:
        try:
            await self.serve(request)
        except (OSError, HTTPException):
            request.connection.close()  # type: ignore[union-attr]


class Answering:
    """An answer under way.

    Args:
        request (HTTPServerRequest): what is answered.

    Attributes:
        begun (bool): whether the headers are sent.
        gone (asyncio.Event): set when the client has left before the end.
    """

    def __init__(self, request: HTTPServerRequest) -> None:
        self.begun = False
        self.gone = asyncio.Event()
        self._silent = request.method == "HEAD"
        connection: Any = request.connection
        self._connection = connection
        self._connection.set_close_callback(self.gone.set)

    def whole(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        """Send an answer."""
        if not self._silent and status not in (204, 304):
            headers = [*headers, ("Content-Length", str(len(body)))]
        self.begin(status, headers)
        if body and not self._silent:
            self.piece(body)
        self.end()

    def begin(self, status: int, headers: list[tuple[str, str]]) -> None:
        """Send the headers."""
        self.begun = True
        sent = HTTPHeaders()
        for name, value in headers:
            sent.add(name, value)
        start = ResponseStartLine("HTTP/1.1", status, responses.get(status, "Unknown"))
        self._connection.write_headers(start, sent)

    def piece(self, data: bytes) -> None:
        """Send a piece of the body."""
        self._connection.write(data)

    def end(self) -> None:
        """Send the end."""
        self._connection.finish()
