"""Writer: takes documents one by one, and writes them in batches, several at a time."""

from __future__ import annotations

import asyncio
import inspect
import warnings
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..asking import id_and_rev
from ..calls import aside
from ..conflicts import ConflictResolution, Merge, keep_local
from ..drafts import Draft
from ..options import check_count, check_flag, check_int
from ..server import Place
from ..status import Status
from ..styles import S, Styled, operation, would_block
from ..transport.auth import check_texts
from .account import Account
from .delivery import Deletion, Terms
from .sending import Sending

OnResult = Callable[[Any, Status], Any]
Progress = Callable[[int], Any]

_UNSAID = object()


class Writer(Styled[S]):
    """Writes documents of any number, in flat memory; `Database.writer` makes one.

    It is used by ``with`` in scripts, and by ``async with`` under an event loop. Documents are sent in
    batches, several of them at a time, in no particular order. When the block is left, every document
    is accounted for: ``written + conflicts + refused + unsent + unknown`` is how many there were.

    A request that breaks is tried again. Before that the writer looks up what it has written, so that
    nothing is written twice, nor taken for somebody else's. A batch that is too large for the server is
    sent in halves.

    Leaving the block by an exception sends no more: batches under way are waited for (after Ctrl-C or a
    cancellation they are not), and the others are ``unsent``. When the writer itself has to give up
    (the credentials are refused, or ``max_retries`` did not help), `put` and the end of the block raise
    what has happened.

    Attributes:
        written (int): how many documents were written.
        conflicts (int): how many are in conflict.
        refused (int): how many the server did not want: a validation function, say.
        unsent (int): how many were never sent.
        unknown (int): how many were sent, and may be written: nobody was there to tell any more.
        failures (list of dict): those that were not written, each with ``"doc"``; ``"error"``:
            ``"conflict"``, ``"unsent"``, ``"unknown"`` or another of the server's words; ``"reason"``,
            a sentence; and ``"server_doc"``, the server's side of a conflict.
    """

    def __init__(
        self,
        place: Place[S],
        *,
        count: int | None = None,
        size: int | None = None,
        in_flight: int = 2,
        merge: Merge | None = None,
        force: bool = False,
        new_edits: bool = True,
        max_retries: int | None = 8,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
    ) -> None:
        for name, number in (("count", count), ("size", size), ("in_flight", in_flight)):
            if number is not None:
                check_int(number, name)
        if max_retries is not None:
            check_count(max_retries, "max_retries")
        check_flag(force, "force")
        check_flag(new_edits, "new_edits")
        check_merge(merge)
        for name, function in (("progress", progress), ("on_result", on_result)):
            if function is not None and (
                not callable(function) or inspect.iscoroutinefunction(function)
            ):
                raise TypeError(f"{name} must be a plain function, not {function!r:.80}")
        self._session = place._session
        self._style = place._style
        self._name = place._path[1:]
        self._account = Account(place, progress, on_result)
        chosen = merge or (keep_local if force else None)
        terms = Terms(place, self._account, chosen, new_edits, max_retries)
        self._sending = Sending(terms, count, size, in_flight)
        self._batches = self._sending.batches
        # What `put` gives where nothing has to be waited for, as `with` and `async with` have it: to
        # ask which loop runs is a system call, and costs as much as to encode a small document.
        self._ready: Any = _UNSAID

    # -- the account --------------------------------------------------------------------------

    @property
    def written(self) -> int:
        return self._account.written

    @property
    def conflicts(self) -> int:
        return self._account.conflicts

    @property
    def refused(self) -> int:
        return self._account.refused

    @property
    def unsent(self) -> int:
        return self._account.unsent

    @property
    def unknown(self) -> int:
        return self._account.unknown

    @property
    def failures(self) -> list[dict[str, Any]]:
        return self._account.failures

    @property
    def resolution(self) -> ConflictResolution[S]:
        """The same account, with the means to settle conflicts. Its ``pending`` are the failures, by
        id, and ``saved`` is how many were written."""
        return self._account.resolution

    def __repr__(self) -> str:
        counts = [f"{self.written} written"]
        for name, words in (
            ("conflicts", "in conflict"),
            ("refused", "refused"),
            ("unsent", "not sent"),
            ("unknown", "unknown"),
        ):
            if number := getattr(self, name):
                counts.append(f"{number} {words}")
        return f"<Writer {self._name}: {', '.join(counts)}>"

    # -- taking documents ---------------------------------------------------------------------

    if TYPE_CHECKING:

        @operation
        async def put(self, doc: Mapping[str, Any]) -> None: ...

        @operation
        async def delete(self, doc: Mapping[str, Any] | str, rev: str | None = None) -> None: ...

    else:

        def put(self, doc: Mapping[str, Any], callback: Any = None) -> Any:
            """Take a document to be written. It waits while as much as there may be is under way.

            The document is taken as it is now, and gets its ``_id`` and ``_rev`` when it is written.

            Args:
                doc (dict): the document, as of `Database.save`.

            Raises:
                HTTPError: the writer has given up; this document was not taken.

            Endpoints: ``POST /{db}/_bulk_docs``, ``GET /{db}``, ``GET /_uuids``,
            ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
            ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``. The last five look up what is
            in conflict, and what a request has written that was never answered.
            """
            if callback is not None:
                return self._take(Draft(doc, "doc"), callback=callback)
            batches, ready = self._batches, self._ready
            batches.take(doc, "doc")
            return self._keep_up() if batches.full or ready is _UNSAID else ready

        def delete(
            self, doc: Mapping[str, Any] | str, rev: str | None = None, callback: Any = None
        ) -> Any:
            """Take a document to be deleted; otherwise as `put`.

            Args:
                doc (dict | str): the document, or its id. It is not changed.
                rev (str): the revision to delete; None: the document's ``_rev``, or the current one.

            Endpoints: ``POST /{db}/_bulk_docs``, ``GET /{db}``, ``GET /_uuids``,
            ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
            ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
            """
            id, own_rev = id_and_rev(doc)
            if rev is not None:
                check_texts(rev=rev)
            deletion = Deletion(id, rev or own_rev)
            if callback is not None:
                return self._take(deletion, callback=callback)
            self._batches.add(deletion)
            return self._keep_up()

    @operation
    async def _take(self, draft: Draft | None = None) -> None:
        if draft is not None:
            self._batches.add(draft)
        await aside(self._sending.catch_up)
        if self._sending.failure is not None:
            raise self._sending.failure

    def _keep_up(self: Any) -> Any:
        """What `put` and `delete` return: mostly there is nothing to wait for."""
        if self._batches.full:
            return self._take()
        if self._ready is not _UNSAID:
            return self._ready
        running = asyncio._get_running_loop()
        if running is None:
            return self._take() if self._style == "future" else None
        return _ready_on(running) if would_block(self) else None

    # -- the end ------------------------------------------------------------------------------

    @operation
    async def flush(self) -> ConflictResolution[S]:
        """Send what has been put, and wait until every document is accounted for.

        Returns:
            ConflictResolution: the `resolution`.

        Raises:
            HTTPError: the writer has given up.

        Endpoints: ``POST /{db}/_bulk_docs``, ``GET /{db}``, ``GET /_uuids``,
        ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        await aside(self._sending.drain)
        self._account.tell()
        if self._sending.failure is not None:
            raise self._sending.failure
        return self.resolution

    @operation
    async def close(self) -> ConflictResolution[S]:
        """As `flush`, and take no more documents. Leaving the block does so.

        Endpoints: ``POST /{db}/_bulk_docs``, ``GET /{db}``, ``GET /_uuids``,
        ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        try:
            await aside(self._sending.drain)
        finally:
            self._sending.close()
        self._account.tell()
        if self._sending.failure is not None:
            self._sending.failure.add_note(repr(self))
            raise self._sending.failure
        return self.resolution

    @operation
    async def _leave(self, cancel: bool) -> None:
        await aside(self._sending.break_off, cancel)

    def __enter__(self) -> Self:
        if would_block(self):
            raise RuntimeError("leaving this would block the event loop: use `async with` instead")
        self._ready = None
        return self

    def __exit__(
        self: Any,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ready = _UNSAID
        if error is None:
            self.close()
            return
        self._leave(not isinstance(error, Exception))
        error.add_note(repr(self))

    async def __aenter__(self) -> Self:
        if self._style == "blocking":
            raise TypeError("an object of style 'blocking' is used by `with`")
        self._ready = _ready_on(asyncio.get_running_loop())
        return self

    async def __aexit__(
        self: Any,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ready = _UNSAID
        if error is None:
            await self.close()
            return
        await self._leave(not isinstance(error, Exception))
        error.add_note(repr(self))

    def __del__(self) -> None:
        if getattr(self, "_batches", None):
            warnings.warn(f"never closed: {self!r}", ResourceWarning, stacklevel=2, source=self)


def _ready_on(loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """A Future that is done."""
    ready = loop.create_future()
    ready.set_result(None)
    return ready


def check_merge(merge: Any) -> None:
    """Refuse a merge that cannot be called."""
    if merge is not None and not callable(merge):
        raise TypeError(f"merge must be callable, not {merge!r:.80}")
