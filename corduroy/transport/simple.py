"""What lets exchanges of Tornado's simple client be ended: it has no way of its own."""

from __future__ import annotations

import asyncio
from typing import Any

from tornado.iostream import IOStream, StreamClosedError
from tornado.tcpclient import TCPClient

from .dialling import drop


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

    def __getattr__(self, name: str) -> Any:
        return getattr(self._client, name)

    async def connect(self, *args: Any, **options: Any) -> IOStream:
        """See `TCPClient.connect`."""
        self._refuse_if_hung_up()
        connecting = asyncio.ensure_future(self._client.connect(*args, **options))
        self._connecting.add(connecting)
        try:
            stream = await connecting
        except asyncio.CancelledError:
            drop(connecting, IOStream.close)
            self._refuse_if_hung_up()
            raise
        finally:
            self._connecting.discard(connecting)
        self._streams.append(stream)
        if self._hung_up:
            stream.close()
        return stream

    def _refuse_if_hung_up(self) -> None:
        if self._hung_up:
            raise StreamClosedError

    def hang_up(self) -> None:
        """Close what is connected, or about to be; the client hears that the stream is closed."""
        self._hung_up = True
        for connecting in self._connecting:
            connecting.cancel()
        for stream in self._streams:
            stream.close()
