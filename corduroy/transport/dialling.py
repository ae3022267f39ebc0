"""Dialling: connections to an origin, over whichever of its addresses answers first.

A connection that has come about when nobody wants it any more, since its time is over, or its call was
cancelled, is closed: asyncio's own race between addresses would leave it to the garbage collector.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Callable
from typing import Any, TypeVar

from aiohappyeyeballs import start_connection

from .connection import Connection
from .deadline import until
from .idle import Origin

# Seconds after which the next address is tried beside the one that does not answer: RFC 8305's.
_HEAD_START = 0.25

Make = Callable[[], Connection]
T = TypeVar("T")


class Dialling:
    """What is being connected on one event loop.

    Args:
        loop: the loop.
    """

    __slots__ = ("_loop", "_under_way")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        # What is being connected, and why `close` has called it off.
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
        why: BaseException | None = None
        before = _cancellations()
        dialling = self._loop.create_task(_connected(self._loop, origin, make))
        self._under_way[dialling] = None
        try:
            async with until(connect_by, "Timeout while connecting"):
                return await dialling
        except (Exception, asyncio.CancelledError) as error:
            drop(dialling, Connection.abort)
            why = self._under_way[dialling]
            if why is None or not isinstance(error, asyncio.CancelledError):
                raise
            if _cancellations() > before:  # whoever waits here was told to end, too
                raise
            raise why from None
        finally:
            del self._under_way[dialling]
            del dialling, why  # what is raised holds this frame

    def close(self, gone: Callable[[], BaseException]) -> None:
        """Call off what is under way, each by an error of its own."""
        for dialling in self._under_way:
            self._under_way[dialling] = gone()
            dialling.cancel()


def drop(task: asyncio.Task[T], close: Callable[[T], object]) -> None:
    """Close what a task gives, or has given, when nobody takes it any more.

    Args:
        task: the task.
        close: closes it.
    """

    def close_it(task: asyncio.Task[T]) -> None:
        if not task.cancelled() and task.exception() is None:
            close(task.result())

    task.add_done_callback(close_it)


async def _connected(loop: asyncio.AbstractEventLoop, origin: Origin, make: Make) -> Connection:
    source: Any = None
    if origin.source is not None:
        source = socket.getaddrinfo(origin.source, 0, flags=socket.AI_NUMERICHOST)
    addresses = await _addresses(loop, origin)
    try:
        connected = await start_connection(
            addresses, local_addr_infos=source, happy_eyeballs_delay=_HEAD_START, loop=loop
        )
    except OSError as error:
        raise error.with_traceback(None)  # noqa: B904  (the frames of the race hold it)
    if _cancellations():  # the race, as it called off who had lost, has not heard of it
        connected.close()
        raise asyncio.CancelledError
    host = origin.host if origin.tls is not None else None
    _, connection = await loop.create_connection(
        make, sock=connected, ssl=origin.tls, server_hostname=host
    )
    return connection


async def _addresses(loop: asyncio.AbstractEventLoop, origin: Origin) -> list[Any]:
    host, port, family = origin.host, origin.port, origin.family
    known = {"family": family, "type": socket.SOCK_STREAM}
    with contextlib.suppress(socket.gaierror):  # an address needs no resolver, nor its thread
        return socket.getaddrinfo(host, port, flags=socket.AI_NUMERICHOST, **known)
    found = await loop.getaddrinfo(host, port, **known)
    if not found:
        raise OSError(f"{host} has no address")
    return found


def _cancellations() -> int:
    """How often whoever is running was told to end."""
    task = asyncio.current_task()
    return 0 if task is None else task.cancelling()
