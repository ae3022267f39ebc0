"""Replication: asking a server to copy changes from one database to another."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .asking import ask_json, doc_path
from .server import Served, Server, database_path
from .styles import S, Styled, operation
from .transport.encoding import check_url, encode_json
from .transport.session import Session

_OPTIONS = frozenset(
    (
        *("cancel", "continuous", "create_target", "create_target_params", "owner", "user_ctx"),
        *("doc_ids", "filter", "query_params", "selector", "since_seq", "winning_revs_only"),
        *("proxy", "source_proxy", "target_proxy", "socket_options", "connection_timeout"),
        *("checkpoint_interval", "use_checkpoints", "use_bulk_get", "retries_per_request"),
        *("http_connections", "worker_batch_size", "worker_processes"),
    )
)


class Replication(Served[S]):
    """The operations of `Couch` that have it replicate databases."""

    @operation
    async def replicate(self, /, source: Any, target: Any, **options: Any) -> dict[str, Any]:
        """Copy what has changed in one database to another.

        Args:
            source, target: a name on this server, an url, a `Database`, or a dict as CouchDB takes it:
                ``{"url", "headers", "auth"}``.
            **options: CouchDB's: ``cancel``, ``continuous``, ``create_target``,
                ``create_target_params``, ``doc_ids``, ``filter``, ``query_params``, ``selector``,
                ``since_seq``, ``proxy``, ``source_proxy``, ``target_proxy``, ``use_bulk_get``…;
                ``_id`` (or ``replication_id``) makes it a document in ``_replicator``, which lasts.

        Returns:
            dict: what the server says of it; ``{"ok", "id", "rev"}`` for a document.

        Raises:
            ValueError: options that exclude each other, or a proxy of an unknown kind.

        Endpoints: ``POST /_replicate``, ``PUT /{db}/{docid}``.
        """
        return await replicate(self._server, source, target, options)


async def replicate(
    server: Server, source: Any, target: Any, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Start a replication; arguments and result as of `Couch.replicate`."""
    options = dict(options)
    lasting = options.pop("_id", None) or options.pop("replication_id", None)
    unknown = options.keys() - _OPTIONS
    if unknown:
        raise TypeError(f"replicate has no option {min(unknown)!r}")
    options = {name: value for name, value in options.items() if value is not None}
    chosen = [name for name in ("doc_ids", "filter", "selector") if name in options]
    if len(chosen) > 1:
        raise ValueError(f"{' and '.join(chosen)} exclude each other: give one of them")
    for name in ("proxy", "source_proxy", "target_proxy"):
        if name in options and not str(options[name]).startswith(
            ("http://", "https://", "socks5://")
        ):
            raise ValueError(f"{name} must be an http, https or socks5 url")
    encode_json(options, "options")
    path = "/_replicate" if lasting is None else "/_replicator" + doc_path(lasting, "_id")
    ends = [_end(server, source, "source"), _end(server, target, "target")]
    classic = await server.is_classic()
    body = {
        "source": _written(ends[0], classic),
        "target": _written(ends[1], classic),
        **options,
    }
    if lasting is not None:
        return dict(await ask_json("PUT", path, json=body, name="options"))
    # The server answers when all is copied, however long that takes.
    timeout = 0.0 if server.session.timeout is None else None
    return dict(await ask_json("POST", path, json=body, name="options", timeout=timeout))


def _end(server: Server, end: Any, name: str) -> Mapping[str, Any]:
    """One end as CouchDB's long form; a database of the server's own has its name beside."""
    if isinstance(end, Mapping):
        if "url" not in end:
            raise ValueError(f"{name} must have an 'url' if it is a dict")
        check_url(end["url"])
        encode_json(end, name)
        return end
    if isinstance(end, str) and "://" not in end:
        return _form(server.session, database_path(end), local=end)
    if isinstance(end, str):
        check_url(end)
        return {"url": end}
    if isinstance(end, Styled):
        session = end._session
        path: str = getattr(end, "_path", "")
        own = session is server.session
        return _form(session, path, local=getattr(end, "name", None) if own else None)
    raise TypeError(
        f"{name} must be a name, an url, a Database or a dict, not {type(end).__name__}"
    )


def _form(session: Session, path: str, local: str | None) -> dict[str, Any]:
    headers = dict(session.auth.headers()) if session.auth is not None else {}
    form: dict[str, Any] = {"url": session.url + path, "headers": headers}
    return {**form, "name": local} if local else form


def _written(end: Mapping[str, Any], classic: bool) -> Any:
    """An end as this kind of server takes it: the classic ones know their own databases by name,
    CouchDB 3 knows addresses only; PouchDB Server knows no long form."""
    if "name" in end:
        return end["name"] if classic else {key: end[key] for key in ("url", "headers")}
    plain = not any(value for key, value in end.items() if key != "url")
    return end["url"] if classic and plain else end
