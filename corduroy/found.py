"""FindResult: what ``_find`` answered."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from . import defaults
from .documents import AttrDict, Document, bound
from .frames import frame_of_documents
from .results import Results
from .showing import table_of_documents

if TYPE_CHECKING:
    import pandas

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
        self.execution_stats = AttrDict(stats) if isinstance(stats, dict) else None

    @property
    def docs(self) -> list[Document]:
        """All documents, as a list."""
        return list(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """The documents as a data frame of pandas, which ``pip install 'corduroy[pandas]'`` brings.

        Returns:
            pandas.DataFrame: its columns are the fields of the documents, its index their ids. An
            object has a column for each of its fields, at any depth: ``address.city``. What a document
            has not is a missing value in it.

        Raises:
            ImportError: there is no pandas.
        """
        docs = self.to_dicts()
        return frame_of_documents(docs, [doc.get("_id") for doc in docs])

    def _maker(self) -> Callable[[dict[str, Any]], Any]:
        known = self._keeper is not None
        return functools.partial(bound, keeper=self._keeper) if known else defaults.document

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_keeper": None}

    def __repr__(self) -> str:
        warned = ", with a warning" if self.warning else ""
        return f"<_find: {len(self)} docs{warned}>"

    def _repr_html_(self) -> str:
        return table_of_documents(repr(self)[1:-1], self._items)
