"""Calling back: once, on the loop, never before the call has returned."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Protocol

from ..calls import Call
from ..errors import HTTPError
from ..status import Status
from ..transport.answer import Answer
from ..transport.session import Session
from .loops import coming_loop, running_loop
from .style import Styled

Callback = Callable[[Any, Status], Any]

failures: contextvars.ContextVar[Callable[[BaseException], bool] | None] = contextvars.ContextVar(
    "corduroy_failures", default=None
)
"""Who answers for it when a callback raises (`relax`); returns False if it is too late for that."""


def check_callback(obj: Styled[Any], callback: Any) -> None:
    """Refuse a callback that cannot be called, or not by an object that blocks."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {callback!r:.80}")
    if obj._style == "blocking":
        raise TypeError(
            "callback: an object of style 'blocking' takes none; use with_style('auto')"
        )


class CallbackCall(Call):
    """A call that hands its outcome to a callback, once; its value is what the callback gives."""

    __slots__ = ("_answer", "_callback")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        session: Session,
        coroutine: Coroutine[Any, Any, Any],
        callback: Callback,
    ) -> None:
        super().__init__(loop, session, coroutine)
        self._callback = callback
        self._answer: Answer | None = None  # the last one
        if (concerned := failures.get()) is not None:
            self.add_done_callback(functools.partial(_tell_of_cancelling, concerned))

    def resume(self, value: Any, error: BaseException | None) -> None:
        if type(value) is Answer:
            self._answer = value
        super().resume(value, error)
        del self, error  # see Call._advance

    def _ended(self, value: Any, error: BaseException | None) -> None:
        if self.strict:
            self._lift_limit()  # what the callback does has all the time that it takes
        if error is not None and not isinstance(error, Exception):
            super()._ended(None, error)
        else:  # in a turn of its own: not before the call has returned, nor amid the reading of answers
            self.get_loop().call_soon(self._deliver, value, error, context=self._context)

    def _deliver(self, value: Any, error: Exception | None) -> None:
        if self._cancelling:
            self._give_up()
            return
        try:
            result = self._callback(*self._said(value, error))
            if result is not None and inspect.isawaitable(result):
                self.pending = task = self.get_loop().create_task(_awaited(result))
                task.add_done_callback(self._called_back)
                return
        except BaseException as raised:
            self._callback_failed(raised)
            if not isinstance(raised, Exception | asyncio.CancelledError):
                raise
        else:
            super()._ended(result, None)
        del self, error  # see Call._advance

    def _called_back(self, task: asyncio.Task[Any]) -> None:
        """What the callback has returned is done."""
        self.pending = None
        if task.cancelled():
            self._give_up()
        elif (error := task.exception()) is not None:
            self._callback_failed(error)
        else:
            super()._ended(task.result(), None)

    def _callback_failed(self, error: BaseException) -> None:
        if isinstance(error, asyncio.CancelledError):
            self._give_up()
            return
        concerned = failures.get()  # of the context that the call was made in
        if isinstance(error, Exception) and concerned is not None and concerned(error):
            super()._ended(None, None)
        else:
            super()._ended(None, error)

    def _said(self, value: Any, error: Exception | None) -> tuple[Any, Status]:
        """What a callback is told: the data and the status."""
        answer = self._answer
        if error is None:
            if answer is None:
                return value, Status(200, response=value)
            return value, Status(answer.code, lambda: answer.headers, response=value)
        return _said_of(error, answer)


def _said_of(error: Exception, answer: Answer | None) -> tuple[Any, Status]:
    """What a callback is told of a failure, after the answer that came last."""
    if isinstance(error, HTTPError):
        return error.response, error.status
    return None, Status(599 if answer is None else answer.code, exception=error)


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _tell_of_cancelling(
    concerned: Callable[[BaseException], bool], done: asyncio.Future[Any]
) -> None:
    if done.cancelled():
        concerned(RuntimeError("a database call was cancelled: its callback will not come"))


def call_back(function: Callable[..., Any], *args: Any) -> Awaitable[Any] | None:
    """Call an ordinary function of the program's.

    Args:
        function: what is called.
        *args: with these arguments.

    Returns:
        Awaitable | None: what it has returned, if that has to be awaited.
    """
    result = function(*args)
    return result if inspect.isawaitable(result) else None


class Portions(Protocol):
    """What comes in portions; see `streams.Reader`."""

    answer: Answer | None

    def ready(self) -> list[Any]: ...

    async def more(self) -> list[Any]: ...

    def close(self) -> None: ...


def hand_out(obj: Styled[Any], portions: Portions, callback: Callback) -> asyncio.Future[Any]:
    """Hand out what comes in portions, to a callback.

    Args:
        obj: whose callback it is.
        portions (Portions): what is handed out, each portion when the one before it is done with.
        callback: ``callback(items, status)``; no items: this is the end.

    Returns:
        Future: what the last call gave.
    """
    check_callback(obj, callback)
    loop = coming_loop(running_loop())
    task = loop.create_task(_hand_out(portions, callback))
    if (concerned := failures.get()) is not None:
        task.add_done_callback(functools.partial(_tell_of_cancelling, concerned))
    return task


async def _hand_out(portions: Portions, callback: Callback) -> Any:
    try:
        while True:
            said, last = await _next_portion(portions)
            try:
                given = callback(*said)
                if inspect.isawaitable(given):
                    given = await given
            except Exception as error:
                concerned = failures.get()
                if concerned is not None and concerned(error):
                    return None
                raise
            if last:
                return given
    finally:
        portions.close()


async def _next_portion(portions: Portions) -> tuple[tuple[Any, Status], bool]:
    """What a callback is told next, and whether that is the last."""
    try:
        items = portions.ready() or await portions.more()
    except Exception as error:
        return _said_of(error, portions.answer), True
    answer = portions.answer
    if answer is None:
        return (items, Status(200, response=items)), not items
    return (items, Status(answer.code, lambda: answer.headers, response=items)), not items
