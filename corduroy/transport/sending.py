"""The way out of a connection: a request's body that is made as it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from .answer import Answer, ConnectionBroken

Producer = Callable[[Callable[[bytes], Awaitable[None]]], Awaitable[None]]


class Sending:
    """The part of a `Connection` that sends bodies; it stops where the answer makes the rest needless.

    Args:
        loop: where it lives.
    """

    _transport: asyncio.Transport

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._answer: Answer | None = None  # known once the headers are
        self._done = True  # nothing more of the answer is to come
        self._drain: asyncio.Future[None] | None = None
        self._go_ahead: asyncio.Future[None] | None = None  # for 100 Continue
        self._owing = False  # a part of the request's body has still to be sent
        self._pace = 0.0  # seconds in which the server must take what was made; 0: no limit

    def set_deadline(self, deadline: float) -> None:
        """Set or lift (0) the time by which the exchange must be done."""
        raise NotImplementedError

    async def produce(
        self, producer: Producer, *, length: int | None, go_ahead: bool, pace: float = 0.0
    ) -> None:
        """Send a body that is made as it goes.

        Args:
            producer: is called with ``write(bytes)``, whose Future is done when there is room.
            length (int | None): what the pieces must come to; None: they are framed as chunks.
            go_ahead (bool): wait for the server's 100 Continue first; no body is sent if a final
                answer comes instead.
            pace (float): seconds in which the server must take what was made, each time, and answer
                in the end; 0: what `set_deadline` was told counts.

        Raises:
            ValueError: the body's length is another; nothing beyond it is sent.
        """
        self._owing = True
        if go_ahead and not self._done:  # else it has broken as it began
            self._go_ahead = self.loop.create_future()
            await self._go_ahead
            self._go_ahead = None
            if self._done or self._answer is not None:
                return

        left = length

        def write(piece: bytes) -> asyncio.Future[None]:
            nonlocal left
            if self._done or self._transport.is_closing():
                raise ConnectionBroken("the server takes no more of the body")
            if left is not None:
                left -= len(piece)
                if left < 0:
                    raise ValueError(f"the body is longer than its Content-Length, {length}")
                self._transport.write(piece)
            elif piece:
                self._transport.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            if self._drain is not None:
                return self._drain
            ready: asyncio.Future[None] = self.loop.create_future()
            ready.set_result(None)
            return ready

        self._pace = pace
        try:
            if (made := producer(write)) is not None:
                await made
        except ConnectionBroken:
            # A server may answer, and hang up, in mid-body: the answer is then what counts.
            return
        finally:
            self._pace = 0.0
        if pace and not self._done:
            self.set_deadline(self.loop.time() + pace)
        if self._done and left != 0:
            return  # it has answered without the rest
        if left is None:
            self._transport.write(b"0\r\n\r\n")
        elif left:
            raise ValueError(f"the body is {left} bytes shorter than its Content-Length, {length}")
        self._owing = False

    def pause_writing(self) -> None:
        self._drain = self.loop.create_future()
        if self._pace:
            self.set_deadline(self.loop.time() + self._pace)

    def resume_writing(self) -> None:
        if self._pace:
            self.set_deadline(0.0)
        resolve(self._drain)
        self._drain = None


def resolve(future: asyncio.Future[None] | None) -> None:
    """Let a Future go that somebody may wait for."""
    if future is not None and not future.done():
        future.set_result(None)
