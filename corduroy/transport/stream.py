"""Answers that are read piece by piece, some of them without an end: what feeds are made of.

Whoever reads decides when; what is not read stays with the server. There is no deadline for the whole,
but a clock that runs while a piece is waited for, and only then: a reader that takes its time is not
mistaken for a server that has gone silent.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import functools
import re
import sys
from collections.abc import Awaitable, Mapping
from typing import Any, Protocol

from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse
from tornado.iostream import UnsatisfiableReadError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from .. import defaults
from ..veil import Veiled
from .answer import Answer, ConnectionBroken, DeadlineMissed, MalformedAnswer
from .connection import Connection
from .foreign import set_up_curl, tls_options
from .gzip import Read, plain_reader
from .limits import most_bytes, too_large
from .messages import Request
from .pool import Outgoing, Pool
from .simple import Line
from .tls import Trust

_status = re.compile(r"HTTP/[0-9.]+ +[0-9]").match

# Seconds between the clock's ring and the verdict: what came while the loop was held up by something
# else may be looked at after the clock.
_GRACE = 0.05

# Bytes that are read at a time, where more has been pushed; so many held, and curl is paused.
_ENOUGH = 64 * 1024


class Stream(Protocol):
    """An answer under way.

    Attributes:
        answer (Answer): its status and headers.
    """

    answer: Answer

    async def read(self, within: float = 0.0) -> bytes:
        """Wait for the next piece of the body.

        Args:
            within (float): seconds in which something must come; 0: no limit.

        Returns:
            bytes: the piece; empty at the end.

        Raises:
            OSError, HTTPClientError: the rest does not come.
        """

    def close(self) -> None:
        """End it at once; whoever is reading is told that the connection is broken."""


class PoolStream:
    """An answer on a connection of a pool's.

    Args:
        pool (Pool): the pool.
        connection (Connection): the connection.
        answer (Answer): what has come of the answer.
        apart (bool): whether the connection is apart from all others.
        raw (bool): whether the body is wanted as it comes.
    """

    def __init__(
        self, pool: Pool, connection: Connection, answer: Answer, apart: bool, raw: bool
    ) -> None:
        self.answer = answer
        self._loop = pool.loop
        self._connection: Connection | None = connection
        self._let_go = pool.release_apart if apart else pool.release
        self._read = _reader(came := connection.read, answer, raw)
        self._zipped = self._read is not came
        self._silent = False

    async def read(self, within: float = 0.0) -> bytes:
        """See `Stream.read`."""
        connection = self._connection
        if connection is None:
            raise ConnectionBroken("the stream was closed")
        # Of what is at hand of a gzip nothing may come yet.
        if not within or (connection.held and not self._zipped):
            return await self._read()
        clock = self._loop.call_later(within, self._ring, connection, False)
        self._silent = False
        try:
            return await self._read()
        except ConnectionBroken:
            if self._silent:
                raise DeadlineMissed(f"nothing came for {within:g} seconds") from None
            raise
        finally:
            clock.cancel()

    def _ring(self, connection: Connection, certain: bool) -> None:
        if connection.held or connection is not self._connection:
            return
        if certain:
            self._silent = True
            connection.abort()
        else:
            self._loop.call_later(_GRACE, self._ring, connection, True)

    def close(self) -> None:
        """See `Stream.close`."""
        connection, self._connection = self._connection, None
        if connection is not None:
            self._let_go(connection)


async def open_in_pool(
    pool: Pool, out: Outgoing, within: float, apart: bool, raw: bool
) -> PoolStream:
    """Send a request through the pool; wait for its answer's headers.

    Args:
        pool (Pool): the pool.
        out (Outgoing): the request.
        within (float): seconds until they must be there, once there is a connection; 0: no limit.
        apart, raw (bool): as of `PoolStream`.

    Returns:
        PoolStream: the answer.
    """
    opened = await (pool.open_apart if apart else pool.open)(out, within)
    return PoolStream(pool, *opened, apart, raw)


def _reader(read: Read, answer: Answer, raw: bool) -> Read:
    """What reads a body; a refusal's is always wanted plain."""
    return plain_reader(read, answer.gzipped and not (raw and answer.code < 300))


class ForeignStream:
    """An answer that another `AsyncHTTPClient` pushes, held for whoever reads it.

    It pushes no more than a little until that is read: Tornado's simple client waits for a Future, and
    curl is paused. What any other client pushes is held, however much that is.

    Args:
        client (AsyncHTTPClient): the client that requests go through; the stream makes one of its own
            of the same kind, since it is going to last.
        raw (bool): whether the body is wanted as it comes.
    """

    def __init__(self, client: AsyncHTTPClient, raw: bool) -> None:
        self.answer: Answer
        self._raw = raw
        self._loop = asyncio.get_running_loop()
        self._client, self._line = _of_the_same_kind(client)
        self._lines: list[str] = []
        self._pieces: collections.deque[bytes] = collections.deque()
        self._held = 0  # their bytes
        self._room: asyncio.Future[None] | None = None  # resolved when all that was held is read
        self._stirred: asyncio.Future[None] | None = None
        self._ended: BaseException | bool = False
        self._fetching: Awaitable[HTTPResponse] | None = None
        self._within = 0.0
        self._curl: Any = None  # curl's handle, while it may be called
        self._paused = False

    async def open(self, request: Any, within: float) -> None:
        """Send a request; wait for its answer's headers.

        Args:
            request: makes an `HTTPRequest` of the callbacks.
            within (float): seconds until they must be there; 0: no limit.
        """
        self._fetching = future = self._client.fetch(
            request(
                header_callback=self._on_header,
                streaming_callback=self._on_piece,
                prepare_curl_callback=self._on_curl,
            ),
            raise_error=False,
        )
        future.add_done_callback(self._on_end)
        try:
            while not (self._lines and self._lines[-1] == ""):
                if self._ended:
                    raise self._failure() or ConnectionBroken("the server closed the connection")
                await self._stir(within)
        except BaseException:
            self.close()
            raise
        self.answer = Answer(int(self._lines[0].split()[1]), "\r\n".join(self._lines).encode())
        self._read = _reader(self._next, self.answer, self._raw)

    async def read(self, within: float = 0.0) -> bytes:
        """See `Stream.read`."""
        self._within = within
        return await self._read()

    async def _next(self) -> bytes:
        while not self._pieces and not self._ended:
            await self._stir(self._within)
        if self._pieces:
            piece = self._pieces.popleft()
            while self._pieces and len(piece) < _ENOUGH:
                piece += self._pieces.popleft()
            self._held -= len(piece)
            if not self._pieces:
                self._give_room()
            return piece
        if (failure := self._failure()) is not None:
            raise failure
        return b""

    def close(self) -> None:
        """See `Stream.close`."""
        if self._ended is False:
            self._ended = ConnectionBroken("the stream was closed")
        self._curl = None
        self._give_room()
        self._wake()
        if self._line is not None:
            self._line.hang_up()
        # A client must not be closed by what it has called.
        if self._fetching is not None:
            self._fetching = None
            self._loop.call_soon(_close, self._client)

    def _failure(self) -> BaseException | None:
        return self._ended if isinstance(self._ended, BaseException) else None

    async def _stir(self, within: float) -> None:
        """Wait until something happens."""
        self._stirred = self._loop.create_future()
        done, _ = await asyncio.wait([self._stirred], timeout=within or None)
        if not done and not self._pieces:
            self.close()
            raise DeadlineMissed(f"nothing came for {within:g} seconds")

    def _wake(self) -> None:
        if self._stirred is not None and not self._stirred.done():
            self._stirred.set_result(None)

    def _give_room(self) -> None:
        if self._room is not None and not self._room.done():
            self._room.set_result(None)
        self._room = None
        if self._paused and self._curl is not None:
            self._paused = False
            with contextlib.suppress(Exception):  # it has failed meanwhile: `_on_end` will be told
                self._curl.pause(self._curl.PAUSE_CONT)

    def _on_header(self, line: str) -> None:
        line = line.rstrip("\r\n")
        if _status(line):  # a final answer comes after 100 Continue
            self._lines = []
        self._lines.append(line)
        if not line:
            self._wake()

    def _on_piece(self, piece: bytes) -> asyncio.Future[None] | None:
        if self._ended:
            return None
        self._pieces.append(piece)
        self._held += len(piece)
        self._wake()
        if not isinstance(self._client, SimpleAsyncHTTPClient):
            return None
        if self._room is None:
            self._room = self._loop.create_future()
        return self._room

    def _on_curl(self, curl: Any) -> None:
        # Tornado takes from curl whatever it has, and waits for no callback.
        set_up_curl(curl)
        curl.setopt(curl.WRITEFUNCTION, self._on_piece_of_curl)
        self._curl = curl

    def _on_piece_of_curl(self, piece: bytes) -> int | None:
        if self._held >= _ENOUGH and self._curl is not None:
            self._paused = True
            return int(self._curl.WRITEFUNC_PAUSE)  # it comes again
        self._on_piece(piece)
        return None

    def _on_end(self, future: asyncio.Future[HTTPResponse]) -> None:
        self._curl = None  # it will be used again, or closed
        if self._ended is False:
            error = None if future.cancelled() else future.exception()
            if error is None and not future.cancelled():
                response = future.result()
                if response.code == 599:
                    error = response.error
            if isinstance(error, UnsatisfiableReadError):
                error = MalformedAnswer(str(error))
            self._ended = error or True
        elif not future.cancelled():
            future.exception()
        self._wake()


async def take_whole(stream: Stream, within: float, limit: int | None) -> None:
    """Read all of an answer, after all, and close it.

    Args:
        stream (Stream): the answer; it gets the body.
        within (float): seconds until that must be whole; 0: no limit.
        limit (int | None): as of `most_bytes`.

    Raises:
        OSError, HTTPClientError: the rest does not come, or is too large.
    """
    body, most = bytearray(), most_bytes(limit)
    try:
        async with asyncio.timeout(within or None):
            while piece := await stream.read():
                body += piece
                if len(body) > most:
                    raise too_large("the body", most)
    except TimeoutError:
        raise DeadlineMissed(f"the answer is not whole after {within:g} seconds") from None
    finally:
        stream.close()
    stream.answer.body = body


async def open_foreign(
    client: AsyncHTTPClient,
    request: Request,
    url: str,
    headers: Mapping[str, str],
    trust: Trust | None,
    within: float,
) -> ForeignStream:
    """Send a request through a client that is not corduroy's own; wait for its answer's headers.

    Args:
        client, request, url, headers, trust: as of `fetch`.
        within (float): seconds until the headers must be there; 0: no limit.

    Returns:
        ForeignStream: the answer.
    """
    stream = ForeignStream(client, request.raw)
    await stream.open(
        functools.partial(
            HTTPRequest,
            url,
            method=request.method,
            headers=Veiled({name: value for name, value in headers.items() if name != "Host"}),
            body=request.body,  # type: ignore[arg-type]  # of a feed it is no producer
            connect_timeout=defaults.connect_timeout,
            request_timeout=0,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            decompress_response=False,  # the simple client would ask for gzip
            **tls_options(client, trust),
        ),
        min(defaults.connect_timeout or within, within) + within,
    )
    return stream


def _close(client: AsyncHTTPClient) -> None:
    client.close()
    # Closing sets a timer of curl's, which would find nothing any more.
    timer = getattr(client, "_timeout", None)
    if timer is not None:
        client.io_loop.remove_timeout(timer)


def _of_the_same_kind(client: AsyncHTTPClient) -> tuple[AsyncHTTPClient, Line | None]:
    """Another client of a client's kind, and its line, if that can be told to hang up."""
    kind = type(client)
    if not isinstance(client, SimpleAsyncHTTPClient):
        return kind(force_instance=True, defaults=client.defaults), None
    # It would stop after 100 MB.
    own: Any = kind(force_instance=True, defaults=client.defaults, max_body_size=sys.maxsize)
    own.tcp_client = line = Line(own.tcp_client)
    return own, line
