"""What has changed in a database."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext, suppress
from typing import Any

from . import defaults
from .asking import TAKEN_FOR_A_DATABASE, ask_json, offering
from .errors import RequestTimeout
from .options import (
    CHANGES,
    DB_UPDATES,
    Encoder,
    check_names,
    check_object,
    check_seconds,
    encode_options,
)
from .server import Server

_NOT_EVERYWHERE = ("_design", "_selector")  # filters that PouchDB Server takes for a missing one


async def list_changes(server: Server, db: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """List what has changed; arguments and result as of `Database.changes`."""
    query, waits, rest = _waiting(options)
    more, body = encode_changes(rest)
    query |= more
    if "timeout" in query and await server.is_pouchdb():
        return await _within(options["timeout"], db, query, body)
    return await _ask(db, query, body, waits)


async def _within(
    seconds: float, db: str, query: dict[str, str], body: Mapping[str, Any] | None
) -> dict[str, Any]:
    """What PouchDB Server answers to a longpoll, whose timeout it does not heed."""
    if seconds:  # a request's own 0 would be no limit
        with suppress(RequestTimeout):
            return await _ask(db, query, body, {"timeout": seconds})
    at_once = {name: value for name, value in query.items() if name not in ("feed", "timeout")}
    return await _ask(db, at_once, body, {})


async def _ask(
    db: str, query: dict[str, str], body: Mapping[str, Any] | None, waits: Mapping[str, Any]
) -> dict[str, Any]:
    options = {**waits} if body is None else {**waits, "json": body, "name": "filter"}
    asking = ask_json(
        "GET" if body is None else "POST", f"{db}/_changes", query, safe=True, **options
    )
    with offering_changes(query.get("filter")):
        return dict(await asking)


async def list_updates(options: Mapping[str, Any]) -> dict[str, Any]:
    """List what has happened to databases; arguments and result as of `Couch.db_updates`."""
    query, waits, rest = _waiting(options)
    query |= encode_options(rest, DB_UPDATES, "db_updates")
    with offering_updates():
        return dict(await ask_json("GET", "/_db_updates", query, **waits))


def offering_changes(filter: str | None) -> AbstractContextManager[None]:
    """As `offering`, of a filter that not every server has."""
    if filter not in _NOT_EVERYWHERE:
        return nullcontext()
    return offering(f"_changes?filter={filter}")


def offering_updates() -> AbstractContextManager[None]:
    """As `offering`, of ``_db_updates``."""
    said = (
        "_db_updates: CouchDB does once an administrator has created the database _global_changes"
    )
    return offering(said, ("", *TAKEN_FOR_A_DATABASE))  # PouchDB Server gives no reason


def _waiting(options: Mapping[str, Any]) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
    """The query's part about waiting, the request's timeout, and the other options."""
    rest = dict(options)
    feed, timeout = rest.pop("feed", "normal"), rest.pop("timeout", None)
    if feed not in ("normal", "longpoll"):
        kinds = "'normal', 'longpoll', 'continuous' or 'eventsource'"
        raise ValueError(f"feed must be {kinds}, not {feed!r:.80}")
    if timeout is not None:
        check_seconds(timeout)
    if feed == "normal":  # nothing is held back: it is a call's timeout, as any
        return {}, {} if timeout is None else {"timeout": timeout}, rest
    query = {"feed": feed}
    if timeout is not None:
        query["timeout"] = str(int(timeout * 1000))
    # The server holds its answer back for so long (a minute, if nobody says otherwise).
    held = 60.0 if timeout is None else timeout
    return (
        query,
        {"timeout": held + defaults.request_timeout if defaults.request_timeout else 0.0},
        rest,
    )


def encode_changes(
    options: Mapping[str, Any], known: Mapping[str, Encoder] = CHANGES, what: str = "changes"
) -> tuple[dict[str, str], dict[str, Any] | None]:
    """Turn options into what is asked of ``_changes``.

    Args:
        options (dict): those of `Database.changes` that are not about waiting.
        known (dict): the options that exist, beside the filters.
        what (str): whose options they are, for errors.

    Returns:
        (dict of str to str, dict | None): the query's parameters, and the body, which makes it a POST.

    Raises:
        TypeError, ValueError: as of `encode_options`; filters that exclude each other.
    """
    options = dict(options)
    doc_ids, selector = options.pop("doc_ids", None), options.pop("selector", None)
    params = options.pop("query_params", None)
    params = {} if params is None else check_object("query_params", params)
    given = {"filter": options.get("filter"), "doc_ids": doc_ids, "selector": selector}
    _check_filters({name: value for name, value in given.items() if value is not None})
    query = {**encode_options(options, known, what), **params}
    if doc_ids is not None:
        return {**query, "filter": "_doc_ids"}, {"doc_ids": check_names("doc_ids", doc_ids)}
    if selector is not None:
        return {**query, "filter": "_selector"}, {"selector": check_object("selector", selector)}
    return query, None


def _check_filters(given: Mapping[str, Any]) -> None:
    """Refuse filters that exclude each other; CouchDB's own name of one goes well with it."""
    own = {"_doc_ids": "doc_ids", "_selector": "selector"}.get(str(given.get("filter")))
    chosen = [name for name in given if name != "filter" or own not in given]
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other: give one of them")
