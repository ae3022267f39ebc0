"""What makes the page worth watching while nobody writes, and a server that fails on demand."""

from __future__ import annotations

import asyncio
import random
from contextlib import suppress
from secrets import token_hex
from typing import Any

from corduroy import Database, Document, HTTPError
from corduroy.testing import Server

OUTAGE = 6.0  # seconds

BIRDS = ["blackbird", "goldcrest", "jay", "kestrel", "kingfisher", "robin", "swift", "wren"]
PLACES = ["above the weir", "by the pond", "in the hedge", "in the old oak", "over the field"]


async def write_now_and_then(db: Database[Any], pause: float = 2.5) -> None:
    """Write notes, change some, delete some, until cancelled.

    Args:
        db (Database): where to; its calls give Futures.
        pause (float): seconds between two of them, on average.
    """
    notes: list[Document] = []
    while True:
        # What a viewer has changed meanwhile, and an outage, are none of its business.
        with suppress(HTTPError):
            await write_one(db, notes)
        await asyncio.sleep(random.expovariate(1 / pause))


async def write_one(db: Database[Any], notes: list[Document]) -> None:
    """Write a note, or do something to one of those written before."""
    if len(notes) < 4 or (len(notes) < 12 and random.random() < 0.4):
        note = Document(
            _id=f"note-{token_hex(4)}",
            type="note",
            text=f"A {random.choice(BIRDS)} {random.choice(PLACES)}",
            seen={"count": random.randint(1, 9), "by": random.choice(["Ada", "Grace", "Hedy"])},
        )
        await db.save(note)
        notes.append(note)
        return
    note = notes.pop(random.randrange(len(notes)))
    if random.random() < 0.3:
        await db.delete(note)
        return
    note.seen.count += 1
    await db.save(note)
    notes.append(note)


class Outage:
    """Lets a server fail for a moment, as with ``kill -9``.

    Args:
        server (Server): the server, whose data is on disk.
    """

    def __init__(self, server: Server) -> None:
        self._server = server
        self._going_on: asyncio.Task[None] | None = None

    def __call__(self) -> None:
        """Begin one, unless one is going on."""
        if self._going_on is None or self._going_on.done():
            self._going_on = asyncio.create_task(self._fail())

    async def _fail(self) -> None:
        self._server.kill()
        await asyncio.sleep(OUTAGE)
        await asyncio.to_thread(self._server.start)
