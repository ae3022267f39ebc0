"""FindResult: what ``_find`` answered."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, overload

from . import defaults
from .documents import AttrDict, Document, bound

_NO_BOOKMARK = "nil"  # CouchDB's, where it has found nothing


class FindResult(Sequence[Document]):
    """The documents that a selector has found, as a sequence, with what the server said about them.

    Attributes:
        bookmark (str | None): where the next page begins, for the option ``bookmark`` of
            `Database.find`; None where nothing is to be found, and where the server has none.
        warning (str | None): what the server advises against: that no index served the query, say.
        execution_stats (dict | None): what it took to find them, if asked for.
    """

    def __init__(self, answer: Mapping[str, Any], keeper: Any) -> None:
        bookmark = answer.get("bookmark")
        stats = answer.get("execution_stats")
        self.bookmark: str | None = None if bookmark == _NO_BOOKMARK else bookmark
        self.warning: str | None = answer.get("warning")
        self.execution_stats = None if stats is None else AttrDict(stats)
        self._docs: list[dict[str, Any]] = answer["docs"]
        self._keeper = keeper

    @property
    def docs(self) -> list[Document]:
        """All documents, as a list."""
        return list(self)

    def _doc(self, index: int) -> Document:
        found = self._docs[index]
        if type(found) is dict:
            known = self._keeper is not None
            made = bound(found, self._keeper) if known else defaults.document(found)
            found = self._docs[index] = made
        return found  # type: ignore[return-value]

    @overload
    def __getitem__(self, index: SupportsIndex) -> Document: ...
    @overload
    def __getitem__(self, index: slice) -> list[Document]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Document | list[Document]:
        if isinstance(index, slice):
            return [self._doc(at) for at in range(*index.indices(len(self._docs)))]
        return self._doc(index.__index__())

    def __iter__(self) -> Iterator[Document]:
        return map(self._doc, range(len(self._docs)))

    def __len__(self) -> int:
        return len(self._docs)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FindResult) and self._docs == other._docs

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_keeper": None}

    def __repr__(self) -> str:
        warned = ", with a warning" if self.warning else ""
        return f"<_find: {len(self._docs)} docs{warned}>"
