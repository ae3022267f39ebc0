"""Local documents: those that a database keeps to itself, and that no replication copies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeVar

from . import shapes
from .asking import ask_json, doc_path
from .conflicts import ConflictResolution, Merge, replace
from .documents import Document, bound
from .server import Place, Served
from .styles import S, Style, operation
from .transport.encoding import quote_segment
from .writing import copy_doc, delete_doc, save_docs

S2 = TypeVar("S2", bound=Style)


class LocalDocument(Served[S]):
    """One local document, whether it exists or not; `Database.local` makes it.

    It is in no view but ``_local_docs``, and in no feed. CouchDB 2 and later do not look at the
    revision that is saved over: the last one wins. CouchDB 1.x and PouchDB Server do.
    """

    def __init__(self, db: Place[S], name: str) -> None:
        self._db = db
        self._id = _local_id(name, "name")
        self._set_up(db._server, db._style)

    @property
    def id(self) -> str:
        """The document's id, ``"_local/…"``."""
        return self._id

    @operation
    async def get(self) -> Document:
        """Fetch the document.

        Returns:
            Document: the document.

        Raises:
            NotFound: there is none.

        Endpoint: ``GET /{db}/_local/{docid}``.
        """
        return bound(await ask_json("GET", self._db._path + doc_path(self._id)), self._db)

    @operation
    async def save(
        self, doc: Mapping[str, Any], merge: Merge | None = None, force: bool = False
    ) -> ConflictResolution[S]:
        """Save the document.

        Args:
            doc (dict): its content; what was saved gets its ``_id`` and ``_rev``.
            merge, force: as of `Database.save`.

        Returns:
            ConflictResolution: that it was saved.

        Raises:
            ConflictResolution: somebody has saved it in between, and the server looks at that.
            ValueError: the content has the ``_id`` of another document.

        Endpoints: ``PUT /{db}/_local/{docid}``, ``GET /{db}/_local/{docid}``,
        ``POST /{db}/_bulk_docs``. Others than PUT after a conflict.
        """
        if not isinstance(doc, Mapping):
            raise TypeError(f"doc must be a dict, not {doc!r:.80}")
        if doc.get("_id", self._id) != self._id:
            raise ValueError(f"doc has another '_id' than {self._id!r:.80}")
        named = {**doc, "_id": self._id}
        resolution = await save_docs(self._db, named, merge, force, {})
        replace(doc, named, {})
        resolution.resolved[self._id] = doc
        return resolution

    @operation
    async def delete(self, rev: str | None = None) -> dict[str, Any]:
        """Delete the document.

        Args:
            rev (str): the revision to delete; None: the current one.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Raises:
            NotFound: there is none.

        Endpoints: ``DELETE /{db}/_local/{docid}``, ``GET /{db}/_local/{docid}``. GET looks up the
        revision, and what came of a deletion whose answer was lost.
        """
        if rev is None:
            path = self._db._path + doc_path(self._id)
            rev = (await ask_json("GET", path, shape=shapes.Revised))["_rev"]
        return await delete_doc(self._db, self._id, rev)

    @operation
    async def copy(self, dest: Mapping[str, Any] | str) -> dict[str, str]:
        """Copy the document to another local one.

        Args:
            dest (dict | str): the other one's name; to copy over a document, that document with its
                ``_rev``.

        Returns:
            dict: ``{"id", "rev"}`` of the copy.

        Raises:
            NotFound: there is nothing to be copied.
            Conflict: the other one exists, and dest did not carry its ``_rev``.

        Endpoints: ``COPY /{db}/_local/{docid}``, ``GET /{db}/_local/{docid}``,
        ``PUT /{db}/_local/{docid}``. GET looks up what came of a copy whose answer was lost; on PouchDB
        Server it is GET and PUT instead of COPY.
        """
        if isinstance(dest, Mapping):
            _local_id(dest.get("_id", ""), "dest")
        else:
            dest = _local_id(dest, "dest")
        return await copy_doc(self._db, self._id, dest)

    def __repr__(self) -> str:
        return f"<LocalDocument {self._id}>"


def _local_id(name: Any, argument: str) -> str:
    """A local document's id, of its name or of itself."""
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str, not {name!r:.80}")
    bare = name.removeprefix("_local/")
    quote_segment(bare, argument)
    return f"_local/{bare}"


class Locals(Place[S]):
    """The operation of `Database` on local documents."""

    def local(self, name: str) -> LocalDocument[S]:
        """A local document, whether it exists or not. Nothing is sent.

        Args:
            name (str): its name, with or without ``_local/`` before it.

        Returns:
            LocalDocument: the document, in this database's calling style.
        """
        return LocalDocument(self, name)
