"""FindResult: what ``_find`` answered."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import Any

from . import defaults
from .documents import AttrDict, Document, bound
from .results import Results

_NO_BOOKMARK = "nil"  # CouchDB's, where it has found nothing


class FindResult(Results[Document]):
    """The documents that a selector has found, as a sequence, with what the server said about them.

    Attributes:
        bookmark (str | None): where the next page begins, for the option ``bookmark`` of
            `Database.find`; None where nothing is to be found, and where the server has none.
        warning (str | None): what the server advises against: that no index served the query, say.
        execution_stats (dict | None): what it took to find them, if asked for.
    """

    def __init__(self, answer: Mapping[str, Any], keeper: Any) -> None:
        super().__init__(answer["docs"])
        self._keeper = keeper
        bookmark = answer.get("bookmark")
        stats = answer.get("execution_stats")
        self.bookmark: str | None = None if bookmark == _NO_BOOKMARK else bookmark
        self.warning: str | None = answer.get("warning")
        self.execution_stats = None if stats is None else AttrDict(stats)

    @property
    def docs(self) -> list[Document]:
        """All documents, as a list."""
        return list(self)

    def _maker(self) -> Callable[[dict[str, Any]], Any]:
        known = self._keeper is not None
        return functools.partial(bound, keeper=self._keeper) if known else defaults.document

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_keeper": None}

    def __repr__(self) -> str:
        warned = ", with a warning" if self.warning else ""
        return f"<_find: {len(self)} docs{warned}>"
