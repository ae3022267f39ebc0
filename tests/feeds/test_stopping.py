"""A feed can be stopped from anywhere and at any moment, and leaves nothing behind."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from corduroy import ChangesFeed, Couch
from tests.faults.proxy import Silence, error_500
from tests.feeds.conftest import Script, answer, until
from tests.feeds.test_resuming import row


def _owner(timer):
    return getattr(timer._callback, "__self__", None)


@contextlib.asynccontextmanager
async def leaving_nothing():
    """Assert that no task, and no timer that would do something, is left."""
    loop = asyncio.get_running_loop()
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    timers = [timer for timer in loop._scheduled if not timer.cancelled()]
    # An idle connection keeps its clock for the next request; it has no deadline to tell of.
    idle = [timer for timer in timers if getattr(_owner(timer), "_deadline", None) == 0.0]
    ours = [timer for timer in timers if timer not in idle and "_sweep" not in repr(timer)]
    assert ours == []


@pytest.fixture(params=["callback", "async for"])
def way(request):
    return request.param


class Listener:
    """A feed that is consumed in a Task, or by a callback."""

    def __init__(self, way, db, **options):
        self.got, self.states = [], []
        self.options = {"latency": 0, "on_state": self.states.append, **options}
        if way == "callback":
            self.feed = ChangesFeed(db, self.take, **self.options).listen()
        else:
            self.feed = ChangesFeed(db, **self.options)
            self.task = asyncio.create_task(self.loop())

    def take(self, seq, changes):
        self.got += changes

    async def loop(self):
        async for change in self.feed:
            self.got.append(change)

    def names(self):
        return [state.name for state in self.states]


async def stopped(listener):
    begun = time.monotonic()
    await listener.feed.stop()
    assert time.monotonic() - begun < 0.5
    assert not listener.feed.listening
    given = len(listener.got)
    await asyncio.sleep(0.05)
    assert len(listener.got) == given
    assert listener.names().count("stopped") == 1


async def test_stop_before_anything_has_happened(way, proxied):
    async with leaving_nothing():
        await stopped_at_once(way, proxied)


async def stopped_at_once(way, db):
    listener = Listener(way, db)
    await listener.feed.stop()
    assert not listener.feed.listening
    if way == "async for":
        listener.task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listener.task


async def test_stop_while_connecting(way, full_house):
    async with Couch(full_house) as couch, leaving_nothing():
        listener = Listener(way, couch.database("db"))
        await asyncio.sleep(0.1)
        assert listener.names() == []
        await stopped(listener)


async def test_stop_while_the_headers_are_waited_for(way, proxied, proxy):
    proxy.next(Silence())
    async with leaving_nothing():
        listener = Listener(way, proxied)
        await until(lambda: proxy.requests)
        await stopped(listener)
    proxy.wait_until(lambda: proxy.connections == 0)


async def test_stop_while_changes_are_waited_for(way, proxied, proxy):
    async with leaving_nothing():
        listener = Listener(way, proxied, heartbeat=0.2)  # with which PouchDB Server begins
        await until(lambda: "connected" in listener.names())
        await asyncio.sleep(0.05)
        await stopped(listener)
    proxy.wait_until(lambda: proxy.connections == 0)


async def test_stop_while_it_waits_to_try_again(way, proxied, proxy):
    proxy.plan = lambda request: error_500()
    async with leaving_nothing():
        listener = Listener(way, proxied)
        await until(lambda: listener.names().count("retrying") > 3)
        await stopped(listener)


async def test_stop_while_a_change_is_delivered(script, scripted):
    script.answers = [answer(row(1) + row(2) + row(3)) + Script.HOLD]
    got, gate = [], asyncio.Event()

    async def slow(seq, changes):
        got.append(seq)
        await gate.wait()

    async with leaving_nothing():
        feed = ChangesFeed(scripted, slow, latency=0).listen()
        await until(lambda: got)
        begun = time.monotonic()
        await feed.stop()
        assert time.monotonic() - begun < 0.5
        gate.set()
        await asyncio.sleep(0.05)
        assert got == [1]
        assert feed.seq == 1


async def test_stop_from_the_callback_itself(script, scripted):
    script.answers = [answer(row(1) + row(2)) + Script.HOLD]
    got = []

    async def callback(seq, changes):
        got.append(seq)
        await feed.stop()

    async with leaving_nothing():
        feed = ChangesFeed(scripted, callback, latency=0).listen()
        await until(lambda: got)
        await until(lambda: not feed.listening)
        await asyncio.sleep(0.05)
    assert got == [1]


async def test_stop_from_the_loop_s_body(script, scripted):
    script.answers = [answer(row(1) + row(2)) + Script.HOLD]
    async with leaving_nothing():
        feed = ChangesFeed(scripted)
        got = []
        async for change in feed:
            got.append(change.seq)
            await feed.stop()
        assert got == [1]


def test_stop_from_a_blocking_loop_s_body(script, scripted):
    script.answers = [answer(row(1) + row(2)) + Script.HOLD]
    feed, got = ChangesFeed(scripted), []
    for change in feed:
        got.append(change.seq)
        feed.stop()
    assert got == [1]
    assert not feed.listening


def test_stop_from_another_thread(follow, script, scripted, later):
    script.answers = [answer(row(1)) + Script.HOLD]

    def seen(change):
        later(0.2, follow.feed.stop)

    begun = time.monotonic()
    assert [change.seq for change in follow(scripted, each=seen)] == [1]
    assert time.monotonic() - begun < 5


async def test_what_was_read_can_be_drained(script, scripted):
    script.answers = [answer(row(1) + row(2) + row(3)) + Script.HOLD]
    got = []

    async def slow(seq, changes):
        got.append(seq)
        await asyncio.sleep(0.05)

    async with leaving_nothing():
        feed = ChangesFeed(scripted, slow, latency=0).listen()
        await until(lambda: got)
        await feed.stop(drain=True)
        assert got == [1, 2, 3]


async def test_a_gathered_batch_can_be_drained(script, scripted):
    script.answers = [answer(row(1) + row(2)) + Script.HOLD]
    got = []
    async with leaving_nothing():
        feed = ChangesFeed(scripted, lambda seq, changes: got.append(seq), latency=30).listen()
        await until(lambda: feed._run.batch)
        await feed.stop(drain=True)
        assert got == [2]


async def test_a_gathered_batch_is_dropped_without(script, scripted):
    script.answers = [answer(row(1) + row(2)) + Script.HOLD]
    got = []
    async with leaving_nothing():
        feed = ChangesFeed(scripted, lambda seq, changes: got.append(seq), latency=30).listen()
        await until(lambda: feed._run.batch)
        await feed.stop()
        await asyncio.sleep(0.05)
        assert got == []
        assert feed.seq == 0


@pytest.mark.parametrize("follow", ["async for", "for"], indirect=True)
def test_draining_in_a_loop(follow, script, scripted):
    script.answers = [answer(row(1) + row(2) + row(3)) + Script.HOLD]
    found = follow(scripted, each=lambda change: follow.feed.stop(drain=True))
    assert [change.seq for change in found] == [1, 2, 3]


async def test_leaving_the_context_stops_it(script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    got = []
    async with leaving_nothing():
        async with ChangesFeed(scripted, lambda seq, changes: got.append(seq), latency=0) as feed:
            await until(lambda: got)
        assert not feed.listening


def test_leaving_the_blocking_context_stops_it(script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    with ChangesFeed(scripted) as feed:
        changes = iter(feed)
        assert next(changes).seq == 1
        assert feed.listening
    assert not feed.listening
    assert list(changes) == []


async def test_stopping_twice_or_what_does_not_listen_is_nothing(scripted, script):
    script.answers = [answer(b"\n") + Script.HOLD]
    feed = ChangesFeed(scripted)
    await feed.stop()
    listener = Listener("callback", scripted)
    await asyncio.gather(listener.feed.stop(), listener.feed.stop())
    await listener.feed.stop()
    assert listener.names().count("stopped") <= 1


async def test_it_need_not_be_awaited(script, scripted):
    script.answers = [answer(b"\n") + Script.HOLD]
    async with leaving_nothing():
        listener = Listener("callback", scripted)
        await until(lambda: "connected" in listener.names())
        listener.feed.stop()
        assert not listener.feed.listening
        await asyncio.sleep(0.01)


def test_a_loop_may_end_while_a_feed_listens(script, scripted, recwarn):
    script.answers = [answer(row(1)) + Script.HOLD]
    got = []

    async def main():
        ChangesFeed(scripted, lambda seq, changes: got.append(seq), latency=0).listen()
        await until(lambda: got)

    asyncio.run(main())
