"""Server: what a `Couch` and its Databases share: the session, spare uuids, the server's kind."""

from __future__ import annotations

import inspect
import os
import re
import ssl
from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from tornado.httpclient import AsyncHTTPClient

from . import defaults, shapes
from .asking import NOT_OFFERED, ask, ask_json
from .errors import NotFound, ServerError
from .options import DATABASES, check_count, check_flag, check_int, check_seconds, encode_options
from .styles import S, Styled, check_style
from .transport.answer import Answer
from .transport.auth import Auth, BasicAuth
from .transport.encoding import check_url, number_text, quote_segment
from .transport.events import OnRequest
from .transport.loops import process
from .transport.session import Session
from .veil import Unpickled

_NAME = re.compile(r"[a-z][a-z0-9_$()+/-]*").fullmatch
_MOST_UUIDS = 1000  # what CouchDB gives at once, unless it is configured otherwise
_SYSTEM = ("_users", "_replicator", "_global_changes", "_metadata", "_nodes", "_dbs")


class ServerOptions(TypedDict, total=False):
    """The keyword arguments of `Couch` that tell how to reach its server."""

    user: str | None
    password: str | None
    port: int | None
    cookie: str | None
    headers: Mapping[str, str] | None
    timeout: float | None
    retries: int | None
    on_request: OnRequest | None
    max_body_size: int | None
    verify: bool
    ca_certs: str | os.PathLike[str] | None
    client_cert: str | os.PathLike[str] | None
    client_key: str | os.PathLike[str] | None
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
        self._generation = process.generation
        self._pouchdb = self._classic = self._partitions = False
        self._known = False

    async def spare_uuids(self, count: int) -> list[str]:
        """Fresh uuids of the server's, from those fetched in advance.

        Endpoint: ``GET /_uuids``.
        """
        # A fork must not give the same ones to its parent.
        if self._generation != process.generation:
            self._uuids, self._generation = [], process.generation
        taken: list[str] = []
        while len(taken) < count:
            try:
                taken.append(self._uuids.pop())  # threads may do so at once
            except IndexError:
                wanted = max(count - len(taken), defaults.uuid_cache)
                self._uuids += await self.uuids(min(wanted, _MOST_UUIDS))
        return taken

    async def uuids(self, count: int) -> list[str]:
        """Fetch uuids.

        Endpoint: ``GET /_uuids``.
        """
        found = await ask_json("GET", "/_uuids", {"count": number_text(count)}, shape=shapes.Uuids)
        return list(found["uuids"])

    async def names(self, options: Mapping[str, Any]) -> list[str]:
        """The names of the databases; options and result as of `Couch.all_dbs`.

        Endpoint: ``GET /_all_dbs``.
        """
        query = encode_options(options, DATABASES, "all_dbs")
        if query and await self.is_classic():  # gives all of them, whatever it is asked
            return _chosen(await ask_json("GET", "/_all_dbs", shape=list[str]), options)
        return list(await ask_json("GET", "/_all_dbs", query, shape=list[str]))

    async def is_classic(self) -> bool:
        """Whether the server speaks as CouchDB 1.x does (PouchDB Server, too); asked once.

        Endpoint: ``GET /``.
        """
        await self._get_to_know()
        return self._classic

    async def is_pouchdb(self) -> bool:
        """Whether it is PouchDB Server; asked once.

        Endpoint: ``GET /``.
        """
        await self._get_to_know()
        return self._pouchdb

    async def check_partitions(self) -> None:
        """Raise what says so if the server has no partitioned databases: it would make another one.

        Endpoint: ``GET /``.
        """
        await self._get_to_know()
        if not self._partitions:
            said = "this server does not offer partitioned databases: nothing was created"
            raise NotFound(None, NOT_OFFERED, said)

    async def _get_to_know(self) -> None:
        if self._known:
            return
        info = await ask_json("GET", "/", shape=shapes.Featured)
        major = str(info.get("version", "")).partition(".")[0]
        self._pouchdb = "couchdb" not in info
        self._classic = self._pouchdb or not major.isdigit() or int(major) < 2
        self._partitions = "partitioned" in info.get("features", ())
        self._known = True

    async def check_up(self) -> None:
        """Raise what tells why the server is not there, or not ready for requests.

        Endpoints: ``GET /_up``, ``GET /``. The latter where there is no ``_up``.
        """
        answer = await ask("GET", "/_up", accept=(400, 404))
        if answer.code >= 300:
            if status := _status_told(answer):
                url, reason = f"{self.session.url}/_up", "the server takes no requests now"
                raise ServerError(answer.code, status, reason, method="GET", url=url)
            answer = await ask("GET", "/")
        answer.json()


def _status_told(answer: Answer) -> str:
    """The status that a 404 of CouchDB's ``_up`` tells; nothing where there is no ``_up``."""
    try:
        said = answer.json()
    except ServerError:  # a proxy's page
        return ""
    return str(said.get("status", ""))


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


class Served(Unpickled, Styled[S]):
    """What a server answers for: what the rooms of `Couch` have in common."""

    _server: Server

    def _set_up(self, server: Server, style: Any) -> None:
        self._server = server
        self._session = server.session
        self._style = check_style(style)


class Place(Served[S]):
    """A place in a server's URL tree: what the rooms of `Database` have in common."""

    _path: str


def connect(
    url: str | Sequence[str] | None,
    auth: Auth | tuple[str, str] | None,
    *,
    full_commit: bool = True,
    user: str | None = None,
    password: str | None = None,
    port: int | None = None,
    cookie: str | None = None,
    headers: Mapping[str, str] | None = None,
    timeout: float | None = None,
    retries: int | None = None,
    on_request: OnRequest | None = None,
    max_body_size: int | None = None,
    verify: bool = True,
    ca_certs: str | os.PathLike[str] | None = None,
    client_cert: str | os.PathLike[str] | None = None,
    client_key: str | os.PathLike[str] | None = None,
    ssl_context: ssl.SSLContext | None = None,
    http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None = None,
) -> Server:
    """Make a `Server` of what a program tells about it; arguments as of `Couch`. Nothing is sent."""
    urls = _urls(url, port)
    if timeout is not None:
        check_seconds(timeout)
    if retries is not None:
        check_count(retries, "retries")
    if on_request is not None and not callable(on_request):
        raise TypeError(f"on_request must be callable, not {on_request!r:.80}")
    if inspect.iscoroutinefunction(on_request):
        raise TypeError("on_request must be a plain function: nobody would await what it gives")
    if max_body_size is not None:
        check_count(max_body_size, "max_body_size")
    if headers is not None and not isinstance(headers, Mapping):
        raise TypeError(f"headers must be a dict, not {type(headers).__name__}")
    sent = dict(headers or {})
    if cookie is not None:
        sent["Cookie"] = _cookie(cookie)
    if not full_commit:
        sent["X-Couch-Full-Commit"] = "false"
    files = {"ca_certs": ca_certs, "client_cert": client_cert, "client_key": client_key}
    for argument, path in files.items():
        if path is not None and not isinstance(path, str | os.PathLike):
            raise TypeError(f"{argument} must be a str or a Path, not {path!r:.80}")
    if client_key is not None and client_cert is None:
        raise ValueError("client_key needs client_cert beside it: the key's certificate")
    if ssl_context is not None and not isinstance(ssl_context, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {ssl_context!r:.80}")
    check_flag(verify, "verify")
    if client_cert is not None and ssl_context is not None:
        raise ValueError(
            "client_cert and ssl_context: give one of them; a context gets its certificate by "
            "load_cert_chain()"
        )
    if not verify and (ca_certs is not None or ssl_context is not None):
        given = "ssl_context" if ca_certs is None else "ca_certs"
        raise ValueError(f"verify=False accepts any certificate: give it or {given}, not both")
    if http_client is not None and not _is_client(http_client):
        raise TypeError(
            f"http_client must be an AsyncHTTPClient or a class of them, not {http_client!r:.80}"
        )
    return Server(
        Session(
            urls,
            auth=_auth(auth, user, password),
            headers=sent,
            timeout=timeout,
            retries=retries,
            on_request=on_request,
            max_body_size=max_body_size,
            verify=verify,
            ca_certs=ca_certs,
            client_cert=client_cert,
            client_key=client_key,
            ssl_context=ssl_context,
            http_client=http_client,
        )
    )


def _urls(given: str | Sequence[str] | None, port: int | None) -> list[str]:
    """The addresses of a server, checked; arguments as of `Couch`."""
    name = "url"
    if given is None:
        name, given = _usual_urls()
    several = [given] if isinstance(given, str) else given
    if not isinstance(several, Sequence):
        raise TypeError(f"{name} must be a str, or a list of them, not {type(given).__name__}")
    if not several:
        raise ValueError(f"{name} names no server")
    parts = [check_url(url, name) for url in several]
    if port is None:
        return list(several)
    check_int(port, "port", most=65535)
    urls = []
    for part in parts:
        host = part.netloc.removesuffix(f":{part.port}") if part.port else part.netloc
        urls.append(part._replace(netloc=f"{host}:{port}").geturl())
    return urls


def _usual_urls() -> tuple[str, list[str]]:
    """The server of a program that names none: where it is named, and its addresses."""
    given = os.environ.get("COUCHDB_URL")
    if given:
        return "COUCHDB_URL", [url.strip() for url in given.split(",") if url.strip()]
    return "defaults.host", [f"{defaults.host}:{defaults.port}"]


def _cookie(cookie: Any) -> str:
    """A ``Cookie`` header's value; it is not shown, since it may be a session."""
    if not isinstance(cookie, str):
        raise TypeError(f"cookie must be a str, not {type(cookie).__name__}")
    if not cookie.isprintable():
        raise ValueError("cookie must not hold a line break or control character")
    return cookie


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


def database_path(name: str, argument: str = "name") -> str:
    """The path of a database, its name checked against CouchDB's rule.

    Args:
        name (str): the database's name.
        argument (str): the argument's name, for errors.

    Returns:
        str: the path, encoded.

    Raises:
        TypeError: it is no str.
        ValueError: it breaks the rule.
    """
    if not isinstance(name, str):
        raise TypeError(f"{argument} must be a str, not {name!r:.80}")
    if not _NAME(name) and name not in _SYSTEM:
        raise ValueError(
            f"{argument} {name!r:.80} is no database name: it must begin with a lower-case letter, "
            "and hold only lower-case letters, digits and _ $ ( ) + - /"
        )
    return "/" + quote_segment(name, argument)


def cutting(q: int | None, n: int | None, partitioned: bool) -> dict[str, str]:
    """How a new database is to be cut, as parameters; arguments as of `Couch.create`."""
    check_flag(partitioned, "partitioned")
    query = {}
    for name, number in (("q", q), ("n", n)):
        if number is not None:
            check_int(number, name)
            query[name] = number_text(number)
    return {**query, "partitioned": "true"} if partitioned else query
