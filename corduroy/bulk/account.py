"""Account: what became of each document that was given to a writer."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any
from uuid import uuid4

from ..conflicts import ConflictResolution
from ..documents import bind
from ..drafts import Draft
from ..errors import error_from_item, refusal_of
from ..server import Place
from ..status import Status
from .batches import Batch

Result = Mapping[str, Any]

UNSENT, UNKNOWN, CONFLICT = "unsent", "unknown", "conflict"
"""What is said of documents that were never sent; and of such as no answer ever came for."""


class Account:
    """What became of each document.

    Args:
        place (Database): where they are written.
        progress: is called with how many more are accounted for.
        on_result: is called with each document and its `Status`.

    Attributes:
        written, conflicts, refused, unsent, unknown (int): how many became what.
        failures (list of dict): those that were not written, as of `Writer.failures`.
        resolution (ConflictResolution): the same, for those who settle conflicts.
    """

    def __init__(
        self,
        place: Place[Any],
        progress: Callable[[int], Any] | None,
        on_result: Callable[[Any, Status], Any] | None,
    ) -> None:
        self.written = self.conflicts = self.refused = self.unsent = self.unknown = 0
        self.failures: list[dict[str, Any]] = []
        self.resolution = ConflictResolution(place._session, place._style, place._path)
        self._place = place
        self._progress = progress
        self._on_result = on_result
        self._told = 0
        self._untold: deque[tuple[Any, Result]] = deque()

    @property
    def total(self) -> int:
        """How many are accounted for."""
        return self.written + len(self.failures)

    def take(self, drafts: Iterable[Draft], results: Iterable[Result]) -> list[Draft]:
        """Take down what the server said of documents.

        Args:
            drafts (list of Draft): the documents.
            results (list of dict): what it said of each.

        Returns:
            list of Draft: those in conflict, which are still to be accounted for.
        """
        in_conflict = []
        written = 0
        reused = _is_reused([draft.doc for draft in drafts])
        for draft, result in zip(drafts, results, strict=True):
            if "error" not in result:
                written += 1
                if not reused or "_id" in draft.doc:
                    draft.saved(result.get("rev"))
                if type(draft.doc) is not dict:
                    bind(draft.doc, self._place)
                if self._on_result is not None:
                    self._untold.append((draft.doc, result))
            elif result["error"] == CONFLICT:
                in_conflict.append(draft)
            else:
                self.refuse(draft, result)
        self.written += written
        self.resolution._passed += written
        return in_conflict

    def take_whole(self, batch: Batch, revs: list[str | None]) -> None:
        """Take down that each document of a batch is written.

        Args:
            batch (Batch): the documents.
            revs (list of str): their new revisions; None for those that keep the one they have.
        """
        if batch.odd or self._on_result is not None:
            written = zip(batch.ids, revs, strict=True)
            results = [
                {"id": id, **({"ok": True, "rev": rev} if rev else {})} for id, rev in written
            ]
            self.take(batch.drafts(), results)
            return
        docs = batch.docs
        reused = _is_reused(docs)
        for doc, id, rev in zip(docs, batch.ids, revs, strict=True):
            if doc.get("_id", None if reused else id) == id:
                doc["_id"] = id
                if rev is not None:
                    doc["_rev"] = rev
        if set(map(type, docs)) != {dict}:
            for doc in docs:
                bind(doc, self._place)
        self.written += len(docs)
        self.resolution._passed += len(docs)

    def refuse(self, draft: Draft, result: Result) -> None:
        """The server does not want a document."""
        self.refused += 1
        self._keep(draft, result)

    def conflict(self, draft: Draft, reason: str, server_doc: Any = None) -> None:
        """A document is in conflict, and stays so."""
        self.conflicts += 1
        self._keep(draft, {"error": CONFLICT, "reason": reason}, server_doc)

    def lose(self, drafts: Iterable[Draft], what: str, reason: str) -> None:
        """Documents are given up.

        Args:
            drafts (list of Draft): the documents.
            what (str): ``UNSENT``, ``UNKNOWN`` or ``CONFLICT``.
            reason (str): why.
        """
        for draft in drafts:
            if what == CONFLICT:
                self.conflict(draft, reason)
                continue
            self.unsent += what == UNSENT
            self.unknown += what == UNKNOWN
            self._keep(draft, {"error": what, "reason": reason})

    def _keep(self, draft: Draft, result: Result, server_doc: Any = None) -> None:
        """Keep a document that was not written, and why."""
        entry = {
            "doc": draft.doc,
            **refusal_of(result),
            "server_doc": server_doc,
        }
        self.failures.append(entry)
        self.resolution.pending[draft.id or uuid4().hex] = entry
        self.resolution._streams.update(draft.streams)
        if self._on_result is not None:
            self._untold.append((draft.doc, {"id": draft.id, **entry}))

    def tell(self) -> None:
        """Tell the program of what is new in the account."""
        untold, on_result = self._untold, self._on_result
        while untold and on_result is not None:
            doc, result = untold.popleft()
            if "error" not in result:
                on_result(doc, Status(201, response=result))
            else:
                error = error_from_item(dict(result))
                on_result(doc, Status(error.code, exception=error, response=error.response))
        new, self._told = self.total - self._told, self.total
        if new and self._progress is not None:
            self._progress(new)


def _is_reused(docs: list[Any]) -> bool:
    """Whether one dict serves for all of them: it may be the next document by now."""
    return len(docs) > 1 and docs[0] is docs[-1]
