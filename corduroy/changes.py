"""What has changed in a database."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import defaults
from .asking import ask_json
from .options import CHANGES, check_keys, check_seconds, encode_options


async def list_changes(db: str, options: Mapping[str, Any]) -> dict[str, Any]:
    """List what has changed; arguments and result as of `Database.changes`."""
    options = dict(options)
    feed = options.pop("feed", "normal")
    if feed not in ("normal", "longpoll"):
        raise ValueError(f"feed must be 'normal' or 'longpoll', not {feed!r:.80}")
    timeout, doc_ids = options.pop("timeout", None), options.pop("doc_ids", None)
    if timeout is not None:
        check_seconds(timeout)
    selector, params = options.pop("selector", None), options.pop("query_params", None) or {}
    given = {"filter": options.get("filter"), "doc_ids": doc_ids, "selector": selector}
    _check_filters({name: value for name, value in given.items() if value is not None})
    query = {**encode_options(options, CHANGES, "changes"), **params}
    waits: dict[str, Any] = {}
    if feed == "longpoll":
        query["feed"] = feed
        if timeout is not None:
            query["timeout"] = str(int(timeout * 1000))
        # The server holds its answer back for so long (a minute, if nobody says otherwise).
        held = 60.0 if timeout is None else timeout
        waits["timeout"] = held + defaults.request_timeout if defaults.request_timeout else 0.0
    if doc_ids is not None:
        body, query["filter"] = {"doc_ids": check_keys(doc_ids, "doc_ids")}, "_doc_ids"
    elif selector is not None:
        body, query["filter"] = {"selector": selector}, "_selector"
    else:
        return dict(await ask_json("GET", f"{db}/_changes", query, **waits))
    return dict(
        await ask_json(
            "POST", f"{db}/_changes", query, json=body, name="filter", safe=True, **waits
        )
    )


def _check_filters(given: Mapping[str, Any]) -> None:
    """Refuse filters that exclude each other; CouchDB's own name of one goes well with it."""
    own = {"_doc_ids": "doc_ids", "_selector": "selector"}.get(str(given.get("filter")))
    chosen = [name for name in given if name != "filter" or own not in given]
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other: give one of them")
