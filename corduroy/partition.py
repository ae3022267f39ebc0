"""Partition: one partition of a partitioned database: the documents whose ids begin with its name."""

from __future__ import annotations

from collections.abc import Coroutine, Mapping
from typing import Any, TypeVar

from .asking import ask_json, offering
from .browsing import stream_docs, stream_rows
from .documents import Document
from .errors import BadRequest, NotFound
from .found import FindResult
from .mango import explain, find, find_body, find_pages
from .options import check_flag
from .paging import PER_PAGE, Paged, stream_pages
from .querying import function_path, query_view
from .server import Place, Served
from .streams import PAGE, PageReader, RowStream, Stream
from .styles import S, Style, operation, streamed
from .transport.encoding import quote_segment
from .views import Page, Row, ViewResult

S2 = TypeVar("S2", bound=Style)
T = TypeVar("T")

_LACKING = "_partition"  # what a server lacks that cannot do it


class Partition(Served[S]):
    """A partition of a partitioned database, whether it has documents or not. Making one sends
    nothing; `Database.partition` does so.

    Ids are whole in it as everywhere: ``"bach:goldberg"`` is in the partition ``"bach"``.

    Args:
        database (Database): the database.
        name (str): the partition's name.

    Raises:
        ValueError: the name is empty, begins with ``_``, or has a colon.
    """

    def __init__(self, database: Place[S], name: str) -> None:
        if not isinstance(database, Place):
            raise TypeError(f"database must be a Database, not {database!r:.80}")
        self._path = f"{database._path}/_partition/{_checked(name)}"
        self._name = name
        self._database: Any = database
        self._set_up(database._server, database._style)

    @property
    def name(self) -> str:
        """The partition's name."""
        return self._name

    def with_style(self, style: S2) -> Partition[S2]:
        """The same partition in another calling style.

        Args:
            style (str): ``"auto"``, ``"blocking"`` or ``"future"``.

        Returns:
            Partition: it shares this one's connections.
        """
        return Partition(self._database.with_style(style), self._name)

    @operation
    async def info(self) -> dict[str, Any]:
        """Ask for the partition's figures.

        Returns:
            dict: ``{"db_name", "partition", "doc_count", "doc_del_count", "sizes"}``.

        Raises:
            BadRequest: the database is not partitioned.

        Endpoint: ``GET /{db}/_partition/{partition_id}``.
        """
        with offering(_LACKING):
            return dict(await ask_json("GET", self._path))

    @operation
    async def all_docs(self, /, **options: Any) -> ViewResult:
        """List the documents by their ids.

        Args:
            **options: those of `Database.view`.

        Returns:
            ViewResult: the rows; ``total_rows`` counts those of the whole database.

        Raises:
            BadRequest: the database is not partitioned.

        Endpoint: ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        return await self._query("_all_docs", options)

    @operation
    async def view(self, /, name: str, **options: Any) -> ViewResult:
        """Query a view of a design document whose views are partitioned, as they are unless it says
        ``"options": {"partitioned": false}``.

        Args:
            name (str): ``"ddoc/view"``, or ``_all_docs``.
            **options: those of `Database.view`.

        Returns:
            ViewResult: the rows that documents of this partition have made.

        Raises:
            BadRequest: the database, or the view, is not partitioned.
            NotFound: there is no such view.

        Endpoints: ``GET /{db}/_partition/{partition_id}/_design/{ddoc}/_view/{view}``,
        ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        return await self._query(name, options)

    @streamed
    def stream(self, /, name: str, resume: bool = False, **options: Any) -> RowStream[Row, S]:
        """Go through the rows of a view that documents of this partition have made; as
        `Database.stream`.

        Endpoints: ``GET /{db}/_partition/{partition_id}/_design/{ddoc}/_view/{view}``,
        ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        _check_view(name)
        return stream_rows(self, self._path, self._database, name, options, resume, _LACKING)

    @streamed
    def docs(self, /, resume: bool = False, **options: Any) -> RowStream[Document, S]:
        """Go through all documents of this partition; as `Database.docs`.

        Endpoint: ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        return stream_docs(self, self._path, self._database, options, resume, _LACKING)

    @operation
    async def page(
        self, /, name: str, per_page: int = PER_PAGE, cursor: str | None = None, **options: Any
    ) -> Page:
        """Fetch one page of a view, of the rows that documents of this partition have made; as
        `Database.page`.

        Endpoints: ``GET /{db}/_partition/{partition_id}/_design/{ddoc}/_view/{view}``,
        ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        return await self._asked(self._paged(name, per_page, options).page(cursor))

    @streamed
    def pages(
        self,
        /,
        name: str,
        per_page: int = PER_PAGE,
        cursor: str | None = None,
        resume: bool = False,
        **options: Any,
    ) -> Stream[Page, S]:
        """Go through a view a page at a time; as `Database.pages`.

        Endpoints: ``GET /{db}/_partition/{partition_id}/_design/{ddoc}/_view/{view}``,
        ``GET /{db}/_partition/{partition_id}/_all_docs``.
        """
        fetch = self._paged(name, per_page, options).fetch(cursor)
        return stream_pages(self, lambda place: self._asked(fetch(place)), resume)

    def _paged(self, name: str, per_page: int, options: Mapping[str, Any]) -> Paged:
        _check_view(name)
        return Paged(self, self._path, self._database, name, per_page, options)

    async def _query(self, name: str, options: Mapping[str, Any]) -> ViewResult:
        _check_view(name)
        return await self._asked(query_view(self._path, name, options, self._database))

    async def _asked(self, asking: Coroutine[Any, Any, T]) -> T:
        """Ask for something, and say so where the server has no partitions."""
        try:
            return await asking
        except (BadRequest, NotFound):  # of a view that is missing CouchDB says the same
            if await self._server.is_classic():
                with offering(_LACKING):
                    raise
            raise

    @operation
    async def find(self, /, selector: Mapping[str, Any], **options: Any) -> FindResult:
        """Find documents of this partition; as `Database.find`.

        Endpoint: ``POST /{db}/_partition/{partition_id}/_find``.
        """
        return await find(
            self._path, _LACKING, find_body(selector, options, "find"), self._database
        )

    @streamed
    def find_all(
        self, /, selector: Mapping[str, Any], page: int = PAGE, resume: bool = False, **options: Any
    ) -> Stream[Document, S]:
        """Find any number of documents of this partition, a page at a time; as `Database.find_all`.

        Endpoint: ``POST /{db}/_partition/{partition_id}/_find``.
        """
        check_flag(resume, "resume")
        body = find_body(selector, options, "find_all")
        fetch = find_pages(self._path, _LACKING, body, page, self._database)
        return Stream(self, lambda: PageReader(self._session, fetch, resume))

    @operation
    async def explain(self, /, selector: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Ask how the server would go about finding documents of this partition; as
        `Database.explain`.

        Endpoint: ``POST /{db}/_partition/{partition_id}/_explain``.
        """
        return await explain(self._path, _LACKING, find_body(selector, options, "explain"))

    def __repr__(self) -> str:
        return f"<Partition {self._session.url}{self._path}>"


def _checked(name: Any) -> str:
    """A partition's name, encoded."""
    quoted = quote_segment(name, "name")
    if name.startswith("_") or ":" in name:
        raise ValueError(
            f"name {name!r:.80} is no partition's name: those do not begin with '_', "
            "and a colon ends them"
        )
    return quoted


def _check_view(name: str) -> None:
    if name != "_all_docs":  # the only one of its own that a partition has
        function_path(name, "_view")


class Partitions(Place[S]):
    """What `Database` has for its partitions."""

    def partition(self, name: str) -> Partition[S]:
        """A partition of the database, whether it has documents or not. Nothing is sent.

        Args:
            name (str): its name: what the ids of its documents have before the first colon.

        Returns:
            Partition: the partition, in this database's calling style.

        Raises:
            ValueError: the name is empty, begins with ``_``, or has a colon.
        """
        return Partition(self, name)
