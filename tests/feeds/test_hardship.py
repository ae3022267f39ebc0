"""What a listener has to live through: a server killed again and again, too much at once, company."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from corduroy import ConnectionFailed, Couch, Database, ServerError
from corduroy.testing import Server
from tests.feeds.conftest import until

PATIENCE = 120.0  # seconds for each step: a busy machine may take some for a single write


@pytest.fixture
def on_disk(tmp_path: Path) -> Iterator[Server]:
    """A server of the test's own, whose data survives it."""
    with Server(tmp_path) as server:
        yield server


def write_until(over: threading.Event, url: str, written: list[str]) -> None:
    """Write document after document; what is not confirmed is written again."""
    with Couch(url, style="blocking") as couch:
        db = couch.database("db")
        while not over.is_set():
            doc = {"_id": f"doc-{len(written):05d}"}
            try:
                db.save(doc, force=True)
            except (ConnectionFailed, ServerError):
                over.wait(0.05)
            else:
                written.append(doc["_id"])


def test_a_server_killed_three_times_under_writing_costs_no_change(on_disk: Server) -> None:
    Couch(on_disk.url, style="blocking").create("db")
    over, written = threading.Event(), list[str]()
    writer = threading.Thread(target=write_until, args=[over, on_disk.url, written])

    async def story() -> list[str]:
        heard: list[str] = []
        db = Couch(on_disk.url).database("db")

        def got(_seq: Any, changes: list[Any]) -> None:
            heard.extend(change.id for change in changes)

        async with db.changes(feed="continuous", callback=got, latency=0.01, heartbeat=0.5):
            for enough in (50, 100, 150):
                await until(lambda enough=enough: len(written) >= enough, PATIENCE)
                await asyncio.to_thread(on_disk.kill)
                await asyncio.to_thread(on_disk.start)
            over.set()
            await asyncio.to_thread(writer.join)
            await until(lambda: set(written) <= set(heard), PATIENCE)
        return heard

    writer.start()
    try:
        heard = asyncio.run(story())
    finally:
        over.set()
        writer.join()
    assert list(dict.fromkeys(heard)) == written


SLOW = """
import asyncio, json, sys
from corduroy import Couch

def resident():
    for line in open("/proc/self/status"):
        if line.startswith("VmRSS"):
            return int(line.split()[1]) / 1024

async def main(url, name):
    db = Couch(url).database(name)
    idle = db.changes(feed="continuous", since="now", callback=lambda *_: None)
    await asyncio.sleep(1)
    rest = resident()
    await idle.stop()
    most, seen = 0.0, 0

    async def slowly(seq, changes):
        nonlocal most, seen
        await asyncio.sleep(0.01 * len(changes))
        seen += len(changes)
        most = max(most, resident())

    async with db.changes(feed="continuous", callback=slowly, latency=0, heartbeat=10):
        await asyncio.sleep(float(sys.argv[3]))
    print(json.dumps({"above": most - rest, "seen": seen}))

asyncio.run(main(*sys.argv[1:3]))
"""


@pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="reads its memory as Linux tells"
)
def test_a_slow_listener_leaves_the_backlog_with_the_server(
    couch: Couch[Any], db: Database[Any], couchdb_url: str
) -> None:
    blocking = db.with_style("blocking")
    for start in range(0, 50_000, 5_000):
        blocking.save([{"_id": f"doc-{n:06d}-{'x' * 200}"} for n in range(start, start + 5_000)])
    done = subprocess.run(
        [sys.executable, "-c", SLOW, str.__str__(couchdb_url), db.name, "8"],
        capture_output=True,
        text=True,
        check=True,
        env=dict(os.environ),
    )
    found = json.loads(done.stdout)
    assert found["seen"] > 100
    assert found["above"] < 20  # MB, of some 15 of ids alone


async def test_thirty_feeds_share_nothing_and_hold_up_nobody(couch: Couch[Any]) -> None:
    dbs = [await couch.create(f"{name}-{os.getpid()}") for name in map("feed{}".format, range(30))]
    heard: list[list[str]] = [[] for _ in dbs]
    try:
        feeds = [
            db.changes(
                feed="continuous",
                latency=0,
                callback=lambda _seq, changes, own=own: own.extend(one.id for one in changes),
            )
            for db, own in zip(dbs, heard, strict=True)
        ]
        for number, db in enumerate(dbs):
            await db.save([{"_id": f"{number}-{n}"} for n in range(5)])
        async with asyncio.timeout(60):
            await asyncio.gather(*(db.info() for db in dbs for _ in range(10)))
            await until(lambda: all(len(own) == 5 for own in heard))
        await asyncio.gather(*(feed.stop() for feed in feeds))
    finally:
        await asyncio.gather(*(couch.delete(db.name) for db in dbs))
    assert [sorted(own) for own in heard] == [
        [f"{number}-{n}" for n in range(5)] for number in range(30)
    ]
