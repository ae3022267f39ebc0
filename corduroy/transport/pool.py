"""The pool: connections kept alive per origin, bounded in number, waited for in fair order.

A slot is taken before a connection is looked for, and given back when the exchange is over, however it
ended.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from .answer import Answer, ClientClosed, ConnectionBroken
from .connection import Connection, PlainConnection
from .deadline import until
from .dialling import Dialling
from .idle import Idle, Origin
from .sending import Producer
from .slots import Slots
from .upcoming import Exchange, Upcoming

# The methods whose requests may be sent twice.
SAFE = frozenset({"GET", "HEAD", "OPTIONS"})


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

    Attributes:
        gone: makes what exchanges end with since the pool was closed; None: it is open.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        max_clients: int | None,
        idle_timeout: float = 120.0,
        max_body_size: int | None = None,
    ) -> None:
        self.loop = loop
        self.max_body_size = max_body_size
        self.slots = Slots(loop, max_clients)
        self._idle = Idle(loop, idle_timeout)
        self._dialling = Dialling(loop)
        self._open: dict[Connection, Origin] = {}  # idle or not
        self.gone: Callable[[], BaseException] | None = None

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
        over: Callable[[Exchange], None],
        now: float,
    ) -> Connection | Upcoming | None:
        """Send a request as soon as its turn has come, and call somebody when the exchange is over.

        Args:
            origin, head, done_by, safe, bodiless: as of `Outgoing`.
            over: is called with the exchange, and must `release` it.
            now (float): the loop's time.

        Returns:
            Connection | Upcoming | None: the exchange; None if the pool is closed.
        """
        if self.gone:
            return None
        slots = self.slots
        free = slots.free
        if free:
            slots.taken += 1
            connection = self._idle.find(origin, safe, slots.taken > 1, now)
            if connection is not None:
                connection.start(head, True, bodiless, done_by, over)
                return connection
        upcoming = Upcoming(self, origin, head, done_by, safe, bodiless, over, now)
        if free:
            upcoming.dial()
        else:
            upcoming.wait()
        return upcoming

    def release(self, exchange: Exchange) -> None:
        """End an exchange: keep its connection if that can be used again, and give the slot back."""
        if isinstance(exchange, Connection):
            self._idle.keep_or_close(self._open.get(exchange), exchange)
        self.slots.give_back()

    def release_apart(self, connection: Connection) -> None:
        """As `release`, of a connection that `open_apart` gave."""
        self._idle.keep_or_close(self._open.get(connection), connection)
        self._idle.make_room(self.max_clients - self.slots.taken)

    def close(self) -> None:
        """Close every connection; exchanges under way break."""
        # If the loop is at an end, nobody would hear of a failure.
        gone = ClientClosed if self.loop.is_running() else asyncio.CancelledError
        self.gone = gone
        self._idle.close()
        # These first: else they would be next.
        self.slots.close(gone)
        self._dialling.close(gone)
        for connection in list(self._open):
            connection.abort(gone("the connection was closed on this side"))

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
        if self.gone:
            raise RuntimeError("the client has been closed")
        while True:
            connection = self.at_hand(out.origin, out.safe)
            out.reused = connection is not None
            if connection is None:
                connection = await self._dial(out.origin, out.connect_by)
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
        return self.slots.most

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._open)

    async def _acquire(self, out: Outgoing) -> Connection:
        if self.gone:
            raise RuntimeError("the client has been closed")
        slots = self.slots
        await slots.take(out.connect_by)
        try:
            connection = self.at_hand(out.origin, out.safe)
            out.reused = connection is not None
            return connection or await self.connect(out.origin, out.connect_by)
        except BaseException:
            slots.give_back()
            raise

    def at_hand(self, origin: Origin, safe: bool) -> Connection | None:
        """A connection that is idle and can be used, if there is one; arguments as of `Outgoing`."""
        return self._idle.find(origin, safe, self.slots.taken > 1, self.loop.time())

    async def connect(self, origin: Origin, connect_by: float) -> Connection:
        """Make a connection for whoever has a slot; arguments as of `Outgoing`."""
        if self.gone:
            raise self.gone()
        self._idle.make_room(self.slots.most - self.slots.taken)
        return await self._dial(origin, connect_by)

    async def _dial(self, origin: Origin, connect_by: float) -> Connection:
        kind = Connection if origin.tls is not None else PlainConnection
        connection = await self._dialling.connect(
            origin, lambda: kind(self.loop, self._forget), connect_by
        )
        connection.max_body_size = self.max_body_size
        self._open[connection] = origin
        if self.gone:
            connection.abort()
            raise self.gone()
        return connection

    def _forget(self, connection: Connection) -> None:
        origin = self._open.pop(connection, None)
        if origin is not None:
            self._idle.forget(origin, connection)

    async def _send_body(self, connection: Connection, out: Outgoing, producer: Producer) -> None:
        async with until(out.done_by, "Timeout while sending the body", sent=True):
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
        if not safe or not error.reused or error.answered or self.gone:
            return False
        # The server has left one kept-alive connection: the others are no better.
        self._idle.close_those_to(origin)
        return True
