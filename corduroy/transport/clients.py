"""The HTTP clients of a session, one for each event loop that it is used on."""

from __future__ import annotations

import asyncio
import contextlib

from tornado.httpclient import AsyncHTTPClient

from .. import defaults
from .client import KeepAliveHTTPClient
from .loops import close_now, close_with_loop, keep_forever, process
from .sending import resolve


class Clients:
    """Finds, or makes, the client of the loop that it is asked on; knows who pauses until it goes on.

    Args:
        given: an `AsyncHTTPClient`, or a class of them; None: `KeepAliveHTTPClient`.
        max_body_size (int | None): as of `Couch`.

    Attributes:
        of (dict): those that there are, by their loops; those of a parent process `forget_inherited`
            takes away.
        generation (int): the process that they are of.
        closings (int): how often they have been closed.
    """

    def __init__(
        self,
        given: AsyncHTTPClient | type[AsyncHTTPClient] | None,
        max_body_size: int | None = None,
    ) -> None:
        self.given = given
        self._max_body_size = max_body_size
        self.of: dict[asyncio.AbstractEventLoop, AsyncHTTPClient] = {}
        self.generation = process.generation
        self.closings = 0
        self._pauses: set[asyncio.Future[None]] = set()

    def here(self) -> AsyncHTTPClient:
        """The client of the running loop."""
        loop = asyncio.get_running_loop()
        if self.generation != process.generation:
            self.forget_inherited()
        client = self.of.get(loop)
        return self._made(loop) if client is None else client

    async def close(self) -> None:
        """Close the connections of the running loop; those of other loops close when they run."""
        self.closings += 1
        if self.generation != process.generation:
            self.forget_inherited()
        self._end_pauses()
        self._let_go()
        # One turn to close the clients here, and one for what they leave to the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def pause(self, seconds: float, closings: int | None) -> None:
        """Wait, unless they are closed meanwhile, or have been since that had happened so often."""
        loop = asyncio.get_running_loop()
        over = loop.create_future()
        timer = loop.call_later(seconds, resolve, over)
        self._pauses.add(over)
        try:
            if self.closings == closings:  # from here on, whoever closes finds `over`
                await over
        finally:
            timer.cancel()
            self._pauses.discard(over)

    def __del__(self) -> None:
        if hasattr(self, "of"):
            self._let_go()

    def _let_go(self) -> None:
        clients, self.of = self.of, {}
        for loop, client in clients.items():
            if client is not self.given and not loop.is_closed():
                with contextlib.suppress(RuntimeError):  # that loop was closed just now
                    loop.call_soon_threadsafe(close_now, loop, client)

    def _end_pauses(self) -> None:
        for over in list(self._pauses):
            with contextlib.suppress(RuntimeError):  # its loop was closed
                over.get_loop().call_soon_threadsafe(resolve, over)

    def _made(self, loop: asyncio.AbstractEventLoop) -> AsyncHTTPClient:
        for other in list(self.of):  # other threads may change it at the same time
            if other.is_closed():
                self.of.pop(other, None)
        for over in list(self._pauses):
            if over.get_loop().is_closed():
                self._pauses.discard(over)
        given = self.given
        client: AsyncHTTPClient
        if given is None:
            client = KeepAliveHTTPClient(
                force_instance=True, max_clients=None, max_body_size=self._max_body_size
            )
        elif isinstance(given, type):
            client = given(force_instance=True, max_clients=defaults.max_clients)
        elif given.io_loop.asyncio_loop is loop:  # type: ignore[attr-defined]
            client = given
        else:  # one of the same kind, for a loop that the given one does not know
            client = type(given)(force_instance=True, defaults=given.defaults)
        if client is not given:
            close_with_loop(loop, client)
        self.of[loop] = client
        return client

    def forget_inherited(self) -> None:
        """Leave the clients alone that a forked child has from its parent."""
        keep_forever((self.of, self._pauses))
        self.of = {}
        self._pauses = set()
        self.generation = process.generation
