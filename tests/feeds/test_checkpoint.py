"""A feed that keeps, in the database itself, how far its program has come."""

from __future__ import annotations

import asyncio

import pytest

from corduroy import ChangesFeed, Forbidden
from tests.faults.proxy import Answer
from tests.feeds.conftest import PATIENCE, until


@pytest.fixture
def kept(db):
    """``kept()``: what the checkpoint "mine" says; None where there is none."""
    blocking = db.with_style("blocking")

    def seq():
        try:
            return blocking.get("_local/mine")["seq"]
        except Exception:
            return None

    return seq


def ids(changes):
    return sorted(change.id for change in changes)


def test_a_program_goes_on_where_it_was(follow, db, save, kept):
    save("a", "b")
    assert ids(follow(db, checkpoint="mine", timeout=1)) == ["a", "b"]
    assert kept() is not None
    save("c")
    assert ids(follow(db, checkpoint="mine", timeout=1)) == ["c"]


def test_a_checkpoint_goes_before_since(follow, db, save):
    save("a", "b")
    follow(db, checkpoint="mine", limit=2)
    assert follow(db, checkpoint="mine", since=0, timeout=1) == []


def test_since_counts_where_there_is_none_yet(follow, db, save, later):
    save("a")
    later(0.3, save, "b")
    assert ids(follow(db, 1, checkpoint="mine", since="now")) == ["b"]


def test_what_is_not_finished_comes_again(db, save):
    save("a", "b", "c")
    seen = []
    for change in ChangesFeed(db, checkpoint="mine"):
        seen.append(change.id)
        if len(seen) == 2:
            break  # which an exception is to a feed, too
    again = [change.id for change in ChangesFeed(db, checkpoint="mine", timeout=1)]
    assert seen[1] in again
    assert set(seen) | set(again) == {"a", "b", "c"}


def test_a_callback_that_has_returned_is_finished(db, save, kept):
    save("a", "b")

    async def main():
        finished, released = [], asyncio.Event()

        async def callback(seq, changes):
            if finished:
                await released.wait()
            finished.append(seq)

        feed = ChangesFeed(db, callback, latency=0, checkpoint="mine", checkpoint_every=0)
        feed.listen()
        await until(lambda: finished)
        await feed.stop()
        first = finished[0]
        released.set()
        return first

    first = asyncio.run(main())
    again = [change.seq for change in ChangesFeed(db, checkpoint="mine", timeout=1)]
    assert first not in again


def test_it_is_written_now_and_then(proxied, proxy, db, save, kept):
    save("a")

    async def main():
        got = []
        feed = ChangesFeed(
            proxied,
            lambda seq, changes: got.append(seq),
            latency=0,
            checkpoint="mine",
            checkpoint_every=0.2,
        ).listen()
        await until(lambda: got)
        assert kept() is None
        await asyncio.sleep(0.5)
        assert kept() == got[-1] or str(kept())[:2] == str(got[-1])[:2]
        before = proxy.requests
        await asyncio.sleep(0.5)
        assert proxy.requests == before  # nothing new, nothing to write
        await feed.stop()

    asyncio.run(main())


def test_somebody_else_s_writing_is_no_obstacle(follow, db, save, kept):
    save("a", "b")
    blocking = db.with_style("blocking")
    blocking.save({"_id": "_local/mine", "seq": 0, "note": "keep me"})

    def meddle(change):
        doc = blocking.get("_local/mine")
        doc["note"] = f"seen {change.id}"
        blocking.save(doc)

    follow(db, each=meddle, checkpoint="mine", checkpoint_every=0, timeout=1)
    assert kept() != 0
    assert "note" in blocking.get("_local/mine")


def test_one_that_can_never_be_written_ends_the_feed(follow, proxied, proxy, save):
    save("a", "b")

    def plan(request):
        if request.method == "PUT":
            body = b'{"error":"forbidden","reason":"no"}'
            return Answer(403, body, (("Content-Type", "application/json"),))
        return None

    proxy.plan = plan
    with pytest.raises(Forbidden):
        follow(proxied, checkpoint="mine", checkpoint_every=0, timeout=PATIENCE)


@pytest.mark.parametrize("name", ["", "_local/x"])
def test_a_name_is_a_name(db, name):
    with pytest.raises(ValueError, match="checkpoint"):
        ChangesFeed(db, checkpoint=name)
