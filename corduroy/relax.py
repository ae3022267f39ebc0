"""relax: generators whose yields are awaited, and Tornado handlers that stay open for callbacks."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import Callable, Generator
from typing import Any

from tornado.gen import convert_yielded
from tornado.web import RequestHandler

from .styles import failures, start


def relax(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a function use the database as its style suggests.

    - A generator becomes a coroutine: what it yields is awaited and comes back as the yield's value
      (a list or dict of calls runs at once and gives a list or dict), what fails is raised at the
      yield, and what it returns is the coroutine's result. Where no event loop runs, calling it
      blocks, and returns the result.
    - An HTTP verb method of a `tornado.web.RequestHandler` that is a plain function keeps its request
      open until ``finish()``. What it raises, or what a database callback that it started raises,
      is answered as Tornado answers what a handler raises: `tornado.web.HTTPError` with its status,
      anything else with a 500.
    - An ``async def`` is returned as it is; so is what any other plain function returns.

    Args:
        function: the function or method to decorate.

    Returns:
        The decorated function. A generator's gives an `asyncio.Future` where a loop runs.
    """
    if inspect.iscoroutinefunction(function):
        return function
    if inspect.isgeneratorfunction(function):

        @functools.wraps(function)
        def coroutine(*args: Any, **kwargs: Any) -> Any:
            return start(_run(function(*args, **kwargs)))

        return coroutine

    @functools.wraps(function)
    def method(*args: Any, **kwargs: Any) -> Any:
        handler = args[0] if args else None
        verbs = {verb.lower() for verb in getattr(handler, "SUPPORTED_METHODS", ())}
        if isinstance(handler, RequestHandler) and function.__name__ in verbs:
            return _until_finished(handler, functools.partial(function, *args, **kwargs))
        return function(*args, **kwargs)

    return method


async def _run(generator: Generator[Any, Any, Any]) -> Any:
    """Await what a generator yields until it returns."""
    try:
        step = next(generator)
        while True:
            try:
                value = await _awaitable(step)
            except BaseException as error:
                step = generator.throw(error)
            else:
                step = generator.send(value)
    except StopIteration as done:
        return done.value


def _awaitable(yielded: Any) -> Any:
    # Tornado's own lists and dicts cannot be cancelled together; gathered ones can.
    if isinstance(yielded, list | tuple):
        return asyncio.gather(*(_awaitable(item) for item in yielded))
    if isinstance(yielded, dict):
        return _gather_dict(yielded)
    return convert_yielded(yielded)


async def _gather_dict(yielded: dict[Any, Any]) -> dict[Any, Any]:
    values = await asyncio.gather(*(_awaitable(item) for item in yielded.values()))
    return dict(zip(yielded, values, strict=True))


async def _until_finished(handler: RequestHandler, method: Callable[[], Any]) -> Any:
    """Call a handler's method, and wait until the handler has finished or its client has gone."""
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def fail(error: BaseException) -> bool:
        if over.done():
            return False
        over.set_exception(error)
        return True

    def end(ended: Callable[[], None]) -> Callable[[], None]:
        def hook() -> None:
            try:
                ended()
            finally:
                if not over.done():
                    over.set_result(None)

        return hook

    handler.on_finish = end(handler.on_finish)  # type: ignore[method-assign]
    connection: Any = handler.request.connection
    connection.set_close_callback(end(handler.on_connection_close))
    token = failures.set(fail)
    try:
        result = method()
    finally:
        failures.reset(token)
    if inspect.isawaitable(result):
        await result
    await over
