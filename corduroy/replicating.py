"""Starting a replication: its ends and its options, as each kind of server takes them."""

from __future__ import annotations

import base64
import binascii
import uuid
from collections.abc import Mapping
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urlsplit

from .asking import NOT_OFFERED, ask, ask_json
from .errors import NotFound
from .options import REPLICATION, check_options
from .scheduling import cancel, check_cancelling, document_path, wait
from .server import Place, Server, database_path
from .transport.encoding import check_header, check_url, encode_json
from .veil import Veiled, discreet, redacted, veiled

_EXCLUSIVE = (
    ("doc_ids", "filter", "selector"),
    ("proxy", "source_proxy"),
    ("proxy", "target_proxy"),
)


async def replicate(
    server: Server, source: Any, target: Any, options: Mapping[str, Any]
) -> dict[str, Any]:
    """Start a replication; arguments and result as of `Couch.replicate`."""
    options = _checked(options)
    db, (id, called) = options.pop("db", None), _document_id(options)
    if id is None and (db is not None or "_rev" in options):
        raise ValueError("db and _rev are for a document: give its _id as well")
    path = "/_replicate" if id is None else document_path(db, id, called)
    ends = {"source": _end(server, source, "source"), "target": _end(server, target, "target")}
    if options.get("cancel") and id is not None:
        return await cancel(server, id, db)
    body = Veiled({name: await _written(server, end, name) for name, end in ends.items()} | options)
    pouchdb = await server.is_pouchdb()
    by_document = pouchdb and id is None and ("doc_ids" in body or "selector" in body)
    if "doc_ids" in body and not pouchdb:
        body["doc_ids"] = [_quoted(doc_id) for doc_id in body["doc_ids"]]
    if body.get("cancel"):
        await check_cancelling(server)
    elif by_document and body.get("continuous"):
        said = "PouchDB Server chooses documents continuously only by a document: give it an '_id'"
        raise NotFound(None, NOT_OFFERED, said)
    elif pouchdb:
        await _check_source(server, ends["source"])
    if id is not None:
        return _redacted(await ask_json("PUT", path, json=body))
    if by_document:
        return await _by_document(server, body)
    at_once = body.get("cancel") or body.get("continuous")
    # The server answers when all is copied, however long that takes.
    timeout = None if at_once or server.session.timeout is not None else 0.0
    return _redacted(await ask_json("POST", path, json=body, timeout=timeout))


def veiled_end(end: Any) -> Any:
    """A source or target, veiled where it may hold credentials."""
    return veiled(end) if isinstance(end, Mapping) or "@" in str(end) else end


def _redacted(said: Any) -> dict[str, Any]:
    return dict(redacted(said))


async def _by_document(server: Server, body: Mapping[str, Any]) -> dict[str, Any]:
    """Replicate by a document that is gone afterwards: PouchDB Server heeds ``doc_ids`` and
    ``selector`` in documents alone, and copies everything otherwise."""
    id = f"corduroy-{uuid.uuid4().hex}"
    await ask_json("PUT", f"/_replicator/{id}", json=body)
    try:
        done = await wait(server, id, timeout=server.session.timeout or None)
    finally:
        await cancel(server, id)
    return {"ok": True, **(done["info"] if isinstance(done["info"], dict) else {})}


# -- options --------------------------------------------------------------------------------------


@discreet
def _checked(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are given, once they make sense."""
    given = check_options(options, REPLICATION, "replicate")
    for names in _EXCLUSIVE:
        chosen = [name for name in names if name in given]
        if len(chosen) > 1:
            raise ValueError(f"{' and '.join(chosen)} exclude each other: give one of them")
    return Veiled(given)


def _document_id(options: dict[str, Any]) -> tuple[str | None, str]:
    """Take the id of the replication's document out of its options, and what it was called there."""
    ids = {options.pop(name): name for name in ("replication_id", "_id") if name in options}
    if len(ids) > 1:
        raise ValueError("_id and replication_id are two names for the same: give one of them")
    return ids.popitem() if ids else (None, "_id")


def _quoted(id: str) -> str:
    """An id as CouchDB takes it in ``doc_ids``: it unquotes them, as parts of an url."""
    return id.replace("%", "%25").replace("+", "%2B")


# -- ends -----------------------------------------------------------------------------------------


class _End(NamedTuple):
    """One end of a replication.

    Attributes:
        form (dict): as CouchDB takes it: ``{"url", "headers", "auth"}``.
        own (str | None): its name, if it is one of the server's own databases.
    """

    form: Mapping[str, Any]
    own: str | None = None


@discreet
def _end(server: Server, end: Any, name: str) -> _End:
    if isinstance(end, Mapping):
        return _End(Veiled(_checked_form(end, name)))
    if isinstance(end, str) and "://" in end:
        check_url(end, name)
        return _End(Veiled({"url": end}))
    if isinstance(end, str):
        if "@" in end:  # an url that has lost its beginning: what it holds is not for an error
            raise ValueError(f"{name} must be a database's name, or begin with http:// or https://")
        return _End(_form(server, database_path(end, name)), end)
    if isinstance(end, Place):
        own = unquote(end._path[1:]) if end._session is server.session else None
        return _End(_form(end._server, end._path), own)
    raise TypeError(
        f"{name} must be a name, an url, a Database or a dict, not {type(end).__name__}"
    )


def _checked_form(end: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if "url" not in end:
        raise ValueError(f"{name} must have an 'url' if it is a dict")
    check_url(end["url"], f"{name}['url']")
    encode_json(end, name)
    for part in ("headers", "auth"):
        if not isinstance(end.get(part, {}), Mapping):
            raise TypeError(f"{name}[{part!r}] must be a dict, not {type(end[part]).__name__}")
    for header, value in end.get("headers", {}).items():
        check_header(header, value)
    basic = end.get("auth", {}).get("basic", {"username": "", "password": ""})
    if not isinstance(basic, Mapping) or not {"username", "password"} <= basic.keys():
        raise ValueError(f"{name}['auth']['basic'] must have a 'username' and a 'password'")
    return end


def _form(server: Server, path: str) -> dict[str, Any]:
    """A database as it is for others, with the credentials of whoever knows it."""
    return Veiled({"url": server.session.url + path, "headers": server.session.proof()})


async def _check_source(server: Server, source: _End) -> None:
    """Refuse one of the server's own that is missing: PouchDB Server would create it, and copy that."""
    parts = urlsplit(str(source.form["url"]))
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if not url.startswith(f"{server.session.url}/"):
        return
    path = url.removeprefix(server.session.url)
    if (await ask("HEAD", path, accept=(404,))).code == 404:
        said = f"source: there is no database {unquote(path[1:])!r:.80}"
        raise NotFound(404, "db_not_found", said, method="HEAD", url=url)


async def _written(server: Server, end: _End, name: str) -> Any:
    """An end as this kind of server takes it: CouchDB 2 and later know no databases by names, not
    even their own, and PouchDB Server knows no long form."""
    if not await server.is_classic():
        return end.form
    if end.own is not None:
        return end.own
    return _as_url(end.form, name) if await server.is_pouchdb() else end.form


@discreet
def _as_url(form: Mapping[str, Any], name: str) -> str:
    """An end as an url, with the credentials in it."""
    url, auth = str(form["url"]), dict(form.get("auth", {}))
    headers = {header.lower(): value for header, value in form.get("headers", {}).items()}
    pair = _pair_of(headers.get("authorization", ""))
    if pair is not None:
        del headers["authorization"]
    if basic := auth.pop("basic", None):
        pair = basic["username"], basic["password"]
    if headers or auth:
        said = f"PouchDB Server takes {name} as an url, with no more than name and password in it"
        raise NotFound(None, NOT_OFFERED, said)
    if pair is None:
        return url
    parts = urlsplit(url)
    user, password = (quote(part, safe="") for part in pair)
    netloc = f"{user}:{password}@{parts.netloc.rpartition('@')[2]}"
    return veiled(parts._replace(netloc=netloc).geturl())


def _pair_of(authorization: str) -> tuple[str, str] | None:
    """User and password of a header of basic authentication."""
    scheme, _, coded = authorization.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, _, password = base64.b64decode(coded).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return None
    return user, password
