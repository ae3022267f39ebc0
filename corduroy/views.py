"""ViewResult and Row: what a view answered."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from .documents import WithDocument
from .frames import frame_of_documents, frame_of_rows
from .results import Results
from .showing import MOST_ROWS, table

if TYPE_CHECKING:
    import pandas

_get = dict.get  # a step shorter, on the way of every row

_SHOWN = ("id", "key", "value", "error", "doc")  # columns in a notebook


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


class ViewResult(Results[Row]):
    """The rows of a view, as a sequence, with what the server said about them.

    Attributes:
        name (str): the view, ``"ddoc/name"``.
        options (dict): the options it was asked with.
        total_rows (int | None): how many rows the view has in all; None for reduced rows.
        offset (int | None): how many rows of the view come before these; None where unknown.
        update_seq (int | str | None): the database's seq that the view reflects, if asked for.
    """

    def __init__(self, name: str, answer: Mapping[str, Any], options: Mapping[str, Any]) -> None:
        self.name = name
        self.options = dict(options)
        self.total_rows = _number(answer.get("total_rows"))
        self.offset = _number(answer.get("offset"))
        self.update_seq: int | str | None = answer.get("update_seq")
        super().__init__(answer["rows"])

    @property
    def rows(self) -> list[Row]:
        """All rows, as a list."""
        return list(self)

    def to_dataframe(self) -> pandas.DataFrame:
        """The rows as a data frame of pandas, which ``pip install 'corduroy[pandas]'`` brings.

        With ``include_docs`` its columns are the fields of the documents, and its index the rows' ids.
        Otherwise its columns are ``key`` and ``value``, and the index is the rows' ids; of reduced rows
        the column is ``value``, and the index the keys. An array as a key has a column, or a level of
        the index, for each of its parts: ``key.0``, ``key.1``. An object as a value, or in a document,
        has a column for each of its fields, at any depth: ``value.max``, ``address.city``. What a row
        has not is a missing value in it.

        Returns:
            pandas.DataFrame: a copy of all that is in the rows.

        Raises:
            ImportError: there is no pandas.
        """
        rows = self.to_dicts()
        if any("doc" in row for row in rows):
            return frame_of_documents(
                [row.get("doc") for row in rows], [row.get("id") for row in rows]
            )
        return frame_of_rows(rows)

    def _maker(self) -> Callable[[dict[str, Any]], Row]:
        return Row

    def __repr__(self) -> str:
        total = "" if self.total_rows is None else f"/{self.total_rows}"
        return f"<{self.name}: {len(self)}{total} rows>"

    def _repr_html_(self) -> str:
        shown = self._items[:MOST_ROWS]
        names = [name for name in _SHOWN if any(name in row for row in shown)]
        rows = ([_get(row, name, "") for name in names] for row in shown)
        return table(repr(self)[1:-1], names, rows, len(self) - len(shown))


def _number(told: Any) -> int | None:
    """What a server counts."""
    return told if isinstance(told, int) else None


class Page(ViewResult):
    """A page of a view: its rows, and where the pages before and after it are.

    Attributes:
        next (str | None): the cursor of the page after this one; None where there is none. It is made
            of letters that stand in an url as they are.
        previous (str | None): the cursor of the page before this one.
        offset (int | None): how many rows of the view come before these; None where unknown.
    """

    next: str | None = None
    previous: str | None = None
