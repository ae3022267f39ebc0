"""Deploying design documents: saved where they have changed, and their indexes built, if wanted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any

from . import shapes
from .asking import ask, ask_json, doc_path
from .calls import pause
from .content import inlined
from .documents import bind, same
from .errors import BadRequest
from .options import check_keys
from .search import nouveau, search
from .server import Place
from .styles import S, operation
from .transport.encoding import encode_json, quote_segment

_BETWEEN = 0.2
"""Seconds between two looks at an index that the server builds by itself."""


class Deploying(Place[S]):
    """The operation of `Database` that deploys design documents."""

    @operation
    async def deploy(
        self, ddocs: Mapping[str, Any] | Iterable[Mapping[str, Any]], wait: bool = False
    ) -> list[str]:
        """Bring design documents up to date: those that the database has already are left alone.

        A program calls this whenever it starts, with all that it needs; any number of programs may do
        so at once. Attachments that the database has, and that are not given, stay.

        Args:
            ddocs (dict | list of dict): the design documents, each with its ``_id``; they get their
                ``_rev``.
            wait (bool): return only when the indexes of those documents are built, however long it
                takes; otherwise the server builds them when somebody queries them, if not before.

        Returns:
            list of str: the ids of those that were saved; empty if all was up to date.

        Raises:
            ValueError: an ``_id`` is missing, or does not begin with ``_design/``.

        Endpoints: ``GET /{db}/_design/{ddoc}``, ``PUT /{db}/_design/{ddoc}``,
        ``GET /{db}/_design/{ddoc}/_view/{view}``, ``GET /{db}/_design/{ddoc}/_search/{index}``,
        ``GET /{db}/_design/{ddoc}/_nouveau/{index}``, ``GET /{db}/_design/{ddoc}/_info``. Those behind
        PUT wait for indexes.
        """
        if isinstance(ddocs, Mapping):
            plans = [_Plan(ddocs, "ddocs")]
        else:
            given = check_keys(ddocs, "ddocs")
            plans = [_Plan(ddoc, f"ddocs[{at}]") for at, ddoc in enumerate(given)]
        saved = [plan.id for plan in plans if await plan.carry_out(self)]
        if wait:
            for plan in plans:
                await _build(self, plan)
        return saved


class _Plan:
    """A design document as it is wanted."""

    def __init__(self, ddoc: Any, name: str) -> None:
        if not isinstance(ddoc, Mapping):
            raise TypeError(f"{name} must be a dict, not {ddoc!r:.80}")
        self.id: str = ddoc.get("_id", "")
        if not isinstance(self.id, str) or not self.id.startswith("_design/"):
            raise ValueError(f"{name} must have an '_id' that begins with '_design/'")
        self.path = doc_path(self.id, f"{name}['_id']")
        self.ddoc = ddoc
        content, self._stubs = inlined(ddoc, name, {})
        self.content = {key: value for key, value in content.items() if key != "_rev"}
        encode_json(self.content, name)

    async def carry_out(self, place: Place[Any]) -> bool:
        """Save the document if the database has another; tells whether it had."""
        path = place._path + self.path
        whole = {"attachments": "true"} if "_attachments" in self.content else None
        tried: Any = ()
        while True:
            answer = await ask("GET", path, whole, accept=(404,))
            current = answer.json(shapes.Attached) if answer.code != 404 else {}
            rev = current.get("_rev")
            wanted = self._beside(current)
            if same(_essence(wanted), _essence(current)):
                self._note(rev, place)
                return False
            sent = {**wanted, "_rev": rev} if rev else wanted
            # In conflict again with the same revision it would be for ever.
            accept = () if rev == tried else (409,)
            answer = await ask("PUT", path, json=sent, accept=accept)
            if answer.code != 409:
                self._note(answer.json(shapes.Stored)["rev"], place)
                return True
            tried = rev

    def _beside(self, current: Mapping[str, Any]) -> dict[str, Any]:
        """The content to save where the database has some already."""
        there = current.get("_attachments") or {}
        if "_attachments" not in self.content:
            return {**self.content, "_attachments": there} if there else self.content
        given = {
            name: there.get(name, attachment) if attachment.get("stub") else attachment
            for name, attachment in self.content["_attachments"].items()
        }
        return {**self.content, "_attachments": given}

    def _note(self, rev: str | None, place: Place[Any]) -> None:
        """Let the caller's document know what became of it."""
        if isinstance(self.ddoc, MutableMapping):
            self.ddoc["_rev"] = rev
            if self._stubs:
                self.ddoc["_attachments"] = {**self.ddoc["_attachments"], **self._stubs}
            bind(self.ddoc, place)


def _essence(ddoc: Mapping[str, Any]) -> dict[str, Any]:
    """What matters of a design document: all but its revision, and of attachments what they hold."""
    attachments = {
        name: {field: attachment.get(field) for field in ("content_type", "data")}
        for name, attachment in (ddoc.get("_attachments") or {}).items()
    }
    return {**ddoc, "_rev": None, "_attachments": attachments}


async def _build(place: Place[Any], plan: _Plan) -> None:
    """Have the indexes of a design document built, and wait for it."""
    asking: dict[str, Any] = {"timeout": 0.0 if place._session.timeout is None else None}
    ddoc, name = plan.content, plan.id.removeprefix("_design/")
    views = ddoc.get("views") if ddoc.get("language") != "query" else None
    maps = [  # CouchDB keeps one without a name, too, but nobody can ask for it
        one
        for one, view in (views or {}).items()
        if one and isinstance(view, Mapping) and "map" in view
    ]
    path = place._path + plan.path
    if maps:  # one stands for all of them
        try:
            target = f"{path}/_view/{quote_segment(maps[0], 'view')}"
            await ask("GET", target, {"limit": "0"}, **asking)
        except BadRequest as error:
            if "partition" not in error.reason or ddoc.get("autoupdate") is False:
                raise
            await _until_built(f"{path}/_info")
    for one in ddoc.get("indexes") or ():
        await search(place, name + "/" + one, "*:*", {"limit": 1}, **asking)
    for one in ddoc.get("nouveau") or ():
        await nouveau(place, name + "/" + one, "*:*", {"limit": 1}, **asking)


async def _until_built(info: str) -> None:
    """Wait until the server has by itself built the index of a partitioned design document, which
    can only be queried a partition at a time."""
    index = (await ask_json("GET", info, shape=shapes.IndexInfo))["view_index"]
    goal = index["update_seq"] + index["updates_pending"]["total"]
    while index["update_seq"] < goal:
        await pause(_BETWEEN)
        index = (await ask_json("GET", info, shape=shapes.IndexInfo))["view_index"]
