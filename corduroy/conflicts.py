"""ConflictResolution: what became of documents that were saved, and what to do about conflicts."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from typing import Any, Generic

from . import defaults
from .asking import JSON
from .content import Streams, inlined
from .doubts import bulk_results, can_be_compared
from .errors import Conflict, error_from_item, refusal_of
from .lookups import server_docs
from .styles import S, Styled, operation
from .transport.encoding import encode_json
from .transport.messages import Request
from .transport.session import Session

Merge = Callable[[Any, Any], Any]


class ConflictResolution(Conflict, Styled[S], Generic[S]):
    """What became of the documents of one save.

    Saving one document that is in conflict raises it; a save that went well, or a save of many
    documents, returns it.

    Attributes:
        pending (dict): what was not saved, by id: a dict with ``"doc"``, the local document;
            ``"error"``, ``"conflict"`` or another of the server's words; ``"reason"``, its sentence;
            and ``"server_doc"``, the document that the server has (`Document`; with ``_deleted`` where
            it is deleted, and no ``_rev`` where it has never been; None for other errors).
        resolved (dict): what was saved, by id: the documents, with their new ``_rev``. Of what came
            from an iterator, only what was settled afterwards: the others are counted, and not kept.
    """

    known_as = Conflict

    def __init__(self, session: Session, style: S, path: str) -> None:
        super().__init__(None, "conflict", "the server has a newer revision")
        self._session = session
        self._style = style
        self._path = path
        self.pending: dict[str, dict[str, Any]] = {}
        self.resolved: dict[str, Any] = {}
        self._streams: Streams = {}
        self._passed = 0

    @property
    def saved(self) -> int:
        """How many documents were saved."""
        return self._passed + len(self.resolved)

    @operation
    async def overwrite(self) -> ConflictResolution[S]:
        """Save the local documents over those that the server has.

        Only conflicts are overwritten: what a validation function refused stays pending.

        Returns:
            ConflictResolution: this one.

        Endpoints: ``POST /{db}/_bulk_docs``, ``POST /{db}/_all_docs``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``. GET for leaf revisions and local
        documents.
        """
        await self._settle(keep_local)
        return self

    @operation
    async def resolve(self, merge: Merge) -> ConflictResolution[S]:
        """Merge the local documents with those that the server has, and save what comes out.

        If the server has changed again meanwhile, the merge is asked again, with its new document;
        until nothing moves any more.

        Args:
            merge: called as ``merge(local, server)`` for each conflict, with copies of both; returns
                the document to save, or None to leave it pending.

        Returns:
            ConflictResolution: this one.

        Endpoints: ``POST /{db}/_bulk_docs``, ``POST /{db}/_all_docs``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``, ``PUT /{db}/{docid}``,
        ``PUT /{db}/_design/{ddoc}``. GET and PUT for leaf revisions; GET for local documents, too.
        """
        if not callable(merge):
            raise TypeError(f"merge must be callable, not {merge!r:.80}")
        await self._settle(merge)
        return self

    def __repr__(self) -> str:
        if self.pending:
            return f"<Conflict: {', '.join(self.pending)}>"
        count = self.saved
        return f"<Success: {count} doc{'s' if count != 1 else ''} updated>"

    def __str__(self) -> str:
        if not self.pending:
            return repr(self)
        said = [f"{id} ({entry['error']}: {entry['reason']})" for id, entry in self.pending.items()]
        shown = ", ".join(said[:5]) + (", …" if len(said) > 5 else "")
        return f"not saved: {shown}"

    def __reduce__(self) -> tuple[Any, ...]:
        revive, (kind, args, state) = super().__reduce__()
        return revive, (kind, args, {**state, "_session": None, "_streams": {}})

    # -- for those who save -------------------------------------------------------------------

    def _told_by(self, error: Conflict) -> None:
        """Take down which answer said that a single document is in conflict."""
        self.method, self.url, self._headers = error.method, error.url, error._headers

    def _note(self, doc: Any, result: Mapping[str, Any]) -> None:
        """Take down what the server said of one document."""
        if "error" in result:
            self.pending[result["id"]] = {
                "doc": doc,
                **refusal_of(result),
                "server_doc": None,
            }
        else:
            self.pending.pop(result["id"], None)
            self.resolved[result["id"]] = doc

    async def _look_up(self) -> None:
        """Fetch what the server has of the documents in conflict."""
        ids = [id for id, entry in self.pending.items() if entry["error"] == "conflict"]
        for id, doc in (await server_docs(self._path, ids)).items():
            self.pending[id]["server_doc"] = doc

    async def _settle(self, merge: Merge) -> None:
        self._check_session()
        stuck: set[str] = set()
        while True:
            merged: dict[str, dict[str, Any]] = {}
            seen: dict[str, Any] = {}
            for id, entry in list(self.pending.items()):
                server = entry["server_doc"]
                if entry["error"] != "conflict" or server is None or id in stuck:
                    continue
                chosen = merged_by(merge, entry["doc"], server)
                if chosen is None:
                    continue
                if chosen.get("_deleted") and server.get("_deleted"):  # no server deletes it twice
                    replace(entry["doc"], {**chosen, **server}, {})
                    self._note(entry["doc"], {"id": id})
                else:
                    merged[id] = over(server, chosen)
                    seen[id] = server.get("_rev")
            if not merged:
                return
            await self._save(merged)
            await self._look_up()
            for id in seen.keys() & self.pending.keys():
                # Nobody else has moved: trying again would change nothing.
                if (self.pending[id]["server_doc"] or {}).get("_rev") == seen[id]:
                    stuck.add(id)

    def _check_session(self) -> None:
        if self._session is None:
            raise RuntimeError(
                "this ConflictResolution was unpickled: it knows no database any more"
            )

    async def _save(self, merged: Mapping[str, dict[str, Any]]) -> None:
        written = [inlined(doc, "merge's result", self._streams) for doc in merged.values()]
        bodies = [encode_json(content, "merge's result") for content, _ in written]
        stubs = dict(zip(merged, (stubs for _, stubs in written), strict=True))
        for batch, request in bulk_requests(self._path, bodies):
            for result in await bulk_results(self._path, request, bodies[batch]):
                id = result["id"]
                doc = self.pending[id]["doc"]
                if "error" not in result:
                    replace(doc, {**merged[id], "_rev": result["rev"]}, stubs[id])
                self._note(doc, result)

    def _failure(self) -> Exception:
        """What a single document that is pending is raised as."""
        (entry,) = self.pending.values()
        if entry["error"] == "conflict":
            self.reason = entry["reason"] or self.reason
            return self
        return error_from_item(entry)


def keep_local(local: Any, _server: Any) -> Any:
    """The merge that saves the local document over whatever the server has."""
    return local


def merged_by(merge: Merge, local: Any, server: Any) -> Mapping[str, Any] | None:
    """What a merge makes of copies of two documents."""
    chosen = merge(_copied(local), copy.deepcopy(server))
    if chosen is not None and not isinstance(chosen, Mapping):
        raise TypeError(f"merge must return a dict or None, not {chosen!r:.80}")
    return chosen


def over(server: Mapping[str, Any], chosen: Mapping[str, Any]) -> dict[str, Any]:
    """What a merge has chosen, as it is saved over the server's document."""
    content = {**chosen, "_id": server["_id"]}
    content.pop("_rev", None)
    if not server.get("_deleted"):  # what was deleted begins anew
        content["_rev"] = server["_rev"]
    return content


def _copied(doc: Any) -> Any:
    """A copy that a merge may do with as it likes; files to be attached are the same."""
    new = dict(doc) if not isinstance(doc, dict) else doc.copy()
    for key, value in new.items():
        if key == "_attachments":
            new[key] = {
                name: dict(attachment) if isinstance(attachment, Mapping) else attachment
                for name, attachment in value.items()
            }
        else:
            new[key] = copy.deepcopy(value)
    return new


def replace(doc: Any, content: Mapping[str, Any], stubs: Mapping[str, Any]) -> None:
    """Make a caller's document hold what was saved, if it can be changed at all."""
    if isinstance(doc, MutableMapping):
        doc.clear()
        doc.update(content)
        if stubs:
            doc["_attachments"] = {**content["_attachments"], **stubs}


def bulk_requests(
    path: str, bodies: list[bytes], fields: Mapping[str, Any] | None = None
) -> Iterator[tuple[slice, Request]]:
    """Requests of bounded size that save many documents.

    Args:
        path (str): the database's path.
        bodies (list of bytes): the documents, encoded, in order.
        fields (dict): what else ``_bulk_docs`` is told; with ``all_or_nothing`` there is one request.

    Yields:
        (slice, Request): which documents, and the request that saves them.
    """
    whole = bool(fields and fields.get("all_or_nothing"))
    start = 0
    while start < len(bodies):
        end, size = start, 0
        while end < len(bodies) and (whole or end - start < defaults.bulk_count):
            size += len(bodies[end])
            if size > defaults.bulk_bytes and end > start and not whole:
                break
            end += 1
        more = encode_json(dict(fields or {}), "options")[1:-1]
        body = b'{"docs":[%b]%b%b}' % (b",".join(bodies[start:end]), b"," if more else b"", more)
        request = Request("POST", f"{path}/_bulk_docs", body=body, headers=JSON)
        # All or nothing would make conflicts of the same; without new edits there is nothing to refuse.
        request.guarded = not whole and can_be_compared(path)
        yield slice(start, end), request
        start = end
