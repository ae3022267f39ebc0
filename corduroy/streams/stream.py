"""Streams: results of any number, which come in pages and are handed out one by one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from typing import Any, Generic, Self, TypeVar

from ..styles import S, Styled, operation, would_block

T = TypeVar("T")

PAGE = 200
"""How many results are asked for at once, if nobody says otherwise."""

Fetch = Callable[[Any], Coroutine[Any, Any, tuple[Iterable[T], Any]]]
"""Fetches a page: is called with its place, None for the first one, and gives what is on it and the
place of the next one, None after the last one. It awaits nothing but steps, as an `operation` does."""


class Stream(Styled[S], Generic[T, S]):
    """Results that are fetched as they are gone through, a page at a time.

    In scripts it is gone through by ``for``, under a running event loop by ``async for``, each time
    from the beginning. Between two pages nothing is under way: a loop may be left at any time. `all`
    fetches everything at once, in every calling style.
    """

    def __init__(self, of: Styled[S], fetch: Fetch[T]) -> None:
        self._session = of._session
        self._style = of._style
        self._fetch = fetch

    @operation
    async def all(self) -> list[T]:
        """Fetch all results.

        Returns:
            list: the results.
        """
        found: list[T] = []
        place = None
        while True:
            page, place = await self._fetch(place)
            found += page
            if place is None:
                return found

    @operation
    async def _page(self, place: Any) -> tuple[Iterable[T], Any]:
        return await self._fetch(place)

    def __iter__(self) -> Iterator[T]:
        place = None
        while True:
            if would_block(self):
                raise RuntimeError("this would block the event loop: use `async for` instead")
            page, place = self._page(place)  # type: ignore[arg-type]  # it blocks
            yield from page
            if place is None:
                return

    def __aiter__(self) -> AsyncIterator[T]:
        if self._style == "blocking":
            raise TypeError("an object of style 'blocking' is gone through by `for`")
        return _Items(self)


class _Items(Generic[T]):
    """What ``async for`` goes through: a generator would leave a task behind where it is left."""

    def __init__(self, stream: Stream[T, Any]) -> None:
        self._stream = stream
        self._page: Iterator[T] = iter(())
        self._place: Any = None
        self._last = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> T:
        while True:
            for item in self._page:
                return item
            if self._last:
                raise StopAsyncIteration
            page, self._place = await self._stream._page(self._place)
            self._page, self._last = iter(page), self._place is None
