"""Writing documents: one by PUT, many by ``_bulk_docs``; what was not saved stays as it was."""

from __future__ import annotations

from collections.abc import AsyncIterable, Iterable, Mapping, Sized
from typing import Any

from . import shapes
from .asking import JSON, NOT_OFFERED, ask_json, current_rev, doc_path, id_and_rev
from .bulk.saving import save_stream
from .bulk.writer import check_merge
from .bundles import Bundle, bundled
from .conflicts import ConflictResolution, Merge, bulk_requests, keep_local
from .content import Streams
from .documents import bind
from .doubts import ask_guarded, bulk_results, can_be_compared, saying, written
from .drafts import Draft, failure_of, in_order
from .errors import Conflict, ExpectationFailed
from .options import check_flag
from .server import Place
from .styles import S, operation, would_block
from .transport.auth import check_texts
from .transport.encoding import decode_json, quote_segment


class Writing(Place[S]):
    """The operations of `Database` that save, copy and delete documents."""

    @operation
    async def save(
        self,
        docs: Mapping[str, Any] | Iterable[Mapping[str, Any]] | AsyncIterable[Mapping[str, Any]],
        merge: Merge | None = None,
        force: bool = False,
        batch: bool | None = None,
        all_or_nothing: bool | None = None,
        new_edits: bool | None = None,
    ) -> ConflictResolution[S]:
        """Save a document, or many.

        What was saved gets its ``_id`` and its new ``_rev``; what was not stays exactly as it was.
        Documents without an ``_id`` get one of the server's uuids. Attachments that are bytes, Paths or
        open files, as ``_attachments[name]`` or as its ``data``, are uploaded; those of a single
        document as they are, in the same request, and they may be iterables or async iterables of
        bytes that have a ``length`` beside their ``data``; what can be read only once goes out once.
        (PouchDB Server takes base64 only.)

        Args:
            docs (dict | list of dict | iterable): the document or documents; any `Mapping` does, and
                so does an async iterable. A list is checked before anything is sent. What an iterator
                gives is sent bit by bit, as a `Writer` does it; what was saved of that is only counted.
            merge: what to do about conflicts: ``merge(local, server)`` returns the document to save,
                or None to leave the conflict; it is asked until nothing moves any more.
            force (bool): save over what the server has.
            batch (bool): let the server answer before it has written (one document only).
            all_or_nothing (bool): of a list, save all or none, in one request however long it is, where
                the server can (CouchDB 1.x).
            new_edits (bool): False saves the revisions as they are, as replication does.

        Returns:
            ConflictResolution: what was saved, and, of a list, what was not.

        Raises:
            ConflictResolution: one document was in conflict, and still is.
            HTTPError: one document was refused; or the request failed.
            DigestMismatch: a document is saved, and what is attached to it is not what was sent.
            ExpectationFailed: the server does not know all_or_nothing; nothing was saved.

        Endpoints: ``PUT /{db}/{docid}``, ``PUT /{db}/_design/{ddoc}``, ``PUT /{db}/_local/{docid}``,
        ``POST /{db}/_bulk_docs``, ``GET /_uuids``, ``POST /{db}/_all_docs``,
        ``GET /{db}/_local/{docid}``, ``HEAD /{db}/{docid}/{attname}``,
        ``HEAD /{db}/_design/{ddoc}/{attname}``, ``GET /{db}``, ``POST /{db}/_changes``,
        ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``. POST of ``_all_docs`` and GET of
        documents look up what is in conflict, perhaps with a write of ours whose answer was lost; HEAD
        compares what was attached; GET of the database and POST of ``_changes`` are for what an
        iterator gives.
        """
        given = {"batch": batch, "all_or_nothing": all_or_nothing, "new_edits": new_edits}
        usual = {"batch": False, "all_or_nothing": False, "new_edits": True}
        check_flag(force, "force")
        options = {}
        for name, value in given.items():
            if value is not None:
                check_flag(value, name)
                if value is not usual[name]:
                    options[name] = value
        return await save_docs(self, docs, merge, force, options)

    @operation
    async def post(self, doc: Mapping[str, Any], batch: bool = False) -> dict[str, Any]:
        """Save a document under an id that the server makes up with it.

        `save` does so, too, and can be tried again where the answer is lost on the way. After a `post`
        that failed nobody knows whether there is a document now.

        Args:
            doc (dict): the document; what was saved gets its ``_id`` and ``_rev``.
            batch (bool): let the server answer before it has written.

        Returns:
            dict: ``{"ok", "id", "rev"}``; with ``batch`` CouchDB tells no ``rev``.

        Raises:
            Conflict: it has an ``_id``, and there is such a document.

        Endpoint: ``POST /{db}``.
        """
        check_flag(batch, "batch")
        draft = Draft(doc, "doc", {})
        query = {"batch": "ok"} if batch else None
        said: dict[str, Any] = await ask_json(
            "POST", self._path, query, shape=shapes.Named, body=draft.body, headers=JSON
        )
        draft.id = said["id"]
        draft.saved(said.get("rev"))
        bind(doc, self)
        return said

    @operation
    async def delete(self, doc: Mapping[str, Any] | str, rev: str | None = None) -> dict[str, Any]:
        """Delete a document.

        Args:
            doc (dict | str): the document, or its id.
            rev (str): the revision to delete; None: the document's own ``_rev``, or the current one.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Raises:
            Conflict: somebody has saved it in between.
            NotFound: there is no such document.

        Endpoints: ``DELETE /{db}/{docid}``, ``DELETE /{db}/_design/{ddoc}``,
        ``DELETE /{db}/_local/{docid}``, ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``,
        ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``,
        ``POST /{db}/_all_docs``. HEAD looks up the revision, and GET where the ``ETag`` is no revision;
        POST and GET look up what came of a deletion whose answer was lost.
        """
        return await delete_doc(self, doc, rev)

    @operation
    async def copy(
        self, source: Mapping[str, Any] | str, dest: Mapping[str, Any] | str
    ) -> dict[str, str]:
        """Copy a document within the database.

        Args:
            source (dict | str): the document (its ``_rev``, if it has one) or its id.
            dest (dict | str): the new id; to copy over a document, that document with its ``_rev``.

        Returns:
            dict: ``{"id", "rev"}`` of the copy.

        Raises:
            Conflict: there is a document of that id already, and dest did not carry its ``_rev``.

        Endpoints: ``COPY /{db}/{docid}``, ``COPY /{db}/_design/{ddoc}``, ``COPY /{db}/_local/{docid}``,
        ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``, ``PUT /{db}/{docid}``,
        ``PUT /{db}/_design/{ddoc}``, ``PUT /{db}/_local/{docid}``, ``POST /{db}/_all_docs``. POST and
        GET look up what came of a copy whose answer was lost; all else than COPY is for PouchDB Server.
        """
        return await copy_doc(self, source, dest)


async def save_docs(
    place: Place[S], docs: Any, merge: Merge | None, force: bool, options: Mapping[str, Any]
) -> ConflictResolution[S]:
    """Save documents; arguments and result as of `Database.save`, options that are not usual."""
    check_merge(merge)
    single = isinstance(docs, Mapping)
    unsized = not isinstance(docs, Sized) and isinstance(docs, Iterable | AsyncIterable)
    if unsized and options.keys() <= {"new_edits"}:
        return await save_stream(place, _source(docs, place), merge, force, not options)
    resolution = ConflictResolution(place._session, place._style, place._path)
    bundle = None
    if isinstance(docs, Mapping) and options.keys() <= {"batch"}:
        bundle = bundled(docs, "doc", resolution._streams, again=force or merge is not None)
    drafts: list[Draft]
    if bundle is not None and not await place._server.is_pouchdb():  # which dies of it
        drafts = [bundle]
    else:
        drafts = _drafts([docs] if single else docs, single, resolution._streams)
    if "batch" in options and (not single or len(options) > 1):
        raise ValueError(
            "batch is for a single document, and goes with no other option of its kind"
        )
    if "all_or_nothing" in options and await place._server.is_pouchdb():  # it would not say so
        raise ExpectationFailed(
            None, NOT_OFFERED, "this server does not offer all_or_nothing: nothing was saved"
        )
    missing = [draft for draft in drafts if draft.id is None]
    for draft, id in zip(missing, await place._server.spare_uuids(len(missing)), strict=True):
        draft.name(id)
    if single and options.keys() <= {"batch"}:
        await _save_one(place._path, drafts[0], options, resolution)
    else:
        await _save_many(place._path, drafts, options, resolution)
    if resolution.pending:
        await resolution._look_up()
        if merge is not None or force:
            await resolution._settle(merge or keep_local)
    for doc in resolution.resolved.values():
        bind(doc, place)
    if single and resolution.pending:
        raise resolution._failure()
    return resolution


def _source(docs: Any, place: Place[Any]) -> Any:
    """What gives the documents, of what can be gone through by ``for`` and by ``async for``."""
    if isinstance(docs, Iterable) and (
        not isinstance(docs, AsyncIterable) or not would_block(place)
    ):
        return iter(docs)
    return docs


def _drafts(docs: Iterable[Any], single: bool, streams: Streams) -> list[Draft]:
    if isinstance(docs, str | bytes) or not isinstance(docs, Iterable):
        raise TypeError(f"docs must be a dict, or a list of dicts, not {docs!r:.80}")
    return [Draft(doc, "doc" if single else f"docs[{at}]", streams) for at, doc in enumerate(docs)]


async def _save_one(
    path: str, draft: Draft, options: Mapping[str, Any], resolution: ConflictResolution[Any]
) -> None:
    """Endpoint: ``PUT /{db}/{docid}``."""
    assert draft.id is not None
    query = {"batch": "ok"} if options.get("batch") else None
    try:
        if isinstance(draft, Bundle):
            with draft.sending() as sent:
                said = await _put(path, draft, query, **sent)
        else:
            said = await _put(path, draft, query, body=draft.body, headers=JSON)
    except Conflict as error:
        if not isinstance(error.response, dict):
            raise
        resolution._told_by(error)
        resolution.response = said = error.response
        said["id"] = draft.id
    else:
        draft.saved(said.get("rev"))
    resolution._note(draft.doc, {"id": draft.id, **said})
    if isinstance(draft, Bundle) and "rev" in said:
        await draft.check(path, said["rev"])


async def _put(
    path: str, draft: Draft, query: Mapping[str, str] | None, **options: Any
) -> dict[str, Any]:
    """Endpoint: ``PUT /{db}/{docid}``."""
    id = str(draft.id)

    async def written_as() -> str | None:
        sent = decode_json(draft.body)
        return await written(path, id, sent.get("_rev"), saying(sent))

    # What goes to a batch is not written yet when somebody looks.
    guarded = query is None and can_be_compared(path)
    return await ask_guarded(
        "PUT", path + doc_path(id), query,
        looked_up=written_as, guarded=guarded, **options,
    )  # fmt: skip


async def _save_many(
    path: str, drafts: list[Draft], options: Mapping[str, Any], resolution: ConflictResolution[Any]
) -> None:
    """Endpoint: ``POST /{db}/_bulk_docs``."""
    bodies = [draft.body for draft in drafts]
    for batch, request in bulk_requests(path, bodies, options):
        results = await bulk_results(path, request, bodies[batch])
        if options.get("new_edits") is False:
            results = [failure_of(draft, results) for draft in drafts[batch]]
        for draft, result in zip(drafts[batch], in_order(results, drafts[batch]), strict=True):
            if "error" not in result:
                draft.saved(result.get("rev"))
            resolution._note(draft.doc, result)


async def delete_doc(
    place: Place[Any], doc: Mapping[str, Any] | str, rev: str | None
) -> dict[str, Any]:
    """Delete a document; arguments and result as of `Database.delete`."""
    id, own_rev = id_and_rev(doc)
    doc_path(id, "doc")
    if rev is not None:
        check_texts(rev=rev)  # of an empty one nobody means the current one
    rev = rev or own_rev or await current_rev(place._path, id)
    return await _delete(place._path, id, rev)


async def _delete(path: str, id: str, rev: str | None) -> dict[str, Any]:
    target = path + doc_path(id, "doc")
    if not rev:
        return dict(await ask_json("DELETE", target))

    async def written_as() -> str | None:
        return await written(path, id, rev, saying({"_deleted": True}))

    said = await ask_guarded(
        "DELETE", target, {"rev": rev}, looked_up=written_as, guarded=can_be_compared(path)
    )
    return {"id": id, **said}


async def copy_doc(
    place: Place[Any], source: Mapping[str, Any] | str, dest: Mapping[str, Any] | str
) -> dict[str, str]:
    """Copy a document; arguments and result as of `Database.copy`."""
    source_id, source_rev = id_and_rev(source, "source")
    dest_id, dest_rev = id_and_rev(dest, "dest")
    target = doc_path(dest_id, "dest")[1:]
    if dest_rev and quote_segment(dest_rev, "dest['_rev']") != dest_rev:  # nobody would decode it
        raise ValueError(f"dest['_rev'] {dest_rev!r:.80} is no revision")
    headers = {"Destination": target + "?rev=" + dest_rev if dest_rev else target}
    path = place._path + doc_path(source_id, "source")
    query = {"rev": source_rev} if source_rev else {}
    odd = target != dest_id or source_id.startswith("_local/")
    if odd and await place._server.is_classic():
        # PouchDB Server takes the header as it is, without decoding it, and finds no local document.
        asked = {**query, "attachments": "true"}
        content = await ask_json("GET", path, asked, shape=shapes.Revised)
        del content["_id"], content["_rev"]
        where, over = place._path + doc_path(dest_id), {"rev": dest_rev} if dest_rev else None
        said = await ask_json("PUT", where, over, json=content)
    else:

        async def written_as() -> str | None:
            is_it = saying(await ask_json("GET", path, query))
            return await written(place._path, dest_id, dest_rev, is_it)

        said = await ask_guarded("COPY", path, query, looked_up=written_as, headers=headers)
    # PouchDB Server does not tell.
    rev = said.get("rev") or await current_rev(place._path, dest_id)
    return {"id": dest_id, "rev": str(rev)}
