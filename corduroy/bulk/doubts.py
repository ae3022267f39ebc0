"""What a request has written that never got its answer: found out before anything is sent again."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ..asking import ask, ask_json, doc_path
from ..conflicts import rows_of
from ..drafts import Draft
from ..transport.encoding import decode_json

_AT_ONCE = 100  # documents that are asked about in one request: CouchDB looks up so many directly
_GENERATIONS = 10  # how far back the beginning of a document is looked for


async def written_as(path: str, drafts: list[Draft], since: Any) -> list[str | None]:
    """Look up which of some documents are written already.

    A document is, if what the server has now is what was to be written; or if that is among the
    revisions in between, since somebody may have changed it again.

    Args:
        path (str): the database's path.
        drafts (list of Draft): what was sent.
        since (int | str): a seq of the database's from before that.

    Returns:
        list: for each of them its revision; None: it is not written.

    Endpoints: ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
    ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
    """
    rows = await rows_of(path, [str(draft.id) for draft in drafts])
    found: list[str | None] = [None] * len(drafts)
    searches: list[_Search] = []
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
            searches.append(_Search(at, id, path, sent, rev, there))
        elif there:  # these have no history
            found[at] = rev
    for start in range(0, len(searches), _AT_ONCE):
        for search in await _changed(path, searches[start : start + _AT_ONCE], since):
            found[search.at] = await search.run()
    return found


async def _changed(path: str, searches: list[_Search], since: Any) -> list[_Search]:
    """Those whose documents have changed since then: the same may have been written long ago."""
    said = await ask_json(
        "POST",
        f"{path}/_changes",
        {"filter": "_doc_ids", "since": str(since)},
        json={"doc_ids": [search.id for search in searches]},
        safe=True,
    )
    changed = {change["id"] for change in said["results"]}
    return [search for search in searches if search.id in changed]


class _Search:
    """The search for what was sent among the revisions of a document.

    Args:
        at (int): which of the drafts it is for.
        id (str): the document's id.
        path (str): the database's path.
        sent (dict): what was sent.
        rev (str): the document's current revision.
        there (bool): whether that is what was sent.
    """

    def __init__(
        self, at: int, id: str, path: str, sent: Mapping[str, Any], rev: str, there: bool
    ) -> None:
        self.at = at
        self.id = id
        self._path = path + doc_path(id)
        self._sent = sent
        self._rev = rev
        self._there = there

    async def run(self) -> str | None:
        """Find the revision; None where there is none, or it has been compacted away."""
        if self._there:
            return self._rev
        history = await self._ask({"rev": self._rev, "revs": "true"})
        told = history.get("_revisions", {"start": 0, "ids": []})
        revs = [f"{told['start'] - at}-{id}" for at, id in enumerate(told["ids"])]
        base = self._sent.get("_rev")
        if base is not None:
            after = revs[revs.index(base) - 1 :][:1] if base in revs[1:] else []
            return after[0] if after and self._is_it(await self._ask({"rev": after[0]})) else None
        # Without a revision it began the document, or began it anew after a deletion.
        later: str | None = None
        for rev in revs[:_GENERATIONS]:
            doc = await self._ask({"rev": rev})
            if later is not None and doc.get("_deleted"):
                return later
            later = rev if self._is_it(doc) else None
            if rev.startswith("1-"):
                return later
        return None

    def _is_it(self, doc: Mapping[str, Any]) -> bool:
        return bool(doc) and _says(doc, self._sent)

    async def _ask(self, query: Mapping[str, str]) -> dict[str, Any]:
        answer = await ask("GET", self._path, query, accept=(404,))
        return {} if answer.code == 404 else dict(answer.json())


def _says(doc: Mapping[str, Any], sent: Mapping[str, Any]) -> bool:
    """Whether a document of the server's is what was sent."""
    return (
        bool(doc.get("_deleted")) is bool(sent.get("_deleted"))
        and _alike(_fields(doc), _fields(sent))
        and _attached(doc) == _attached(sent)
    )


def _fields(doc: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in doc.items() if not key.startswith("_")}


def _attached(doc: Mapping[str, Any]) -> dict[str, int]:
    """How long the attachments of a document are: digests are of what the server makes of them."""
    return {
        name: _length(attachment) for name, attachment in (doc.get("_attachments") or {}).items()
    }


def _length(attachment: Mapping[str, Any]) -> int:
    if "data" not in attachment:
        return int(attachment.get("length", -1))
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
