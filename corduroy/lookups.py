"""Lookups: what the server has of some documents, deleted ones and local ones, too."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import defaults, shapes
from .asking import ask, ask_json, doc_path, one_for_each


async def server_docs(path: str, ids: Iterable[str]) -> dict[str, Any]:
    """What the server has of documents in conflict, as `ConflictResolution.pending` shows it.

    Args:
        path (str): the database's path.
        ids (iterable of str): their ids.

    Returns:
        dict: the documents, by id.

    Endpoints: ``POST /{db}/_all_docs``, ``GET /{db}/_local/{docid}``.
    """
    found = await rows_of(path, ids)
    return {id: _server_doc(id, row) for id, row in found.items()}


async def rows_of(path: str, ids: Iterable[str]) -> dict[str, Any]:
    """The rows of ``_all_docs`` for some ids, with documents; those of local documents, too.

    Args:
        path (str): the database's path.
        ids (iterable of str): the ids.

    Returns:
        dict: the rows, by id.
    """
    rows: dict[str, Any] = {}
    listed = []
    for id in dict.fromkeys(ids):
        if id.startswith("_local/"):  # these are in no _all_docs
            answer = await ask("GET", path + doc_path(id), accept=(404,))
            rows[id] = {"doc": answer.json()} if answer.code != 404 else {}
        else:
            listed.append(id)
    if listed:
        found = await ask_json(
            "POST",
            f"{path}/_all_docs",
            {"include_docs": "true"},
            shape=shapes.LookedUp,
            json={"keys": listed},
            safe=True,
        )
        rows.update(zip(listed, one_for_each(found["rows"], listed), strict=True))
    return rows


def _server_doc(id: str, row: Mapping[str, Any]) -> Any:
    """The server's side of a conflict, from a row of ``_all_docs``."""
    doc = row.get("doc")
    if doc is not None:
        return defaults.document(doc)
    rev = {"_rev": row["value"]["rev"]} if row.get("value") else {}
    return defaults.document({"_id": id, **rev, "_deleted": True})
