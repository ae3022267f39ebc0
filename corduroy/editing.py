"""Changing a document that is there: fetched, changed, and saved if it has changed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any, Generic

from . import defaults, shapes
from .asking import ask_json, doc_path
from .conflicts import ConflictResolution, Merge
from .content import inlined
from .documents import Document, bind, bound, same
from .errors import NotFound
from .server import Place
from .styles import S, operation, would_block
from .transport.encoding import encode_json
from .writing import save_docs


class Edit(Generic[S]):
    """A document that is being changed, by ``with`` or ``async with``; `Database.edit` tells more."""

    def __init__(self, db: Any, id: str, merge: Merge | None, create_if_missing: bool) -> None:
        self._db = db
        self._id = id
        self._merge = merge
        self._create_if_missing = create_if_missing
        self._doc: Any = None
        self._before: Any = None

    def __enter__(self) -> Document:
        if would_block(self._db):
            raise RuntimeError("this would block the event loop: use `async with` instead")
        try:
            return self._begin(self._db.get(self._id))
        except NotFound as error:
            return self._begin_anew(error)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._has_changed():
            self._db.save(self._doc, merge=self._merge)

    async def __aenter__(self) -> Document:
        if self._db._style == "blocking":
            raise TypeError("a document of style 'blocking' is edited by `with`")
        try:
            return self._begin(await self._db.get(self._id))
        except NotFound as error:
            return self._begin_anew(error)

    async def __aexit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None and self._has_changed():
            await self._db.save(self._doc, merge=self._merge)

    def _begin(self, doc: Any) -> Document:
        self._doc, self._before = doc, copy.deepcopy(doc)
        return self._doc  # type: ignore[no-any-return]

    def _begin_anew(self, error: NotFound) -> Document:
        if not self._create_if_missing or error.reason not in ("missing", "deleted"):
            raise error
        doc = defaults.document({"_id": self._id})
        bind(doc, self._db)
        return self._begin(doc)

    def _has_changed(self) -> bool:
        for name in ("_id", "_rev"):
            if self._doc.get(name) != self._before.get(name):
                raise ValueError(f"{name} must stay as it is while a document is edited")
        return not same(self._doc, self._before)


class Editing(Place[S]):
    """The operations of `Database` that change documents."""

    def edit(self, id: str, merge: Merge | None = None, create_if_missing: bool = False) -> Edit[S]:
        """Change a document: ``with db.edit(id) as doc:``, or ``async with``.

        The document is fetched, and saved when the block is left. Nothing is saved if the block raises,
        or if the document is what it was.

        Args:
            id (str): the document's id.
            merge: what to do if somebody saves it in between; as of `save`.
            create_if_missing (bool): begin with an empty document where there is none; it is created
                if something is put in.

        Returns:
            Edit: what ``with`` takes; the block gets a `Document`.

        Raises:
            NotFound: there is no such document, on entering.
            ConflictResolution: somebody has saved it in between, on leaving.
            ValueError: the block has changed ``_id`` or ``_rev``, on leaving.

        Endpoints: ``GET /{db}/{docid}``, ``PUT /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
        ``PUT /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``, ``PUT /{db}/_local/{docid}``.
        """
        doc_path(id)
        if merge is not None and not callable(merge):
            raise TypeError(f"merge must be callable, not {merge!r:.80}")
        return Edit(self, id, merge, create_if_missing)

    @operation
    async def patch(self, id: str, changes: Mapping[str, Any]) -> Document:
        """Set some fields of a document that exists.

        It is tried again for as long as somebody else saves the document in between. Nothing is saved
        if the fields have these values already.

        Args:
            id (str): the document's id.
            changes (dict): fields and their new values. Those in ``_attachments`` are added to the ones
                that the document has.

        Returns:
            Document: what it is now.

        Raises:
            NotFound: there is no such document.

        Endpoints: ``GET /{db}/{docid}``, ``PUT /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
        ``PUT /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``, ``PUT /{db}/_local/{docid}``,
        ``POST /{db}/_all_docs``, ``POST /{db}/_bulk_docs``. POST after a conflict.
        """
        path = self._path + doc_path(id)
        fields, stubs = _checked(changes)
        doc = bound(await ask_json("GET", path, shape=shapes.Revised), self)
        patched = _patched(doc, fields)
        if same(patched, doc):
            return doc
        doc.update(patched)
        try:
            await save_docs(self, doc, lambda _, server: _patched(server, fields), False, {})
        except ConflictResolution:
            await ask_json("GET", path)  # raises if it has been deleted in between
            raise
        if stubs:
            doc["_attachments"].update(stubs)
        return doc


def _checked(changes: Any) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """The changes as they can be encoded again and again, and the stubs of new attachments."""
    if not isinstance(changes, Mapping):
        raise TypeError(f"changes must be a dict, not {changes!r:.80}")
    for name in ("_id", "_rev"):
        if name in changes:
            raise ValueError(f"changes must not have {name!r}: it is the current document's")
    fields, stubs = inlined(changes, "changes", {})
    encode_json(fields, "changes")
    return fields, stubs


def _patched(doc: Mapping[str, Any], fields: Mapping[str, Any]) -> Any:
    """A document with other fields; None if it is deleted."""
    if doc.get("_deleted"):
        return None
    patched = {**doc, **fields}
    if "_attachments" in fields:
        patched["_attachments"] = {**(doc.get("_attachments") or {}), **fields["_attachments"]}
    return patched
