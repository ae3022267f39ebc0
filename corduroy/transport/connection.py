"""One HTTP/1.1 connection that is kept alive: one exchange at a time, parsed by httptools.

The connection knows bytes, headers and deadlines. It does not know why a request is sent, nor what to
do when it fails: it breaks, and says how far the exchange had got, so that the pool can decide.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from collections.abc import Callable
from typing import cast

import httptools

from .. import defaults
from .answer import Answer, ConnectionBroken, DeadlineMissed, MalformedAnswer, SpokeTLS
from .limits import most_bytes, too_large
from .sending import Sending, resolve
from .tls import farewell, is_alert

# Body bytes held for a reader that has not asked for them; above it, reading from the socket pauses.
_HELD = 64 * 1024

# How much a connection with a buffer of its own reads at a time. A fresh one for each reading, as
# asyncio makes it, costs several system calls.
_BUFFER = 64 * 1024


class Connection(Sending, asyncio.Protocol):
    """A connection to one origin.

    Its life: ``connection_made``; then exchanges, each `start`, `head` (or `whole`), `read`…; then
    ``connection_lost``. ``usable`` says whether another exchange may be started.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        super().__init__(loop)
        self._lost = lost
        self.usable = True
        self._torn = False  # it ended, but not by the server's word
        self.served = 0
        self.idle_since = 0.0
        self.max_body_size: int | None = None  # where it is gathered; as of `most_bytes`
        self._readable: Callable[[], bool]
        self._parser = httptools.HttpResponseParser(self)
        self._timer: asyncio.TimerHandle | None = None
        self._rings_at = 0.0  # the loop's time, while there is a timer
        self._deadline = 0.0
        # The state of one exchange, which `start` sets (so it does `_answer` and `_done`):
        self._broken: BaseException | None = None
        self._head = b""  # what has come of the status line and the headers
        self._forerun = 0  # bytes of the 1xx answers before them
        self._bodiless = False  # the answer to HEAD ends with its headers
        self._whole = True  # gather the body, or hold it for read()
        self._over: Callable[[Connection], None] | None = None  # told of the end, if nobody waits
        # What is as here whenever another exchange may be started:
        self._waiter: asyncio.Future[None] | None = None
        self._held: list[bytes] = []
        self._held_size = 0

    # -- what the pool calls ------------------------------------------------------------------

    def start(
        self,
        head: bytes,
        whole: bool,
        bodiless: bool,
        deadline: float,
        over: Callable[[Connection], None] | None = None,
    ) -> None:
        """Send a request's head (and its body, if that is joined to it); begin to wait.

        Args:
            head (bytes): request line, headers, the empty line, and the body where it is at hand.
            whole (bool): gather the body; otherwise it is read piece by piece.
            bodiless (bool): the answer has no body, whatever its headers say (HEAD).
            deadline (float): the loop's time until which the exchange must be done; 0: none.
            over: is called with the connection when the exchange is over and `result` knows how it
                went; for those who do not wait in a coroutine.
        """
        self._answer = self._broken = None
        self._done = False
        self._head = b""
        self._forerun = 0
        self._bodiless = bodiless
        self._whole = whole
        self._over = over
        if not self.usable:  # since it was made, the server has left it, or spoken unasked
            self._break(ConnectionBroken("the server closed the connection"))
            self._tell()
            return
        self.set_deadline(deadline)
        self._transport.write(head)

    async def whole(self) -> Answer:
        """Wait for the whole answer.

        Returns:
            Answer: with its body.

        Raises:
            ConnectionBroken, DeadlineMissed: it did not come.
        """
        while not self._done:
            await self._wait()
        return self.result()

    def result(self) -> Answer:
        """What came of an exchange that is over; raises as `whole` does."""
        if self._broken is not None:
            raise self._broken
        assert self._answer is not None  # else it would be broken
        return self._answer

    async def head(self) -> Answer:
        """Wait for the answer's status and headers; raises as `whole` does."""
        while self._answer is None and not self._done:
            await self._wait()
        if self._answer is None or (self._broken is not None and not self._held):
            raise cast(BaseException, self._broken)
        return self._answer

    async def read(self) -> bytes:
        """Wait for the next piece of the body.

        Returns:
            bytes: the piece; empty at the end.

        Raises:
            ConnectionBroken, DeadlineMissed: the rest did not come.
        """
        while not self._held and not self._done:
            await self._wait()
        if self._held:
            return self._next_piece()
        if self._broken is not None:
            raise self._broken
        return b""

    def _next_piece(self) -> bytes:
        piece = b"".join(self._held)
        self._held.clear()
        if self._held_size > _HELD and not self._transport.is_closing():
            self._transport.resume_reading()
        self._held_size = 0
        return piece

    @property
    def held(self) -> bool:
        """Whether a piece of the body is at hand, or the end of it: `read` would not wait."""
        return bool(self._held) or self._done

    def set_deadline(self, deadline: float) -> None:
        """See `Sending.set_deadline`.

        One timer serves many exchanges: it is only set anew when it would ring too late, and looks
        for the deadline of the day when it rings.
        """
        self._deadline = deadline
        if deadline and (self._timer is None or self._rings_at > deadline):
            self._silence()
            self._timer = self.loop.call_at(deadline, self._ring)
            self._rings_at = deadline

    def finish(self) -> bool:
        """End an exchange, done or not.

        Returns:
            bool: whether the connection may serve another one.
        """
        self._deadline = 0.0
        # A server to which a body is owed would take the next request for the rest of it.
        if not self._done or self._held or self._owing or self._drain is not None:
            self.usable = False
        if not self.usable:
            self.abort()
            return False
        self.served += 1
        return True

    def abort(self, why: BaseException | None = None) -> None:
        """Close at once; an exchange that is under way breaks.

        Args:
            why (BaseException | None): what it ends with.
        """
        self.usable = False
        if not self._done:  # else this end could pass for the end of the body
            self._break(why or ConnectionBroken("the connection was closed on this side"))
        self._silence()
        self._transport.abort()
        self._tell()

    def cancel(self) -> bool:
        """Give up the exchange that is under way: it ends with a `CancelledError`."""
        if self._done:
            return False
        self._break(asyncio.CancelledError())
        self.abort()
        return True

    def stirred(self) -> bool:
        """Whether something came while no exchange was under way: as a rule, the server's end.

        A loop that did not run in between (a script's) has not heard of it yet.
        """
        return self._readable()

    # -- what asyncio calls -------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        # What the system does not take at once is known of: see `finish`. (With TLS, some of it.)
        self._transport.set_write_buffer_limits(high=1, low=0)
        self._readable = _ear(transport.get_extra_info("socket").fileno())

    def data_received(self, data: bytes | memoryview) -> None:
        if self._done:  # nobody asked for this
            self.abort()
            return
        if self._answer is None:
            self._head += data
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._refuse("the server changes to another protocol")
        except httptools.HttpParserError as error:
            self._refuse_no_http(error)
        else:
            if self._answer is None:
                self._weigh_head(self._forerun + len(self._head))
        self._tell()

    def eof_received(self) -> bool:
        self.usable = False
        tls = self._transport.get_extra_info("ssl_object")
        self._torn = tls is not None and not farewell(tls)
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self.usable = False
        self._silence()
        self._lost(self)
        self.resume_writing()
        if self._done:
            return
        if exc is None and not self._torn and self._ends_with_connection():
            self._end()
        else:
            broken = ConnectionBroken(str(exc or "the server closed the connection"))
            if isinstance(exc, ssl.SSLError):  # its frames hold what was sent: credentials
                broken.__cause__ = exc.with_traceback(None)
            self._break(broken)
        self._tell()

    # -- what the parser calls ----------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self._done:  # a second answer to one request
            self.usable = False

    def on_headers_complete(self) -> None:
        if self._done:
            return
        code = self._parser.get_status_code()
        end = self._head.find(b"\r\n\r\n")
        if code < 200:  # 100 Continue and its like announce the real answer
            self._forerun += end + 4
            self._head = self._head[end + 4 :]
            resolve(self._go_ahead)
            return
        if end > defaults.max_header_size:
            self._weigh_head(end)
        self._answer = Answer(code, self._head[:end])
        self._head = b""
        if not self._parser.should_keep_alive():
            self.usable = False
        if self._go_ahead is not None:
            resolve(self._go_ahead)
        if self._bodiless:
            # The parser would wait for the body that the headers announce: take a fresh one.
            self._parser = httptools.HttpResponseParser(self)
            self._end()
        elif not self._whole:
            resolve(self._waiter)

    def on_body(self, piece: bytes) -> None:
        answer = self._answer
        if self._done or answer is None:  # a body where none may be
            self.usable = False
        elif not self._whole:
            self._hold(piece)
        else:
            most = self.max_body_size
            if most is None:
                most = defaults.max_body_size
            if not answer.body and len(piece) <= most:
                answer.body = piece
            else:
                self._gather(answer, piece)

    def _gather(self, answer: Answer, piece: bytes) -> None:
        """Take another piece of a body, or a first one that may be too large."""
        size, most = len(answer.body) + len(piece), most_bytes(self.max_body_size)
        if type(answer.body) is bytes:
            answer.body = bytearray(answer.body)
            size = max(size, int(answer.header("content-length") or 0))
        if size > most:
            self._break(too_large("the body", most))
        answer.body += piece

    def on_message_complete(self) -> None:
        if self._answer is not None and not self._done:
            self._end()

    # -- the exchange's ends ------------------------------------------------------------------

    def _hold(self, piece: bytes) -> None:
        before = self._held_size
        self._held.append(piece)
        self._held_size = size = before + len(piece)
        if before <= _HELD < size:
            self._transport.pause_reading()
        if not before:  # else whoever waits has been told already
            resolve(self._waiter)

    def _end(self) -> None:
        self._done = True
        self._deadline = 0.0
        if self._drain is not None:  # whoever still sends need not
            resolve(self._drain)
        if self._waiter is not None:
            resolve(self._waiter)

    def _break(self, error: BaseException) -> None:
        if isinstance(error, ConnectionBroken):
            error.answered = bool(self._answer or self._head or self._forerun)
            error.reused = self.served > 0
        self.usable = False
        self._done = True
        self._broken = error
        resolve(self._go_ahead)
        resolve(self._drain)
        resolve(self._waiter)

    def _tell(self) -> None:
        """Tell whoever wants to know that the exchange is over, once it is; never from within the
        parser, since the next exchange may begin there and then."""
        if self._done and self._over is not None:
            over, self._over = self._over, None
            over(self)
            del over  # what it raises for somebody remembers this frame

    def _refuse(self, message: str, kind: type[MalformedAnswer] = MalformedAnswer) -> None:
        if not self._done:
            self._break(kind(message))
        self.abort()

    def _refuse_no_http(self, error: Exception) -> None:
        if is_alert(self._head):
            self._refuse("the server speaks TLS on this port: ask for https://", SpokeTLS)
        else:
            self._refuse(f"the answer is no HTTP: {error}")

    def _weigh_head(self, size: int) -> None:
        """Break if so many bytes are too many before a body."""
        most = defaults.max_header_size
        if 0 < most < size and not self._done:
            said = f"the headers are larger than {most} bytes, corduroy.defaults.max_header_size"
            self._break(MalformedAnswer(said))

    def _ends_with_connection(self) -> bool:
        """Whether the answer is one whose end is the connection's end."""
        answer = self._answer
        if answer is None or answer.header("content-length") is not None:
            return False
        headers = answer.raw_headers
        codings = [value for name, value in headers if name.lower() == b"transfer-encoding"]
        return not (codings and codings[-1].lower().rstrip().endswith(b"chunked"))

    def _silence(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _ring(self) -> None:
        self._timer = None
        if self._deadline and self._deadline <= self.loop.time():
            self._break(DeadlineMissed("no whole answer in time"))
            self.abort()
        elif self._deadline:
            self.set_deadline(self._deadline)

    async def _wait(self) -> None:
        self._waiter = self.loop.create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None


class PlainConnection(Connection, asyncio.BufferedProtocol):
    """A connection without TLS, which reads into a buffer of its own.

    Not for TLS: asyncio drops what does not fit into the buffer when the server hangs up.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, lost: Callable[[Connection], None]) -> None:
        super().__init__(loop, lost)
        self._buffer = memoryview(bytearray(_BUFFER))

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        self.data_received(self._buffer[:nbytes])


def _ear(fileno: int) -> Callable[[], bool]:
    """What tells whether there is something to read from a socket."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: bool(select.select([fileno], [], [], 0)[0])
    poller = select.poll()
    poller.register(fileno, select.POLLIN)
    return lambda: bool(poller.poll(0))
