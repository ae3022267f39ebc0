"""Callbacks: what they get, when, and how a slow one slows the server."""

from __future__ import annotations

import asyncio
import json
import socket
import threading
import time

from corduroy import ChangesFeed, Couch, Status
from tests.feeds.conftest import Script, answer, until
from tests.feeds.test_resuming import row


async def test_a_callback_may_take_a_status(script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    got = []
    feed = ChangesFeed(scripted, lambda seq, changes, status: got.append(status), latency=0)
    feed.listen()
    await until(lambda: got)
    await feed.stop()
    assert isinstance(got[0], Status)
    assert got[0].ok


async def test_an_argument_of_the_program_s_own_is_no_status(script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    got = []

    def callback(seq, changes, where=got):
        where.append(seq)

    feed = ChangesFeed(scripted, callback, latency=0).listen()
    await until(lambda: got)
    await feed.stop()
    assert got == [1]


async def test_without_latency_every_change_comes_by_itself(script, scripted):
    script.answers = [answer(row(1) + row(2) + row(3)) + Script.HOLD]
    got = []
    feed = ChangesFeed(scripted, lambda seq, changes: got.append((seq, len(changes))), latency=0)
    feed.listen()
    await until(lambda: len(got) == 3)
    await feed.stop()
    assert got == [(1, 1), (2, 1), (3, 1)]


async def test_a_batch_is_gathered_from_its_first_change_on(db, save):
    got = []
    feed = ChangesFeed(db, lambda seq, changes: got.append(len(changes)), since="now", latency=0.4)
    feed.listen()
    await asyncio.sleep(0.2)
    begun = time.monotonic()
    for id in "abc":
        await db.save({"_id": id})
    await until(lambda: got)
    assert 0.35 < time.monotonic() - begun < 2
    assert got == [3]
    await feed.stop()


async def test_a_large_batch_does_not_wait(script, scripted):
    script.answers = [answer(b"".join(row(n) for n in range(5000))) + Script.HOLD]
    got = []
    feed = ChangesFeed(scripted, lambda seq, changes: got.append(len(changes)), latency=60).listen()
    await until(lambda: sum(got) > 4900)
    await feed.stop(drain=True)
    assert sum(got) == 5000
    assert max(got) < 3000


async def test_an_awaitable_is_awaited_before_the_next_batch(script, scripted):
    script.answers = [answer(row(1) + row(2) + row(3)) + Script.HOLD]
    running, got = 0, []

    async def slow(seq, changes):
        nonlocal running
        running += 1
        assert running == 1
        await asyncio.sleep(0.03)
        running -= 1
        got.append(seq)

    feed = ChangesFeed(scripted, slow, latency=0).listen()
    await until(lambda: len(got) == 3)
    await feed.stop()
    assert got == [1, 2, 3]


def test_a_slow_consumer_slows_the_server(follow):
    sent = 0
    line = json.dumps({"seq": 1, "id": "x" * 1000, "changes": []}).encode() + b"\n"

    def serve(listener):
        nonlocal sent
        connection, _ = listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n")
            try:
                while True:
                    connection.sendall(line * 100)
                    sent += 100
            except OSError:
                pass

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, args=[listener])
        thread.start()
        with Couch(f"http://127.0.0.1:{listener.getsockname()[1]}") as couch:
            follow(couch.database("db"), 300, each=lambda change: time.sleep(0.003))
        thread.join()
    assert sent < 15_000  # what fits into the sockets' buffers


async def test_one_change_comes_at_once(db, save):
    got = []
    feed = ChangesFeed(
        db, lambda seq, changes: got.append(time.monotonic()), since="now", latency=0
    )
    feed.listen()
    await asyncio.sleep(0.3)
    begun = time.monotonic()
    await db.save({"_id": "a"})
    await until(lambda: got)
    await feed.stop()
    assert got[0] - begun < 0.5
