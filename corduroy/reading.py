"""Reading documents: by id, many at once, and at certain revisions."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, MutableMapping
from typing import Any, TypeVar

from . import shapes
from .asking import JSON, ask, ask_head, ask_json, doc_path, id_and_rev, revision_of
from .calls import together
from .conflicts import replace
from .documents import AttrDict, Document, bind, bound
from .options import DOCUMENT, check_keys, encode_options
from .querying import query_view
from .server import Place
from .styles import S, either, operation
from .transport.auth import check_texts
from .transport.encoding import encode_json, query_string
from .transport.messages import Request

_Doc = TypeVar("_Doc", bound=MutableMapping[str, Any])

_FIRST = 50
_WITH_EACH = {name: DOCUMENT[name] for name in ("revs", "attachments")}
_TEXT = (str, bytes)  # a tuple: `str | bytes` would be made anew each time


def _several(ids: tuple[Any, ...], named: Mapping[str, Any]) -> bool:
    """Whether `get` was called for several documents: with no id at all, or with a list of them."""
    wanted = ids[0] if ids else named.get("id", ())
    return wanted is not None and not isinstance(wanted, _TEXT)


class Reading(Place[S]):
    """The operations of `Database` that fetch documents."""

    async def _get_one(
        self, /, id: str, *, if_none_match: str | None = None, **options: Any
    ) -> Document:
        """Fetch a document, or several, or the first ones of the database.

        Args:
            id (str | list of str): the document's id; or a list of ids; left out: the first 50.
            if_none_match (str): a revision that the caller has: if it is still the current one, the
                result is None and nothing is transferred.
            **options: for one document ``rev`` (str), ``revs``, ``revs_info``, ``conflicts``,
                ``deleted_conflicts``, ``latest``, ``local_seq``, ``meta``, ``attachments``,
                ``att_encoding_info`` (bool), ``atts_since`` (list of str), ``open_revs`` (list of str,
                or ``"all"``: the result is a list of ``{"ok": doc}`` or ``{"missing": rev}``);
                for several those of `view`.

        Returns:
            Document: the document. For a list of ids a list of Documents in the same order, with
            None for those that do not exist.

        Raises:
            NotFound: there is no such document (one id only).

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``,
        ``GET /{db}/_all_docs``, ``POST /{db}/_all_docs``.
        """
        path = self._path + doc_path(id)
        if not options and if_none_match is None:
            return bound((await Request("GET", path)).json(), self)
        headers = None
        if if_none_match is not None:
            check_texts(if_none_match=if_none_match)
            if '"' in if_none_match:
                raise ValueError("if_none_match must be one revision, without quotation marks")
            headers = {"If-None-Match": '"' + if_none_match + '"'}
        query = encode_options(options, DOCUMENT, "get")
        answer = await ask("GET", path, query, headers=headers, accept=(304,))
        if answer.code == 304:
            return None  # type: ignore[return-value]
        if "open_revs" in query:
            return [  # type: ignore[return-value]
                {**leaf, "ok": bound(leaf["ok"], self)} if "ok" in leaf else leaf
                for leaf in answer.json(list[shapes.Leaf])
            ]
        found = answer.json()
        # PouchDB Server knows no revision by its ETag, and sends the document all the same.
        if not options and found.get("_rev") == if_none_match:
            return None  # type: ignore[return-value]
        return bound(found, self)

    async def _get_many(
        self, /, id: Iterable[str] | None = None, **options: Any
    ) -> list[Document | None]:
        options = {"include_docs": True, **options}
        if id is None:
            options = {"limit": _FIRST, **options}
        else:
            options["keys"] = _ids(id)
        return [row.doc for row in await query_view(self._path, "_all_docs", options, self)]

    get = either(_get_one, _get_many, _several)

    @operation
    async def reload(self, doc: _Doc, *, rev: str | None = None) -> _Doc:
        """Replace all fields of a document by those that the database has.

        Args:
            doc (dict): the document; any `MutableMapping` with an ``_id`` does.
            rev (str): which revision; None: the current one.

        Returns:
            dict: the same document.

        Raises:
            NotFound: there is no such document; this one stays as it is.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        if not isinstance(doc, MutableMapping):
            raise TypeError(f"doc must be a dict, not {doc!r:.80}")
        id, _ = id_and_rev(doc)
        query = encode_options({"rev": rev}, DOCUMENT, "reload")
        replace(doc, await ask_json("GET", self._path + doc_path(id), query), {})
        bind(doc, self)
        return doc

    @operation
    async def head(self, id: str) -> AttrDict:
        """Ask about a document without fetching it.

        Args:
            id (str): its id.

        Returns:
            dict: ``rev`` (str), ``size`` (bytes, None where the server does not say) and ``date``
            (str), which can be reached by dots, too.

        Raises:
            NotFound: there is no such document.

        Endpoints: ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``. GET where the ``ETag`` is no
        revision.
        """
        path = self._path + doc_path(id)
        answer = await ask_head(path)
        size = answer.header("content-length")
        return AttrDict(
            rev=await revision_of(answer, path),
            size=int(size) if size else None,
            date=answer.header("date"),
        )

    @operation
    async def revisions(self, id: str) -> list[str]:
        """List the revisions that a document has had.

        Args:
            id (str): its id.

        Returns:
            list of str: every ``_rev`` that the server remembers, the newest first.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        path, shape = self._path + doc_path(id), shapes.WithHistory
        known = (await ask_json("GET", path, {"revs": "true"}, shape=shape))["_revisions"]
        return [f"{known['start'] - at}-{digest}" for at, digest in enumerate(known["ids"])]

    @operation
    async def bulk_get(
        self, /, docs: Iterable[Mapping[str, Any]], **options: Any
    ) -> list[Document | None]:
        """Fetch documents at certain revisions.

        Args:
            docs (list of dict): ``{"id", "rev"}``; without ``rev`` the current one.
            **options: ``revs`` (bool): with the history of each, in ``_revisions``; ``attachments``
                (bool): with what is attached, as base64.

        Returns:
            list of Document: in the same order; None where there is no such document or revision.

        Endpoints: ``POST /{db}/_bulk_get``, ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
        ``GET /{db}/_local/{docid}``. GET on CouchDB 1.x; on PouchDB Server, too, unless all have a
        ``rev``.
        """
        wanted = check_keys(docs, "docs")
        for at, one in enumerate(wanted):
            if not isinstance(one, Mapping):
                raise TypeError(f"docs[{at}] must be a dict with 'id', not {one!r:.80}")
            doc_path(one.get("id", ""), f"docs[{at}]['id']")
            rev = one.get("rev")
            if rev is not None and not isinstance(rev, str):
                raise TypeError(f"docs[{at}]['rev'] must be a str, not {rev!r:.80}")
        query = query_string(encode_options(options, _WITH_EACH, "bulk_get"))
        # Where the revision is null CouchDB finds nothing.
        asked = [{k: v for k, v in one.items() if v is not None} for one in wanted]
        path, body = f"{self._path}/_bulk_get{query}", encode_json({"docs": asked}, "docs")
        pouchdb = await self._server.is_pouchdb()  # which has one, but in an order of its own
        listed = pouchdb and asked and all("rev" in one for one in asked)  # not for none of them
        if not listed and await self._server.is_classic():
            answers = await together([_at_revision(self._path, one, options) for one in wanted])
            return [None if one.code == 404 else bound(one.json(), self) for one in answers]
        answer = await ask("POST", path, body=body, headers=JSON, safe=True)
        found = answer.json(shapes.AllFound)
        leaves = [leaf for result in found["results"] for leaf in result["docs"]]
        if listed:
            known = {
                (leaf["ok"]["_id"], leaf["ok"]["_rev"]): leaf for leaf in leaves if "ok" in leaf
            }
            leaves = [known.get((one["id"], one["rev"]), {}) for one in asked]
        return [bound(leaf["ok"], self) if "ok" in leaf else None for leaf in leaves]


def _ids(ids: Any) -> list[str]:
    """A list of ids, however it comes, each of them checked."""
    if isinstance(ids, Mapping) or not isinstance(ids, Iterable):
        raise TypeError(f"id must be a str or a list of str, not {ids!r:.80}")
    wanted = list(ids)
    for at, one in enumerate(wanted):
        doc_path(one, f"id[{at}]")
    return wanted


def _at_revision(db: str, wanted: Mapping[str, Any], options: Mapping[str, Any]) -> Request:
    query = encode_options({**options, "rev": wanted.get("rev") or None}, DOCUMENT, "bulk_get")
    path = db + doc_path(wanted["id"]) + query_string(query)
    return Request("GET", path, accept=(404,))
