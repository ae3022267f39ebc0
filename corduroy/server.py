"""Server: what a `Couch` and its Databases share: the session, spare uuids, the server's kind."""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Mapping
from typing import Any, TypedDict

from tornado.httpclient import AsyncHTTPClient

from . import defaults
from .asking import ask_json
from .options import DATABASES, check_seconds, encode_options
from .styles import S, Styled
from .transport.auth import Auth, BasicAuth
from .transport.encoding import check_url, quote_segment
from .transport.loops import generation
from .transport.session import Session

_NAME = re.compile(r"[a-z][a-z0-9_$()+/-]*").fullmatch
_SYSTEM = ("_users", "_replicator", "_global_changes", "_metadata", "_nodes", "_dbs")


class ServerOptions(TypedDict, total=False):
    """The keyword arguments of `Couch` that tell how to reach its server."""

    user: str | None
    password: str | None
    port: int | None
    cookie: str | None
    headers: Mapping[str, str] | None
    timeout: float | None
    verify: bool
    ca_certs: str | os.PathLike[str] | None
    ssl_context: ssl.SSLContext | None
    http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None


class Server:
    """One server, whoever asks it.

    Args:
        session (Session): the way to it.
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self._uuids: list[str] = []
        self._generation = generation()
        self._classic: bool | None = None

    async def uuid(self) -> str:
        """A fresh uuid of the server's, from those fetched in advance.

        Endpoint: ``GET /_uuids``.
        """
        if self._generation != generation():  # a fork must not give the same ones to its parent
            self._uuids, self._generation = [], generation()
        while True:
            try:
                return self._uuids.pop()  # threads may do so at once
            except IndexError:
                self._uuids += await self.uuids(max(1, defaults.uuid_cache))

    async def uuids(self, count: int) -> list[str]:
        """Fetch uuids.

        Endpoint: ``GET /_uuids``.
        """
        found = await ask_json("GET", "/_uuids", {"count": str(count)})
        return list(found["uuids"])

    async def names(self, options: Mapping[str, Any]) -> list[str]:
        """The names of the databases; options and result as of `Couch.all_dbs`.

        Endpoint: ``GET /_all_dbs``.
        """
        query = encode_options(options, DATABASES, "all_dbs")
        if query and await self.is_classic():  # gives all of them, whatever it is asked
            return _chosen(await ask_json("GET", "/_all_dbs"), options)
        return list(await ask_json("GET", "/_all_dbs", query))

    async def is_classic(self) -> bool:
        """Whether the server speaks as CouchDB 1.x does (PouchDB Server, too); asked once.

        Endpoint: ``GET /``.
        """
        if self._classic is None:
            info = await ask_json("GET", "/")
            major = str(info.get("version", "")).partition(".")[0]
            self._classic = "couchdb" not in info or not major.isdigit() or int(major) < 2
        return self._classic


def _chosen(names: list[str], options: Mapping[str, Any]) -> list[str]:
    """Those of some names that ``_all_dbs`` gives with options."""
    first = options.get("startkey", options.get("start_key"))
    last = options.get("endkey", options.get("end_key"))
    descending = bool(options.get("descending"))
    lower, upper = (last, first) if descending else (first, last)
    chosen = [
        name
        for name in sorted(names, reverse=descending)
        if (lower is None or name >= lower) and (upper is None or name <= upper)
    ]
    return chosen[options.get("skip") or 0 :][: options.get("limit")]


class Place(Styled[S]):
    """A place in a server's URL tree: what the rooms of `Database` have in common."""

    _server: Server
    _path: str


def connect(
    url: str | None,
    auth: Auth | tuple[str, str] | None,
    *,
    full_commit: bool = True,
    user: str | None = None,
    password: str | None = None,
    port: int | None = None,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    verify: bool = True,
    ca_certs: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None = None,
) -> Server:
    """Make a `Server` of what a program tells about it; arguments as of `Couch`. Nothing is sent."""
    if url is None:
        url = os.environ.get("COUCHDB_URL") or f"{defaults.host}:{defaults.port}"
    parts = check_url(url)
    if port is not None:
        if isinstance(port, bool) or not isinstance(port, int) or not 0 < port < 65536:
            raise ValueError(f"port must be an int from 1 to 65535, not {port!r:.80}")
        host = parts.netloc.removesuffix(f":{parts.port}") if parts.port else parts.netloc
        url = parts._replace(netloc=f"{host}:{port}").geturl()
    if timeout is not None:
        check_seconds(timeout)
    sent = dict(headers or {})
    if cookie is not None:
        sent["Cookie"] = cookie
    if not full_commit:
        sent["X-Couch-Full-Commit"] = "false"
    if http_client is not None and not _is_client(http_client):
        raise TypeError(
            f"http_client must be an AsyncHTTPClient or a class of them, not {http_client!r:.80}"
        )
    return Server(
        Session(
            url,
            auth=_auth(auth, user, password),
            headers=sent,
            timeout=timeout,
            verify=verify,
            ca_certs=ca_certs,
            ssl_context=ssl_context,
            http_client=http_client,
        )
    )


def _is_client(given: Any) -> bool:
    if isinstance(given, type):
        return issubclass(given, AsyncHTTPClient)
    return isinstance(given, AsyncHTTPClient)


def _auth(
    auth: Auth | tuple[str, str] | None, user: str | None, password: str | None
) -> Auth | None:
    if auth is not None and user is not None:
        raise ValueError("auth and user both say who is asking: give one of them")
    if isinstance(auth, tuple | list):
        if len(auth) != 2:
            raise ValueError("auth must be (user, password), or an object that authenticates")
        user, password = auth
    elif auth is not None:
        if not callable(getattr(auth, "headers", None)):
            raise TypeError("auth must be (user, password), or an object that authenticates")
        return auth
    if password is not None and user is None:
        raise ValueError("password needs user beside it")
    return None if user is None else BasicAuth(user, password or "")


def database_path(name: str) -> str:
    """The path of a database, its name checked against CouchDB's rule.

    Args:
        name (str): the database's name.

    Returns:
        str: the path, encoded.

    Raises:
        TypeError: it is no str.
        ValueError: it breaks the rule.
    """
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {name!r:.80}")
    if not _NAME(name) and name not in _SYSTEM:
        raise ValueError(
            f"name {name!r:.80} is no database name: it must begin with a lower-case letter, "
            "and hold only lower-case letters, digits and _ $ ( ) + - /"
        )
    return "/" + quote_segment(name, "name")
