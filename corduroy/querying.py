"""Querying views: one, one with several queries, and one that exists for a single query."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Mapping
from typing import Any
from uuid import uuid4

from . import shapes
from .asking import NOT_OFFERED, ask, ask_json, offering, one_for_each
from .documents import bind_docs
from .errors import HTTPError, NotFound
from .options import KEYS, VIEW, check_keys, encode_options
from .rows import decode_rows
from .server import Server
from .transport.encoding import encode_json, quote_segment
from .views import ViewResult

OWN_LISTS = ("_all_docs", "_design_docs", "_local_docs")
"""What CouchDB lists of itself, as if these were views; the keys are ids."""

# Request lines have no more than some 8,000 bytes.
_LONG_KEY = 500


def function_path(name: str, kind: str, argument: str = "name") -> str:
    """The path of a design document's function below its database.

    Args:
        name (str): ``"ddoc/function"``, with or without ``_design/`` before it.
        kind (str): ``"_view"``, ``"_show"``…
        argument (str): the argument's name, for errors.

    Returns:
        str: ``/_design/{ddoc}/{kind}/{function}``, encoded.

    Raises:
        TypeError, ValueError: it names no design document and function.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str, not {name!r:.80}")
    ddoc, _, function = name.removeprefix("_design/").partition("/")
    if not (ddoc and function):
        raise ValueError(f"{argument} must be 'ddoc/function', not {name!r:.80}")
    ddoc, function = quote_segment(ddoc, argument), quote_segment(function, argument)
    return f"/_design/{ddoc}/{kind}/{function}"


def view_path(name: str) -> str:
    """The path of a view, or of ``_all_docs`` and its like, below its database."""
    return f"/{name}" if name in OWN_LISTS else function_path(name, "_view")


async def query_view(
    db: str, name: str, options: Mapping[str, Any], keeper: Any = None
) -> ViewResult:
    """Query one view.

    Args:
        db (str): the database's path.
        name (str): ``"ddoc/view"``, ``"_all_docs"``…
        options (dict): the options of `VIEW`.
        keeper (Database): which database the documents are to know.

    Returns:
        ViewResult: its rows.
    """
    query, body = view_query(options)
    method = "GET" if body is None else "POST"
    asking = ask(method, db + view_path(name), query, json=body, name="options", safe=True)
    decode = decode_rows
    if options.get("include_docs") and keeper is not None:
        decode = functools.partial(decode_rows, finish=functools.partial(bind_docs, keeper=keeper))
    if name not in ("_design_docs", "_local_docs"):
        return ViewResult(name, (await asking).json(decode=decode), options)
    try:
        with offering(name):
            return ViewResult(name, (await asking).json(decode=decode), options)
    except NotFound as error:
        if error.error != NOT_OFFERED or name != "_design_docs":
            raise
    found = await query_view(db, "_all_docs", among_designs(options), keeper)
    # It counts all documents.
    found.name, found.options, found.total_rows, found.offset = name, dict(options), None, None
    return found


def among_designs(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that let ``_all_docs`` stand in for ``_design_docs``."""
    bounds = {"startkey": "_design/", "endkey": "_design0"}
    if options.get("descending"):
        bounds = {"startkey": "_design0", "endkey": "_design/"}
    given = {name.replace("_key", "key") for name in options}
    if given & {"key", "keys"}:
        bounds = {}
    return {**{name: key for name, key in bounds.items() if name not in given}, **options}


async def query_several(
    server: Server,
    db: str,
    name: str,
    queries: Iterable[Mapping[str, Any]],
    options: Mapping[str, Any],
    keeper: Any,
) -> list[ViewResult]:
    """Query one view several times, in one request where the server knows how.

    Args:
        server (Server): the server.
        db (str): the database's path.
        name (str): the view.
        queries (list of dict): the options of each query.
        options (dict): options that all share.
        keeper (Database): which database the documents are to know.

    Returns:
        list of ViewResult: one for each query.
    """
    shared = []
    for at, query in enumerate(check_keys(queries, "queries")):
        if not isinstance(query, Mapping):
            raise TypeError(f"queries[{at}] must be a dict of options, not {query!r:.80}")
        one = {**options, **query}
        if one.get("keys") is not None:
            one["keys"] = check_keys(one["keys"])
        view_options(one)
        shared.append(one)
    path = f"{db}{view_path(name)}/queries"
    if await server.is_classic():
        return [await query_view(db, name, one, keeper) for one in shared]
    found = await ask_json(
        "POST",
        path,
        shape=shapes.SeveralRows,
        json={"queries": [_exact(one) for one in shared]},
        name="queries",
        safe=True,
    )
    results = one_for_each(found["results"], shared)
    for answer in results:
        bind_docs(answer["rows"], keeper)
    return [ViewResult(name, answer, one) for answer, one in zip(results, shared, strict=True)]


def _exact(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options as servers know them: the exact level of groups goes by another name."""
    if options.get("group_level") != "exact":
        return options
    return {**{k: v for k, v in options.items() if k != "group_level"}, "group": True}


def view_options(options: Mapping[str, Any]) -> dict[str, str]:
    """A view's options as parameters of a query; `encode_options` tells more."""
    return encode_options(_exact(options), VIEW, "a view")


def view_query(options: Mapping[str, Any]) -> tuple[dict[str, str], Any]:
    """A view's query and body: what may be long goes in the body, where there is room for it."""
    keys = options.get("keys")
    rest = {name: value for name, value in options.items() if name != "keys"}
    body = {} if keys is None else {"keys": check_keys(keys)}
    query = view_options(rest)
    for name in KEYS & query.keys():
        if len(query[name]) > _LONG_KEY:
            del query[name]
            body[name] = rest[name]
    return query, body or None


async def query_once(
    server: Server,
    db: str,
    map_src: str,
    reduce_src: str | None,
    options: Mapping[str, Any],
    keeper: Any,
) -> ViewResult:
    """Query a view that exists for this once; arguments and result as of `Database.query`."""
    for name, source in (("map_src", map_src), ("reduce_src", reduce_src)):
        if not isinstance(source, str) and (name, source) != ("reduce_src", None):
            raise TypeError(f"{name} must be a str, not {source!r:.80}")
    if not map_src:
        raise ValueError("map_src must not be empty")
    words, keys = view_query(options)
    encode_json(keys, "keys")
    functions = {"map": map_src, **({"reduce": reduce_src} if reduce_src else {})}
    if await server.is_classic():
        body = {**functions, **(keys or {})}
        path, shape = f"{db}/_temp_view", shapes.Rows
        found = await ask_json("POST", path, words, shape=shape, json=body, safe=True)
        bind_docs(found["rows"], keeper)
        return ViewResult("_temp_view", found, options)
    digest = uuid4().hex
    name, edits = f"corduroy-{digest}", {"new_edits": "false"}
    path = f"{db}/_design/{name}"
    ddoc = {"_rev": f"1-{digest}", "views": {"query": functions}}
    # With revisions of our own the deletion counts even if it overtakes a PUT that was given up.
    stone = {"_rev": f"2-{digest}", "_revisions": {"start": 2, "ids": [digest, digest]}}
    try:
        await ask_json("PUT", path, edits, json=ddoc)
        return await query_view(db, f"{name}/query", options, keeper)
    except GeneratorExit:  # the call was dropped before anything was sent
        stone = {}
        raise
    finally:
        if stone:
            with contextlib.suppress(HTTPError):  # what went wrong before is what counts
                await ask("PUT", path, edits, json={**stone, "_deleted": True})
