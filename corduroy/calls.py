"""A call under way: the Future that takes an operation from step to step.

It does what a Task would do, and is one in all that its caller sees. But an operation awaits nothing
but steps; so it goes on in the very moment in which an answer has come, without the loop's turns
and the stack of coroutines that a Task needs, which cost more than the rest of a small call.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable, Coroutine
from typing import Any, Protocol

from .errors import RequestTimeout
from .transport.messages import Request
from .transport.pending import Pending, in_task
from .transport.session import Session

# Seconds that a call leaves to its request, which knows best what has not come in time.
_MOMENT = 0.05


class together:
    """Several requests at once, awaited in an operation: gives their answers, in order.

    Args:
        requests (list of Request): the requests.
    """

    def __init__(self, requests: list[Any]) -> None:
        self.requests = requests

    def __await__(self) -> Any:
        return (yield self)


class Sender(Protocol):
    """What sends requests: one itself, or a reader of streams.

    Attributes:
        retries (int | None): how often one is tried again; None: as the session has it.
    """

    retries: int | None


class aside:
    """Awaited in an operation: runs a coroutine function in a Task, and gives what it gives.

    It is for what takes more than requests and answers: letting time pass, reading a stream.

    Args:
        function: the coroutine function; it is called on the call's loop.
        *args: its arguments.
        sender (Sender | None): what it sends by, as often as the call says.
    """

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *args: Any,
        sender: Sender | None = None,
    ) -> None:
        self.function = function
        self.args = args
        self.sender = sender

    def __await__(self) -> Any:
        return (yield self)


def pause(seconds: float) -> aside:
    """Awaited in an operation: lets time pass.

    Args:
        seconds (float): how much.
    """
    return aside(asyncio.sleep, seconds)


class Call(asyncio.Future[Any]):
    """An operation under way, and in the end its value.

    Cancelling it raises a `CancelledError` at the step that it waits for, whose connection is freed.

    Args:
        loop: where it runs.
        session (Session): where its requests go.
        coroutine: the operation; it awaits nothing but steps, and has run up to the first of them.
        over: is called when it is done, before those who wait for it are.
    """

    __slots__ = (
        "_cancelling", "_context", "_coroutine", "_late", "_over", "_session", "_timer", "closings",
        "deadline", "pending", "retries", "strict",
    )  # fmt: skip

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Session,
        coroutine: Coroutine[Any, Any, Any],
        over: Callable[[], None] | None = None,
    ) -> None:
        asyncio.Future.__init__(self, loop=loop)  # quicker than super()
        self._session = session
        self._coroutine = coroutine
        self._over = over
        self._context = contextvars.copy_context()
        self.pending: Pending | None = None  # what it waits for
        self._cancelling = False
        self._late = 0.0  # the seconds that it had, once they are over
        # See `Limits`:
        self.deadline: float | None = None
        self.retries: int | None = None
        self.strict = False
        self.closings: int | None = None

    def limit(self, timeout: float | None, retries: int | None) -> None:
        """Set its own limits, before it begins.

        Args:
            timeout (float | None): seconds for all of it; 0: no limit; None: as the session has it.
            retries (int | None): how often a request is tried again; None: as the session has it.
        """
        self.retries = retries
        if timeout is None:
            return
        self.strict = True
        self.deadline = 0.0
        if timeout:
            loop = self.get_loop()
            self.deadline = loop.time() + timeout
            self._timer = loop.call_at(self.deadline + _MOMENT, self._time_out, timeout)

    def _lift_limit(self) -> None:
        if self.deadline:
            self._timer.cancel()

    def _time_out(self, timeout: float) -> None:
        if self.pending is None or not self.pending.cancel():
            self._cancelling = True
        self._late = timeout

    def begin(self, step: Any, value: Any) -> None:
        """Take the first step; the loop runs, or is about to.

        Args:
            step: the first step; None if the operation has ended without any.
            value: what it gave in that case.
        """
        if self._cancelling:
            self._coroutine.close()
            self._give_up()
        elif step is None:
            self._ended(value, None)
        else:
            self._take(step)

    def cancel(self, msg: Any = None) -> bool:
        """Cancel it; see `asyncio.Task.cancel`."""
        if self.done():
            return False
        self._late = 0.0
        if self.pending is None or not self.pending.cancel():
            self._cancelling = True  # with its next step
        return True

    def _take(self, step: Any) -> None:
        session, loop = self._session, self.get_loop()
        try:
            if type(step) is Request:
                session.begin(loop, step, self)
            elif type(step) is together:
                answers = _gather([session.send(request, self) for request in step.requests])
                in_task(loop, answers, self)
            else:
                if not self.strict:  # what takes its time by its nature does not count
                    self.deadline = None
                if step.sender is not None:
                    step.sender.retries = self.retries
                in_task(loop, step.function(*step.args), self)
        except Exception as error:  # told in the loop's next turn: the caller has not got us yet
            loop.call_soon(self.resume, None, error)
            del self  # see _advance

    def resume(self, value: Any, error: BaseException | None) -> None:
        """Go on with what the step has given, or raised."""
        self.pending = None
        self._context.run(self._advance, value, error)
        del self, error  # see _advance

    def _advance(self, value: Any, error: BaseException | None) -> None:
        if self._cancelling:
            self._cancelling, error = False, asyncio.CancelledError()
        coroutine = self._coroutine
        try:
            step = coroutine.send(value) if error is None else coroutine.throw(error)
        except StopIteration as done:
            if self._cancelling:
                self._give_up()
            else:
                self._ended(done.value, None)
        except BaseException as raised:
            self._failed(raised)
        else:
            self._take(step)
        # What was raised remembers the frames that it came through, and those that had called them.
        # None of them may hold us, who hold it: nobody would hear of it until the collector comes.
        del self, error

    def _failed(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._give_up()
            return
        self._ended(None, error)
        if not isinstance(error, Exception):  # Ctrl-C is not for the Future alone
            raise error

    def _ended(self, value: Any, error: BaseException | None) -> None:
        """The operation has given its value, or has failed."""
        if self.strict:
            self._lift_limit()
        if error is None:
            self.set_result(value)
        else:
            self.set_exception(error)
        if self._over is not None:
            self._over()

    def _give_up(self) -> None:
        """It was cancelled, by whoever made it or by its own clock."""
        if self.strict:
            self._lift_limit()
        if self._late:
            said = f"the call was not done in {self._late:g} s"
            self._late, self._cancelling = 0.0, False
            self._ended(None, RequestTimeout(None, "timeout", said))
            return
        super().cancel()
        if self._over is not None:
            self._over()


def begun(
    loop: asyncio.AbstractEventLoop,
    session: Session,
    coroutine: Coroutine[Any, Any, Any],
    retries: int | None = None,
) -> Call:
    """Begin an operation.

    Args:
        loop: the running loop.
        session (Session): where its requests go.
        coroutine: the operation.
        retries (int | None): as of `Call.limit`.

    Returns:
        Call: the operation under way.
    """
    step = value = None
    try:
        step = coroutine.send(None)
    except StopIteration as done:  # nothing had to be asked
        value = done.value
    call = Call(loop, session, coroutine)
    call.retries = retries
    call.begin(step, value)
    return call


async def _gather(awaitables: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Await all; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(awaitable) for awaitable in awaitables]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]
