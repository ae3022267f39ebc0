"""Going through a database: all its documents, or those that have conflicts, or the ids alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .documents import Document
from .options import VIEW, check_int, encode_options
from .querying import query_view
from .server import Place
from .streams import PAGE, Fetch, Stream
from .styles import S, operation

_RANGE = ("startkey", "endkey", "inclusive_end", "descending")
_OF_IDS = {name: VIEW[name] for name in (*_RANGE, "limit", "skip")}
_OF_DOCS = {name: VIEW[name] for name in (*_RANGE, "conflicts", "attachments", "att_encoding_info")}


class Browsing(Place[S]):
    """The operations of `Database` that go through all of it."""

    @operation
    async def ids(self, /, **options: Any) -> list[str]:
        """List the ids of all documents.

        Args:
            **options: ``startkey``, ``endkey`` (str), ``inclusive_end``, ``descending`` (bool),
                ``limit``, ``skip`` (int).

        Returns:
            list of str: the ids in their order, those of design documents among them.

        Endpoint: ``GET /{db}/_all_docs``.
        """
        encode_options(options, _OF_IDS, "ids")
        return [row.id for row in await query_view(self._path, "_all_docs", options)]

    def docs(self, /, page: int = PAGE, **options: Any) -> Stream[Document, S]:
        """Go through all documents, a page at a time: by ``for`` in scripts, else by ``async for``.

        Documents that are saved or deleted meanwhile may be among them, or not; all others are, once.

        Args:
            page (int): how many are asked for at once.
            **options: ``startkey``, ``endkey`` (str), ``inclusive_end``, ``descending``, ``conflicts``,
                ``attachments``, ``att_encoding_info`` (bool).

        Returns:
            Stream: of `Document`, design documents among them, in the order of their ids. Its ``all()``
            gives a list of them, in every calling style.

        Endpoint: ``GET /{db}/_all_docs``.
        """
        check_int(page, "page")
        encode_options(options, _OF_DOCS, "docs")
        return Stream(self, _pages(self, page, options, lambda doc: True))

    def conflicted(self, page: int = PAGE) -> Stream[Document, S]:
        """Go through the documents of which replication has left several revisions side by side.

        The server has to look at every document for this. `conflicts` tells of the revisions of one.

        Args:
            page (int): how many documents are looked at at once.

        Returns:
            Stream: of `Document`, with their other revisions in ``_conflicts``; as of `docs`.

        Endpoint: ``GET /{db}/_all_docs``.
        """
        check_int(page, "page")
        return Stream(
            self, _pages(self, page, {"conflicts": True}, lambda doc: "_conflicts" in doc)
        )


def _pages(
    db: Place[Any], page: int, options: Mapping[str, Any], wanted: Callable[[Any], bool]
) -> Fetch[Document]:
    """What fetches the pages of all documents, with those that are wanted on them."""
    asked = {**options, "include_docs": True, "limit": page + 1}

    async def fetch(place: Any) -> tuple[list[Document], Any]:
        begin = {} if place is None else {"startkey": place}
        rows = await query_view(db._path, "_all_docs", {**asked, **begin}, db)
        # The one too many is where the next page begins, also if it is gone by then.
        after = rows[page].id if len(rows) > page else None
        return [row.doc for row in rows[:page] if wanted(row.doc)], after

    return fetch
