"""Drafts: documents on their way to the server, encoded once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from types import MappingProxyType
from typing import Any, Self

from .asking import doc_path
from .conflicts import replace
from .content import Streams, inlined
from .errors import ServerError
from .transport.encoding import encode_json

# One for all: objects that the garbage collector has to look at are a good part of what drafts cost.
_NOTHING: Any = MappingProxyType({})


class Draft:
    """A document on its way: the caller's own, and its encoded form.

    Args:
        doc (dict): the document.
        name (str): the argument's name, for errors.
        streams (dict | None): as of `content.inlined`; None: they are its own.

    Attributes:
        id (str | None): its id; None as long as it has none.
        body (bytes): its JSON.

    Raises:
        TypeError, ValueError: it cannot be sent as it is.
    """

    __slots__ = ("body", "doc", "id", "streams", "stubs")

    def __init__(self, doc: Any, name: str, streams: Streams | None = None) -> None:
        if type(doc) is not dict and not isinstance(doc, Mapping):  # quicker than to ask the ABC
            raise TypeError(f"{name} must be a dict, not a {type(doc).__name__}: {doc!r:.80}")
        self.doc = doc
        self.id = id_of(doc, name)
        self.streams: Streams = _NOTHING if streams is None else streams
        self.stubs: Mapping[str, Any] = _NOTHING
        if "_attachments" in doc:
            self.streams = {} if streams is None else streams
            doc, self.stubs = inlined(doc, name, self.streams)
        self.body = encode_json(doc, name)

    @classmethod
    def of(cls, doc: Any, id: str | None, body: bytes) -> Self:
        """The draft of a document that was encoded before, and has no attachments."""
        draft = cls.__new__(cls)
        draft.doc, draft.id, draft.body = doc, id, body
        draft.streams = draft.stubs = _NOTHING
        return draft

    @property
    def is_plain(self) -> bool:
        """Whether it is a dict that is saved as it is, without attachments."""
        return type(self) is Draft and isinstance(self.doc, dict) and self.stubs is _NOTHING

    def name(self, id: str) -> None:
        """Give a document without an id one."""
        self.id = id
        self.body = named(self.body, id)

    def saved(self, rev: str | None) -> None:
        """Let the caller's document know what became of it, unless it has become another meanwhile."""
        doc = self.doc
        if type(doc) is not dict and not isinstance(doc, MutableMapping):
            return
        if doc.get("_id", self.id) != self.id:
            return
        doc["_id"] = self.id
        if rev is not None:
            doc["_rev"] = rev
        if self.stubs:
            doc["_attachments"] = {**doc["_attachments"], **self.stubs}


class Merged(Draft):
    """What a merge has made of a draft that was in conflict.

    Args:
        draft (Draft): that one; its document becomes what is saved.
        content (dict): what is to be saved, with the ``_rev`` that it replaces.
    """

    __slots__ = ("_content",)

    def __init__(self, draft: Draft, content: Mapping[str, Any]) -> None:
        super().__init__(content, "merge's result", draft.streams)
        self.doc = draft.doc
        self._content = content

    def saved(self, rev: str | None) -> None:
        replace(self.doc, {**self._content, "_rev": rev}, self.stubs)


def id_of(doc: Mapping[str, Any], name: str) -> str | None:
    """The id that a document has, if any.

    Args:
        doc (dict): the document.
        name (str): the argument's name, for errors.

    Raises:
        TypeError, ValueError: no document has such an id.
    """
    if "_id" not in doc:
        return None
    id = doc["_id"]
    if type(id) is not str or not id or id[0] == "_":
        doc_path(id, f"{name}['_id']")
        return str.__str__(id)  # whatever it calls itself: an Enum's member has a name of its own
    return id


def named(body: bytes, id: str) -> bytes:
    """A document without an id, encoded, with that id."""
    return b'{"_id":%b%b%b' % (encode_json(id, "_id"), b"," if len(body) > 2 else b"", body[1:])


def in_order(results: Iterable[Mapping[str, Any]], drafts: list[Draft]) -> list[Mapping[str, Any]]:
    """The results in the order of the documents: PouchDB Server answers for CouchDB's own ids first."""
    by_id: dict[str | None, list[Mapping[str, Any]]] = {}
    for result in results:
        by_id.setdefault(result["id"], []).append(result)
    try:
        return [by_id[draft.id].pop(0) for draft in drafts]
    except LookupError:
        reason = "the answer says nothing of a document that was sent"
        raise ServerError(200, "odd_answer", reason) from None


def failure_of(draft: Draft, failures: Iterable[Mapping[str, Any]]) -> Mapping[str, Any]:
    """What the server says of a document saved without new edits, where it tells of failures only."""
    assert draft.id is not None
    for failure in failures:  # PouchDB Server names no revision
        if failure["id"] == draft.id and failure.get("rev") in (None, draft.doc.get("_rev")):
            return failure
    return {"id": draft.id}
