"""The three calling styles: the only room that decides how a call behaves.

An operation is written once, as a coroutine method that awaits `Request`s. `operation` makes of it a
method that blocks, returns a Future, or calls back. Its code up to the first request runs at the call
itself, in every style, so that bad arguments are told of there and then; all that follows runs in a
Task on the right loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import warnings
from collections.abc import Awaitable, Callable, Coroutine
from typing import (
    TYPE_CHECKING,
    Any,
    Concatenate,
    Generic,
    Literal,
    ParamSpec,
    Protocol,
    TypeVar,
    overload,
)

from .errors import HTTPError
from .private import block_on, hidden_loop_runs
from .status import Status
from .transport.messages import Answer
from .transport.session import Session

Auto = Literal["auto"]
Blocking = Literal["blocking"]
Deferred = Literal["future"]
Style = Literal["auto", "blocking", "future"]

if TYPE_CHECKING:  # from Python 3.13 on, typing's own has a default
    from typing_extensions import TypeVar as TypeVarWithDefault

    S = TypeVarWithDefault("S", bound=Style, default=Auto)
else:
    S = TypeVar("S", bound=Style)
P = ParamSpec("P")
P2 = ParamSpec("P2")
T = TypeVar("T")
T2 = TypeVar("T2")
T_co = TypeVar("T_co", covariant=True)
T2_co = TypeVar("T2_co", covariant=True)

Callback = Callable[[Any, Status], Any]


class Styled(Generic[S]):
    """What has operations: it knows its session, and the style it was chosen for."""

    _session: Session
    _style: S


class together:
    """Several requests at once, awaited in an operation: gives their answers, in order.

    Args:
        requests (list of Request): the requests.
    """

    def __init__(self, requests: list[Any]) -> None:
        self.requests = requests

    def __await__(self) -> Any:
        return (yield self)


class Closing:
    """Awaited in an operation: closes the session's connections."""

    def __await__(self) -> Any:
        return (yield self)


class operation(Generic[P, T]):
    """Make an API method, in all calling styles, of a coroutine method written once.

    The method takes one keyword more, ``callback``, and behaves as its object's style says:

    - ``auto``: calls back, if there is a callback; else returns a Future where an event loop runs in
      this thread; else blocks and returns the value.
    - ``blocking``: blocks, wherever it is called.
    - ``future``: returns a Future, also before the loop runs.

    Args:
        function: an ``async def`` method of a `Styled` class. It awaits nothing but steps.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]]) -> None:
        self._method = _method(function, function)

    @overload
    def __get__(self, obj: None, owner: Any) -> Callable[..., Any]: ...
    @overload
    def __get__(self, obj: Styled[Blocking], owner: Any) -> Callable[P, T]: ...
    @overload
    def __get__(self, obj: Styled[Deferred], owner: Any) -> Callable[P, asyncio.Future[T]]: ...
    @overload
    def __get__(self, obj: Styled[Auto], owner: Any) -> Callable[..., Any]: ...
    def __get__(self, obj: Any, owner: Any) -> Any:
        return self._method.__get__(obj, owner)


class TwoForms(Protocol[P, T_co, P2, T2_co]):
    """A method whose arguments decide what it gives."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, *args: P2.args, **kwargs: P2.kwargs) -> T2_co: ...


class either(Generic[P, T, P2, T2]):
    """Make one API method of two operations, which differ in arguments and result.

    Args:
        first, second: ``async def`` methods, as `operation` takes them. Type checkers try the first
            one first. The one that has a docstring tells of both, with its signature.
        second_if: is called with the arguments, and returns True if they are the second one's.
    """

    def __init__(
        self,
        first: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
        second: Callable[Concatenate[Any, P2], Coroutine[Any, Any, T2]],
        second_if: Callable[..., bool],
    ) -> None:
        def chosen(self: Any, *args: Any, **options: Any) -> Coroutine[Any, Any, Any]:
            form: Callable[..., Any] = second if second_if(*args, **options) else first
            return form(self, *args, **options)  # type: ignore[no-any-return]

        self._method = _method(chosen, first if first.__doc__ else second)

    def __set_name__(self, owner: type, name: str) -> None:
        self._method.__name__ = name
        self._method.__qualname__ = f"{owner.__qualname__}.{name}"

    @overload
    def __get__(self, obj: None, owner: Any) -> Callable[..., Any]: ...
    @overload
    def __get__(self, obj: Styled[Blocking], owner: Any) -> TwoForms[P, T, P2, T2]: ...
    @overload
    def __get__(
        self, obj: Styled[Deferred], owner: Any
    ) -> TwoForms[P, asyncio.Future[T], P2, asyncio.Future[T2]]: ...
    @overload
    def __get__(self, obj: Styled[Auto], owner: Any) -> Callable[..., Any]: ...
    def __get__(self, obj: Any, owner: Any) -> Any:
        return self._method.__get__(obj, owner)


def _method(start: Callable[..., Coroutine[Any, Any, Any]], like: Callable[..., Any]) -> Any:
    """The method that starts a coroutine in its object's style."""

    @functools.wraps(like)
    def method(
        self: Styled[Any], /, *args: Any, callback: Callback | None = None, **options: Any
    ) -> Any:
        return _dispatch(self, _Call(self, start(self, *args, **options)), callback)

    method.__signature__ = _with_callback(like)  # type: ignore[attr-defined]
    return method


def _with_callback(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    extra = inspect.Parameter("callback", inspect.Parameter.KEYWORD_ONLY, default=None)
    last_is_options = parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
    parameters.insert(len(parameters) - last_is_options, extra)
    return signature.replace(parameters=parameters)


class _Call:
    """One call of an operation: its coroutine, which has run up to its first step."""

    __slots__ = ("_coroutine", "_step", "_value", "answer", "session")

    def __init__(self, obj: Styled[Any], coroutine: Coroutine[Any, Any, Any]) -> None:
        self.session = obj._session
        self.answer: Answer | None = None
        self._coroutine = coroutine
        self._step: Any = None
        self._value: Any = None
        try:
            self._step = coroutine.send(None)
        except StopIteration as done:  # nothing had to be asked
            self._value = done.value

    async def run(self) -> Any:
        """Take the operation's steps, to its end; gives its value."""
        if self._step is None:
            return self._value
        return await drive(self._coroutine, self._step, self._take)

    def _take(self, step: Any) -> Awaitable[Any]:
        if type(step) is together:
            return _gather([self.session.send(request) for request in step.requests])
        return self.session.close() if type(step) is Closing else self._send(step)

    async def _send(self, request: Any) -> Answer:
        self.answer = answer = await self.session.send(request)
        return answer

    def drop(self) -> None:
        """Give up an operation that was never run."""
        self._coroutine.close()

    def status(self) -> Status:
        """How the call went, if it went well."""
        answer = self.answer
        return Status(200) if answer is None else Status(answer.code, lambda: answer.headers)


async def drive(generator: Any, step: Any, wait: Callable[[Any], Awaitable[Any]]) -> Any:
    """Take a generator, or a coroutine, from a step that it has yielded to its end.

    Args:
        generator: has ``send`` and ``throw``.
        step: what it yielded last.
        wait: gives for a step the awaitable whose outcome goes back in.

    Returns:
        What the generator returns; raises what it raises.
    """
    try:
        while True:
            try:
                value = await wait(step)
            except BaseException as error:
                step = generator.throw(error)
            else:
                step = generator.send(value)
    except StopIteration as done:
        return done.value


async def _gather(awaitables: list[Coroutine[Any, Any, Any]]) -> list[Any]:
    """Await all; the first failure ends the others."""
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(awaitable) for awaitable in awaitables]
    except BaseExceptionGroup as failed:
        raise failed.exceptions[0] from None
    return [task.result() for task in tasks]


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, and that the caller knows of."""
    running = asyncio._get_running_loop()
    return None if running is None or hidden_loop_runs() else running


def _dispatch(obj: Styled[Any], call: _Call, callback: Callback | None) -> Any:
    running = _running_loop()
    if callback is not None:
        if not callable(callback) or obj._style == "blocking":
            call.drop()
            raise TypeError(
                f"callback must be callable, not {callback!r:.80}"
                if not callable(callback)
                else "callback: an object of style 'blocking' takes none; use with_style('auto')"
            )
        # A Task of asyncio's own is never eager: the callback comes after the call has returned.
        task = asyncio.Task(_deliver(call, callback), loop=_loop(running))
        if (concerned := failures.get()) is not None:
            task.add_done_callback(functools.partial(_tell_of_cancelling, concerned))
        return task
    if obj._style == "future" or (running is not None and obj._style == "auto"):
        return _loop(running).create_task(call.run())
    return block_on(call.run(), beside=asyncio._get_running_loop() is not None)


def _loop(running: asyncio.AbstractEventLoop | None) -> asyncio.AbstractEventLoop:
    """The running loop, or the one that this thread is going to run."""
    if running is not None:
        return running
    # Pythons differ in what they do where there is none yet: make one, warn and make one, or raise.
    with warnings.catch_warnings():
        warnings.simplefilter("error", DeprecationWarning)
        try:
            return asyncio.get_event_loop()
        except (RuntimeError, DeprecationWarning):
            loop = asyncio.new_event_loop()
            asyncio.set_event_loop(loop)
            return loop


def would_block(obj: Styled[Any]) -> bool:
    """Whether an expression that must have its value at once would block an event loop."""
    if obj._style == "auto":
        return _running_loop() is not None
    return bool(obj._style == "future")


def start(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Run a coroutine as a call in style ``auto`` runs.

    Args:
        coroutine: what to run.

    Returns:
        A Future where an event loop runs in this thread; else the value, when it is there.
    """
    running = _running_loop()
    if running is not None:
        return running.create_task(coroutine)
    # A generator's yields are Futures, so what runs it must see the loop.
    return block_on(coroutine, beside=asyncio._get_running_loop() is not None, hidden=False)


def in_place(obj: Styled[Any], method: str, *args: Any) -> Any:
    """Call an operation for an expression that must have its value at once (``couch[name]``).

    Args:
        obj: what the expression is about.
        method (str): the operation that gives the value.
        *args: its arguments.

    Returns:
        The value.

    Raises:
        RuntimeError: the expression would block an event loop; the method to await is named.
    """
    if would_block(obj):
        raise RuntimeError(
            f"this would block the event loop: await {type(obj).__name__.lower()}.{method}(…) instead"
        )
    return getattr(obj, method)(*args)


def check_style(style: Any) -> Any:
    """Return a style that exists; raise ValueError for any other."""
    if style not in ("auto", "blocking", "future"):
        raise ValueError(f"style must be 'auto', 'blocking' or 'future', not {style!r:.80}")
    return style


# -- callbacks ----------------------------------------------------------------------------------

failures: contextvars.ContextVar[Callable[[BaseException], bool] | None] = contextvars.ContextVar(
    "corduroy_failures", default=None
)
"""Who answers for it when a callback raises (`relax`); returns False if it is too late for that."""


def _tell_of_cancelling(
    concerned: Callable[[BaseException], bool], done: asyncio.Task[Any]
) -> None:
    if done.cancelled():
        concerned(RuntimeError("a database call was cancelled: its callback will not come"))


async def _deliver(call: _Call, callback: Callback) -> Any:
    """Run a call and hand its outcome to a callback, once; gives what the callback gives."""
    try:
        data = await call.run()
    except Exception as error:
        data = error.response if isinstance(error, HTTPError) else None
        code = 599 if call.answer is None else call.answer.code
        status = error.status if isinstance(error, HTTPError) else Status(code, exception=error)
    else:
        status = call.status()
    try:
        result = callback(data, status)
        if result is None or not inspect.isawaitable(result):
            return result
        return await result
    except Exception as error:
        concerned = failures.get()
        if concerned is None or not concerned(error):
            raise
