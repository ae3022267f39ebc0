"""ViewResult and Row: what a view answered.

The rows stay the plain dicts that the JSON codec made until they are touched, so that fifty thousand
of them cost nothing beyond their decoding.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, SupportsIndex, overload

from .documents import WithDocument, bound

_get = dict.get  # a step shorter, on the way of every row


class Row(WithDocument):
    """One row of a view: a dict with ``key`` and ``value``, and what else the server put there."""

    __slots__ = ()

    @property
    def id(self) -> Any:
        """The id (str) of the document that emitted the row; None in a reduced row."""
        return _get(self, "id")

    @property
    def key(self) -> Any:
        """The emitted key; the group's key in a reduced row."""
        return self.get("key")

    @property
    def value(self) -> Any:
        """The emitted, or reduced, value."""
        return self.get("value")

    @property
    def error(self) -> str | None:
        """``"not_found"``, where one of the keys that were asked for has no row; else None."""
        return _get(self, "error")


class ViewResult(Sequence[Row]):
    """The rows of a view, as a sequence, with what the server said about them.

    Attributes:
        name (str): the view, ``"ddoc/name"``.
        options (dict): the options it was asked with.
        total_rows (int | None): how many rows the view has in all; None for reduced rows.
        offset (int | None): how many rows of the view come before these; None where unknown.
        update_seq (int | str | None): the database's seq that the view reflects, if asked for.
    """

    def __init__(
        self,
        name: str,
        answer: Mapping[str, Any],
        options: Mapping[str, Any],
        keeper: Any = None,
    ) -> None:
        self.name = name
        self.options = dict(options)
        self.total_rows: int | None = answer.get("total_rows")
        self.offset: int | None = answer.get("offset")
        self.update_seq: int | str | None = answer.get("update_seq")
        self._rows: list[dict[str, Any]] = answer["rows"]
        # The database, where its documents are among the rows.
        self._keeper = keeper if options.get("include_docs") else None

    @property
    def rows(self) -> list[Row]:
        """All rows, as a list."""
        return list(self)

    def _row(self, index: int) -> Row:
        found = self._rows[index]
        if type(found) is dict:
            if self._keeper is not None and type(doc := found.get("doc")) is dict:
                found["doc"] = bound(doc, self._keeper)
            found = self._rows[index] = Row(found)
        return found  # type: ignore[return-value]

    @overload
    def __getitem__(self, index: SupportsIndex) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return [self._row(at) for at in range(*index.indices(len(self._rows)))]
        return self._row(index.__index__())

    def __iter__(self) -> Iterator[Row]:
        rows, keeper = self._rows, self._keeper
        for index, row in enumerate(rows):
            if type(row) is dict:
                if keeper is not None and type(doc := row.get("doc")) is dict:
                    row["doc"] = bound(doc, keeper)
                row = rows[index] = Row(row)  # noqa: PLW2901
            yield row  # type: ignore[misc]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ViewResult) and self._rows == other._rows

    __hash__ = None  # type: ignore[assignment]

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_keeper": None}

    def __repr__(self) -> str:
        total = "" if self.total_rows is None else f"/{self.total_rows}"
        return f"<{self.name}: {len(self._rows)}{total} rows>"
