"""Hub: one feed of a database's changes, for every browser that watches.

A process listens once, however many browsers there are. What the feed gives is kept for a while as
events of a stream, each with the seq that it ends with. A browser has a place among them, and nothing
of its own that could grow: one that is too slow is let go of, comes back, and says which seq it had.
"""

from __future__ import annotations

import asyncio
import json
import logging
import time
from collections import deque
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from corduroy import BadRequest, Change, ChangesFeed, Database, FeedState, HTTPError, Status

KEPT = 500  # events that a browser may fall behind, or miss while it is away
SHOWN = 30  # changes that a browser begins with
PAGE = 200  # changes that are asked of the database at a time
PING = 15.0  # seconds of silence after which a proxy might think that a stream is dead
LARGEST = 16 * 1024  # characters of a document that are worth showing

log = logging.getLogger(__name__)


class Event(NamedTuple):
    """What all browsers are told, and the seq that they have then."""

    seq: str
    text: str


class Hub:
    """Listens to a database, and tells those who follow.

    Args:
        db (Database): the database; it has to exist when the hub is started.
    """

    def __init__(self, db: Database[Any]) -> None:
        self._db = db.with_style("future")
        self._feed: ChangesFeed | None = None
        self._state = FeedState("connecting")
        self._retry_at = 0.0
        self._recent: deque[dict[str, Any]] = deque(maxlen=SHOWN)
        self._events: deque[Event] = deque(maxlen=KEPT)
        self._count = 0  # of all events that there have been
        self._stirred = asyncio.Event()

    async def start(self) -> None:
        """Listen from now on. What happened last is shown to those who come first."""
        seq = (await self._db.changes(since="now", limit=1))["last_seq"]
        newest = await self._db.changes(descending=True, limit=SHOWN, include_docs=True)
        self._recent.extend(describe(Change(row)) for row in reversed(newest["results"]))
        self._add(Event(str(seq), ""))  # the place of who has just come
        self._feed = ChangesFeed(
            self._db,
            self.heard,
            since=seq,
            latency=0.05,  # one event for what a bulk save changes
            heartbeat=2,
            include_docs=True,
            on_state=self.state_changed,
        ).listen()

    async def stop(self) -> None:
        """Stop listening."""
        if self._feed is not None:
            await self._feed.stop()

    # -- the feed -----------------------------------------------------------------------------

    def heard(self, seq: Any, changes: list[Change], status: Status) -> None:
        """Take what the feed gives."""
        if status.exception is not None:
            log.error("the feed has ended: %s", status.exception)
            return
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        described = [describe(change, now) for change in changes]
        self._recent.extend(described)
        self._add(Event(str(seq), event("changes", described, seq)))

    def state_changed(self, state: FeedState) -> None:
        """Take what the feed tells of itself."""
        self._state, self._retry_at = state, time.monotonic() + state.seconds
        self._stir()

    def _add(self, event: Event) -> None:
        self._events.append(event)
        self._count += 1
        self._stir()

    def _stir(self) -> None:
        stirred, self._stirred = self._stirred, asyncio.Event()
        stirred.set()

    # -- the browsers -------------------------------------------------------------------------

    async def follow(self, seq: str | None) -> AsyncIterator[str]:
        """Tell a browser what happens, until it goes away.

        Args:
            seq (str | None): what it has seen already; None: nothing.

        Yields:
            str: events of the stream. Each has a whole number of changes, and the seq after them.
        """
        state = self._state
        yield self._state_event()
        place = self._place_after(seq)
        if place is None:
            place = self._count
            try:
                async for missed in self._missed(seq):
                    yield missed
            except BadRequest:  # a seq of another database, or of one that is no more
                yield self._snapshot()
            except HTTPError:
                return  # the browser will ask again
        elif seq is None:
            yield self._snapshot()
        while True:
            stirred, oldest = self._stirred, self._count - len(self._events)
            if state is not self._state:
                state = self._state
                yield self._state_event()
            elif place < oldest:
                return  # it was too slow, and finds what it has missed when it comes back
            elif place < self._count:
                place += 1
                yield self._events[place - 1 - oldest].text
            else:
                try:
                    await asyncio.wait_for(stirred.wait(), PING)
                except TimeoutError:
                    yield ":\n\n"

    def _place_after(self, seq: str | None) -> int | None:
        """Where to go on after a seq; None: nobody here remembers it."""
        if seq is None:
            return self._count
        for back, one in enumerate(reversed(self._events)):
            if one.seq == seq:
                return self._count - back
        return None

    async def _missed(self, seq: str | None) -> AsyncIterator[str]:
        """What has happened since a seq that is older than what is kept, from the database itself."""
        more = True
        while more:
            answer = await self._db.changes(since=seq, limit=PAGE, include_docs=True)
            seq, rows = answer["last_seq"], answer["results"]
            yield event("changes", [describe(Change(row)) for row in rows], seq)
            more = len(rows) == PAGE

    def _snapshot(self) -> str:
        return event("snapshot", list(self._recent), self._events[-1].seq)

    def _state_event(self) -> str:
        state = self._state
        left = max(0.0, self._retry_at - time.monotonic())
        return event("state", {"name": state.name, "reason": state.reason, "seconds": left})


def describe(change: Change, at: str | None = None) -> dict[str, Any]:
    """Turn a change into what the page shows of it.

    Args:
        change (Change): the change, with its document.
        at (str | None): when it was heard of; None: some time ago.
    """
    generation = int(change.rev.partition("-")[0])
    kind = "deleted" if change.deleted else "created" if generation == 1 else "updated"
    shown = {"id": change.id, "rev": change.rev, "generation": generation, "kind": kind, "at": at}
    size = len(json.dumps(change.doc))
    return {**shown, "doc": change.doc} if size <= LARGEST else {**shown, "size": size}


def event(name: str, data: Any, seq: Any = None) -> str:
    """Write an event of a stream. JSON has no line breaks of its own."""
    id = "" if seq is None else f"id: {seq}\n"
    return f"{id}event: {name}\ndata: {json.dumps(data)}\n\n"
