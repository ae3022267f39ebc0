"""Full-text search, which CouchDB has from servers beside it: by Clouseau, and by Nouveau."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import shapes
from .asking import NOT_OFFERED, ask, ask_json, offering
from .errors import HTTPError, NotFound, ServerError, lacks_a_part
from .hits import SearchResult
from .options import DOCUMENT, VIEW, Encoder, check_keys, encode_options
from .querying import function_path
from .server import Place, Served
from .styles import S, operation
from .transport.encoding import encode_json, encode_text, query_string

_text, _flag, _count = DOCUMENT["rev"], VIEW["include_docs"], VIEW["limit"]


def _texts(name: str, value: Any) -> str:
    texts = check_keys(value, name)
    for at, text in enumerate(texts):
        _text(f"{name}[{at}]", text)
    return encode_json(texts, name).decode()


def _order(name: str, value: Any) -> str:
    return encode_json(value, name).decode() if isinstance(value, str) else _texts(name, value)


def _object(name: str, value: Any) -> str:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {value!r:.80}")
    return encode_json(value, name).decode()


_BOTH: dict[str, Encoder] = {
    "bookmark": _text,
    "counts": _texts,
    "include_docs": _flag,
    "limit": _count,
    "ranges": _object,
    "sort": _order,
}

SEARCH: dict[str, Encoder] = {
    **_BOTH,
    "group_field": _text,
    "group_limit": _count,
    "group_sort": _order,
    "highlight_fields": _texts,
    "highlight_pre_tag": _text,
    "highlight_post_tag": _text,
    "highlight_number": _count,
    "highlight_size": _count,
    "include_fields": _texts,
    "stale": VIEW["stale"],
}
"""Every option of ``_search``, but for ``drilldown``, which may come several times."""

NOUVEAU: dict[str, Encoder] = {**_BOTH, "locale": _text, "top_n": _count, "update": _flag}
"""Every option of ``_nouveau``."""

_NO_CLOUSEAU = (
    "this server has no search: it needs Clouseau beside each of its nodes "
    "(or use Nouveau, or `find`)"
)
_NO_NOUVEAU = (
    "this server has no Nouveau: start one beside it, and set enable = true in [nouveau] "
    "of its configuration (or use `find`)"
)


class Searching(Place[S]):
    """The operations of `Database` on full-text indexes."""

    @operation
    async def search(self, /, name: str, query: str, **options: Any) -> SearchResult:
        """Search a full-text index of Clouseau's.

        Args:
            name (str): ``"ddoc/index"``.
            query (str): what to look for, in Lucene's syntax: ``"composer:bach AND aria"``.
            **options: ``limit`` (int, 25 unless given; at most 200), ``bookmark`` (str, of an earlier
                result: what comes after that), ``sort`` (str or list of str: ``"-year<number>"``),
                ``include_docs`` (bool), ``include_fields`` (list of str: only these), ``counts``
                (list of str), ``ranges`` (dict), ``drilldown`` (dict, or list of pairs: only documents
                with these values), ``group_field`` (str), ``group_limit`` (int), ``group_sort`` (as
                ``sort``), ``highlight_fields`` (list of str), ``highlight_pre_tag``,
                ``highlight_post_tag`` (str), ``highlight_number``, ``highlight_size`` (int), ``stale``
                (``"ok"``).

        Returns:
            SearchResult: the hits, with the ``total``, the ``bookmark``, the ``groups``, the
            ``counts`` and the ``ranges`` that came with them.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.
            NotFound: there is no such index.
            ServerError: the server has no Clouseau.

        Endpoint: ``GET /{db}/_design/{ddoc}/_search/{index}``.
        """
        return await search(self, name, query, options)

    @operation
    async def search_info(self, name: str) -> dict[str, Any]:
        """Ask for the figures of a full-text index of Clouseau's.

        Args:
            name (str): ``"ddoc/index"``.

        Returns:
            dict: ``{"name", "search_index": {"doc_count", "disk_size", …}}``.

        Endpoint: ``GET /{db}/_design/{ddoc}/_search_info/{index}``.
        """
        path = function_path(name, "_search_info")
        return dict(await _ask_index(self._path, path, _NO_CLOUSEAU))

    @operation
    async def search_cleanup(self) -> dict[str, Any]:
        """Remove the indexes of Clouseau's that no design document needs any more.

        Returns:
            dict: ``{"ok": true}``; the server goes on by itself.

        Endpoint: ``POST /{db}/_search_cleanup``.
        """
        with offering("_search_cleanup"):
            return dict(await _ask(f"{self._path}/_search_cleanup", {}, _NO_CLOUSEAU))

    @operation
    async def nouveau(self, /, name: str, query: str, **options: Any) -> SearchResult:
        """Search a full-text index of Nouveau's.

        Args:
            name (str): ``"ddoc/index"``.
            query (str): what to look for, in Lucene's syntax: ``"composer:bach AND aria"``.
            **options: ``limit`` (int, 25 unless given), ``bookmark`` (str, of an earlier result: what
                comes after that), ``sort`` (str or list of str: ``"-year<double>"``),
                ``include_docs`` (bool), ``counts`` (list of str), ``ranges`` (dict of lists of
                ``{"label", "min", "max"}``), ``top_n`` (int: of how many values there are counts),
                ``locale`` (str: how numbers in the query are written), ``update`` (bool; False takes
                the index as it is).

        Returns:
            SearchResult: the hits, with the ``total``, the ``bookmark``, the ``counts`` and the
            ``ranges`` that came with them.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.
            NotFound: there is no such index, or no Nouveau.

        Endpoint: ``GET /{db}/_design/{ddoc}/_nouveau/{index}``.
        """
        return await nouveau(self, name, query, options)

    @operation
    async def nouveau_info(self, name: str) -> dict[str, Any]:
        """Ask for the figures of a full-text index of Nouveau's.

        Args:
            name (str): ``"ddoc/index"``.

        Returns:
            dict: ``{"name", "search_index": {"num_docs", "update_seq", "disk_size", …}}``.

        Endpoint: ``GET /{db}/_design/{ddoc}/_nouveau_info/{index}``.
        """
        path = function_path(name, "_nouveau_info")
        return dict(await _ask_index(self._path, path, _NO_NOUVEAU))

    @operation
    async def nouveau_cleanup(self) -> dict[str, Any]:
        """Remove the indexes of Nouveau's that no design document needs any more.

        Returns:
            dict: ``{"ok": true}``; the server goes on by itself, and says so without Nouveau, too.

        Endpoint: ``POST /{db}/_nouveau_cleanup``.
        """
        with offering("_nouveau_cleanup"):
            return dict(await _ask(f"{self._path}/_nouveau_cleanup", {}, _NO_NOUVEAU))


class Analyzing(Served[S]):
    """The operations of `Couch` that show what full-text indexes make of a text."""

    @operation
    async def search_analyze(self, analyzer: str, text: str) -> list[str]:
        """Ask into which tokens an analyzer of Clouseau's takes a text apart.

        Args:
            analyzer (str): its name, ``"english"`` say.
            text (str): the text.

        Returns:
            list of str: the tokens.

        Raises:
            ServerError: the server has no Clouseau.

        Endpoint: ``POST /_search_analyze``.
        """
        return await _analyze("/_search_analyze", analyzer, text, _NO_CLOUSEAU)

    @operation
    async def nouveau_analyze(self, analyzer: str, text: str) -> list[str]:
        """Ask into which tokens an analyzer of Nouveau's takes a text apart.

        Args:
            analyzer (str): its name, ``"english"`` say.
            text (str): the text.

        Returns:
            list of str: the tokens.

        Raises:
            NotFound: the server has no Nouveau.

        Endpoint: ``POST /_nouveau_analyze``.
        """
        return await _analyze("/_nouveau_analyze", analyzer, text, _NO_NOUVEAU)


async def search(
    db: Place[Any], name: str, query: str, options: Mapping[str, Any], **asking: Any
) -> SearchResult:
    """Search an index of Clouseau's; arguments as of `Database.search`, and more of `ask`'s."""
    options = dict(options)
    pairs = _pairs(options.pop("drilldown", None))
    words = {"q": _query(query), **encode_options(options, SEARCH, "search")}
    path = function_path(name, "_search") + query_string(words)
    path += "".join(query_string({"drilldown": pair}).replace("?", "&", 1) for pair in pairs)
    return SearchResult(name, await _ask_index(db._path, path, _NO_CLOUSEAU, **asking), db)


async def nouveau(
    db: Place[Any], name: str, query: str, options: Mapping[str, Any], **asking: Any
) -> SearchResult:
    """Search an index of Nouveau's; arguments as of `Database.nouveau`, and more of `ask`'s."""
    words = {"q": _query(query), **encode_options(options, NOUVEAU, "nouveau")}
    path = function_path(name, "_nouveau") + query_string(words)
    return SearchResult(name, await _ask_index(db._path, path, _NO_NOUVEAU, **asking), db)


def _query(query: Any) -> str:
    encode_text(_text("query", query), "query")  # it goes by another name
    return str.__str__(query)


def _pairs(drilldown: Any) -> list[str]:
    """The values that documents must have, each as its parameter has it."""
    if isinstance(drilldown, Mapping):
        drilldown = list(drilldown.items())
    pairs = [] if drilldown is None else check_keys(drilldown, "drilldown")
    for at, pair in enumerate(pairs):
        if not isinstance(pair, list | tuple) or len(pair) < 2:
            raise TypeError(f"drilldown[{at}] must be a pair of field and value, not {pair!r:.80}")
    return [encode_json(pair, f"drilldown[{at}]").decode() for at, pair in enumerate(pairs)]


async def _ask_index(db: str, path: str, lacking: str, **asking: Any) -> Any:
    """Ask an index, and tell its absence from that of the server behind it."""
    try:
        return await ask_json("GET", db + path, shape=shapes.Hits, **asking)
    except (NotFound, ServerError) as error:
        if _is_lacking(error):
            raise _taught(error, lacking) from None
        if error.reason != "missing":
            raise
        # So says a server of the path, if it does not know it, as well as of the design document.
        ddoc = "/".join(path.split("/")[:3])
        if (await ask("HEAD", db + ddoc, accept=(404,))).code == 404:
            raise
        raise _taught(error, lacking) from None


async def _ask(path: str, body: Any, lacking: str, shape: Any = dict) -> Any:
    try:
        return await ask_json("POST", path, shape=shape, json=body)
    except ServerError as error:
        if _is_lacking(error):
            raise _taught(error, lacking) from None
        raise


def _is_lacking(error: HTTPError) -> bool:
    """Whether a server says by this error that nobody searches for it."""
    return isinstance(error, ServerError) and (
        lacks_a_part(error) or "noconnection" in error.reason
    )


def _taught(error: HTTPError, lacking: str) -> HTTPError:
    return type(error)(error.code, NOT_OFFERED, lacking, method=error.method, url=error.url)


async def _analyze(path: str, analyzer: str, text: str, lacking: str) -> list[str]:
    body = {"analyzer": _text("analyzer", analyzer), "text": _text("text", text)}
    try:
        return list((await _ask(path, body, lacking, shapes.Tokens))["tokens"])
    except NotFound as error:
        raise _taught(error, lacking) from None
