"""Idle: the connections that are kept alive until somebody can use them, or for too long."""

from __future__ import annotations

import asyncio
import collections
import socket
import ssl
from typing import NamedTuple

from .connection import Connection

_MOMENT = 0.001  # seconds


class Origin(NamedTuple):
    """Where a connection leads; connections of equal origins may stand in for each other."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    family: int = socket.AF_UNSPEC
    source: str | None = None


class Idle:
    """The idle connections of one event loop.

    Args:
        loop: the loop.
        timeout (float): seconds after which one is closed.
    """

    __slots__ = ("_closed", "_connections", "_loop", "_sweeper", "_timeout")

    def __init__(self, loop: asyncio.AbstractEventLoop, timeout: float) -> None:
        self._loop = loop
        self._closed = False
        self._timeout = timeout
        # The most recently used last.
        self._connections: dict[Origin, list[Connection]] = collections.defaultdict(list)
        self._sweeper: asyncio.TimerHandle | None = None  # set while there are any

    def keep_or_close(self, origin: Origin | None, connection: Connection) -> None:
        """Keep a connection that has just served, if it can serve again.

        Args:
            origin (Origin | None): where it leads; None: it is closed.
            connection (Connection): the connection.
        """
        if not connection.finish() or self._closed or origin is None:
            connection.abort()
            return
        connection.idle_since = self._loop.time()
        self._connections[origin].append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._timeout, self._sweep)

    def find(self, origin: Origin, safe: bool, in_throng: bool, now: float) -> Connection | None:
        """Find one that can be used, and let go of it.

        Args:
            origin (Origin): where it is to lead.
            safe (bool): whether what is to be sent may be sent twice.
            in_throng (bool): whether other exchanges are under way.
            now (float): the loop's time.

        Returns:
            Connection | None: the connection, if there is one.
        """
        idle = self._connections.get(origin)
        if not idle:
            return None
        # In a throng of safe requests, what was in use a moment ago is taken as it is: what has come
        # since could as well be still on its way, and asking is a tenth of what a request costs.
        unasked = now - _MOMENT if safe and in_throng else now
        while idle:
            connection = idle.pop()
            # What cannot be sent twice must not meet a connection that the server has left, and
            # nothing may meet one on which an answer waits that nobody has asked for.
            since = connection.idle_since
            if connection.usable and (
                since > unasked or (since >= now - self._timeout and not connection.stirred())
            ):
                return connection
            connection.abort()
        return None

    def forget(self, origin: Origin, connection: Connection) -> None:
        """Let go of one that is closed, if it is there."""
        idle = self._connections.get(origin, [])
        if connection in idle:
            idle.remove(connection)

    def close_those_to(self, origin: Origin) -> None:
        """Close all that lead somewhere."""
        for connection in self._connections.pop(origin, ()):
            connection.abort()

    def make_room(self, room: int) -> None:
        """Close the one that is idle longest if there are more than so many."""
        idle = [connections for connections in self._connections.values() if connections]
        if idle and sum(map(len, idle)) > room:
            min(idle, key=lambda connections: connections[0].idle_since).pop(0).abort()

    def close(self) -> None:
        """Close all, and keep no more."""
        self._closed = True
        if self._sweeper is not None:
            self._sweeper.cancel()
        for origin in list(self._connections):
            self.close_those_to(origin)

    def _sweep(self) -> None:
        """Close what has been idle too long, and see to it that the rest will be."""
        eldest = self._loop.time() - self._timeout
        for origin, idle in list(self._connections.items()):
            while idle and idle[0].idle_since <= eldest:
                idle.pop(0).abort()
            if not idle:
                del self._connections[origin]
        self._sweeper = None
        if self._connections:
            due = min(idle[0].idle_since for idle in self._connections.values()) + self._timeout
            self._sweeper = self._loop.call_at(due, self._sweep)
