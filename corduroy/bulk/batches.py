"""Batches: documents as they go in one request, and how many of them do."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from typing import Any

from .. import defaults
from ..drafts import Draft, id_of, named
from ..transport.encoding import encode_json


class Batch:
    """Documents that go in one request, in columns.

    Nearly all of them are written at once, and an object for each would be most of what they cost. So
    `drafts` are made when something has to be done about one or the other.

    Args:
        drafts (iterable of Draft): what it begins with.

    Attributes:
        docs (list): the caller's documents.
        ids (list of str): their ids; None for those that have none yet.
        bodies (list of bytes): their JSON.
        odd (dict): those that are more than that, attachments or a deletion say, by their place.
    """

    __slots__ = ("bodies", "docs", "ids", "odd")

    def __init__(self, drafts: Iterable[Draft] = ()) -> None:
        self.docs: list[Any] = []
        self.ids: list[str | None] = []
        self.bodies: list[bytes] = []
        self.odd: dict[int, Draft] = {}
        for draft in drafts:
            self.add(draft)

    def __len__(self) -> int:
        return len(self.docs)

    def add(self, draft: Draft) -> None:
        """Add a document."""
        if not draft.is_plain:
            self.odd[len(self.docs)] = draft
        self.docs.append(draft.doc)
        self.ids.append(draft.id)
        self.bodies.append(draft.body)

    def name(self, ids: list[str]) -> None:
        """Give an id to each document that has none."""
        nameless = [at for at, id in enumerate(self.ids) if id is None]
        for at, id in zip(nameless, ids, strict=True):
            self.ids[at] = id
            self.bodies[at] = named(self.bodies[at], id)
            if at in self.odd:
                self.odd[at].name(id)

    def drafts(self) -> list[Draft]:
        """Its documents, one by one."""
        drafts = list(map(Draft.of, self.docs, self.ids, self.bodies))
        for at, draft in self.odd.items():
            drafts[at] = draft
        return drafts


class Batches:
    """Gathers documents into batches; the full ones wait here to be sent.

    Args:
        count (int | None): how many documents a batch has at most; None: `defaults.bulk_count`.
        size (int | None): how many bytes of them, unless there is but one; None: `defaults.bulk_bytes`.
        limit: tells how many bytes the server takes, or None.

    Attributes:
        full (deque of Batch): those that wait.
    """

    def __init__(
        self, count: int | None, size: int | None, limit: Callable[[], int | None]
    ) -> None:
        self.full: deque[Batch] = deque()
        self._closed_by: BaseException | None = None
        self._count = count
        self._size = size
        self._limit = limit
        self._open: Batch  # and for how many documents and bytes it has room:
        self._many: int
        self._room: int
        self._begin()

    def __bool__(self) -> bool:
        return bool(self.full or self._open)

    def _begin(self) -> None:
        self._open = Batch()
        self._many = self._count or defaults.bulk_count
        most = self._size or defaults.bulk_bytes
        most = min(most, self._limit() or most)
        self._room = most if self._closed_by is None else -1

    def cut(self) -> None:
        """No more documents go into the batch that is open."""
        if self._open:
            self.full.append(self._open)
        self._begin()

    def close(self, reason: BaseException) -> None:
        """Cut, and raise the reason for every document that comes still; the first one counts."""
        if self._closed_by is None:
            self._closed_by = reason
        self.cut()

    def take(self, doc: Any, name: str) -> None:
        """Take a document as it is now.

        Args:
            doc (dict): the document.
            name (str): the argument's name, for errors.

        Raises:
            TypeError, ValueError: it cannot be sent as it is; it is not taken.
        """
        if not isinstance(doc, dict) or "_attachments" in doc:
            self.add(Draft(doc, name))
            return
        id = id_of(doc, name)
        body = encode_json(doc, name)
        self._room -= len(body)
        if self._room < 0:
            self._make_room(len(body))
        batch = self._open
        batch.docs.append(doc)
        batch.ids.append(id)
        batch.bodies.append(body)
        if len(batch.docs) >= self._many:
            self.cut()

    def add(self, draft: Draft) -> None:
        """Take a document that is a draft already."""
        self._room -= len(draft.body)
        if self._room < 0:
            self._make_room(len(draft.body))
        self._open.add(draft)
        if len(self._open) >= self._many:
            self.cut()

    def _make_room(self, size: int) -> None:
        """Begin another batch for so many bytes: a batch alone may be any document, however large."""
        if self._closed_by is not None:
            raise self._closed_by
        if self._open:
            self.cut()
            self._room -= size
