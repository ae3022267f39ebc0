"""The three calling styles: the only room that decides how a call behaves.

An operation is written once, as a coroutine method that awaits `Request`s. `operation` makes of it a
method that blocks, returns a Future, or calls back. Its code up to the first request runs at the call
itself, in every style, so that bad arguments are told of there and then; all that follows runs as a
`Call` on the right loop.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import inspect
import threading
import warnings
from collections.abc import Awaitable, Callable, Coroutine, Iterator
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

from .calls import Call, without_this_frame
from .errors import HTTPError
from .private import PrivateEventLoop, block_on
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


class _Method:
    """Stands for a method in the body of a class: tells type checkers what its ``__get__`` says, and
    makes way for the method itself when the class is made, since a call is quicker so."""

    _method: Any

    def __set_name__(self, owner: type, name: str) -> None:
        self._method.__name__ = name
        self._method.__qualname__ = f"{owner.__qualname__}.{name}"
        setattr(owner, name, self._method)


class operation(_Method, Generic[P, T]):
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

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> Callable[..., Any]: ...
        @overload
        def __get__(self, obj: Styled[Blocking], owner: Any) -> Callable[P, T]: ...
        @overload
        def __get__(self, obj: Styled[Deferred], owner: Any) -> Callable[P, asyncio.Future[T]]: ...
        @overload
        def __get__(self, obj: Styled[Auto], owner: Any) -> Callable[..., Any]: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...


class TwoForms(Protocol[P, T_co, P2, T2_co]):
    """A method whose arguments decide what it gives."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, *args: P2.args, **kwargs: P2.kwargs) -> T2_co: ...


class either(_Method, Generic[P, T, P2, T2]):
    """Make one API method of two operations, which differ in arguments and result.

    Args:
        first, second: ``async def`` methods, as `operation` takes them. Type checkers try the first
            one first. The one that has a docstring tells of both, with its signature.
        second_if: is called with the positional arguments and the named ones, and returns True if
            they are the second one's.
    """

    def __init__(
        self,
        first: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
        second: Callable[Concatenate[Any, P2], Coroutine[Any, Any, T2]],
        second_if: Callable[[tuple[Any, ...], dict[str, Any]], bool],
    ) -> None:
        self._method = _method(first if first.__doc__ else second, first, second, second_if)

    if TYPE_CHECKING:

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
        def __get__(self, obj: Any, owner: Any) -> Any: ...


class operation_or(_Method, Generic[P, T, P2, T2]):
    """Make one API method of an operation and of a plain method, which needs no waiting.

    Args:
        first: an ``async def`` method, as `operation` takes it.
        second: a method that gives its result at once, in every style.
        second_if: as of `either`.
    """

    def __init__(
        self,
        first: Callable[Concatenate[Any, P], Coroutine[Any, Any, T]],
        second: Callable[Concatenate[Any, P2], T2],
        second_if: Callable[[tuple[Any, ...], dict[str, Any]], bool],
    ) -> None:
        started = _method(first, first)

        @functools.wraps(first)
        def method(self: Any, /, *args: Any, **options: Any) -> Any:
            form = second if second_if(args, options) else started
            return form(self, *args, **options)

        method.__signature__ = started.__signature__  # type: ignore[attr-defined]
        self._method = method

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> Callable[..., Any]: ...
        @overload
        def __get__(self, obj: Styled[Blocking], owner: Any) -> TwoForms[P, T, P2, T2]: ...
        @overload
        def __get__(
            self, obj: Styled[Deferred], owner: Any
        ) -> TwoForms[P, asyncio.Future[T], P2, T2]: ...
        @overload
        def __get__(self, obj: Styled[Auto], owner: Any) -> TwoForms[P, Any, P2, T2]: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...


def _method(
    like: Callable[..., Any],
    first: Callable[..., Coroutine[Any, Any, Any]],
    second: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    second_if: Callable[[tuple[Any, ...], dict[str, Any]], bool] = lambda args, options: False,
) -> Any:
    """The method that starts a coroutine in its object's style; `operation` and `either` say more."""

    @functools.wraps(like)
    def method(
        self: Styled[Any], /, *args: Any, callback: Callback | None = None, **options: Any
    ) -> Any:
        form = second if second is not None and second_if(args, options) else first
        coroutine = form(self, *args, **options)
        try:
            step, value = coroutine.send(None), None
        except StopIteration as done:  # nothing had to be asked
            step, value = None, done.value
        running = _running_loop()
        if running is None or callback is not None or self._style == "blocking":
            return _dispatch(self, running, coroutine, (step, value), callback)
        call = Call(running, self._session, coroutine)
        call.begin(step, value)
        return call

    method.__signature__ = _with_callback(like)  # type: ignore[attr-defined]
    return method


def _with_callback(function: Callable[..., Any]) -> inspect.Signature:
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    extra = inspect.Parameter("callback", inspect.Parameter.KEYWORD_ONLY, default=None)
    last_is_options = parameters[-1].kind is inspect.Parameter.VAR_KEYWORD
    parameters.insert(len(parameters) - last_is_options, extra)
    return signature.replace(parameters=parameters)


def _running_loop() -> asyncio.AbstractEventLoop | None:
    """The event loop that runs in this thread, and that the caller knows of."""
    running = asyncio._get_running_loop()
    return None if type(running) is PrivateEventLoop and running.hidden else running


def _dispatch(
    obj: Styled[Any],
    running: asyncio.AbstractEventLoop | None,
    coroutine: Coroutine[Any, Any, Any],
    first: tuple[Any, Any],
    callback: Callback | None,
) -> Any:
    """Go on where a Future on the running loop is not all that is wanted.

    ``first`` is what `Call.begin` takes.
    """
    if callback is not None:
        try:
            check_callback(obj, callback)
        except TypeError:
            coroutine.close()
            raise
        call: Call = _CallbackCall(_loop(running), obj._session, coroutine, callback)
    elif obj._style == "future":
        call = Call(_loop(None), obj._session, coroutine)
    else:
        return block_on(
            lambda loop: _begun(Call(loop, obj._session, coroutine, loop.stop), first),
            beside=asyncio._get_running_loop() is not None,
        )
    if running is None:
        call.get_loop().call_soon(call.begin, *first)
    else:
        call.begin(*first)
    return call


def _begun(call: Call, first: tuple[Any, Any]) -> Call:
    call.begin(*first)
    return call


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
    return wait_for(coroutine, hidden=False)


async def _then_stop(loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any]) -> Any:
    try:
        return await coroutine
    finally:
        loop.stop()


def wait_for(coroutine: Coroutine[Any, Any, Any], *, hidden: bool = True) -> Any:
    """Run a coroutine on this thread's private loop, and wait for its end.

    Args:
        coroutine: what to run; on the same loop as all that this thread waits for.
        hidden (bool): code that runs meanwhile is not to know of that loop.

    Returns:
        What it returns; raises what it raises.
    """
    return block_on(
        lambda loop: loop.create_task(_then_stop(loop, coroutine)),
        beside=asyncio._get_running_loop() is not None,
        hidden=hidden,
    )


class Home:
    """Where something lives that goes on between calls: a thread, and a loop in it.

    Attributes:
        loop: the loop; None as long as it is not known.
        private (bool): whether the loop runs only while somebody blocks (`wait_for`).
    """

    def __init__(self, private: bool = False) -> None:
        self.loop: asyncio.AbstractEventLoop | None = None
        self.private = private
        self._thread = threading.get_ident()
        self._beside = asyncio._get_running_loop() is not None

    def choose_loop(self) -> asyncio.AbstractEventLoop:
        """Take the running loop, or the one that this thread is going to run."""
        self.loop = _loop(_running_loop())
        return self.loop

    @property
    def is_running_here(self) -> bool:
        """Whether this is called by its loop."""
        return self.loop is not None and asyncio._get_running_loop() is self.loop

    @property
    def stands_still_here(self) -> bool:
        """Whether its loop does nothing until this thread lets it."""
        return (
            self.loop is not None
            and self._thread == threading.get_ident()
            and (not self.private or self._beside == (asyncio._get_running_loop() is not None))
            and not self.loop.is_running()
        )


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


def check_callback(obj: Styled[Any], callback: Any) -> None:
    """Refuse a callback that cannot be called, or not by an object that blocks."""
    if not callable(callback):
        raise TypeError(f"callback must be callable, not {callback!r:.80}")
    if obj._style == "blocking":
        raise TypeError(
            "callback: an object of style 'blocking' takes none; use with_style('auto')"
        )


class _CallbackCall(Call):
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

    def _ended(self, value: Any, error: BaseException | None) -> None:
        if error is not None and not isinstance(error, Exception):
            super()._ended(None, error)
        else:  # in a turn of its own: not before the call has returned, nor amid the reading of answers
            self.get_loop().call_soon(self._deliver, value, error, context=self._context)

    def _deliver(self, value: Any, error: Exception | None) -> None:
        if self._cancelling:
            self._give_up()
            return
        try:
            result = next(_apart(self._callback, self._said(value, error)))
            if result is not None and inspect.isawaitable(result):
                self.pending = task = self.get_loop().create_task(_awaited(result))
                task.add_done_callback(self._called_back)
                return
        except BaseException as raised:
            self._callback_failed(without_this_frame(raised))
            if not isinstance(raised, Exception | asyncio.CancelledError):
                raise
        else:
            super()._ended(result, None)

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
                return value, Status(200)
            return value, Status(answer.code, lambda: answer.headers)
        if isinstance(error, HTTPError):
            return error.response, error.status
        return None, Status(599 if answer is None else answer.code, exception=error)


def _apart(function: Callable[..., Any], args: tuple[Any, ...]) -> Iterator[Any]:
    """Call a function from a frame that does not lead back to the caller's, as a generator's does
    not: an exception remembers where it came through, and that must not be what holds it."""
    yield function(*args)


async def _awaited(awaitable: Awaitable[Any]) -> Any:
    return await awaitable


def _tell_of_cancelling(
    concerned: Callable[[BaseException], bool], done: asyncio.Future[Any]
) -> None:
    if done.cancelled():
        concerned(RuntimeError("a database call was cancelled: its callback will not come"))
