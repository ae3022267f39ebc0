"""Database: one CouchDB database. Its operations are written in the rooms that it is made of."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal, TypeVar
from urllib.parse import unquote

from .attachments import Attachments
from .browsing import Browsing
from .bulk.saving import BulkWriting
from .changes import list_changes
from .conflicts import replace
from .deploying import Deploying
from .design import Functions
from .documents import Document
from .editing import Editing
from .errors import NotFound
from .feeds.delivery import FeedCallback
from .feeds.feed import ChangesFeed, asks_for_feed
from .indexes import Indexes
from .leaves import Leaves
from .local import Locals
from .mango import Mango
from .paging import Paging
from .partition import Partitions
from .reading import Reading
from .replicating import replicate
from .search import Searching
from .server import Server, connect, database_path
from .styles import Auto, S, Style, in_place, operation, operation_or, would_block
from .transport.auth import Auth
from .upkeep import Upkeep
from .veil import discreet
from .writing import Writing

S2 = TypeVar("S2", bound=Style)


class Database(
    Reading[S],
    Writing[S],
    BulkWriting[S],
    Editing[S],
    Leaves[S],
    Browsing[S],
    Paging[S],
    Locals[S],
    Functions[S],
    Deploying[S],
    Searching[S],
    Mango[S],
    Indexes[S],
    Partitions[S],
    Attachments[S],
    Upkeep[S],
):
    """A CouchDB database, whether it exists or not. Making one sends nothing.

    Each of its operations takes three keywords beside its own: ``callback``; ``timeout`` (float),
    seconds for all of that call, 0: no limit; and ``retries`` (int), how often a request of it that
    has failed is tried again, 0: it is sent once. None, of the last two: as its `Couch` has it. (With
    longpoll, ``timeout`` of `changes` is something else; what gives a stream takes ``callback`` alone.)

    Args:
        name_or_url (str): a name, on the default server, or an url that ends with one.
        auth: ``(user, password)``, or an object that authenticates.

    Raises:
        ValueError: the name breaks CouchDB's rule, or the url names no host.
    """

    @discreet
    def __init__(
        self: Database[Auto], name_or_url: str, auth: Auth | tuple[str, str] | None = None
    ) -> None:
        if not isinstance(name_or_url, str):
            raise TypeError(f"name_or_url must be a str, not {type(name_or_url).__name__}")
        url, name = "", name_or_url
        if "://" in name_or_url:
            url, _, name = name_or_url.rstrip("/").rpartition("/")
            if url.endswith((":", ":/")):
                raise ValueError("name_or_url must end with a database's name")
        if "@" in name:  # a part of a password, perhaps, and not for an error
            raise ValueError("name_or_url must be a database's name, or an url that ends with one")
        if url:
            name = unquote(name)
        self._path = database_path(name)
        self._set_up(connect(url or None, auth), "auto")

    @property
    def name(self) -> str:
        """The database's name."""
        return unquote(self._path[1:])

    @property
    def url(self) -> str:
        """The database's address, without credentials."""
        return self._session.url + self._path

    def with_style(self, style: S2) -> Database[S2]:
        """The same database in another calling style.

        Args:
            style (str): ``"auto"``, ``"blocking"`` or ``"future"``.

        Returns:
            Database: it shares this one's connections.
        """
        return database_of(self._server, self._path, style)

    # -- changes and replication --------------------------------------------------------------

    async def _list_changes(
        self,
        /,
        *,
        feed: Literal["normal", "longpoll"] = "normal",
        timeout: float | None = None,
        **options: Any,
    ) -> dict[str, Any]:
        """List what has changed in the database; or make a feed of it.

        ``feed="continuous"`` and ``"eventsource"`` give a `ChangesFeed`, which takes these options and
        its own, and does not have to be awaited. With a callback it listens from now on. (A longpoll
        of its own accord is ``ChangesFeed(db, feed="longpoll")``.)

        Args:
            feed (str): ``"normal"``, or ``"longpoll"``, which waits until there is something.
            timeout (float): seconds that longpoll waits at most; of ``"normal"``, as of any call.
            since (int | str): a seq as the server gave it, 0 or ``"now"``.
            filter (str): ``"ddoc/filter"``, or one of CouchDB's own.
            query_params (dict of str to str): what the filter function gets.
            doc_ids (list of str): only the changes of these documents.
            selector (dict): only those of documents that match it.
            **options: ``limit``, ``seq_interval`` (int), ``descending``, ``include_docs``,
                ``conflicts``, ``attachments`` (bool), ``style`` (``"main_only"`` or ``"all_docs"``),
                ``view`` (``"ddoc/view"``, with ``filter="_view"``).

        Returns:
            dict: ``{"results": [{"seq", "id", "changes", …}], "last_seq", …}``.

        Endpoints: ``GET /{db}/_changes``, ``POST /{db}/_changes``.
        """
        asked = {**options, "feed": feed, "timeout": timeout}
        return await list_changes(self._server, self._path, asked)

    def _feed_of_changes(
        self,
        /,
        *,
        feed: Literal["continuous", "eventsource"],
        callback: FeedCallback | None = None,
        **options: Any,
    ) -> ChangesFeed:
        made = ChangesFeed(self, callback, feed=feed, **options)
        return made if callback is None else made.listen()

    changes = operation_or(_list_changes, _feed_of_changes, asks_for_feed)

    @operation
    async def push(self, /, target: Any, **options: Any) -> dict[str, Any]:
        """Replicate this database to another; as `Couch.replicate`.

        Endpoints: ``POST /_replicate``, ``PUT /{db}/{docid}``.
        """
        return await replicate(self._server, self, target, options)

    @operation
    async def pull(self, /, source: Any, **options: Any) -> dict[str, Any]:
        """Replicate another database to this one; as `Couch.replicate`.

        Endpoints: ``POST /_replicate``, ``PUT /{db}/{docid}``.
        """
        return await replicate(self._server, source, self, options)

    # -- as a container -----------------------------------------------------------------------

    def __getitem__(self, id: str) -> Document:
        found: Document = in_place(self, "get", id)
        return found

    def __setitem__(self, id: str, doc: Any) -> None:
        if not isinstance(doc, Mapping):
            raise TypeError(f"doc must be a dict, not {doc!r:.80}")
        if doc.get("_id", id) != id:
            raise ValueError(f"doc has another '_id' than {id!r:.80}")
        named = {**doc, "_id": id}
        in_place(self, "save", named)
        replace(doc, named, {})

    def __delitem__(self, id: str) -> None:
        in_place(self, "delete", id)

    def __contains__(self, id: str) -> bool:
        try:
            in_place(self, "head", id)
        except NotFound:
            return False
        return True

    def __iter__(self) -> Iterator[str]:
        return iter([row.id for row in in_place(self, "view", "_all_docs")])

    def __len__(self) -> int:
        return int(in_place(self, "info")["doc_count"])

    def __bool__(self) -> bool:
        if would_block(self):
            return True
        return bool(in_place(self, "exists"))

    def __repr__(self) -> str:
        return f"<Database {self.url}>"


def database_of(server: Server, path: str, style: S2) -> Database[S2]:
    """A database of a server that is known already.

    Args:
        server (Server): the server.
        path (str): the database's path, encoded.
        style (str): the calling style.

    Returns:
        Database: the database.
    """
    database: Database[S2] = Database.__new__(Database)
    database._path = path
    database._set_up(server, style)
    return database
