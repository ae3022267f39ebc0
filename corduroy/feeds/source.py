"""What a feed asks the server for, from any place in its history on."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from ..changes import encode_changes, offering_changes, offering_updates
from ..documents import bind_docs
from ..options import CHANGES, DB_UPDATES, check_int, check_seconds
from ..transport.encoding import encode_json, number_text, query_string
from ..transport.messages import Request
from ..transport.session import Session
from .lines import PARSERS
from .values import Change, database_update

# How many changes a longpoll answers with at most: its body is decoded in one piece.
_PAGE = 1000
_PAGE_WITH_DOCS = 100


class Source:
    """The changes of a database, or of all databases.

    Args:
        session (Session): the way to the server.
        path (str): the database's path, encoded; empty: all databases.
        feed (str): ``"continuous"``, ``"eventsource"`` or ``"longpoll"``.
        heartbeat (float): seconds between two signs of life; 0: the server gives none.
        options (dict): the other options of ``_changes``.
        keeper (Database): which database the documents among the changes are to know.

    Attributes:
        path (str): what is asked, ``"/{db}/_changes"``.
        limit (int | None): how many changes are wanted in all.
        silence (float): seconds without a sign of life after which a connection is dead; 0: never.
        descending (bool): whether the history is gone through backwards.
        sparse (bool): whether some changes come without a seq.

    Raises:
        TypeError, ValueError: an option does not exist, or has a value that it cannot have.
    """

    def __init__(
        self,
        session: Session,
        path: str,
        feed: str,
        heartbeat: float,
        options: Mapping[str, Any],
        keeper: Any = None,
    ) -> None:
        if feed not in PARSERS:
            raise ValueError(f"feed must be one of {', '.join(PARSERS)}, not {feed!r:.80}")
        check_seconds(heartbeat, "heartbeat")
        if (limit := options.get("limit")) is not None:
            check_int(limit, "limit")
        self.session = session
        self.path = f"{path}/_changes" if path else "/_db_updates"
        self.feed = feed
        self.limit: int | None = limit
        self.silence = 2.0 * heartbeat
        self.descending = bool(options.get("descending"))
        self.sparse = options.get("seq_interval") is not None
        self._of_documents = bool(path)
        self._keeper = keeper if options.get("include_docs") else None
        self._page = _PAGE_WITH_DOCS if options.get("include_docs") else _PAGE
        known, what = (CHANGES, "changes") if path else (DB_UPDATES, "db_updates")
        query, body = encode_changes(options, known, what)
        self._query = {
            name: value for name, value in query.items() if name not in ("since", "limit")
        }
        self._body = None if body is None else encode_json(body, "filter")
        if heartbeat:
            self._query["heartbeat"] = str(max(1, int(heartbeat * 1000)))

    @property
    def url(self) -> str:
        """The address that is asked, without credentials and query."""
        return self.session.url + self.path

    def page(self, left: int | None, feed: str) -> int | None:
        """How many changes to ask for at once, where so many are wanted still."""
        if feed != "longpoll":
            return left
        return self._page if left is None else min(left, self._page)

    def request(self, feed: str, since: Any, limit: int | None) -> Request:
        """Ask for what comes after a seq.

        Args:
            feed (str): the kind of feed.
            since: the seq, as the server gave it.
            limit (int | None): how many changes, at most.

        Returns:
            Request: what to send; the feed has its own way of trying again.
        """
        query = {**self._query, "feed": feed, "since": CHANGES["since"]("since", since)}
        if limit is not None:
            query["limit"] = number_text(limit)
        target = self.path + query_string(query)
        # What is compressed on the way is held back until there is enough of it: by PouchDB Server,
        # and by many a proxy.
        headers = {"Accept-Encoding": "identity"}
        if self._body is None:
            return Request("GET", target, headers=headers, retries=0)
        headers["Content-Type"] = "application/json"
        return Request("POST", target, body=self._body, headers=headers, safe=True, retries=0)

    def ask_now(self) -> Request:
        """Ask for the seq that history has come to."""
        return Request("GET", self.path + query_string({"since": "now", "limit": "1"}), retries=0)

    def offering(self) -> AbstractContextManager[None]:
        """Say so in an error if the server does not have what is asked for."""
        if self._of_documents:
            return offering_changes(self._query.get("filter"))
        return offering_updates()

    def changes(self, rows: list[dict[str, Any]]) -> list[Any]:
        """Make what the program gets of rows as the server sent them."""
        if not self._of_documents:
            return list(map(database_update, rows))
        if self._keeper is not None:
            bind_docs(rows, self._keeper)
        return list(map(Change, rows))
