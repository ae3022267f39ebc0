"""What a request has written that never got its answer: found out before, or after, it is sent again.

The server refuses a second time what carries the revision that it replaces, or the id that it begins.
So such a request may go out again; and if it is refused then, what there is tells whether that is our
own work.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any, Protocol

from . import shapes
from .asking import ask, ask_json, asked, doc_path
from .errors import Conflict, NotFound
from .lookups import rows_of
from .transport.encoding import decode_json
from .transport.messages import Request

_AT_ONCE = 100  # documents that are asked about in one request: CouchDB looks up so many directly
_GENERATIONS = 10  # how far back the beginning of a document is looked for


IsIt = Callable[[Mapping[str, Any]], bool]
"""Tells of a document of the server's whether it is what was to be written."""


class Written(Protocol):
    """A document that was sent.

    Attributes:
        id (str | None): its id.
        body (bytes): its JSON.
    """

    @property
    def id(self) -> str | None: ...
    @property
    def body(self) -> bytes: ...


async def written_as(path: str, drafts: Sequence[Written], since: Any) -> list[str | None]:
    """Look up which of some documents are written already.

    A document is, if what the server has now is what was to be written; or if that is among the
    revisions in between, since somebody may have changed it again.

    Args:
        path (str): the database's path.
        drafts (list of Written): what was sent.
        since (int | str): a seq of the database's from before that.

    Returns:
        list: for each of them its revision; None: it is not written.

    Endpoints: ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
    ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
    """
    rows = await rows_of(path, [str(draft.id) for draft in drafts])
    found: list[str | None] = [None] * len(drafts)
    searches: list[tuple[int, _Search]] = []
    for at, draft in enumerate(drafts):
        id, sent = str(draft.id), decode_json(draft.body)
        row = rows[id]
        current, value = row.get("doc") or {}, row.get("value") or {}
        rev = value.get("rev") or current.get("_rev")
        if rev is None or rev == sent.get("_rev"):
            continue
        gone = bool(value.get("deleted") and sent.get("_deleted"))
        there = gone or (bool(current) and _says(current, sent))
        if not id.startswith("_local/"):
            search = _Search(path, id, rev, sent.get("_rev"), saying(sent), there)
            searches.append((at, search))
        elif there:  # these have no history
            found[at] = rev
    for start in range(0, len(searches), _AT_ONCE):
        portion = searches[start : start + _AT_ONCE]
        changed = await _changed(path, [search.id for _, search in portion], since)
        for at, search in portion:
            if search.id in changed:
                found[at] = await search.run()
    return found


async def written(
    path: str, id: str, base: str | None, is_it: IsIt, row: Mapping[str, Any] | None = None
) -> str | None:
    """Look up whether a document has been written that carried a revision or began with its id.

    Args:
        path (str): the database's path.
        id (str): the document's id.
        base (str | None): the revision that was to be replaced.
        is_it: tells of a document whether it is what was to be written.
        row (dict | None): what `rows_of` has found of it; None: it is asked for.

    Returns:
        str | None: its revision; None: it is not written, or nobody can tell any more.

    Endpoints: ``POST /{db}/_all_docs``, ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
    ``GET /{db}/_local/{docid}``.
    """
    if row is None:
        row = (await rows_of(path, [id]))[id]
    current = row.get("doc") or {}
    rev = (row.get("value") or {}).get("rev") or current.get("_rev")
    if rev is None or rev == base:
        return None
    if id.startswith("_local/"):  # these have no history
        return str(rev) if is_it(current) else None
    if _generation(rev) == _generation(base) + 1 and is_it(current):
        return str(rev)  # as nearly always: nobody else was there
    return await _Search(path, id, rev, base, is_it, there=False).run()


async def ask_guarded(
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    looked_up: Callable[[], Coroutine[Any, Any, str | None]],
    shape: Any = shapes.Saved,
    **options: Any,
) -> dict[str, Any]:
    """Send a request that the server refuses a second time, and decode its answer.

    Args:
        method, path, query, **options: as of `ask`; ``guarded=False`` where it cannot be told after
            all.
        looked_up: looks up the revision that it has written; None if it has not.
        shape: as of `Answer.json`.

    Returns:
        dict: the server's answer; ``{"ok", "rev"}`` where that was lost.

    Raises:
        Conflict, NotFound: the refusal, if it is no answer to our own work.
    """
    request = asked(method, path, query, **{"guarded": True, **options})
    try:
        return dict((await request).json(shape))
    except (Conflict, NotFound):
        rev = await looked_up() if request.doubted else None
        if rev is None:
            raise
        return {"ok": True, "rev": rev}


async def bulk_results(
    path: str, request: Request, bodies: Sequence[bytes]
) -> list[Mapping[str, Any]]:
    """Save many documents; see to those that are in conflict with our own work.

    Args:
        path (str): the database's path.
        request (Request): asks ``_bulk_docs``.
        bodies (list of bytes): the documents, encoded.

    Returns:
        list of dict: what the server says of each.
    """
    results: list[Mapping[str, Any]] = list((await request).json(list[shapes.Result]))
    if request.doubted and any(result.get("error") == "conflict" for result in results):
        sent: dict[str, list[dict[str, Any]]] = {}
        for doc in map(decode_json, reversed(bodies)):
            sent.setdefault(doc["_id"], []).append(doc)
        refused = {}
        for at, result in enumerate(results):  # which keep the order of those with one id
            doc = sent[result["id"]].pop() if sent.get(result["id"]) else None
            if doc is not None and result.get("error") == "conflict":
                refused[at] = doc
        rows = await rows_of(path, [doc["_id"] for doc in refused.values()])
        for at, doc in refused.items():
            id = doc["_id"]
            rev = await written(path, id, doc.get("_rev"), saying(doc), rows[id])
            if rev is not None:
                results[at] = {"ok": True, "id": id, "rev": rev}
    return results


def _generation(rev: str | None) -> int:
    """How many edits a revision is from nothing."""
    return int(rev.partition("-")[0]) if rev else 0


def can_be_compared(path: str) -> bool:
    """Whether a database has documents as they were sent: the server changes users and replications."""
    return path not in ("/_users", "/_replicator")


def saying(sent: Mapping[str, Any]) -> IsIt:
    """Tells of a document whether it says what was sent."""
    return lambda doc: bool(doc) and _says(doc, sent)


async def _changed(path: str, ids: list[str], since: Any) -> set[str]:
    """Those of some documents that have changed since then: the same may have been written long ago."""
    said = await ask_json(
        "POST",
        f"{path}/_changes",
        {"filter": "_doc_ids", "since": str(since)},
        shape=shapes.Changes,
        json={"doc_ids": ids},
        safe=True,
    )
    return {change["id"] for change in said["results"]}


class _Search:
    """The search for what was sent among the revisions of a document.

    Args:
        path (str): the database's path.
        id (str): the document's id.
        rev (str): the document's current revision.
        base (str | None): the revision that was to be replaced.
        is_it: tells of a revision whether it is what was sent.
        there (bool): whether the current one is.
    """

    def __init__(
        self, path: str, id: str, rev: str, base: str | None, is_it: IsIt, there: bool
    ) -> None:
        self.id = id
        self._path = path + doc_path(id)
        self._rev = rev
        self._base = base
        self._is_it = is_it
        self._there = there

    async def run(self) -> str | None:
        """Find the revision; None where there is none, or it has been compacted away."""
        if self._there:
            return self._rev
        history = await self._ask({"rev": self._rev, "revs": "true"})
        told = history.get("_revisions", {"start": 0, "ids": []})
        revs = [f"{told['start'] - at}-{id}" for at, id in enumerate(told["ids"])]
        base = self._base
        if base is not None:
            after = revs[revs.index(base) - 1 :][:1] if base in revs[1:] else []
            return after[0] if after and self._is_it(await self._ask({"rev": after[0]})) else None
        # Without a revision it began the document, or began it anew after a deletion.
        later: str | None = None
        for rev in revs[:_GENERATIONS]:
            doc = await self._ask({"rev": rev})
            # (What has been compacted away may have been a deletion: the same content is there anyway.)
            if later is not None and (not doc or doc.get("_deleted")):
                return later
            later = rev if self._is_it(doc) else None
            if rev.startswith("1-"):
                return later
        return None

    async def _ask(self, query: Mapping[str, str]) -> dict[str, Any]:
        answer = await ask("GET", self._path, query, accept=(404,))
        return {} if answer.code == 404 else dict(answer.json(shapes.Revisable))


def _says(doc: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a document of the server's is what was sent."""
    return (
        bool(doc.get("_deleted")) is bool(sent.get("_deleted"))
        and _alike(_fields(doc), _fields(sent))
        and _attached_alike(_attached(doc), _attached(sent))
    )


def _fields(doc: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if not key.startswith("_")}


def _attached_alike(one: dict[str, int | None], sent: dict[str, int | None]) -> bool:
    """Whether there are the same attachments, as far as what was sent tells."""
    return one.keys() == sent.keys() and all(
        length in (None, one[name]) for name, length in sent.items()
    )


def _attached(doc: Mapping[str, Any]) -> dict[str, int | None]:
    """How long the attachments of a document are: digests are of what the server makes of them."""
    return {
        name: _length(attachment) for name, attachment in (doc.get("_attachments") or {}).items()
    }


def _length(attachment: Mapping[str, Any]) -> int | None:
    if "data" not in attachment:
        length = attachment.get("length")  # a stub need not tell
        return None if length is None else int(length)
    try:
        return len(base64.b64decode(attachment["data"]))
    except (binascii.Error, TypeError):
        return -1


def _alike(one: Any, other: Any) -> bool:
    """Whether two values are the same to a server that may know no other numbers than floats."""
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_alike(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_alike, one, other))
    if isinstance(one, int | float) and isinstance(other, int | float):
        try:
            near = one == other or float(one) == float(other)
        except OverflowError:
            near = False
        return near and isinstance(one, bool) is isinstance(other, bool)
    return type(one) is type(other) and bool(one == other)
