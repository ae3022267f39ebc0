"""Tornado's simple client, whose exchanges can be ended: it has no way to do so itself."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient


class Line:
    """A simple client's `TCPClient`, which knows what it connects, and can hang up.

    Args:
        client (TCPClient): does the work.
    """

    def __init__(self, client: TCPClient) -> None:
        self._client = client
        self._connecting: set[asyncio.Task[IOStream]] = set()
        self._streams: list[IOStream] = []
        self._hung_up = False

    async def connect(self, *args: Any, **options: Any) -> IOStream:
        """See `TCPClient.connect`."""
        connecting = asyncio.ensure_future(self._client.connect(*args, **options))
        self._connecting.add(connecting)
        try:
            stream = await connecting
        except asyncio.CancelledError:
            connecting.add_done_callback(_close)
            if self._hung_up:
                raise StreamClosedError from None
            raise
        finally:
            self._connecting.discard(connecting)
        self._streams.append(stream)
        if self._hung_up:
            stream.close()
        return stream

    def close(self) -> None:
        """See `TCPClient.close`."""
        self._client.close()

    def hang_up(self) -> None:
        """Close what is connected, or about to be; the client hears that the stream is closed."""
        self._hung_up = True
        for connecting in self._connecting:
            connecting.cancel()
        for stream in self._streams:
            stream.close()


def _close(connecting: asyncio.Task[IOStream]) -> None:
    """Close what has come about when nobody waited for it any more."""
    if not connecting.cancelled() and connecting.exception() is None:
        connecting.result().close()
