"""One connection through the proxy, and the orders that all of them follow."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter, deque
from collections.abc import Awaitable, Callable
from typing import Any

from tests.faults.kinds import (
    Answer,
    Cut,
    CutInCharacter,
    CutInLine,
    Delay,
    Fault,
    Interruption,
    Lost,
    Plan,
    Refuse,
    Reset,
    Silence,
    Stall,
    Trickle,
)
from tests.faults.wire import (
    BLANK_LINE,
    Deliver,
    Framing,
    Piece,
    ProtocolError,
    Request,
    Stream,
    parse_head,
    request_framing,
)

PATIENCE = 20  # seconds after which what should have happened will not


class Orders:
    """What is to go wrong with which request, and what has; for all threads."""

    def __init__(self, plan: Plan | None) -> None:
        self.plan = plan
        self.requests = 0
        self.injected: Counter[str] = Counter()
        self.errors: list[Exception] = []
        self._next: deque[Fault | None] = deque()
        self._changed = threading.Condition()

    def next(self, *faults: Fault | None) -> None:
        """Have the next requests meet these faults, one each; None lets one pass unharmed."""
        self._next.extend(faults)

    def wait_until(self, condition: Callable[[], bool], timeout: float = PATIENCE) -> None:
        """Wait until something is true of ``injected``, ``requests`` or ``connections``."""
        with self._changed:
            if not self._changed.wait_for(condition, timeout):
                raise TimeoutError(f"it has not come true in {timeout} seconds")

    def choose(self, method: str, target: str, headers: dict[str, str]) -> Fault | None:
        """Take notice of a request, and tell what is to go wrong with it."""
        with self._changed:
            self.requests += 1
            self._changed.notify_all()
        if self._next:
            return self._next.popleft()
        if self.plan is None:
            return None
        return self.plan(Request(method, target, headers, self.requests))

    def count(self, fault: Fault) -> None:
        """Take notice of a fault that strikes."""
        with self._changed:
            self.injected[type(fault).__name__] += 1
            self._changed.notify_all()


class Over(Exception):
    """The connection is to end, by a reset or in an orderly way."""

    def __init__(self, *, reset: bool) -> None:
        super().__init__(reset)
        self.reset = reset


class Connection:
    """A client's connection, and one to the server once there is need of it.

    One task reads requests, another passes answers on; whichever ends takes the other with it.
    """

    def __init__(self, orders: Orders, client: Stream, server: Stream, address: Any) -> None:
        self._orders = orders
        self._client = client
        self._server = server
        self._address = address  # the server's
        self._tasks: list[asyncio.Task[None]] = []
        self._answers: asyncio.Task[None] | None = None  # connected to the server
        self._pending: deque[tuple[str, Fault | None]] = deque()  # passed on, not yet answered
        self._idle = asyncio.Event()  # nothing is pending
        self._idle.set()
        self._over: asyncio.Future[bool] = asyncio.get_running_loop().create_future()

    def freeze(self) -> None:
        """Let nothing pass, not even an end."""
        self._client.gate.clear()
        self._server.gate.clear()

    def thaw(self) -> None:
        """Let everything pass again."""
        self._client.gate.set()
        self._server.gate.set()

    def end(self, *, reset: bool) -> None:
        """End soon, by a reset or in an orderly way."""
        if not self._over.done():
            self._over.set_result(reset)

    async def relay(self) -> bool:
        """Pass messages until one end closes, or a fault strikes; True if a reset is to follow."""
        self._start(self._read_requests)
        # No task group: before Python 3.13 it may forget that its own task has been cancelled.
        try:
            return await self._over
        finally:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _start(self, work: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
        """Have a task work; when that ends, the connection does."""

        async def run() -> None:
            try:
                await work()
                self.end(reset=False)
            except Over as over:
                self.end(reset=over.reset)
            except OSError:  # what happens to one end happens to the other
                self.end(reset=True)
            except Exception as error:
                self._orders.errors.append(error)
                self.end(reset=True)

        task = asyncio.create_task(run())
        self._tasks.append(task)
        return task

    async def _read_requests(self) -> None:
        while (head := await self._client.head()).endswith(BLANK_LINE):
            (method, target, *_), headers = parse_head(head)
            fault, framing = self._orders.choose(method, target, headers), request_framing(headers)
            if isinstance(fault, Answer | Refuse | Silence):
                await self._idle.wait()  # a client may ask before it has got its last answer
                self._orders.count(fault)
            match fault:
                case Refuse():
                    raise Over(reset=fault.reset)
                case Silence():
                    await self._swallow()
                case Answer():
                    await self._answer(fault, method, framing, expecting="expect" in headers)
                case _:
                    await self._pass_on(head, framing, method, fault)

    async def _swallow(self) -> None:
        if self._answers is not None:
            self._answers.cancel()  # that the server closes would be an answer, too
        while await self._client.receive():
            pass

    async def _answer(
        self, fault: Answer, method: str, framing: Framing, *, expecting: bool
    ) -> None:
        if not expecting:
            await self._client.relay_body(framing, _drop)
        await self._client.send(fault.render(method))
        if expecting:  # the client may send its body now, or may not: nobody can tell
            raise Over(reset=False)

    async def _pass_on(
        self, head: bytes, framing: Framing, method: str, fault: Fault | None
    ) -> None:
        if self._answers is None:
            await self._server.connect(self._address)
            self._answers = self._start(self._pass_answers)
        self._pending.append((method, fault))
        self._idle.clear()

        async def deliver(piece: Piece) -> None:
            # That the server has closed comes to light where its answers are read.
            with contextlib.suppress(OSError):
                await self._server.send(piece.data)

        await deliver(Piece(head, []))
        await self._client.relay_body(framing, deliver)

    async def _pass_answers(self) -> None:
        while await self._server.wait_for_data():
            if not self._pending:
                raise ProtocolError("the server has answered what nobody has asked")
            method, fault = self._pending[0]
            await self._server.relay_answer(method, self._deliver(fault))
            if isinstance(fault, Lost):
                self._orders.count(fault)
                raise Over(reset=True)
            self._pending.popleft()
            if not self._pending:
                self._idle.set()

    def _deliver(self, fault: Fault | None) -> Deliver:
        """Make what brings one answer to the client, with this fault."""
        match fault:
            case Lost():
                return _drop
            case Trickle():
                return self._trickle(fault)
            case Interruption():
                return self._interrupt(fault)

        async def deliver(piece: Piece) -> None:
            await self._client.send(piece.data)

        return deliver

    def _trickle(self, fault: Trickle) -> Deliver:
        left = fault.first
        self._orders.count(fault)

        async def deliver(piece: Piece) -> None:
            nonlocal left
            tiny, rest = piece.data[:left], piece.data[left:]
            left -= len(tiny)
            for at in range(0, len(tiny), fault.size):
                await self._client.send(tiny[at : at + fault.size])
                await asyncio.sleep(fault.pause)
            await self._client.send(rest)

        return deliver

    def _interrupt(self, fault: Interruption) -> Deliver:
        find = fault.finder()
        struck = False

        async def deliver(piece: Piece) -> None:
            nonlocal struck
            at = None if struck else find(piece)
            await self._client.send(piece.data[:at])
            if at is not None:
                struck = True
                await self._strike(fault)
                await self._client.send(piece.data[at:])

        return deliver

    async def _strike(self, fault: Interruption) -> None:
        self._orders.count(fault)
        match fault:
            case Stall():
                await asyncio.Event().wait()  # until the connection ends
            case Delay():
                await asyncio.sleep(fault.seconds)
            case Cut() | Reset() | CutInLine() | CutInCharacter():
                raise Over(reset=fault.reset)


async def _drop(piece: Piece) -> None:
    """Deliver to nobody."""
