"""Results: what an answer lists, as a sequence whose items are made when somebody reaches for them.

Until then they stay the plain dicts that the JSON codec made, so that fifty thousand of them cost
nothing beyond their decoding.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, SupportsIndex, TypeVar, overload

import msgspec

from .transport.encoding import collector_paused

T = TypeVar("T")


class Results(Sequence[T]):
    """Items that are made of plain dicts, each once.

    Args:
        items (list of dict): the plain ones.
    """

    def __init__(self, items: list[Any]) -> None:
        self._items = items

    def _maker(self) -> Callable[[dict[str, Any]], T]:
        """What makes an item of a plain dict."""
        raise NotImplementedError

    def _item(self, index: int) -> T:
        found = self._items[index]
        if type(found) is dict:
            found = self._items[index] = self._maker()(found)
        return found  # type: ignore[no-any-return]

    def to_dicts(self) -> list[dict[str, Any]]:
        """The items as plain dicts and lists, documents among them, without a dot and a database.

        Returns:
            list of dict: copies; what is done to them is not done to the items.
        """
        with collector_paused(len(self)):
            return [msgspec.to_builtins(item) for item in self._items]

    @overload
    def __getitem__(self, index: SupportsIndex) -> T: ...
    @overload
    def __getitem__(self, index: slice) -> list[T]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> T | list[T]:
        if isinstance(index, slice):
            return [self._item(at) for at in range(*index.indices(len(self._items)))]
        return self._item(index.__index__())

    def __iter__(self) -> Iterator[T]:
        items, made = self._items, self._maker()
        for index, item in enumerate(items):
            if type(item) is dict:
                item = items[index] = made(item)  # noqa: PLW2901
            yield item

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, type(self)) and self._items == other._items

    __hash__ = None  # type: ignore[assignment]
