"""What a request has written that never got its answer: found out before anything is sent again."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any

from ..asking import doc_path
from ..calls import together
from ..conflicts import rows_of
from ..drafts import Draft
from ..transport.answer import Answer
from ..transport.encoding import decode_json, query_string
from ..transport.messages import Request

_AT_ONCE = 50  # requests for the histories of documents


async def written_as(path: str, drafts: list[Draft]) -> list[str | None]:
    """Look up which of some documents are written already.

    A document is, if what the server has now is what was to be written; or if that is among the
    revisions in between, since somebody may have changed it again.

    Args:
        path (str): the database's path.
        drafts (list of Draft): what was sent.

    Returns:
        list: for each of them its revision; None: it is not written.

    Endpoints: ``POST /{db}/_all_docs``, ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
    ``GET /{db}/_local/{docid}``.
    """
    rows = await rows_of(path, [str(draft.id) for draft in drafts])
    found: list[str | None] = []
    unclear: list[_Search] = []
    for at, draft in enumerate(drafts):
        sent, row = decode_json(draft.body), rows[str(draft.id)]
        current = row.get("doc") or {}
        rev = (row.get("value") or {}).get("rev") or current.get("_rev")
        deleted = bool((row.get("value") or {}).get("deleted"))
        found.append(None)
        if rev is None or rev == sent.get("_rev"):
            continue
        if (deleted and sent.get("_deleted")) or (current and _says(current, sent)):
            found[-1] = rev
        elif not str(draft.id).startswith("_local/"):  # these have no history
            unclear.append(_Search(at, path + doc_path(str(draft.id)), sent, rev))
    for start in range(0, len(unclear), _AT_ONCE):
        for search, rev in await _in_histories(unclear[start : start + _AT_ONCE]):
            found[search.at] = rev
    return found


class _Search:
    """The search for a document among the revisions of one."""

    def __init__(self, at: int, path: str, sent: Mapping[str, Any], rev: str) -> None:
        self.at = at
        self.path = path
        self.sent = sent
        self.rev = rev

    def history(self) -> Request:
        return self._asked({"rev": self.rev, "revs_info": "true"})

    def revision(self, rev: str) -> Request:
        return self._asked({"rev": rev})

    def _asked(self, query: Mapping[str, str]) -> Request:
        return Request("GET", self.path + query_string(query), accept=(404,))

    def candidates(self, answer: Answer) -> list[str]:
        """The revisions that can have come of what was sent, from their parents."""
        if answer.code == 404:
            return []
        base = self.sent.get("_rev")
        info = answer.json().get("_revs_info", [])
        parents = [*info[1:], {}]
        return [
            one["rev"]
            for one, parent in zip(info, parents, strict=True)
            if one.get("status") == "available"
            and (
                parent.get("rev") == base if base else parent.get("status", "deleted") == "deleted"
            )
        ]


async def _in_histories(searches: list[_Search]) -> list[tuple[_Search, str]]:
    """Those that have been written, and changed again, with the revisions that they were."""
    answers = await together([search.history() for search in searches])
    places = [
        (search, rev)
        for search, answer in zip(searches, answers, strict=True)
        for rev in search.candidates(answer)
    ]
    answers = await together([search.revision(rev) for search, rev in places])
    return [
        (search, rev)
        for (search, rev), answer in zip(places, answers, strict=True)
        if answer.code != 404 and _says(answer.json(), search.sent)
    ]


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
