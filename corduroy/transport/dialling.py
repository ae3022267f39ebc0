"""Dialling: connections to an origin, over whichever of its addresses answers first.

A connection that has come about when nobody wants it any more, since its time is over, or its call was
cancelled, is closed: asyncio's own race between addresses would leave it to the garbage collector.
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any

from aiohappyeyeballs import start_connection

from .connection import Connection
from .deadline import until
from .idle import Origin

# Seconds after which the next address is tried beside the one that does not answer: RFC 8305's.
_HEAD_START = 0.25

Make = Callable[[], Connection]


class Dialling:
    """What is being connected on one event loop.

    Args:
        loop: the loop.
    """

    __slots__ = ("_closed", "_loop", "_under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._closed: Callable[[], BaseException] | None = None
        # And why `close` has called it off.
        self._under_way: dict[asyncio.Task[Connection], BaseException | None] = {}

    async def connect(self, origin: Origin, make: Make, connect_by: float) -> Connection:
        """Make a connection.

        Args:
            origin (Origin): where it leads.
            make: makes the connection's protocol.
            connect_by (float): the loop's time by which it must be there; 0: no limit.

        Returns:
            Connection: the connection.

        Raises:
            OSError: none could be made.
            DeadlineMissed: it took too long.
            BaseException: what `close` was told.
        """
        if self._closed is not None:
            raise self._closed()
        dialling = self._loop.create_task(_connected(self._loop, origin, make))
        self._under_way[dialling] = None
        try:
            async with until(connect_by, "Timeout while connecting"):
                return await dialling
        except (Exception, asyncio.CancelledError) as error:
            dialling.add_done_callback(_hang_up)
            why = self._under_way[dialling]
            if why is None or not isinstance(error, asyncio.CancelledError) or _is_cancelled():
                raise
            raise why from None
        finally:
            del self._under_way[dialling]
            del dialling  # what it has raised holds this frame

    def close(self, error: Callable[[], BaseException]) -> None:
        """Call off what is under way, and whatever comes, each by an error of its own."""
        self._closed = error
        for dialling in self._under_way:
            self._under_way[dialling] = error()
            dialling.cancel()


async def _connected(loop: asyncio.AbstractEventLoop, origin: Origin, make: Make) -> Connection:
    source: Any = None
    if origin.source is not None:
        source = socket.getaddrinfo(origin.source, 0, flags=socket.AI_NUMERICHOST)
    connected = await start_connection(
        await _addresses(loop, origin),
        local_addr_infos=source,
        happy_eyeballs_delay=_HEAD_START,
        loop=loop,
    )
    host = origin.host if origin.tls is not None else None
    _, connection = await loop.create_connection(
        make, sock=connected, ssl=origin.tls, server_hostname=host
    )
    return connection


async def _addresses(loop: asyncio.AbstractEventLoop, origin: Origin) -> list[Any]:
    host, port, family = origin.host, origin.port, origin.family
    try:  # an address needs no resolver, nor its thread
        return socket.getaddrinfo(
            host, port, family, socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST
        )
    except socket.gaierror:
        return await loop.getaddrinfo(host, port, family=family, type=socket.SOCK_STREAM)


def _hang_up(dialling: asyncio.Task[Connection]) -> None:
    """Close what has come about, though nobody waits for it."""
    if not dialling.cancelled() and dialling.exception() is None:
        dialling.result().abort()


def _is_cancelled() -> bool:
    """Whether whoever is running was told to end."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
