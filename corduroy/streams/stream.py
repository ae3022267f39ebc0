"""Stream: results of any number, and the three ways to go through them."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from typing import Any, Generic, Self, TypeVar

from ..calls import aside
from ..styles import (
    Callback,
    Home,
    S,
    Styled,
    hand_out,
    operation,
    wait_for,
    would_block,
)
from .reader import Reader

T = TypeVar("T")


class Stream(Styled[S], Generic[T, S]):
    """Results of any number, which are handed out as they come: a few of them are in memory at a time.

    In scripts it is gone through by ``for``, under a running event loop by ``async for``, each time
    from the beginning: that is when the server is asked. Whoever is slow slows the server. A loop may
    be left at any time, which frees the connection. Awaiting the stream itself gives a list of all.

    With ``callback=f`` the method that makes a stream returns a Future instead. ``f(items, status)`` is
    called with some of them at a time, in order; if it returns an awaitable, that is awaited before
    the next ones are read. In the end ``f([], status)`` is called once; or ``f(data, status)`` with
    ``status.exception``, where the rest does not come. Cancelling the Future ends it. It gives what the
    last call gave.

    Args:
        of: the database, or what else the results are of.
        begin: makes what goes through them once.
    """

    def __init__(self, of: Styled[S], begin: Callable[[], Reader[T]]) -> None:
        self._session = of._session
        self._style = of._style
        self._begin = begin
        self._reader: Reader[T] | None = None  # the latest

    @operation
    async def all(self) -> list[T]:
        """Fetch all results.

        With ``timeout`` that is a deadline for all of it; ``retries`` is how often a request is tried
        again before its answer begins. (What goes on with ``resume`` has a count of its own.)

        Returns:
            list: the results.
        """
        reader = self._started()
        return await aside(_gathered, reader, sender=reader)  # type: ignore[no-any-return]

    def __await__(self) -> Generator[Any, None, list[T]]:
        if self._style == "blocking":
            raise TypeError("an object of style 'blocking' is not awaited: use all()")
        future: Any = self.all()  # type: ignore[arg-type]  # it does not block
        return future.__await__()  # type: ignore[no-any-return]

    def _started(self) -> Reader[T]:
        self._reader = reader = self._begin()
        return reader

    def __iter__(self) -> Iterator[T]:
        if would_block(self):
            raise RuntimeError("this would block the event loop: use `async for` instead")
        return self._each(self._started(), Home(private=True))

    def _each(self, reader: Reader[T], home: Home) -> Generator[T, None, None]:
        try:
            while portion := reader.ready() or wait_for(reader.more()):
                yield from portion
                del portion  # its room is for the next
        finally:
            home.loop = reader.loop
            _let_go(reader, home)

    def __aiter__(self) -> AsyncIterator[T]:
        if self._style == "blocking":
            raise TypeError("an object of style 'blocking' is gone through by `for`")
        return _Items(self._started())

    def _call_back(self, callback: Callback) -> asyncio.Future[Any]:
        """Hand all to a callback."""
        return hand_out(self, self._started(), callback)


class RowStream(Stream[T, S]):
    """The rows of a view, or what is made of them, as a `Stream`.

    After an answer that breaks off the rest is asked for, if ``resume`` was said, and no row comes
    twice or is left out. Otherwise it raises `ConnectionFailed`, after the rows that have come. An
    error that the server tells of amid its rows is raised, too.
    """

    @property
    def total_rows(self) -> int | None:
        """How many rows the view has in all, known with the first row; None for reduced rows."""
        return self._said("total_rows")  # type: ignore[no-any-return]

    @property
    def offset(self) -> int | None:
        """How many rows of the view come before these; None where unknown."""
        return self._said("offset")  # type: ignore[no-any-return]

    @property
    def update_seq(self) -> int | str | None:
        """The database's seq that the view reflects, if asked for."""
        return self._said("update_seq")  # type: ignore[no-any-return]

    def _said(self, name: str) -> Any:
        return None if self._reader is None else self._reader.about.get(name)


class _Items(Generic[T]):
    """What ``async for`` goes through: a generator would leave a task behind where it is left."""

    __slots__ = ("_home", "_portion", "_reader")

    def __init__(self, reader: Reader[T]) -> None:
        self._reader = reader
        self._home = Home()
        self._portion: Iterator[T] = iter(())

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        for item in self._portion:
            return item
        self._portion = iter(())  # its room is for the next
        portion = self._reader.ready() or await self._reader.more()
        if not portion:
            raise StopAsyncIteration
        self._portion = items = iter(portion)
        return next(items)

    async def aclose(self) -> None:
        """Let go of the connection, as leaving the loop does."""
        self._portion = iter(())
        self._reader.close()

    def __del__(self) -> None:
        self._home.loop = self._reader.loop
        _let_go(self._reader, self._home)


async def _gathered(reader: Reader[T]) -> list[T]:
    found = list[T]()
    try:
        while portion := reader.ready() or await reader.more():
            found += portion
    finally:
        reader.close()
    return found


def _let_go(reader: Reader[Any], home: Home) -> None:
    """Close a reader, wherever this happens to be called."""
    if home.loop is None or home.loop.is_closed() or home.is_inherited:
        return
    if home.is_running_here:
        reader.close()
    elif home.private and home.stands_still_here:
        wait_for(_closed(reader))
    else:
        with contextlib.suppress(RuntimeError):  # the loop was closed just now
            home.loop.call_soon_threadsafe(reader.close)


async def _closed(reader: Reader[Any]) -> None:
    reader.close()
    await asyncio.sleep(0)  # a connection is closed in the loop's next turn
