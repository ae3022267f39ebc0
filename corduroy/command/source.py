"""What goes into a dump, and in which order.

A database is gone through by its changes, as replication does: whatever happens meanwhile, no document
is left out that was there when it began, since one that is saved anew comes later once more. What has
changed since the beginning follows in the end, deletions included, so that the dump does not hold what
was gone by then.
"""

from __future__ import annotations

import asyncio
import collections
import contextlib
from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from ..database import Database
from ..documents import Document
from ..errors import NotFound
from ..leaves import rank
from ..styles import Deferred
from .failing import Say, persistently
from .form import Terms

_CHANGES = 2000  # that are asked for at a time
_UNDER_WAY = 3  # portions
_FIRST = 100  # documents in a portion
_MOST = 1000
_BYTES = 2 * 1024 * 1024  # about so many in a portion, and at most so many of attachments…
_ATTACHED = 8 * 1024 * 1024  # …that come together


@dataclass
class Portion:
    """Some documents.

    Attributes:
        docs (list of Document): the documents, without what is attached to them.
        changes (int): how many changes it stands for.
        since: the seq of the last of them.
    """

    docs: list[Document]
    changes: int
    since: Any


class Source:
    """Fetches the documents of a database.

    Args:
        db (Database): the database.
        terms (Terms): what is wanted.
        say: is told what it had to bear.

    Attributes:
        pending (int | None): how many changes are still to come, where the server tells.
    """

    def __init__(self, db: Database[Deferred], terms: Terms, say: Say) -> None:
        self.pending: int | None = None
        self._db = db
        self._terms = terms
        self._say = say
        self._count = _FIRST

    def weighs(self, count: int, size: int) -> None:
        """Be told how many bytes some documents had: others like them shall fit into a portion."""
        if count:  # there may have been nothing but tombstones
            fitting = _BYTES * count // size
            self._count = max(1, min(fitting, 2 * self._count, _MOST))

    async def portions(self, since: Any, meanwhile: bool) -> AsyncGenerator[Portion, None]:
        """Go through the documents that have changed.

        Args:
            since: the seq to begin after.
            meanwhile (bool): whether these are changes that happened while others were fetched: of
                those all leaves that are deleted are wanted.

        Yields:
            Portion: documents, in the order of the changes.
        """
        under_way: collections.deque[asyncio.Task[Portion]] = collections.deque()
        try:
            async with contextlib.aclosing(self._rows(since, meanwhile)) as found:
                async for rows in found:
                    under_way.append(asyncio.create_task(self._portion(rows, meanwhile)))
                    if len(under_way) == _UNDER_WAY:
                        yield await under_way.popleft()
            while under_way:
                yield await under_way.popleft()
        finally:
            for task in under_way:
                task.cancel()
            await asyncio.gather(*under_way, return_exceptions=True)

    async def _rows(self, since: Any, meanwhile: bool) -> AsyncGenerator[list[Any], None]:
        style = "all_docs" if meanwhile or self._terms.conflicts else "main_only"
        while True:
            found = await persistently(
                lambda: self._db.changes(since=since, limit=_CHANGES, style=style),  # noqa: B023
                self._say,
            )
            rows = found["results"]
            pending, at = found.get("pending"), 0
            while at < len(rows):
                some = rows[at : at + self._count]
                at += len(some)
                self.pending = None if pending is None else pending + len(rows) - at
                yield some
            if len(rows) < _CHANGES:
                return
            since = found["last_seq"]

    async def _portion(self, rows: list[Any], meanwhile: bool) -> Portion:
        wanted = [
            {"id": row["id"], "rev": leaf["rev"]}
            for row in rows
            if self._wants(row, meanwhile)
            for leaf in row["changes"]
        ]
        leaves: dict[str, list[Document]] = {}
        for doc in await self._fetch(wanted):
            leaves.setdefault(doc["_id"], []).append(doc)
        docs = [doc for of_one in leaves.values() for doc in self._kept(of_one, meanwhile)]
        return Portion(docs, len(rows), rows[-1]["seq"])

    def _wants(self, row: Mapping[str, Any], meanwhile: bool) -> bool:
        if row["id"].startswith("_design/") and not self._terms.design:
            return False
        return meanwhile or self._terms.deleted or not row.get("deleted")

    def _kept(self, leaves: list[Document], meanwhile: bool) -> list[Document]:
        """Those leaves of one document that go into the dump."""
        terms = self._terms
        alive = [leaf for leaf in leaves if not leaf.get("_deleted")]
        winner = max(alive or leaves, key=rank)
        return [
            leaf
            for leaf in leaves
            if leaf is winner
            or (
                meanwhile or (terms.deleted and terms.conflicts)
                if leaf.get("_deleted")
                else terms.conflicts
            )
        ]

    async def attached(self, docs: list[Document]) -> AsyncGenerator[Document, None]:
        """Fetch documents anew, with what is attached to them: one at a time, or a few small ones.

        Args:
            docs (list of Document): documents that have attachments.

        Yields:
            Document: each of them; not the one that has been replaced since, and comes later.
        """
        group, size = list[Document](), 0
        for doc in docs:
            length = sum(one.get("length", 0) for one in doc["_attachments"].values())
            if group and size + length > _ATTACHED:
                for each in await self._with_attachments(group):
                    yield each
                group, size = [], 0
            group.append(doc)
            size += length
        for each in await self._with_attachments(group) if group else ():
            yield each

    async def _with_attachments(self, docs: list[Document]) -> list[Document]:
        wanted = [{"id": doc["_id"], "rev": doc["_rev"]} for doc in docs]
        return await self._fetch(wanted, attachments=True)

    async def _fetch(self, wanted: list[dict[str, str]], **options: Any) -> list[Document]:
        """Fetch revisions with their histories, those that are there still."""
        if not wanted:
            return []
        found = await persistently(
            lambda: self._db.bulk_get(wanted, revs=True, **options), self._say
        )
        docs = [
            doc if doc is not None else await self._fetch_one(one["id"], one["rev"], options)
            for one, doc in zip(wanted, found, strict=True)
        ]
        return [doc for doc in docs if doc is not None]

    async def _fetch_one(self, id: str, rev: str, options: Mapping[str, Any]) -> Document | None:
        """Fetch what did not come with others, and raise why if it is there."""
        try:
            return await persistently(
                lambda: self._db.get(id, rev=rev, revs=True, **options), self._say
            )
        except NotFound:  # it was compacted away: what took its place is among the changes to come
            return None
