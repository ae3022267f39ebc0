"""Writer: takes documents one by one, and writes them in batches, several at a time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import warnings
from collections import deque
from collections.abc import AsyncIterable, Callable, Iterable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from .. import defaults
from ..asking import id_and_rev
from ..calls import Call, aside, begun
from ..conflicts import ConflictResolution, Merge, keep_local
from ..drafts import Draft
from ..options import check_count, check_flag, check_int
from ..server import Place
from ..status import Status
from ..styles import S, Styled, operation, would_block
from ..transport.auth import check_texts
from .account import UNSENT, Account
from .delivery import Deletion, Delivery, Terms

OnResult = Callable[[Any, Status], Any]
Progress = Callable[[int], Any]


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
        self._terms = Terms(place, self._account, chosen, new_edits, max_retries, self._fail)
        self._count = count
        self._size = size
        self._in_flight = in_flight
        self._queue: deque[list[Draft]] = deque()
        self._batch: list[Draft] = []
        self._cut()
        self._flying: dict[Call, Delivery] = {}
        self._failure: BaseException | None = None
        self._closed = False
        self._loop: asyncio.AbstractEventLoop | None = None
        self._done: asyncio.Future[None] | None = None  # what there is to await if there is nothing

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
            return self._put(Draft(doc, "doc"), callback)

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
            return self._put(Deletion(id, rev or own_rev), callback)

    def _put(self: Any, draft: Draft, callback: Any) -> Any:
        """Take a draft. Most of them need no waiting, and cost no more than they must."""
        if callback is not None:
            return self._take(draft, callback=callback)
        self._add(draft)
        if not self._queue:
            running = asyncio._get_running_loop()
            if running is None:
                if self._style != "future":
                    return None
            elif self._done is not None and self._loop is running:
                return self._done
            elif not would_block(self):
                return None
        return self._take()

    @operation
    async def _take(self, draft: Draft | None = None) -> None:
        if draft is not None:
            self._add(draft)
        await aside(self._take_off)
        if self._failure is not None:
            raise self._failure

    def _add(self, draft: Draft) -> None:
        if self._failure is not None:
            raise self._failure
        if self._closed:
            raise RuntimeError("this writer is closed")
        size = len(draft.body)
        if self._bytes + size > self._most and self._batch:
            self._cut()
        self._batch.append(draft)
        self._bytes += size
        if len(self._batch) >= self._many:
            self._cut()

    def _cut(self) -> None:
        """Put the batch in the queue, and begin another one."""
        if self._batch:
            self._queue.append(self._batch)
        self._batch, self._bytes = [], 0
        self._many = self._count or defaults.bulk_count
        most = self._size or defaults.bulk_bytes
        self._most = min(most, self._terms.most or most)

    # -- on the loop --------------------------------------------------------------------------

    async def _take_off(self) -> None:
        """Wait until every batch in the queue is under way."""
        self._launch()
        while self._queue:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            self._launch()

    async def _drain(self) -> None:
        """Wait until every document is accounted for."""
        self._cut()
        self._launch()
        while self._queue or self._flying:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            self._launch()

    def _launch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._flying:
                raise RuntimeError(
                    "a writer belongs to the event loop, or in scripts to the thread, that it began in"
                )
            self._loop, self._done = loop, None
            if would_block(self):
                self._done = loop.create_future()
                self._done.set_result(None)
        while self._queue and len(self._flying) < self._in_flight:
            delivery = Delivery(self._terms, self._queue.popleft())
            call = begun(loop, self._session, delivery.run())
            self._flying[call] = delivery
            call.add_done_callback(self._landed)

    def _landed(self, call: asyncio.Future[Any]) -> None:
        del self._flying[call]  # type: ignore[arg-type]
        if not call.cancelled() and (error := call.exception()) is not None:
            self._fail(error)
        if self._queue:
            self._launch()

    def _fail(self, error: BaseException) -> None:
        """Give up: nothing is sent any more."""
        if self._failure is None and not self._terms.ending:
            self._failure = error
            self._end(str(error) or type(error).__name__, cancel=False)

    def _end(self, reason: str, cancel: bool) -> None:
        """Send no more."""
        self._terms.ending = True
        for call, delivery in list(self._flying.items()):
            if cancel or delivery.pausing:
                call.cancel()
        self._cut()
        for batch in self._queue:
            self._account.lose(batch, UNSENT, reason)
        self._queue.clear()

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
        await aside(self._drain)
        self._account.tell()
        if self._failure is not None:
            raise self._failure
        return self.resolution

    @operation
    async def close(self) -> ConflictResolution[S]:
        """As `flush`, and take no more documents. Leaving the block does so.

        Endpoints: ``POST /{db}/_bulk_docs``, ``GET /{db}``, ``GET /_uuids``,
        ``POST /{db}/_all_docs``, ``POST /{db}/_changes``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        try:
            await aside(self._drain)
        finally:
            self._closed = True
        self._account.tell()
        if self._failure is not None:
            self._failure.add_note(repr(self))
            raise self._failure
        return self.resolution

    @operation
    async def _leave(self, cancel: bool) -> None:
        await aside(self.break_off, cancel)

    async def break_off(self, cancel: bool) -> None:
        """Send no more, and wait for what is under way, or have done with that, too."""
        self._closed = True
        self._end("the program left the block by an exception", cancel)
        while self._flying:
            await asyncio.wait(self._flying)
        self._account.tell()

    async def take_all(self, docs: Iterable[Any] | AsyncIterable[Any]) -> None:
        """Write all that an iterator gives, as fast as it goes.

        Raises:
            HTTPError: the writer has given up.
        """
        at = 0
        async with contextlib.AsyncExitStack() as stack:
            if not isinstance(docs, AsyncIterable):
                for doc in docs:
                    self._add(_draft(doc, at))
                    at += 1
                    if self._queue:
                        await self._take_off()
            else:
                docs = aiter(docs)
                if callable(close := getattr(docs, "aclose", None)):
                    stack.push_async_callback(close)
                async for doc in docs:
                    self._add(_draft(doc, at))
                    at += 1
                    if self._queue:
                        await self._take_off()
        await self._drain()
        self._closed = True
        if self._failure is not None:
            raise self._failure

    def __enter__(self) -> Self:
        if would_block(self):
            raise RuntimeError("leaving this would block the event loop: use `async with` instead")
        return self

    def __exit__(
        self: Any,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()
            return
        self._leave(not isinstance(error, Exception))
        error.add_note(repr(self))

    async def __aenter__(self) -> Self:
        if self._style == "blocking":
            raise TypeError("an object of style 'blocking' is used by `with`")
        return self

    async def __aexit__(
        self: Any,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if error is None:
            await self.close()
            return
        await self._leave(not isinstance(error, Exception))
        error.add_note(repr(self))

    def __del__(self) -> None:
        if getattr(self, "_batch", None) or getattr(self, "_queue", None):
            warnings.warn(f"never closed: {self!r}", ResourceWarning, stacklevel=2, source=self)


def _draft(doc: Any, at: int) -> Draft:
    """The draft of one of many documents, which is named if it cannot be sent."""
    try:
        return Draft(doc, "doc")
    except (TypeError, ValueError):
        return Draft(doc, f"docs[{at}]")


def check_merge(merge: Any) -> None:
    """Refuse a merge that cannot be called."""
    if merge is not None and not callable(merge):
        raise TypeError(f"merge must be callable, not {merge!r:.80}")
