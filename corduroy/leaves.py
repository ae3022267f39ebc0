"""Leaf conflicts: the revisions that replication leaves side by side, until somebody merges them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import defaults, shapes
from .asking import JSON, ask_json, doc_path
from .conflicts import ConflictResolution, Merge, bulk_requests, merged_by
from .errors import refusal_of
from .server import Place
from .styles import S, operation
from .transport.encoding import encode_json


class LeafResolution(ConflictResolution[S]):
    """The leaf revisions of one document, to be merged into one.

    It is used as any `ConflictResolution`. ``pending[id]["doc"]`` is the winner that every server has
    chosen, ``["leaves"]`` the others, and ``["server_doc"]`` the first of these. `resolve` merges all
    of them, one after the other; `overwrite` keeps the winner as it is. The merged document is saved
    first, and only when it is safe the others are deleted, in one request. If the server refuses that,
    the document stays pending, with the server's ``"error"`` and ``"reason"``.
    """

    async def _look_up(self) -> None:
        """Fetch the leaves of what is pending; what has one only is pending no more."""
        for id in list(self.pending):
            winner, *others = await _leaves(self._path, id)
            if others:
                reason = f"{len(others) + 1} leaf revisions"
                self.pending[id] = {
                    "doc": winner,
                    "leaves": others,
                    "server_doc": others[0],
                    "error": "conflict",
                    "reason": reason,
                }
            else:
                del self.pending[id]

    async def _settle(self, merge: Merge) -> None:
        self._check_session()
        while self.pending:
            ((id, entry),) = self.pending.items()
            merged: Any = entry["doc"]
            for other in entry["leaves"]:
                merged = merged_by(merge, merged, other)
                if merged is None:
                    return
            merged = {**merged, "_id": id, "_rev": entry["doc"]["_rev"]}
            if merged == entry["doc"]:
                saved: Any = entry["doc"]
            else:
                path, body = self._path + doc_path(id), encode_json(merged, "merge's result")
                said = await ask_json(
                    "PUT",
                    path,
                    shape=shapes.Saved,
                    body=body,
                    headers=JSON,
                    accept=(409,),
                    guarded=True,
                )
                saved = merged = {**merged, "_rev": said.get("rev")}
                if "error" in said:  # somebody has saved it in between, or we have
                    await self._look_up()
                    continue
            refused = await self._delete(entry["leaves"])
            self.resolved[id] = defaults.document(saved)
            await self._look_up()
            if self._still_has(id, entry["leaves"]):  # a validation function keeps them, say
                del self.resolved[id]
                self.pending[id].update(refused)
                return

    def _still_has(self, id: str, leaves: list[Mapping[str, Any]]) -> bool:
        """Whether some of these leaves are there still, by the last look."""
        now = self.pending[id]["leaves"] if id in self.pending else []
        return not {leaf["_rev"] for leaf in leaves}.isdisjoint(leaf["_rev"] for leaf in now)

    async def _delete(self, leaves: list[Mapping[str, Any]]) -> dict[str, Any]:
        """Delete leaves; gives the ``error`` and ``reason`` of the first that the server refuses."""
        fields = ("_id", "_rev")
        stones = [{**{name: leaf[name] for name in fields}, "_deleted": True} for leaf in leaves]
        refused: dict[str, Any] = {}
        for _, request in bulk_requests(self._path, [encode_json(one, "leaf") for one in stones]):
            for result in (await request).json(list[shapes.Result]):
                # In conflict is what somebody else has deleted, or saved anew, in between.
                if not refused and result.get("error", "conflict") != "conflict":
                    refused = refusal_of(result)
        return refused


async def _leaves(db: str, id: str) -> list[Any]:
    """The leaf revisions of a document that are not deleted, the winner first."""
    path = db + doc_path(id)
    shape = list[shapes.Leaf] | shapes.Object
    found = await ask_json("GET", path, {"open_revs": "all"}, accept=(404,), shape=shape)
    leaves = [leaf["ok"] for leaf in found if "ok" in leaf] if isinstance(found, list) else []
    alive = [defaults.document(leaf) for leaf in leaves if not leaf.get("_deleted")]
    if not alive:  # a local document has no leaves; of any other this raises why there are none
        alive = [defaults.document(await ask_json("GET", path, shape=shapes.Revised))]
    return sorted(alive, key=rank, reverse=True)


def rank(leaf: Mapping[str, Any]) -> tuple[int, str]:
    """What every CouchDB orders leaves by: the longest history wins, then the greater digest."""
    generation, _, digest = leaf["_rev"].partition("-")
    return int(generation), digest


class Leaves(Place[S]):
    """The operation of `Database` on leaf conflicts."""

    @operation
    async def conflicts(self, id: str) -> ConflictResolution[S]:
        """Look for revisions of a document that replication has left side by side.

        Args:
            id (str): the document's id.

        Returns:
            ConflictResolution: with the document in ``pending`` if it has more than one leaf revision.
            Its ``resolve(merge)`` merges all of them into one.

        Raises:
            NotFound: there is no such document.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        resolution: LeafResolution[S] = LeafResolution(self._session, self._style, self._path)
        resolution.pending[id] = {}
        await resolution._look_up()
        return resolution
