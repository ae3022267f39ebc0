"""The tables of options: which exist, what each takes, and how it goes into a query or a body."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from ..transport.encoding import encode_json
from .checks import (
    check_count,
    check_flag,
    check_int,
    check_keys,
    check_names,
    check_object,
    check_order,
    check_text,
)

T = TypeVar("T")


def _key(name: str, value: Any) -> str:
    return encode_json(value, name).decode()


def _list(name: str, value: Any) -> str:
    return encode_json(check_keys(value, name), name).decode()


def _flag(name: str, value: Any) -> str:
    check_flag(value, name)
    return "true" if value else "false"


def _count(name: str, value: Any) -> str:
    check_count(value, name)
    return int.__repr__(value)  # whatever it calls itself: an Enum's member has a name of its own


def _text(name: str, value: Any) -> str:
    check_text(value, name)
    return str.__str__(value)


def _name(name: str, value: Any) -> str:
    return _key(name, _text(name, value))


def _function(name: str, value: Any) -> str:
    """The name of a design document's function, as servers take it for an option."""
    ddoc, _, function = _text(name, value).partition("/")
    if not (ddoc and function) or ddoc.startswith("_"):
        raise ValueError(f"{name} must be 'ddoc/{name}', not {value!r:.80}")
    return str.__str__(value)


def _filter(name: str, value: Any) -> str:
    own = _text(name, value).startswith("_") and "/" not in value  # "_design", "_view"…
    return str.__str__(value) if own else _function(name, value)


def _seq(name: str, value: Any) -> str:
    if isinstance(value, list | tuple):  # BigCouch's
        return _key(name, value)
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise TypeError(f"{name} must be a seq as the server gave it, not {value!r:.80}")
    return str.__str__(value) if isinstance(value, str) else int.__repr__(value)


def _one_of(*words: str) -> Callable[[str, Any], str]:
    def encode(name: str, value: Any) -> str:
        if isinstance(value, bool):
            value = "true" if value else "false"
        if value not in words:
            raise ValueError(f"{name} must be one of {', '.join(words)}, not {value!r:.80}")
        return words[words.index(value)]

    return encode


def _level(name: str, value: Any) -> str:
    return value if value == "exact" else _count(name, value)


def _states(name: str, value: Any) -> str:
    return ",".join(_one_of(*_STATES)(name, state) for state in check_keys(value, name))


Encoder = Callable[[str, Any], str]

VIEW: dict[str, Encoder] = {
    "key": _key,
    "keys": _list,
    "startkey": _key,
    "start_key": _key,
    "endkey": _key,
    "end_key": _key,
    "startkey_docid": _text,
    "start_key_doc_id": _text,
    "endkey_docid": _text,
    "end_key_doc_id": _text,
    "inclusive_end": _flag,
    "descending": _flag,
    "limit": _count,
    "skip": _count,
    "include_docs": _flag,
    "conflicts": _flag,
    "attachments": _flag,
    "att_encoding_info": _flag,
    "reduce": _flag,
    "group": _flag,
    "group_level": _level,
    "stale": _one_of("ok", "update_after"),
    "stable": _flag,
    "update": _one_of("true", "false", "lazy"),
    "update_seq": _flag,
    "sorted": _flag,
}
"""Every option of a view, and what makes its text of a value."""

KEYS = frozenset(name for name, encoder in VIEW.items() if encoder is _key)
"""Those that are keys: JSON of any kind, and of any length."""

DOCUMENT: dict[str, Encoder] = {
    "rev": _text,
    "revs": _flag,
    "revs_info": _flag,
    "open_revs": lambda name, value: "all" if value == "all" else _list(name, value),
    "conflicts": _flag,
    "deleted_conflicts": _flag,
    "latest": _flag,
    "local_seq": _flag,
    "meta": _flag,
    "attachments": _flag,
    "att_encoding_info": _flag,
    "atts_since": _list,
}
"""Every option of a document's GET."""

CHANGES: dict[str, Encoder] = {
    "since": _seq,
    "limit": _count,
    "descending": _flag,
    "include_docs": _flag,
    "conflicts": _flag,
    "attachments": _flag,
    "att_encoding_info": _flag,
    "style": _one_of("main_only", "all_docs"),
    "filter": _filter,
    "view": _function,
    "seq_interval": _count,
}
"""Every option of ``_changes`` that is not about waiting."""

DB_UPDATES: dict[str, Encoder] = {"since": _seq, "limit": _count, "descending": _flag}
"""Every option of ``_db_updates`` that is not about waiting."""

DATABASES: dict[str, Encoder] = {
    "startkey": _name,
    "start_key": _name,
    "endkey": _name,
    "end_key": _name,
    "limit": _count,
    "skip": _count,
    "descending": _flag,
}
"""Every option of ``_all_dbs``."""


_STATES = ("initializing", "error", "running", "pending", "crashing", "completed", "failed")

SCHEDULER: dict[str, Encoder] = {"limit": _count, "skip": _count, "states": _states}
"""Every option of ``_scheduler``."""


Checker = Callable[[str, Any], Any]
"""Checks an option that goes into a JSON body, and gives its value as it goes there."""


def _as_is(encoder: Encoder) -> Checker:
    def check(name: str, value: Any) -> Any:
        encoder(name, value)
        return value

    return check


def _index(name: str, value: Any) -> list[str]:
    parts = value.removeprefix("_design/").split("/", 1) if isinstance(value, str) else value
    parts = check_names(name, parts)
    if not all(parts) or len(parts) not in (1, 2):
        raise ValueError(f"{name} must be 'ddoc' or 'ddoc/name', not {value!r:.80}")
    return [parts[0].removeprefix("_design/"), *parts[1:]]


def _quorum(name: str, value: Any) -> int:
    check_int(value, name)
    return int(value)


def _stale(name: str, value: Any) -> Any:
    return value if value is False else _one_of("ok")(name, value)


def _analyzer(name: str, value: Any) -> Any:
    if not isinstance(value, str | Mapping):
        raise TypeError(f"{name} must be a str or a dict, not {value!r:.80}")
    return value


def _default_field(name: str, value: Any) -> Any:
    if not isinstance(value, bool | Mapping):
        raise TypeError(f"{name} must be True, False or a dict, not {value!r:.80}")
    return value


def _proxy(name: str, value: Any) -> str:
    """The url of a proxy; it may hold a password, and is not shown."""
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    scheme, _, rest = value.partition("://")
    if scheme not in ("http", "https", "socks5") or not rest:
        raise ValueError(f"{name} must be an http, https or socks5 url")
    return value


FIND: dict[str, Checker] = {
    "fields": check_names,
    "sort": check_order,
    "limit": _as_is(_count),
    "skip": _as_is(_count),
    "use_index": _index,
    "allow_fallback": _as_is(_flag),
    "bookmark": _text,
    "conflicts": _as_is(_flag),
    "r": _quorum,
    "update": _as_is(_flag),
    "stable": _as_is(_flag),
    "stale": _stale,
    "execution_stats": _as_is(_flag),
}
"""Every option of ``_find`` and ``_explain``."""

INDEX: dict[str, Checker] = {
    "partial_filter_selector": check_object,
    "partitioned": _as_is(_flag),
    "default_field": _default_field,
    "default_analyzer": _analyzer,
    "index_array_lengths": _as_is(_flag),
}
"""Every option of a new index."""


REPLICATION: dict[str, Checker] = {
    **dict.fromkeys(("_id", "_rev", "replication_id", "db", "owner"), _text),
    **dict.fromkeys(("cancel", "continuous", "create_target"), _as_is(_flag)),
    **dict.fromkeys(("use_bulk_get", "use_checkpoints", "winning_revs_only"), _as_is(_flag)),
    **dict.fromkeys(("create_target_params", "query_params", "selector", "user_ctx"), check_object),
    **dict.fromkeys(("proxy", "source_proxy", "target_proxy"), _proxy),
    **dict.fromkeys(("checkpoint_interval", "connection_timeout"), _as_is(_count)),
    **dict.fromkeys(("http_connections", "retries_per_request"), _as_is(_count)),
    **dict.fromkeys(("worker_batch_size", "worker_processes"), _as_is(_count)),
    **dict.fromkeys(("ibrowse_options", "socket_options"), _text),
    "doc_ids": check_names,
    "filter": _function,
    "since_seq": _as_is(_seq),
}
"""Every option of a replication."""


def check_options(
    options: Mapping[str, Any], known: Mapping[str, Checker], what: str
) -> dict[str, Any]:
    """Turn options into a part of a JSON body.

    Args:
        options (dict): names and Python values; None leaves an option out.
        known (dict): the options that exist.
        what (str): whose options they are, for errors.

    Returns:
        dict: the options that are to be sent.

    Raises:
        TypeError, ValueError: as of `encode_options`.
    """
    checked = {}
    for name, value in options.items():
        check = _known(name, known, what)
        if value is not None:
            checked[name] = check(name, value)
    return checked


def _known(name: str, known: Mapping[str, T], what: str) -> T:
    """What is known of an option."""
    if name not in known:
        near = difflib.get_close_matches(name, known, 1, 0.4)
        hint = f": did you mean {near[0]!r}?" if near else ""
        raise TypeError(f"{what} has no option {name!r}{hint}")
    return known[name]


def encode_options(
    options: Mapping[str, Any], known: Mapping[str, Encoder], what: str
) -> dict[str, str]:
    """Turn options into the parameters of a query.

    Args:
        options (dict): names and Python values; None leaves an option out, but for keys, which are
            null then.
        known (dict): the options that exist.
        what (str): whose options they are, for errors.

    Returns:
        dict of str to str: the parameters, not yet percent-encoded.

    Raises:
        TypeError: there is no such option (the nearest is named), or its value is of a wrong type.
        ValueError: its value is none of those that it may have.
    """
    query = {}
    for name, value in options.items():
        encoder = _known(name, known, what)
        if value is not None or encoder is _key:
            query[name] = encoder(name, value)
    return query
