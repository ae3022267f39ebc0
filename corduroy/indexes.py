"""Mango's indexes: which there are, making and deleting them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from . import shapes
from .asking import NOT_OFFERED, ask_json, offering
from .design import ddoc_name
from .errors import NotFound
from .options import INDEX, check_int, check_keys, check_options, check_order
from .server import Place
from .styles import S, operation
from .transport.encoding import quote_segment

_TYPES = ("json", "text", "nouveau")
_KINDS = ("boolean", "number", "string", "text")
_OF_TEXTS = ("default_analyzer", "default_field", "index_array_lengths")


class Indexes(Place[S]):
    """The operations of `Database` on Mango's indexes."""

    @operation
    async def indexes(self) -> list[dict[str, Any]]:
        """List the indexes that Mango can use.

        Returns:
            list of dict: ``{"ddoc", "name", "type", "def", …}`` each; the first is that of all ids,
            which every database has.

        Endpoint: ``GET /{db}/_index``.
        """
        return await _listed(self._path)

    @operation
    async def create_index(
        self,
        /,
        fields: Iterable[Any] | None = None,
        name: str | None = None,
        ddoc: str | None = None,
        type: str = "json",
        **options: Any,
    ) -> dict[str, Any]:
        """Create an index, if there is none like it.

        Args:
            fields (list): what is indexed, in order: each a str or ``{field: "asc" or "desc"}``. In
                indexes of texts ``{"name", "type"}`` each, the type being ``"string"``, ``"number"``,
                ``"boolean"`` or, in Nouveau's, ``"text"``; None: all fields.
            name (str): the index's name; None: the server makes one.
            ddoc (str): the design document that it is to be in; None: one of its own.
            type (str): ``"json"``; ``"text"``, where the server has Clouseau; ``"nouveau"``.
            **options: ``partial_filter_selector`` (dict: only documents that match it),
                ``partitioned`` (bool; False: of all partitions together); for indexes of texts
                ``default_field`` (bool, or ``{"enabled", "analyzer"}``), ``default_analyzer`` (str or
                dict), ``index_array_lengths`` (bool).

        Returns:
            dict: ``{"result": "created" or "exists", "id", "name"}``, where ``id`` is the design
            document's.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.

        Endpoint: ``POST /{db}/_index``.
        """
        body = _definition(fields, name, ddoc, type, options)
        if type != "json" and await self._server.is_pouchdb():  # which makes one of type json
            raise NotFound(404, NOT_OFFERED, f"this server does not offer indexes of type {type!r}")
        with offering("_index"):
            return dict(await ask_json("POST", f"{self._path}/_index", json=body, name="options"))

    @operation
    async def delete_index(self, ddoc: str, name: str, type: str = "json") -> dict[str, Any]:
        """Delete an index.

        Args:
            ddoc (str): the design document that it is in.
            name (str): its name.
            type (str): its type.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            NotFound: there is no such index.

        Endpoints: ``DELETE /{db}/_index/{design_doc}/json/{name}``, ``GET /{db}/_index``. The latter
        first, on PouchDB Server alone.
        """
        path = _index_path(self._path, ddoc, name, _checked_type(type))
        if await self._server.is_pouchdb():  # deletes what does not exist, too
            wanted = _design_id(ddoc), name
            if wanted not in [(one["ddoc"], one["name"]) for one in await _listed(self._path)]:
                url = self._session.url + path
                raise NotFound(404, "not_found", "missing", method="DELETE", url=url)
        return dict(await ask_json("DELETE", path))

    @operation
    async def delete_indexes(self, ddocs: Iterable[str], w: int | None = None) -> dict[str, Any]:
        """Delete all indexes of some design documents.

        Args:
            ddocs (list of str): the design documents' names.
            w (int): how many copies have to be deleted before the answer comes; None: two.

        Returns:
            dict: ``{"success": [{"id", "ok": true}], "fail": [{"id", "error"}]}``.

        Endpoints: ``POST /{db}/_index/_bulk_delete``, ``GET /{db}/_index``,
        ``DELETE /{db}/_index/{design_doc}/json/{name}``. The latter two on PouchDB Server alone.
        """
        ids = [
            _design_id(ddoc, f"ddocs[{at}]") for at, ddoc in enumerate(check_keys(ddocs, "ddocs"))
        ]
        body: dict[str, Any] = {"docids": ids}
        if w is not None:
            check_int(w, "w")
            body["w"] = w
        if await self._server.is_pouchdb():
            return await _delete_one_by_one(self._path, ids)
        with offering("_index"):
            return dict(await ask_json("POST", f"{self._path}/_index/_bulk_delete", json=body))


async def _listed(db: str) -> list[dict[str, Any]]:
    with offering("_index"):
        return list((await ask_json("GET", f"{db}/_index", shape=shapes.Indexes))["indexes"])


async def _delete_one_by_one(db: str, ids: list[str]) -> dict[str, Any]:
    """Delete all indexes of design documents, where the server has no word for it."""
    known = await _listed(db)
    success, fail = [], []
    for id in ids:
        names = [(one["name"], one["type"]) for one in known if one["ddoc"] == id]
        for name, type in names:
            await ask_json("DELETE", _index_path(db, id, name, type))
        if names:
            success.append({"id": id, "ok": True})
        else:
            fail.append({"id": id, "error": "not_found"})
    return {"success": success, "fail": fail}


def _index_path(db: str, ddoc: str, name: str, type: str) -> str:
    # PouchDB Server knows the design document by its whole id alone.
    kind = quote_segment(type, "type")
    return f"{db}/_index/_design%2F{ddoc_name(ddoc)}/{kind}/{quote_segment(name, 'name')}"


def _design_id(ddoc: Any, argument: str = "ddoc") -> str:
    """A design document's id; given with or without ``_design/`` before it."""
    if not isinstance(ddoc, str):
        raise TypeError(f"{argument} must be a str, not {ddoc!r:.80}")
    name = ddoc.removeprefix("_design/")
    if not name:
        raise ValueError(f"{argument} must not be empty")
    return f"_design/{name}"


def _checked_type(type: Any) -> str:
    if type not in _TYPES:
        raise ValueError(f"type must be one of {', '.join(_TYPES)}, not {type!r:.80}")
    return str(type)


def _definition(
    fields: Any, name: str | None, ddoc: str | None, type: str, options: Mapping[str, Any]
) -> dict[str, Any]:
    """The body that makes an index; arguments as of `Indexes.create_index`."""
    of_texts = _checked_type(type) != "json"
    index = check_options(options, INDEX, "create_index")
    for option in _OF_TEXTS:
        if option in index and not of_texts:
            raise ValueError(f"{option} is for indexes of type 'text' and 'nouveau'")
    body = {"type": type}
    if "partitioned" in index:
        body["partitioned"] = index.pop("partitioned")
    if name is not None:
        if not isinstance(name, str):
            raise TypeError(f"name must be a str, not {name!r:.80}")
        if not name:
            raise ValueError("name must not be empty")
        body["name"] = name
    if ddoc is not None:  # PouchDB Server would put another "_design/" before it
        body["ddoc"] = _design_id(ddoc).removeprefix("_design/")
    if fields is not None or not of_texts:
        index["fields"] = _fields_of_texts(fields) if of_texts else check_order("fields", fields)
        if not index["fields"]:
            raise ValueError("fields must name at least one field")
    return {**body, "index": index}


def _fields_of_texts(fields: Any) -> list[Any]:
    listed = check_keys(fields, "fields")
    for at, field in enumerate(listed):
        if (
            not isinstance(field, Mapping)
            or field.keys() != {"name", "type"}
            or not isinstance(field["name"], str)
            or field["type"] not in _KINDS
        ):
            raise ValueError(
                f"fields[{at}] must be {{'name': …, 'type': one of {', '.join(_KINDS)}}}, "
                f"not {field!r:.80}"
            )
    return listed
