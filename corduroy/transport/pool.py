"""The pool: connections kept alive per origin, bounded in number, waited for in fair order.

All of its mutable state is in `Pool.__init__`. A *slot* is the right to have an exchange under way;
there are ``max_clients`` of them, and whoever waits for one is served first come, first served. A slot
is taken before a connection is looked for and given back when the exchange is over, however it ended.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from typing import Any, NamedTuple

from tornado.netutil import is_valid_ip

from .. import defaults
from .answer import Answer, ConnectionBroken, DeadlineMissed
from .connection import Connection, PlainConnection
from .sending import Producer

_MOMENT = 0.001  # seconds

# The methods whose requests may be sent twice.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


@contextlib.asynccontextmanager
async def _until(deadline: float, message: str, sent: bool = False) -> AsyncIterator[None]:
    try:
        async with asyncio.timeout_at(deadline or None) as limit:
            yield
    except TimeoutError:
        if limit.expired():
            missed = DeadlineMissed(message)
            missed.sent = sent
            raise missed from None
        raise


class Origin(NamedTuple):
    """Where a connection leads; connections of equal origins may stand in for each other."""

    host: str
    port: int
    tls: ssl.SSLContext | None = None
    family: int = socket.AF_UNSPEC
    source: str | None = None


class Outgoing:
    """A request, ready to be written.

    Args:
        origin (Origin): where to.
        head (bytes): request line, headers, the empty line, and the body where it is at hand.
        since (float): the loop's time now.
        connect (float): seconds until it must be on its way; 0: no limit of its own.
        total (float): seconds until its answer must be whole; 0: no limit.
        safe (bool): whether it may be sent again if the connection died without an answer.
        bodiless (bool): whether the answer has no body (HEAD).
        producer: makes the body as it is sent; None where the head holds all.
        length (int | None): what the producer's pieces come to; None: they are framed as chunks.
        go_ahead (bool): whether the producer waits for 100 Continue.
        pace (float): seconds in which the server must take what was made, each time, and answer in the
            end; 0: no limit.

    Attributes:
        connect_by (float): the loop's time until which it must be on its way; 0: no limit.
        done_by (float): the loop's time until which the answer must be whole; 0: no limit.
        reused (bool | None): whether its connection had served before; None: it has none yet.
    """

    __slots__ = (
        "bodiless", "connect_by", "done_by", "go_ahead", "head", "length", "origin", "pace",
        "producer", "reused", "safe",
    )  # fmt: skip

    def __init__(
        self,
        origin: Origin,
        head: bytes,
        since: float,
        connect: float,
        total: float,
        safe: bool,
        bodiless: bool,
        producer: Producer | None = None,
        length: int | None = None,
        go_ahead: bool = False,
        pace: float = 0.0,
    ) -> None:
        self.origin = origin
        self.head = head
        limits = [since + seconds for seconds in (connect, total) if seconds]
        self.connect_by = min(limits, default=0.0)
        self.done_by = since + total if total else 0.0
        self.safe = safe
        self.bodiless = bodiless
        self.producer = producer
        self.length = length
        self.go_ahead = go_ahead
        self.pace = pace
        self.reused: bool | None = None


class Pool:
    """Connections of one event loop.

    Args:
        loop: the loop that they live on.
        max_clients (int | None): how many exchanges may be under way at once; None: as many as
            `defaults` say, whenever one begins or ends.
        idle_timeout (float): seconds after which an unused connection is closed.
        max_body_size (int | None): how many bytes of a body are gathered; as of `most_bytes`.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        max_clients: int | None,
        idle_timeout: float = 120.0,
        max_body_size: int | None = None,
    ) -> None:
        self.loop = loop
        self._max_clients = max_clients
        self.idle_timeout = idle_timeout
        self.max_body_size = max_body_size
        self._active = 0  # slots taken
        self._waiting: collections.deque[asyncio.Future[None]] = collections.deque()
        # The most recently used last.
        self._idle: dict[Origin, list[Connection]] = collections.defaultdict(list)
        self._open: dict[Connection, Origin] = {}  # idle or not
        self._sweeper: asyncio.TimerHandle | None = None  # set while any are idle
        self._closed = False

    async def request(self, out: Outgoing) -> Answer:
        """Send a request and wait for the whole answer.

        Args:
            out (Outgoing): the request.

        Returns:
            Answer: the answer with its body.

        Raises:
            OSError: no connection could be made.
            ConnectionBroken: the exchange broke off.
            DeadlineMissed: it took too long.
        """
        while True:
            connection = await self._acquire(out)
            try:
                connection.start(out.head, True, out.bodiless, out.done_by)
                if out.producer is not None:
                    await self._send_body(connection, out, out.producer)
                return await connection.whole()
            except ConnectionBroken as error:
                if not self.may_repeat(out.origin, out.safe, error):
                    raise
            finally:
                self.release(connection)

    async def open(self, out: Outgoing, within: float = 0.0) -> tuple[Connection, Answer]:
        """Send a request and wait for the answer's headers; the body is then read piece by piece.

        Args:
            out (Outgoing): the request.
            within (float): seconds until the headers must be there, once there is a connection; 0:
                what the request says.

        Returns:
            (Connection, Answer): where to read, and the answer without its body. Whoever has it must
            `release` the connection.

        Raises:
            As `request`.
        """
        while True:
            connection = await self._acquire(out)
            try:
                due = self.loop.time() + within if within else out.done_by
                connection.start(out.head, False, out.bodiless, due)
                if out.producer is not None:
                    await self._send_body(connection, out, out.producer)
                answer = await connection.head()
                if within:
                    connection.set_deadline(0.0)
                return connection, answer
            except ConnectionBroken as error:
                self.release(connection)
                if not self.may_repeat(out.origin, out.safe, error):
                    raise
            except BaseException:
                self.release(connection)
                raise

    def begin(
        self,
        origin: Origin,
        head: bytes,
        done_by: float,
        safe: bool,
        bodiless: bool,
        over: Callable[[Connection], None],
    ) -> Connection | None:
        """Send a request at once, if there is a slot for it and a connection at hand.

        Args:
            origin, head, done_by, safe, bodiless: as of `Outgoing`.
            over: is called with the connection when the exchange is over, and must `release` it.

        Returns:
            Connection | None: where it is under way; None if it would have to wait.
        """
        if self._closed or self._active >= self.max_clients or self._waiting:
            return None
        connection = self._idle_connection(origin, self.loop.time(), safe)
        if connection is not None:
            self._active += 1
            connection.start(head, True, bodiless, done_by, over)
        return connection

    def release(self, connection: Connection) -> None:
        """End an exchange: keep the connection if it can be used again, and give the slot back."""
        self._keep_or_close(connection)
        if self._waiting:
            self._free()
        else:
            self._active -= 1

    def release_apart(self, connection: Connection) -> None:
        """As `release`, of a connection that `open_apart` gave."""
        self._keep_or_close(connection)
        self._make_room()

    def _keep_or_close(self, connection: Connection) -> None:
        if connection.finish() and not self._closed:
            connection.idle_since = self.loop.time()
            self._idle[self._open[connection]].append(connection)
            if self._sweeper is None:
                self._sweeper = self.loop.call_later(self.idle_timeout, self._sweep)
        else:
            connection.abort()

    def close(self) -> None:
        """Close every connection; exchanges under way break."""
        self._closed = True
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            connection.abort()
        while self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_exception(ConnectionBroken("the client was closed"))

    async def open_apart(self, out: Outgoing, within: float) -> tuple[Connection, Answer]:
        """Like `open`, on a connection that is apart from all others: it takes no slot, and may last
        for months.

        Args:
            out (Outgoing): the request, without a producer.
            within (float): seconds until the headers must be there, once there is a connection; 0: no
                limit.

        Returns:
            (Connection, Answer): as of `open`; whoever has it must `release_apart` the connection.
        """
        if self._closed:
            raise RuntimeError("the client has been closed")
        while True:
            at_hand = self._idle_connection(out.origin, self.loop.time(), out.safe)
            out.reused = at_hand is not None
            connection = at_hand or await self._dial(out)
            due = self.loop.time() + within if within else 0.0
            try:
                connection.start(out.head, False, out.bodiless, due)
                answer = await connection.head()
            except ConnectionBroken as error:
                connection.abort()
                if not self.may_repeat(out.origin, out.safe, error):
                    raise
            except BaseException:
                connection.abort()
                raise
            else:
                connection.set_deadline(0.0)
                return connection, answer

    @property
    def max_clients(self) -> int:
        """How many exchanges may be under way at once."""
        return defaults.max_clients if self._max_clients is None else self._max_clients

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    # -- slots --------------------------------------------------------------------------------

    async def _acquire(self, out: Outgoing) -> Connection:
        if self._closed:
            raise RuntimeError("the client has been closed")
        if self._active < self.max_clients and not self._waiting:
            self._active += 1
        else:
            await self._queue(out)
        try:
            at_hand = self._idle_connection(out.origin, self.loop.time(), out.safe)
            out.reused = at_hand is not None
            return at_hand or await self._connect(out)
        except BaseException:
            self._free()
            raise

    async def _queue(self, out: Outgoing) -> None:
        turn: asyncio.Future[None] = self.loop.create_future()
        self._waiting.append(turn)
        try:
            async with _until(out.connect_by, "Timeout in request queue"):
                await turn
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                self._free()  # the slot came too late: to the next
            raise

    def _free(self) -> None:
        self._active -= 1
        while self._waiting and self._active < self.max_clients:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(None)
                self._active += 1

    # -- connections --------------------------------------------------------------------------

    def _idle_connection(self, origin: Origin, now: float, safe: bool) -> Connection | None:
        idle = self._idle.get(origin)
        if not idle:
            return None
        # In a throng of safe requests, what was in use a moment ago is taken as it is: what has come
        # since could as well be still on its way, and asking is a tenth of what a request costs.
        unasked = now - _MOMENT if safe and self._active > 1 else now
        while idle:
            connection = idle.pop()
            # What cannot be sent twice must not meet a connection that the server has left, and
            # nothing may meet one on which an answer waits that nobody has asked for.
            since = connection.idle_since
            if connection.usable and (
                since > unasked or (since >= now - self.idle_timeout and not connection.stirred())
            ):
                return connection
            connection.abort()
        return None

    def _sweep(self) -> None:
        """Close what has been idle too long, and see to it that the rest will be."""
        eldest = self.loop.time() - self.idle_timeout
        for origin, idle in list(self._idle.items()):
            while idle and idle[0].idle_since <= eldest:
                idle.pop(0).abort()
            if not idle:
                del self._idle[origin]
        self._sweeper = None
        if self._idle:
            due = min(idle[0].idle_since for idle in self._idle.values()) + self.idle_timeout
            self._sweeper = self.loop.call_at(due, self._sweep)

    def _make_room(self) -> None:
        """Close the connection that is idle longest if one more would be too many."""
        idle = [connections for connections in self._idle.values() if connections]
        if idle and self._active + sum(map(len, idle)) > self.max_clients:
            min(idle, key=lambda connections: connections[0].idle_since).pop(0).abort()

    async def _connect(self, out: Outgoing) -> Connection:
        self._make_room()
        return await self._dial(out)

    async def _dial(self, out: Outgoing) -> Connection:
        host, port, tls, family, source = out.origin
        options: dict[str, Any] = {}
        # An address is one: nothing to race for, nor to leave open when the race is called off.
        # uvloop's loop does not know of it.
        if isinstance(self.loop, asyncio.BaseEventLoop) and not is_valid_ip(host):
            options["happy_eyeballs_delay"] = 0.25
        kind = PlainConnection if tls is None else Connection
        async with _until(out.connect_by, "Timeout while connecting"):
            connection: Connection
            _, connection = await self.loop.create_connection(
                lambda: kind(self.loop, self._forget),
                host,
                port,
                ssl=tls,
                family=family,
                local_addr=(source, 0) if source else None,
                **options,
            )
        connection.max_body_size = self.max_body_size
        self._open[connection] = out.origin
        return connection

    def _forget(self, connection: Connection) -> None:
        origin = self._open.pop(connection, None)
        if origin is not None:
            with contextlib.suppress(KeyError, ValueError):
                self._idle[origin].remove(connection)

    async def _send_body(self, connection: Connection, out: Outgoing, producer: Producer) -> None:
        async with _until(out.done_by, "Timeout while sending the body", sent=True):
            await connection.produce(
                producer, length=out.length, go_ahead=out.go_ahead, pace=out.pace
            )

    def may_repeat(self, origin: Origin, safe: bool, error: ConnectionBroken) -> bool:
        """Whether a request cannot have been processed, and may go out again on a fresh connection.

        Args:
            origin, safe: as of `Outgoing`.
            error (ConnectionBroken): how it failed.

        Returns:
            bool: whether it may.
        """
        if not safe or not error.reused or error.answered or self._closed:
            return False
        # The server has left one kept-alive connection: the others are no better.
        for connection in self._idle.pop(origin, ()):
            connection.abort()
        return True
