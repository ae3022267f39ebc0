"""A database's upkeep: figures, security, compaction, and what it keeps of old revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import shapes
from .asking import NOT_OFFERED, ask_json, offering, there_is
from .design import ddoc_name
from .errors import NotFound
from .options import check_int, check_keys, check_names
from .server import Place
from .styles import S, operation
from .transport.encoding import quote_segment

_MOST_PURGED = 100  # documents that CouchDB purges at once, unless it is configured otherwise


class Upkeep(Place[S]):
    """The operations of `Database` on the database itself."""

    @operation
    async def exists(self) -> bool:
        """Ask whether the database exists.

        Returns:
            bool: True if it does.

        Endpoints: ``HEAD /{db}``, ``GET /{db}``. The latter tells why nobody is let in.
        """
        return await there_is(self._path)

    @operation
    async def info(self, ddoc: str | None = None) -> dict[str, Any]:
        """Ask for the database's figures, or for those of a design document's index.

        Args:
            ddoc (str): the design document's name.

        Returns:
            dict: ``{"db_name", "doc_count", "update_seq", …}``; for a design document
            ``{"name", "view_index"}``.

        Endpoints: ``GET /{db}``, ``GET /{db}/_design/{ddoc}/_info``.
        """
        if ddoc is None:
            return dict(await ask_json("GET", self._path))
        return dict(await ask_json("GET", f"{self._path}/_design/{ddoc_name(ddoc)}/_info"))

    @operation
    async def security(self, value: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Read or set who may use the database.

        Args:
            value (dict): ``{"admins": {"names", "roles"}, "members": {"names", "roles"}}``; None:
                read it.

        Returns:
            dict: the security object, or ``{"ok": true}``.

        Endpoints: ``GET /{db}/_security``, ``PUT /{db}/_security``.
        """
        if value is None:
            return dict(await ask_json("GET", f"{self._path}/_security"))
        if not isinstance(value, Mapping):
            raise TypeError(f"value must be a dict, not {value!r:.80}")
        return dict(await ask_json("PUT", f"{self._path}/_security", json=value, name="value"))

    @operation
    async def compact(self, ddoc: str | None = None) -> dict[str, Any]:
        """Start to compact the database, or a design document's index.

        Args:
            ddoc (str): the design document's name.

        Returns:
            dict: ``{"ok": true}``; the server goes on by itself.

        Raises:
            NotFound: there is no such design document, or the server compacts no indexes.

        Endpoints: ``POST /{db}/_compact``, ``POST /{db}/_compact/{ddoc}``.
        """
        if ddoc is None:
            return await _post(self._path, "_compact")
        what = "_compact/" + ddoc_name(ddoc)
        if await self._server.is_pouchdb():
            return await _post(self._path, what)
        # What CouchDB calls missing is the design document.
        return dict(await ask_json("POST", f"{self._path}/{what}", json={}))

    @operation
    async def cleanup(self) -> dict[str, Any]:
        """Remove the files of indexes that no design document needs any more.

        Returns:
            dict: ``{"ok": true}``.

        Endpoint: ``POST /{db}/_view_cleanup``.
        """
        return await _post(self._path, "_view_cleanup")

    @operation
    async def commit(self) -> dict[str, Any]:
        """Have everything written to disk. CouchDB 3 does so before it answers a write, and has nothing
        left to do.

        Returns:
            dict: ``{"ok": true, "instance_start_time"}``.

        Endpoint: ``POST /{db}/_ensure_full_commit``.
        """
        return await _post(self._path, "_ensure_full_commit")

    @operation
    async def shards(self, docid: str | None = None) -> dict[str, Any]:
        """List the database's shards, and the nodes that have copies of them.

        Args:
            docid (str): a document's id, whether it exists or not: only the shard that it belongs to.

        Returns:
            dict: ``{"shards": {range: [nodes]}}``; of a document ``{"range", "nodes"}``.

        Endpoints: ``GET /{db}/_shards``, ``GET /{db}/_shards/{docid}``.
        """
        document = "" if docid is None else "/" + quote_segment(docid, "docid")
        return dict(await _offered("GET", self._path, "_shards" + document))

    @operation
    async def sync_shards(self) -> dict[str, Any]:
        """Have the copies of each shard brought to the same state on all nodes, which happens by
        itself sooner or later.

        Returns:
            dict: ``{"ok": true}``; the server goes on by itself.

        Endpoint: ``POST /{db}/_sync_shards``.
        """
        return await _post(self._path, "_sync_shards")

    @operation
    async def purge(self, docs: Any) -> dict[str, Any]:
        """Remove revisions of documents for good, as if they had never been.

        Args:
            docs (list of dict | dict): documents with ``_id`` and ``_rev``; or ``{id: [revs]}``. Many
                go in several requests.

        Returns:
            dict: ``{"purge_seq", "purged": {id: [revs]}}``.

        Endpoint: ``POST /{db}/_purge``.
        """
        asked = _revs_by_id(docs, "docs")
        pairs = [(id, rev) for id, revs in asked.items() for rev in revs]
        told: dict[str, Any] = {"purge_seq": None}
        purged: list[tuple[str, str]] = []
        for at in range(0, len(pairs), _MOST_PURGED):
            some = _by_id(pairs[at : at + _MOST_PURGED])
            shape = shapes.Purged
            told = await _offered("POST", self._path, "_purge", shape=shape, json=some, name="docs")
            purged += [(id, rev) for id, revs in told["purged"].items() for rev in revs]
        return {**told, "purged": _by_id(purged)}

    @operation
    async def purged_infos(self) -> list[dict[str, Any]]:
        """List what has been purged, as far as the database remembers.

        Returns:
            list of dict: ``{"id", "revs"}``.

        Endpoint: ``GET /{db}/_purged_infos``.
        """
        what, shape = "_purged_infos", shapes.PurgedInfos
        return list((await _offered("GET", self._path, what, shape=shape))["purged_infos"])

    @operation
    async def purged_infos_limit(self, value: int | None = None) -> int | None:
        """Read or set how many purges the database remembers.

        Args:
            value (int): at least 1; None: read it.

        Returns:
            int: the limit; None where it was set.

        Endpoints: ``GET /{db}/_purged_infos_limit``, ``PUT /{db}/_purged_infos_limit``.
        """
        return await _limit(self._path, "_purged_infos_limit", value)

    @operation
    async def missing_revs(self, revs: Any) -> dict[str, Any]:
        """Ask which of some revisions the database does not have.

        Args:
            revs (dict): ``{id: [revs]}``.

        Returns:
            dict: ``{"missing_revs": {id: [revs]}}``.

        Endpoints: ``POST /{db}/_missing_revs``, ``POST /{db}/_revs_diff``. The latter where the former
        does not exist.
        """
        body = _revs_by_id(revs, "revs")
        try:
            return dict(await _compare_revs(self._path, "_missing_revs", body))
        except NotFound as error:
            if error.error != NOT_OFFERED:
                raise
            shape = dict[str, shapes.Missing]
            found = await _compare_revs(self._path, "_revs_diff", body, shape)
        return {"missing_revs": {id: diff["missing"] for id, diff in found.items()}}

    @operation
    async def revs_diff(self, revs: Any) -> dict[str, Any]:
        """Ask which of some revisions the database lacks, and which ancestors it has.

        Args:
            revs (dict): ``{id: [revs]}``.

        Returns:
            dict: ``{id: {"missing": [revs], "possible_ancestors": [revs]}}``.

        Endpoint: ``POST /{db}/_revs_diff``.
        """
        return await _compare_revs(self._path, "_revs_diff", _revs_by_id(revs, "revs"))

    @operation
    async def revs_limit(self, value: int | None = None) -> int | None:
        """Read or set how many revisions of a document the database remembers.

        Args:
            value (int): at least 1; None: read it.

        Returns:
            int: the limit; None where it was set.

        Endpoints: ``GET /{db}/_revs_limit``, ``PUT /{db}/_revs_limit``.
        """
        return await _limit(self._path, "_revs_limit", value)


async def _offered(method: str, db: str, what: str, **options: Any) -> Any:
    """Ask for something that not every server has."""
    with offering(what):
        return await ask_json(method, f"{db}/{what}", **options)


async def _post(db: str, what: str) -> dict[str, Any]:
    """Ask for one of the database's chores, by its name in the path."""
    return dict(await _offered("POST", db, what, json={}))


async def _limit(db: str, what: str, value: int | None) -> int | None:
    """Read one of the database's limits, or set it."""
    if value is None:
        return int(await _offered("GET", db, what, shape=int))
    check_int(value, "value")
    await _offered("PUT", db, what, shape=Any, json=value)
    return None


async def _compare_revs(db: str, what: str, revs: Any, shape: Any = dict) -> dict[str, Any]:
    """Ask ``_missing_revs`` or ``_revs_diff`` which of some revisions the database lacks."""
    return dict(await _offered("POST", db, what, shape=shape, json=revs, name="revs", safe=True))


def _revs_by_id(docs: Any, name: str) -> dict[str, list[str]]:
    """``{id: [revs]}``, as it is or from documents."""
    if isinstance(docs, Mapping) and "_id" not in docs:
        return {id: check_names(f"{name}[{id!r}]", revs) for id, revs in docs.items()}
    listed = [docs] if isinstance(docs, Mapping) else check_keys(docs, name)
    for at, doc in enumerate(listed):
        if not (isinstance(doc, Mapping) and "_id" in doc and "_rev" in doc):
            raise ValueError(f"{name}[{at}] must be a dict with '_id' and '_rev', not {doc!r:.80}")
    return _by_id((doc["_id"], doc["_rev"]) for doc in listed)


def _by_id(pairs: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """``{id: [revs]}`` of ids and revisions."""
    found: dict[str, list[str]] = {}
    for id, rev in pairs:
        found.setdefault(id, []).append(rev)
    return found
