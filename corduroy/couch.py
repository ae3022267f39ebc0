"""Couch: one CouchDB server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, Self, TypeVar, Unpack, overload

from .asking import ask, ask_json
from .calls import Closing
from .changes import list_updates
from .database import Database, database_of
from .errors import HTTPError
from .feeds.delivery import FeedCallback
from .feeds.feed import ChangesFeed, asks_for_feed, feed_of_updates
from .node import configure, statistics
from .options import check_int
from .replication import replicate
from .server import Server, ServerOptions, connect, cutting, database_path
from .styles import (
    Auto,
    S,
    Style,
    Styled,
    check_style,
    in_place,
    operation,
    operation_or,
    would_block,
)
from .transport.auth import Auth

S2 = TypeVar("S2", bound=Style)


class Couch(Styled[S]):
    """A CouchDB server. Making one sends nothing.

    Args:
        url (str): ``http://`` or ``https://``, host, port, perhaps a path; credentials in it are
            percent-decoded, and never shown again. None: ``COUCHDB_URL`` in the environment, or else
            what `defaults` say.
        auth: ``(user, password)``, or an object that authenticates.
        full_commit (bool): False asks the server not to wait for its disk.
        style (str): ``"auto"``, ``"blocking"`` or ``"future"``; see the guide's "Calling styles".
        user, password (str): another way to say ``auth``.
        port (int): goes before the url's.
        cookie (str): a ``Cookie`` header to send.
        headers (dict of str to str): headers to send with every request.
        timeout (float): seconds for a whole exchange; 0: no limit; None: the default.
        verify (bool): False accepts any TLS certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        ssl_context (ssl.SSLContext): instead of both.
        http_client: an `AsyncHTTPClient`, or a class of them, to use instead of corduroy's own.

    Raises:
        ValueError, TypeError: an argument makes no sense; it is named.
    """

    @overload
    def __init__(
        self: Couch[Auto],
        url: str | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        **options: Unpack[ServerOptions],
    ) -> None: ...
    @overload
    def __init__(
        self: Couch[S2],
        url: str | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        *,
        style: S2,
        **options: Unpack[ServerOptions],
    ) -> None: ...
    def __init__(
        self,
        url: str | None = None,
        auth: Auth | tuple[str, str] | None = None,
        full_commit: bool = True,
        *,
        style: Any = "auto",
        **options: Unpack[ServerOptions],
    ) -> None:
        self._set_up(connect(url, auth, full_commit=full_commit, **options), style)

    def _set_up(self, server: Server, style: Any) -> None:
        self._server = server
        self._session = server.session
        self._style = check_style(style)

    @property
    def url(self) -> str:
        """The server's address, without credentials."""
        return self._session.url

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

    # -- the server itself --------------------------------------------------------------------

    @operation
    async def info(self) -> dict[str, Any]:
        """Ask the server what it is.

        Returns:
            dict: ``{"couchdb", "version", "vendor", …}``.

        Endpoint: ``GET /``.
        """
        return dict(await ask_json("GET", "/"))

    @operation
    async def version(self) -> str:
        """Ask for the server's version.

        Returns:
            str: ``"3.5.0"``, say.

        Endpoint: ``GET /``.
        """
        return str((await ask_json("GET", "/"))["version"])

    @operation
    async def up(self, raise_exception: bool = False) -> bool:
        """Ask whether the server is there, and ready for requests.

        Args:
            raise_exception (bool): raise what tells why it is not, instead of returning False.

        Returns:
            bool: True if it is.

        Endpoint: ``GET /_up``; ``GET /`` where the server has no ``_up``.
        """
        try:
            await self._server.check_up()
        except HTTPError:
            if raise_exception:
                raise
            return False
        return True

    @operation
    async def uuids(self, count: int = 1) -> list[str]:
        """Ask for fresh uuids.

        Args:
            count (int): how many, at least 1.

        Returns:
            list of str: the uuids.

        Endpoint: ``GET /_uuids``.
        """
        check_int(count, "count")
        return await self._server.uuids(count)

    @operation
    async def tasks(self) -> list[dict[str, Any]]:
        """List what the server is busy with: compactions, indexing, replications.

        Returns:
            list of dict: the active tasks.

        Endpoint: ``GET /_active_tasks``.
        """
        return list(await ask_json("GET", "/_active_tasks"))

    @operation
    async def config(self, name: str | None = None, value: Any = None, delete: bool = False) -> Any:
        """Read or change the server's configuration.

        Args:
            name (str): ``"section"`` or ``"section/key"``; None: all of it.
            value: what to set the key to: a str, or a number or bool that becomes one.
            delete (bool): remove the key.

        Returns:
            The whole configuration or a section (dict), or a key's value (str); None where a value
            was set; the old value where a key was removed.

        Raises:
            NotFound: there is no such key; a section that does not exist is empty.

        Endpoints: ``GET``, ``PUT``, ``DELETE /_node/_local/_config/{section}/{key}``;
        ``/_config/…`` on CouchDB 1.x.
        """
        return await configure(self._server, name, value, delete)

    @operation
    async def stats(self, name: str | None = None) -> Any:
        """Read the server's statistics.

        Args:
            name (str): the path of one, ``"couchdb/database_reads"``; None: all.

        Returns:
            dict: the statistics below that path.

        Raises:
            NotFound: there is no such path.

        Endpoint: ``GET /_node/_local/_stats``; ``GET /_stats`` on CouchDB 1.x.
        """
        return await statistics(self._server, name)

    async def _list_updates(
        self, /, *, feed: Literal["normal", "longpoll"] = "normal", **options: Any
    ) -> dict[str, Any]:
        """List what has happened to databases; or make a feed of it.

        ``feed="continuous"`` and ``"eventsource"`` give a `ChangesFeed`, which does not have to be
        awaited, takes its options (no filters, and no checkpoint), and gives `DatabaseUpdate`. With a
        callback it listens from now on.

        Args:
            feed (str): ``"normal"``, or ``"longpoll"``, which waits until there is something.
            timeout (float): seconds that longpoll waits at most.
            since (int | str): a seq as the server gave it, 0 or ``"now"``.
            **options: ``limit`` (int), ``descending`` (bool).

        Returns:
            dict: ``{"results": [{"db_name", "type", "seq"}], "last_seq"}``.

        Raises:
            NotFound: the server has no database ``_global_changes``, where CouchDB keeps this.

        Endpoint: ``GET /_db_updates``.
        """
        return await list_updates({**options, "feed": feed})

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

    # -- databases ----------------------------------------------------------------------------

    @operation
    async def all_dbs(self, /, **options: Any) -> list[str]:
        """List the databases.

        Args:
            **options: ``startkey``, ``endkey`` (str), ``limit``, ``skip`` (int), ``descending``
                (bool).

        Returns:
            list of str: their names.

        Endpoint: ``GET /_all_dbs``.
        """
        return await self._server.names(options)

    def database(self, name: str) -> Database[S]:
        """A database of this server, whether it exists or not. Nothing is sent.

        Args:
            name (str): its name.

        Returns:
            Database: the database, in this server's calling style.

        Raises:
            ValueError: the name breaks CouchDB's rule.
        """
        return database_of(self._server, database_path(name), self._style)

    @operation
    async def db(self, name: str, create_if_missing: bool = False) -> Database[S]:
        """Take a database that exists.

        Args:
            name (str): its name.
            create_if_missing (bool): create it if it does not.

        Returns:
            Database: the database.

        Raises:
            NotFound: there is none, and it was not to be created.

        Endpoints: ``HEAD /{db}``, ``PUT /{db}``.
        """
        path = database_path(name)
        answer = await ask("HEAD", path, accept=(404,))
        if answer.code == 404:
            if not create_if_missing:
                await ask("GET", path)  # raises, with the reason that HEAD has no body for
            await ask_json("PUT", path, accept=(412,))
        return self.database(name)

    @operation
    async def exists(self, name: str) -> bool:
        """Ask whether a database exists.

        Args:
            name (str): its name.

        Returns:
            bool: True if it does.

        Endpoint: ``HEAD /{db}``.
        """
        return (await ask("HEAD", database_path(name), accept=(404,))).code != 404

    @operation
    async def create(
        self,
        name: str,
        q: int | None = None,
        n: int | None = None,
        partitioned: bool = False,
        exists_ok: bool = False,
    ) -> Database[S]:
        """Create a database.

        Args:
            name (str): its name.
            q (int): into how many shards.
            n (int): how many copies of each shard.
            partitioned (bool): whether its documents are in partitions.
            exists_ok (bool): take the database if it exists already.

        Returns:
            Database: the database.

        Raises:
            PreconditionFailed: it exists already.

        Endpoint: ``PUT /{db}``.
        """
        path, cut = database_path(name), cutting(q, n, partitioned)
        await ask_json("PUT", path, cut, accept=(412,) if exists_ok else ())
        return self.database(name)

    @operation
    async def delete(self, name: str) -> None:
        """Delete a database and all that is in it.

        Args:
            name (str): its name.

        Raises:
            NotFound: there is none.

        Endpoints: ``DELETE /{db}``; before it ``GET /{db}`` on CouchDB 1.x.
        """
        path = database_path(name)
        if await self._server.is_classic():
            await ask("GET", path)  # PouchDB Server deletes what does not exist, too
        await ask_json("DELETE", path)

    @property
    def users(self) -> Database[S]:
        """The database of users."""
        return self.database("_users")

    @property
    def replicator(self) -> Database[S]:
        """The database of lasting replications."""
        return self.database("_replicator")

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

        Endpoints: ``POST /_replicate``, ``PUT /_replicator/{docid}``.
        """
        return await replicate(self._server, source, target, options)

    # -- connections --------------------------------------------------------------------------

    @operation
    async def close(self) -> None:
        """Close all connections; what is under way on them fails. Using the server opens new ones."""
        await Closing()

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
