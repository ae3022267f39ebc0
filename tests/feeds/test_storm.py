"""Twenty thousand changes through five hundred faults: each comes once, and in order."""

from __future__ import annotations

import asyncio
import concurrent.futures
import random
import threading
import uuid
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from corduroy import Couch, Database
from tests.faults import report, scale
from tests.faults.proxy import (
    Cut,
    CutInCharacter,
    CutInLine,
    Delay,
    Fault,
    FaultProxy,
    Refuse,
    Reset,
    Silence,
    Stall,
    Trickle,
    bad_gateway,
    error_500,
    too_many,
    unavailable,
)

CHANGES = 20_000 * scale.SCALE
FAULTS = 500 * scale.SCALE

STEP = 250  # how many are written at once
LEAD = 250  # by how many the writer is ahead of the slowest listener

# Twice what comes between two faults, in changes and in bytes.
LINES = 40
SIZE = 4_000

_TURN = 0.02  # seconds between two looks at what is to be cut


def breaking(random: random.Random) -> Fault:
    """A fault, as a rule after some changes."""
    return random.choices(
        [
            CutInLine(random.randint(0, LINES), reset=random.random() < 0.5),
            CutInCharacter(random.randint(0, 5 * LINES), reset=random.random() < 0.5),
            Cut(random.randint(0, SIZE)),
            Reset(random.randint(0, SIZE)),
            # The next two break nothing by themselves: see `Storm`.
            Trickle(random.randint(1, 7), random.randint(0, SIZE)),
            Delay(random.uniform(0, 0.05), random.randint(0, SIZE)),
            Stall(random.randint(0, SIZE)),
            Silence(),
            Refuse(reset=random.random() < 0.5),
            error_500(),
            bad_gateway(),
            unavailable(),
            too_many(retry_after=0),
        ],
        weights=[20, 20, 20, 20, 1, 1, 1, 1, 2, 2, 2, 2, 2],
    )[0]


class Storm(FaultProxy):
    """A proxy that lets no feed pass unharmed, and that cuts everything now and then, and whenever
    nothing has broken for long.

    Args:
        upstream (str): the server's address.
        seed (int): of what happens.
        ids (list): what has come through.
    """

    def __init__(self, upstream: str, seed: int, ids: list[str]) -> None:
        self._ids = ids
        self._over = threading.Event()
        self._cutter = threading.Thread(target=self._cut_now_and_then)
        self._random = random.Random(seed)
        drawing = random.Random(seed + 1)
        super().__init__(upstream, lambda request: breaking(drawing))

    @property
    def faults(self) -> int:
        """How many have struck."""
        return sum(self.injected.values())

    def __enter__(self) -> Storm:
        super().__enter__()
        self._cutter.start()
        return self

    def __exit__(self, *args: Any) -> None:
        self._over.set()
        self._cutter.join()
        super().__exit__(*args)

    def _cut_now_and_then(self) -> None:
        turns, faults, at = 0, 0, 0
        while not self._over.wait(_TURN):
            turns -= 1
            if self.faults > faults:
                faults, at = self.faults, len(self._ids)
            if turns <= 0 or len(self._ids) - at > 4 * LINES:
                self.cut_all(reset=self._random.random() < 0.5)
                turns, at = int(self._random.uniform(0.5, 2) / _TURN), len(self._ids)


@pytest.fixture(scope="module")
def target(couchdb_url: str) -> Iterator[Database[Any]]:
    """An empty database, whose changes have the same order for everybody."""
    with Couch(couchdb_url, style="blocking") as couch:
        db = couch.create(f"storm-{uuid.uuid4().hex}", q=1)
        yield db
        couch.delete(db.name)


async def by_callback(db: Database[Any], options: dict[str, Any], ids: list[str]) -> None:
    over = asyncio.Event()

    def got(seq: Any, changes: list[Any]) -> None:
        assert seq == changes[-1].seq
        ids.extend(change.id for change in changes)
        if len(ids) >= CHANGES:
            over.set()

    feed = db.changes(callback=got, latency=0.01, **options)
    await over.wait()
    await feed.stop()


async def by_async_for(db: Database[Any], options: dict[str, Any], ids: list[str]) -> None:
    async for change in db.changes(**options):
        ids.append(change.id)  # noqa: PERF401  (others look at it meanwhile)


async def by_for(db: Database[Any], options: dict[str, Any], ids: list[str]) -> None:
    def read() -> None:
        for change in db.changes(**options):
            ids.append(change.id)  # noqa: PERF401

    await asyncio.to_thread(read)


WAYS: list[Callable[..., Any]] = [by_callback, by_async_for, by_for]


class Listener:
    """One way to consume a feed, in a storm of its own."""

    def __init__(self, number: int, seed: int, db: Database[Any], url: str) -> None:
        self.ids: list[str] = []
        self.faults = 0
        self.seed = seed
        self._way = WAYS[number]
        self._db, self._url = db, url

    def listen(self) -> None:
        with Storm(self._url, self.seed, self.ids) as storm:
            asyncio.run(self._listen(storm.url))
            self.faults = storm.faults

    async def _listen(self, url: str) -> None:
        options = {"feed": "continuous", "since": 0, "limit": CHANGES, "heartbeat": 0.25}
        async with Couch(url) as couch, asyncio.timeout(600 * scale.SCALE):
            await self._way(couch.database(self._db.name), options, self.ids)


def write(db: Database[Any], listeners: list[Listener], over: threading.Event) -> None:
    """Write as the slowest of the listeners can follow: what the server has to send again and again
    to those whose connection broke is little."""
    for start in range(0, CHANGES, STEP):
        while min(len(listener.ids) for listener in listeners) < start - LEAD:
            if over.wait(0.005):
                return
        db.save([{"_id": f"ünï-çødé-{n:05d}"} for n in range(start, start + STEP)])


@pytest.fixture(scope="module")
def listeners(target: Database[Any], couchdb_url: str) -> dict[str, Listener]:
    """What came of the storm in each of the ways; all at once, since most of it is waiting."""
    seed = scale.seed(0)
    listeners = [Listener(n, seed + n, target, couchdb_url) for n in range(len(WAYS))]
    over = threading.Event()
    with concurrent.futures.ThreadPoolExecutor(len(WAYS) + 1) as threads:
        writing = threads.submit(write, target, listeners, over)
        try:
            list(threads.map(Listener.listen, listeners))
        finally:
            over.set()
        writing.result()
    return {way.__name__: listener for way, listener in zip(WAYS, listeners, strict=True)}


@pytest.mark.parametrize("way", [way.__name__ for way in WAYS])
def test_every_change_comes_once_and_in_order_whatever_breaks(
    listeners: dict[str, Listener], target: Database[Any], way: str
) -> None:
    expected = [change["id"] for change in target.changes()["results"]]
    assert len(expected) == CHANGES
    listener = listeners[way]
    assert listener.ids == expected
    assert listener.faults >= FAULTS
    figures = {"changes": CHANGES, "faults": listener.faults, "lost": 0, "repeated": 0}
    report.note(way, **figures, seed=listener.seed)
