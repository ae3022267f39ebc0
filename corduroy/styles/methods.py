"""Operations become methods, which go on as their object's style says."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Protocol, TypeVar, overload

from ..calls import Call
from ..options.checks import check_count, check_seconds
from ..private import block_on
from .callbacks import Callback, CallbackCall, check_callback
from .loops import coming_loop, running_loop
from .style import Auto, Blocking, Deferred, Styled

P = ParamSpec("P")
P2 = ParamSpec("P2")
T = TypeVar("T")
T2 = TypeVar("T2")
T_co = TypeVar("T_co", covariant=True)
T2_co = TypeVar("T2_co", covariant=True)


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

    The method takes three keywords more. ``timeout`` (float) is how many seconds all of it may take,
    0: no limit; ``retries`` (int) how often a request is tried again; None, of both: as the `Couch` has
    it. (An operation that has a ``timeout`` of its own keeps that.) With the third, ``callback``, it
    behaves as its object's style says:

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
        def __get__(self, obj: Styled[Blocking], owner: Any) -> Limited[P, T]: ...
        @overload
        def __get__(self, obj: Styled[Deferred], owner: Any) -> Limited[P, asyncio.Future[T]]: ...
        @overload
        def __get__(self, obj: Styled[Auto], owner: Any) -> Callable[..., Any]: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...


class Limited(Protocol[P, T_co]):
    """A method that takes limits beside its own arguments."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(
        self, *args: Any, timeout: float | None, retries: int | None = None, **kwargs: Any
    ) -> T_co: ...
    @overload
    def __call__(self, *args: Any, retries: int | None, **kwargs: Any) -> T_co: ...


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


class StreamMethod(Protocol[P, T_co]):
    """A method that gives a stream, or hands it to a callback."""

    @overload
    def __call__(self, *args: P.args, **kwargs: P.kwargs) -> T_co: ...
    @overload
    def __call__(self, *args: Any, callback: Callback, **kwargs: Any) -> asyncio.Future[Any]: ...


class streamed(_Method, Generic[P, T]):
    """Make an API method of a method that gives a stream, in every style.

    It takes one keyword more, ``callback``; see `streams.Stream`.

    Args:
        function: the method.
    """

    def __init__(self, function: Callable[Concatenate[Any, P], T]) -> None:
        @functools.wraps(function)
        def method(self: Any, /, *args: Any, callback: Any = None, **options: Any) -> Any:
            stream: Any = function(self, *args, **options)
            return stream if callback is None else stream._call_back(callback)

        method.__signature__ = _with_keywords(function, "callback")  # type: ignore[attr-defined]
        self._method = method

    if TYPE_CHECKING:

        @overload
        def __get__(self, obj: None, owner: Any) -> Callable[..., Any]: ...
        @overload
        def __get__(self, obj: Styled[Any], owner: Any) -> StreamMethod[P, T]: ...
        def __get__(self, obj: Any, owner: Any) -> Any: ...


def _method(
    like: Callable[..., Any],
    first: Callable[..., Coroutine[Any, Any, Any]],
    second: Callable[..., Coroutine[Any, Any, Any]] | None = None,
    second_if: Callable[[tuple[Any, ...], dict[str, Any]], bool] = lambda args, options: False,
) -> Any:
    """The method that starts a coroutine in its object's style; `operation` and `either` say more."""

    # An operation's own timeout is a part of what it asks, or covers it already.
    has_timeout = "timeout" in inspect.signature(like).parameters

    @functools.wraps(like)
    def method(
        self: Styled[Any],
        /,
        *args: Any,
        callback: Callback | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        **options: Any,
    ) -> Any:
        limits = None
        if timeout is not None or retries is not None:
            if has_timeout:
                options["timeout"], timeout = timeout, None
            limits = _checked(timeout, retries)
        form = second if second is not None and second_if(args, options) else first
        try:
            coroutine = form(self, *args, **options)
        finally:
            del args, options  # an error's traceback would show what is in them: passwords
        try:
            step, value = coroutine.send(None), None
        except StopIteration as done:  # nothing had to be asked
            step, value = None, done.value
        running = running_loop()
        if running is None or callback is not None or self._style == "blocking":
            return _dispatch(self, running, coroutine, (step, value), callback, limits)
        call = Call(running, self._session, coroutine)
        if limits is not None:
            call.limit(*limits)
        call.begin(step, value)
        return call

    method.__signature__ = _with_keywords(like, "callback", "timeout", "retries")  # type: ignore[attr-defined]
    return method


def _checked(timeout: Any, retries: Any) -> tuple[float | None, int | None]:
    if timeout is not None:
        check_seconds(timeout)
    if retries is not None:
        check_count(retries, "retries")
    return timeout, retries


def _with_keywords(function: Callable[..., Any], *names: str) -> inspect.Signature:
    """A function's signature, with keywords more whose default is None."""
    signature = inspect.signature(function)
    parameters = list(signature.parameters.values())
    rest = [parameters.pop()] if parameters[-1].kind is inspect.Parameter.VAR_KEYWORD else []
    parameters += [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None)
        for name in names
        if name not in signature.parameters
    ]
    return signature.replace(parameters=parameters + rest)


def _dispatch(
    obj: Styled[Any],
    running: asyncio.AbstractEventLoop | None,
    coroutine: Coroutine[Any, Any, Any],
    first: tuple[Any, Any],
    callback: Callback | None,
    limits: tuple[float | None, int | None] | None,
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
        call: Call = CallbackCall(coming_loop(running), obj._session, coroutine, callback)
    elif obj._style == "future":
        call = Call(coming_loop(None), obj._session, coroutine)
    else:
        return block_on(
            lambda loop: _begun(Call(loop, obj._session, coroutine, loop.stop), first, limits),
            beside=asyncio._get_running_loop() is not None,
        )
    if limits is not None:
        call.limit(*limits)
    if running is None:
        call.get_loop().call_soon(call.begin, *first)
    else:
        call.begin(*first)
    return call


def _begun(
    call: Call, first: tuple[Any, Any], limits: tuple[float | None, int | None] | None
) -> Call:
    if limits is not None:
        call.limit(*limits)
    call.begin(*first)
    return call


def would_block(obj: Styled[Any]) -> bool:
    """Whether an expression that must have its value at once would block an event loop."""
    if obj._style == "auto":
        return running_loop() is not None
    return bool(obj._style == "future")


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
