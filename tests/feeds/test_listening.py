"""A feed gives what happens, in each of the three ways to consume it."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import threading
import time

import pytest

from corduroy import Change, ChangesFeed, Document
from tests.feeds.conftest import answer, until


def ids(changes):
    return [change.id for change in changes]


def test_a_feed_gives_what_has_happened_and_what_happens(follow, db, save, later):
    save("a", "b")
    later(0.2, save, "c", "d")
    assert sorted(ids(follow(db, 4))) == ["a", "b", "c", "d"]


def test_a_change_reads_like_a_row(follow, db, save, later):
    save("a")
    rev = db.with_style("blocking").get("a")._rev
    (change,) = follow(db, 1, include_docs=True)
    assert isinstance(change, Change)
    assert (change.id, change.rev, change.revs, change.deleted) == ("a", rev, [rev], False)
    assert isinstance(change.doc, Document)
    assert change.doc._id == change["doc"]["_id"] == "a"
    assert change.seq == follow.feed.seq


def test_a_deletion_is_told_as_one(follow, db, save):
    save("a")
    db.with_style("blocking").delete("a")
    (change,) = follow(db, 1)
    assert change.deleted
    assert change.doc is None


def test_a_feed_goes_on_after_a_seq(follow, db, save):
    save("a")
    seq = db.with_style("blocking").changes()["last_seq"]
    save("b")
    assert ids(follow(db, 1, since=seq)) == ["b"]


def test_since_now_gives_only_what_comes(follow, db, save, later):
    save("a")
    later(0.3, save, "b")
    assert ids(follow(db, 1, since="now")) == ["b"]


def test_a_limit_ends_the_feed(follow, db, save):
    save("a", "b", "c")
    assert len(follow(db, limit=2)) == 2
    assert not follow.feed.listening


def test_a_timeout_without_changes_ends_the_feed(follow, db, save):
    save("a")
    begun = time.monotonic()
    assert ids(follow(db, timeout=0.3)) == ["a"]
    assert 0.3 <= time.monotonic() - begun < 5


def test_a_stopped_feed_goes_on_where_it_was(follow, db, save):
    save("a", "b", "c", "d")
    feed = ChangesFeed(db, latency=0)
    first = follow(feed, 2)
    seq = feed.seq
    assert seq == first[-1].seq
    rest = follow(feed, 2)
    assert sorted(ids(first + rest)) == ["a", "b", "c", "d"]


def test_filters_are_the_server_s(follow, db, save):
    source = "function (doc, req) { return doc._id === req.query.wanted; }"
    save("_design/some", filters={"one": source})
    save("a", "b")
    found = follow(db, 1, filter="some/one", query_params={"wanted": "b"})
    assert ids(found) == ["b"]


def test_any_number_of_ids(follow, db, save):
    save("a", "b")
    wanted = [f"nobody-{'x' * 40}-{n}" for n in range(2000)]
    assert ids(follow(db, 1, doc_ids=[*wanted, "b"])) == ["b"]


def test_a_selector(follow, db3):
    db3.with_style("blocking").save([{"_id": "a", "n": 1}, {"_id": "b", "n": 2}])
    assert ids(follow(db3, 1, selector={"n": 2})) == ["b"]


def test_some_changes_come_without_a_seq(follow, db, save):
    save("a", "b", "c", "d")
    found = follow(db, 4, seq_interval=3)
    assert sorted(ids(found)) == ["a", "b", "c", "d"]
    assert follow.feed.seq is not None


def test_descending_is_the_history_once(follow, db3):
    db3.with_style("blocking").save([{"_id": "a"}, {"_id": "b"}])
    assert sorted(ids(follow(db3, descending=True))) == ["a", "b"]


@pytest.mark.parametrize("feed", ["eventsource", "longpoll"])
def test_other_kinds_of_feed_give_the_same(follow, db, save, later, feed):
    save("a", "b")
    later(0.4, save, "c")
    assert sorted(ids(follow(db, 3, feed=feed))) == ["a", "b", "c"]


def test_eventsource_becomes_continuous_where_there_is_none(follow, db, save, classic, caplog):
    save("a")
    with caplog.at_level("INFO", "corduroy.feed"):
        assert ids(follow(db, 1, feed="eventsource")) == ["a"]
    assert ("no eventsource" in caplog.text) == classic


def test_a_longpoll_asks_for_a_bounded_number(follow, script, scripted):
    rows = b'{"seq":1,"id":"a","changes":[]}'
    script.answers = [answer(b'{"results":[' + rows + b'],"last_seq":1,"pending":0}'), b""]
    follow(scripted, 1, feed="longpoll", limit=5000)
    assert "limit=1000" in script.asked[0]


def test_an_empty_longpoll_is_not_asked_again_and_again(script, scripted):
    script.answers = [answer(b'{"results":[],"last_seq":1}')]
    assert list(ChangesFeed(scripted.with_style("blocking"), feed="longpoll", timeout=1.0)) == []
    assert len(script.asked) < 30


def test_the_feed_is_what_changes_gives_without_waiting(db, save, call):
    feed = db.changes(feed="continuous")
    assert isinstance(feed, ChangesFeed)
    assert not feed.listening


def test_changes_with_a_callback_listens_at_once(db, save):
    save("a")
    got = []

    async def main():
        feed = db.changes(
            feed="continuous", callback=lambda seq, changes: got.append((seq, changes)), latency=0
        )
        assert feed.listening
        await until(lambda: got)
        await feed.stop()

    asyncio.run(main())
    ((seq, (change,)),) = got
    assert (change.id, change.seq) == ("a", seq)


def test_a_feed_may_begin_before_its_loop_runs(db, save):
    save("a")
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        feed = ChangesFeed(db, lambda seq, changes: loop.stop()).listen()
        assert feed.listening
        loop.run_forever()
        loop.run_until_complete(feed.stop())
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert not feed.listening


def test_leaving_a_loop_frees_the_connection(proxied, proxy, save):
    save("a", "b")
    feed = ChangesFeed(proxied)

    async def main():
        async for _ in feed:
            break
        assert not feed.listening
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1

        with contextlib.suppress(ZeroDivisionError):
            async for _ in feed:
                1 / 0  # noqa: B018
        assert not feed.listening

    asyncio.run(main())
    proxy.wait_until(lambda: proxy.connections == 0)
    for _ in ChangesFeed(proxied):
        break
    proxy.wait_until(lambda: proxy.connections == 0)


def test_a_step_that_is_cancelled_loses_nothing(db, save):
    async def main():
        changes = aiter(ChangesFeed(db, since="now"))
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(anext(changes), 0.2)
        save("a", "b")
        got = [await asyncio.wait_for(anext(changes), 10) for _ in range(2)]
        await changes.aclose()
        return ids(got)

    assert sorted(asyncio.run(main())) == ["a", "b"]


def test_only_one_consumer_at_a_time(db, save):
    save("a", "b")
    feed = ChangesFeed(db)
    for _ in feed:
        with pytest.raises(RuntimeError, match="already"):
            iter(feed)
        break
    assert not feed.listening


def test_a_for_loop_would_block_an_event_loop(db):
    async def main():
        with pytest.raises(RuntimeError, match="async for"):
            iter(ChangesFeed(db))

    asyncio.run(main())


def test_a_blocking_feed_may_be_used_under_a_running_loop(db, save):
    save("a")

    async def main():
        return [change.id for change in ChangesFeed(db.with_style("blocking"), limit=1)]

    assert asyncio.run(main()) == ["a"]


def test_thirty_feeds_hold_nobody_up(db, save, monkeypatch):
    monkeypatch.setattr("corduroy.defaults.max_clients", 2)
    save("a")

    async def main():
        counts = [0] * 30
        feeds = []
        for n in range(30):

            def got(seq, changes, n=n):
                counts[n] += len(changes)

            feeds.append(db.changes(feed="continuous", callback=got, latency=0))
        await until(lambda: all(counts))
        await asyncio.wait_for(asyncio.gather(*(db.get("a") for _ in range(20))), 10)
        await asyncio.gather(*(feed.stop() for feed in feeds))
        assert counts == [1] * 30
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(main())


def test_a_feed_made_before_any_loop_works_on_one_after_another(db, save):
    save("a", "b")
    feed = ChangesFeed(db)

    async def one():
        async for change in feed:
            return change.id
        return None

    found = {asyncio.run(one()), asyncio.run(one())}
    assert found == {"a", "b"}


def test_feeds_leave_no_thread_and_no_garbage(db, save):
    save("a")
    threads = threading.active_count()
    for _ in ChangesFeed(db, limit=1):
        pass
    gc.collect()
    assert threading.active_count() == threads
