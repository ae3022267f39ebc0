"""What `Database` has for documents of any number: a writer, and saving what an iterator gives."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterable, Iterable
from typing import Any

from ..calls import aside
from ..conflicts import ConflictResolution, Merge
from ..server import Place
from ..styles import S
from .sending import Sending
from .writer import OnResult, Progress, Writer


class BulkWriting(Place[S]):
    """The part of `Database` that writes documents of any number."""

    def writer(
        self,
        *,
        merge: Merge | None = None,
        force: bool = False,
        new_edits: bool = True,
        progress: Progress | None = None,
        on_result: OnResult | None = None,
        count: int | None = None,
        size: int | None = None,
        in_flight: int = 2,
        max_retries: int | None = 8,
    ) -> Writer[S]:
        """A writer of documents of any number, for ``with`` and ``async with``. Nothing is sent yet.

        Args:
            merge: what to do about conflicts, as of `Database.save`.
            force (bool): save over what the server has.
            new_edits (bool): False saves the revisions as they are, as replication does.
            progress: is called with how many more documents are accounted for, batch by batch:
                ``tqdm(…).update``, say.
            on_result: is called as ``on_result(doc, status)`` for each document that is accounted for,
                with a `Status`: ``status.exception`` says why it was not written.
            count (int): how many documents go in one request at most; None: `defaults.bulk_count`.
            size (int): how many bytes of documents; None: `defaults.bulk_bytes`.
            in_flight (int): how many requests are under way at once.
            max_retries (int | None): how many failures in a row a batch bears; None: any number.

        Returns:
            Writer: it has this database's style.

        Raises:
            TypeError, ValueError: an argument makes no sense; it is named.
        """
        return Writer(
            self,
            merge=merge,
            force=force,
            new_edits=new_edits,
            progress=progress,
            on_result=on_result,
            count=count,
            size=size,
            in_flight=in_flight,
            max_retries=max_retries,
        )


async def save_stream(
    place: Place[S],
    docs: Iterable[Any] | AsyncIterable[Any],
    merge: Merge | None,
    force: bool,
    new_edits: bool,
) -> ConflictResolution[S]:
    """Save what an iterator gives, bit by bit; arguments and result as of `Database.save`."""
    writer = Writer(place, merge=merge, force=force, new_edits=new_edits)
    try:
        await aside(_send_all, writer._sending, docs)
    except BaseException as error:
        await aside(writer._sending.break_off, not isinstance(error, Exception))
        error.add_note(repr(writer))
        raise
    return writer.resolution


async def _send_all(sending: Sending, docs: Iterable[Any] | AsyncIterable[Any]) -> None:
    """Send all that an iterator gives, as fast as it goes."""
    async with contextlib.AsyncExitStack() as stack:
        if not isinstance(docs, AsyncIterable):
            for at, doc in enumerate(docs):
                if _takes(sending, doc, at):
                    await sending.catch_up()
        else:
            docs = aiter(docs)
            if callable(close := getattr(docs, "aclose", None)):
                stack.push_async_callback(close)
            at = 0
            async for doc in docs:
                if _takes(sending, doc, at):
                    await sending.catch_up()
                at += 1
    await sending.drain()
    sending.close()
    if sending.failure is not None:
        raise sending.failure


def _takes(sending: Sending, doc: Any, at: int) -> bool:
    """Take one of many documents, which is named if it cannot be sent; say whether a batch is full."""
    batches = sending.batches
    try:
        batches.take(doc, "doc")
    except (TypeError, ValueError):
        batches.take(doc, f"docs[{at}]")
    return bool(batches.full)
