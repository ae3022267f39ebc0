"""Couch: one CouchDB server. Its operations are written in the rooms that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Literal, Self, TypeVar, Unpack, overload

from .calls import aside
from .changes import list_updates
from .cluster import Cluster
from .database import Database
from .databases import Databases
from .feeds.delivery import FeedCallback
from .feeds.feed import ChangesFeed, asks_for_feed, feed_of_updates
from .replication import Replication
from .search import Analyzing
from .server import ServerOptions, connect
from .serving import Serving
from .styles import Auto, S, Style, in_place, operation, operation_or, would_block
from .transport.auth import Auth
from .users import Users
from .veil import discreet

S2 = TypeVar("S2", bound=Style)


class Couch(Serving[S], Databases[S], Replication[S], Cluster[S], Users[S], Analyzing[S]):
    """A CouchDB server. Making one sends nothing.

    Each of its operations, and of its databases', takes three keywords beside its own: ``callback``;
    ``timeout`` (float), seconds for all of that call; and ``retries`` (int), how often a request of it
    is tried again. The last two go before those given here.

    Args:
        url (str | list of str): ``http://`` or ``https://``, host, port, perhaps a path; credentials in
            it are percent-decoded, and never shown again. A list of them: the nodes of a cluster;
            requests go round those that live. None: ``COUCHDB_URL`` in the environment (several with
            commas between them), or else what `defaults` say.
        auth: ``(user, password)``, or a `BasicAuth`, `CookieAuth`, `JWTAuth` or `ProxyAuth`, or an
            object of your own with a method ``headers()``.
        full_commit (bool): False asks the server not to wait for its disk.
        style (str): ``"auto"``, ``"blocking"`` or ``"future"``; see the guide's "Calling styles".
        user, password (str): another way to say ``auth``.
        port (int): goes before the url's.
        cookie (str): a ``Cookie`` header to send.
        headers (dict of str to str): headers to send with every request.
        timeout (float): seconds for a whole call, with all that belongs to it (waiting for its turn,
            connecting, trying again, the body); 0: no limit; None: `defaults.request_timeout`. For what
            takes its time by nature, a stream for instance, it is how long the server may be silent.
        retries (int): how often a request that has failed is tried again, where that can do no harm; 0:
            it is sent once; None: `defaults.retries`.
        on_request: is called with a `RequestEvent` when a request is over, each time that it was sent;
            on its event loop, and in the context of whoever has asked.
        max_body_size (int): how many bytes an answer may have that is held whole, compressed or not,
            and a row of a stream, or a change of a feed; 0: no limit; None: the default.
        verify (bool): False accepts any TLS certificate: whoever is on the way may pretend to be the
            server. It is logged.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        client_cert (str | Path): a PEM file with the certificate that tells an ``https`` server who is
            asking, and those that vouch for it.
        client_key (str | Path): a PEM file with its private key, where that is in a file of its own.
        ssl_context (ssl.SSLContext): instead of all of these.
        http_client: an `AsyncHTTPClient`, or a class of them, to use instead of corduroy's own.

    Raises:
        ValueError, TypeError: an argument makes no sense; it is named.
    """

    @overload
    def __init__(
        self: Couch[Auto],
        url: str | Sequence[str] | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        **options: Unpack[ServerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Couch[S2],
        url: str | Sequence[str] | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        *,
        style: S2,
        **options: Unpack[ServerOptions],
    ) -> None: ...
    @discreet
    def __init__(
        self,
        url: str | Sequence[str] | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        *,
        style: Any = "auto",
        **options: Unpack[ServerOptions],
    ) -> None:
        self._set_up(connect(url, auth, full_commit=full_commit, **options), style)

    @property
    def url(self) -> str:
        """The server's address, the first one if it has several, without credentials."""
        return self._session.url

    @property
    def urls(self) -> list[str]:
        """All of its addresses, without credentials."""
        return self._session.urls

    def with_style(self, style: S2) -> Couch[S2]:
        """The same server in another calling style.

        Args:
            style (str): ``"auto"``, ``"blocking"`` or ``"future"``.

        Returns:
            Couch: it shares this one's connections.
        """
        other: Couch[S2] = Couch.__new__(Couch)
        other._set_up(self._server, style)
        return other

    # -- what happens to its databases --------------------------------------------------------

    async def _list_updates(
        self,
        /,
        *,
        feed: Literal["normal", "longpoll"] = "normal",
        timeout: float | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """List what has happened to databases; or make a feed of it.

        ``feed="continuous"`` and ``"eventsource"`` give a `ChangesFeed`, which does not have to be
        awaited, takes its options (no filters, and no checkpoint), and gives `DatabaseUpdate`. With a
        callback it listens from now on.

        Args:
            feed (str): ``"normal"``, or ``"longpoll"``, which waits until there is something.
            timeout (float): seconds that longpoll waits at most; of ``"normal"``, as of any call.
            since (int | str): a seq as the server gave it, 0 or ``"now"``.
            **options: ``limit`` (int), ``descending`` (bool).

        Returns:
            dict: ``{"results": [{"db_name", "type", "seq"}], "last_seq"}``.

        Raises:
            NotFound: the server has no database ``_global_changes``, where CouchDB keeps this.

        Endpoint: ``GET /_db_updates``.
        """
        return await list_updates({**options, "feed": feed, "timeout": timeout})

    def _feed_of_updates(
        self,
        /,
        *,
        feed: Literal["continuous", "eventsource"],
        callback: FeedCallback | None = None,
        **options: Any,
    ) -> ChangesFeed:
        made = feed_of_updates(self, callback, feed=feed, **options)
        return made if callback is None else made.listen()

    db_updates = operation_or(_list_updates, _feed_of_updates, asks_for_feed)

    # -- connections --------------------------------------------------------------------------

    @operation
    async def close(self) -> None:
        """Close all connections; what is under way on them fails. Using the server opens new ones."""
        await aside(self._session.close)

    def __enter__(self) -> Self:
        if would_block(self):
            raise RuntimeError("leaving this would block the event loop: use `async with` instead")
        return self

    def __exit__(self, *_: object) -> None:
        in_place(self, "close")

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.with_style("future").close()

    # -- as a container -----------------------------------------------------------------------

    def __getitem__(self, name: str) -> Database[S]:
        found: Database[S] = in_place(self, "db", name)
        return found

    def __delitem__(self, name: str) -> None:
        in_place(self, "delete", name)

    def __contains__(self, name: str) -> bool:
        return bool(in_place(self, "exists", name))

    def __iter__(self) -> Iterator[str]:
        return iter(in_place(self, "all_dbs"))

    def __len__(self) -> int:
        return len(in_place(self, "all_dbs"))

    def __bool__(self) -> bool:
        if would_block(self):
            return True
        return bool(in_place(self, "up"))

    def __repr__(self) -> str:
        return f"<Couch {self.url}>"
