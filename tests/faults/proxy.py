"""A proxy on loopback that passes HTTP/1.1 on to a real server, and does harm where it is told to.

    with FaultProxy(couchdb_url) as proxy, Couch(proxy.url) as couch:
        proxy.next(Reset(after=100))

What one end does not take is not read from the other, so whoever is slow slows the other, and
memory stays small.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

from tests.faults.connection import PATIENCE, Connection, Orders
from tests.faults.kinds import (
    Answer,
    Cut,
    CutInCharacter,
    CutInLine,
    Delay,
    Fault,
    Lost,
    Plan,
    Refuse,
    Reset,
    Silence,
    Stall,
    Trickle,
    bad_gateway,
    error_500,
    random_faults,
    too_many,
    unavailable,
)
from tests.faults.wire import PIECE, Request, Stream

__all__ = [
    "Answer",
    "Cut",
    "CutInCharacter",
    "CutInLine",
    "Delay",
    "Fault",
    "FaultProxy",
    "Lost",
    "Plan",
    "Refuse",
    "Request",
    "Reset",
    "Silence",
    "Stall",
    "Trickle",
    "bad_gateway",
    "error_500",
    "random_faults",
    "too_many",
    "unavailable",
]


class FaultProxy(Orders):
    """Stands between clients and a server, in a thread of its own.

    The faults of `next` come first, then those of the plan: a function of a `Request`, called in
    the proxy's thread, which gives a fault or None. If it raises, or the proxy meets what is not
    HTTP, the connection is reset, and leaving the context raises that. A client that closes its
    side of a connection is taken to be gone.

    Args:
        upstream: the server's url.
        plan: what is to go wrong with a request.

    Attributes:
        url (str): the server's url, with the proxy's port instead; known within the context.
        plan: as above; may be changed at any time.
        refusing (bool): reset each new connection at once.
        requests (int): how many requests have come.
        injected (Counter): how many faults have struck, by the names of their classes.
        errors (list of Exception): what went wrong without being told to.
    """

    def __init__(self, upstream: str, plan: Plan | None = None) -> None:
        super().__init__(plan)
        self.refusing = False
        self._upstream = urlsplit(upstream)
        if self._upstream.scheme != "http" or self._upstream.hostname is None:
            raise ValueError("the proxy is for http urls")
        where = self._upstream.hostname, self._upstream.port or 80
        self._address = socket.getaddrinfo(*where, socket.AF_INET, socket.SOCK_STREAM)[0][4]
        self._connections: set[Connection] = set()

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
        self._listener.setblocking(False)
        credentials, at, _ = self._upstream.netloc.rpartition("@")
        netloc = f"{credentials}{at}127.0.0.1:{self._listener.getsockname()[1]}"
        self.url = self._upstream._replace(netloc=netloc).geturl()
        self._loop = asyncio.new_event_loop()
        self._serving = self._loop.create_task(self._serve())
        self._thread = threading.Thread(target=self._run, name="FaultProxy", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._loop.call_soon_threadsafe(self._serving.cancel)
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive(), "the proxy does not end"
        if self.errors:
            raise self.errors[0]

    @property
    def connections(self) -> int:
        """How many connections to clients are open, as far as the proxy is concerned."""
        return len(self._connections)

    def cut_all(self, *, reset: bool = False) -> None:
        """End all connections; returns when they have ended."""
        cut = self._each(lambda connection: connection.end(reset=reset))
        self.wait_until(lambda: self._connections.isdisjoint(cut))

    def freeze(self) -> None:
        """Let nothing pass on the connections that there are, not even their ends.

        What a socket was taking when this was called still goes, up to 64 KiB.
        """
        self._each(Connection.freeze)

    def thaw(self) -> None:
        """Let everything pass again, beginning with what has waited."""
        self._each(Connection.thaw)

    def _each(self, act: Callable[[Connection], None]) -> list[Connection]:
        """Do something to all connections; returns them when it is done."""
        assert threading.current_thread() is not self._thread, "a plan cannot wait for its proxy"
        found: list[Connection] = []
        done = threading.Event()

        def run() -> None:
            found.extend(self._connections)
            for connection in found:
                act(connection)
            done.set()

        self._loop.call_soon_threadsafe(run)
        assert done.wait(PATIENCE)
        return found

    def _run(self) -> None:
        with contextlib.closing(self._loop), contextlib.suppress(asyncio.CancelledError):
            self._loop.run_until_complete(self._serving)

    async def _serve(self) -> None:
        with self._listener:
            async with asyncio.TaskGroup() as group:
                self._loop.add_reader(self._listener, self._accept, group)
                try:
                    await asyncio.Event().wait()
                finally:
                    self._loop.remove_reader(self._listener)

    def _accept(self, group: asyncio.TaskGroup) -> None:
        try:
            client, _ = self._listener.accept()
        except OSError:  # it is gone already
            return
        if self.refusing:
            _reset(client)
            return
        server = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        task = group.create_task(self._attend(client, server))

        def close(task: asyncio.Task[None]) -> None:
            client.close()
            server.close()

        task.add_done_callback(close)  # also called if the task is cancelled before it starts

    async def _attend(self, client: socket.socket, server: socket.socket) -> None:
        connection = Connection(self, Stream(client), Stream(server), self._address)
        with self._changed:
            self._connections.add(connection)
            self._changed.notify_all()
        try:
            reset = await connection.relay()
            server.close()
            if reset:
                _reset(client)
                return
            with contextlib.suppress(OSError):  # the client was faster
                client.shutdown(socket.SHUT_WR)
        finally:
            with self._changed:
                self._connections.discard(connection)
                self._changed.notify_all()
        # Closing a socket that has unread bytes is a reset, so these must be read.
        with contextlib.suppress(OSError):
            while await self._loop.sock_recv(client, PIECE):
                pass


def _reset(sock: socket.socket) -> None:
    """Close by a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()
