"""SearchResult: what a full-text index has found."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .documents import WithDocument, bind_docs
from .results import Results


class Hit(WithDocument):
    """One document that was found: a dict with what the server says of it, and perhaps its ``doc``."""

    __slots__ = ()

    @property
    def id(self) -> Any:
        """The document's id (str)."""
        return dict.get(self, "id")

    @property
    def order(self) -> Any:
        """What it was sorted by (list), the relevance unless something else was asked for."""
        return self.get("order")

    @property
    def fields(self) -> Any:
        """The fields that the index stores (dict)."""
        return self.get("fields")

    @property
    def highlights(self) -> Any:
        """Pieces of text by field (dict), where ``highlight_fields`` were asked for; else None."""
        return self.get("highlights")


class Hits(Results[Hit]):
    """Documents that were found, as a sequence.

    Attributes:
        total (int | None): how many there are in all.
    """

    def __init__(self, rows: list[dict[str, Any]], total: int | None, keeper: Any) -> None:
        bind_docs(rows, keeper)
        super().__init__(rows)
        self.total = total

    @property
    def rows(self) -> list[Hit]:
        """All of them, as a list."""
        return list(self)

    def _maker(self) -> Callable[[dict[str, Any]], Hit]:
        return Hit

    def _shown(self) -> str:
        total = "" if self.total is None else f"/{self.total}"
        return f"{len(self)}{total} hits"


class Group(Hits):
    """The hits that share a value of ``group_field``.

    Attributes:
        by: the value.
    """

    def __init__(self, group: Mapping[str, Any], keeper: Any) -> None:
        super().__init__(group["rows"], group.get("total_rows"), keeper)
        self.by = group.get("by")

    def __repr__(self) -> str:
        return f"<{self.by}: {self._shown()}>"


class SearchResult(Hits):
    """What a full-text index has found, as a sequence of hits, with what the server said about them.

    Attributes:
        name (str): the index, ``"ddoc/index"``.
        exact (bool): whether ``total`` is the number itself, and not only the least that it can be.
        bookmark (str | None): where the next page begins, for the option ``bookmark``. After the last
            page it stays the same, and there are no hits.
        counts (dict | None): by field, how many documents have each value, if asked for.
        ranges (dict | None): by field, how many documents are in each range, if asked for.
        groups (list of Group): the hits by ``group_field``, if asked for; the sequence has them all.
    """

    def __init__(self, name: str, answer: Mapping[str, Any], keeper: Any) -> None:
        self.groups = [Group(group, keeper) for group in answer.get("groups") or ()]
        grouped = [row for group in self.groups for row in group._items]
        # Clouseau's words, and Nouveau's.
        rows = answer.get("rows", answer.get("hits", grouped))
        super().__init__(rows, answer.get("total_rows", answer.get("total_hits")), keeper)
        self.name = name
        self.exact = answer.get("total_hits_relation", "EQUAL_TO") == "EQUAL_TO"
        self.bookmark: str | None = answer.get("bookmark")
        self.counts: dict[str, Any] | None = answer.get("counts")
        self.ranges: dict[str, Any] | None = answer.get("ranges")

    def __repr__(self) -> str:
        return f"<{self.name}: {self._shown()}>"
