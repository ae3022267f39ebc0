"""What happens to the databases of a server."""

from __future__ import annotations

import asyncio

import pytest

from corduroy import ChangesFeed, DatabaseUpdate, NotFound, PreconditionFailed
from tests.feeds.conftest import until


@pytest.fixture
def updated(couch3, offstage):
    """The server, with the database in which CouchDB keeps its updates."""
    made = []
    offstage(lambda couch: made.extend(_make_global_changes(couch)))
    yield couch3
    offstage(lambda couch: [couch.delete(name) for name in made])


def _make_global_changes(couch):
    try:
        return [couch.create("_global_changes").name]
    except PreconditionFailed:
        return []


def test_a_list_of_what_has_happened(call, updated):
    found = call(updated.db_updates, limit=5)
    assert "last_seq" in found
    assert isinstance(found["results"], list)
    assert call(updated.db_updates, since="now")["results"] == []


def test_a_feed_of_what_happens(updated, fresh3, later):
    blocking = updated.with_style("blocking")
    name = fresh3("updates")
    later(0.3, blocking.create, name)
    for update in updated.db_updates(feed="continuous", since="now", timeout=10):
        assert isinstance(update, DatabaseUpdate)
        if update.db_name == name:
            assert update.type == "created"
            assert update.seq
            break
    else:
        raise AssertionError("the update has not come")


def test_with_a_callback_it_listens_at_once(updated, fresh3):
    async def main():
        got = []
        name = fresh3("updates")
        feed = updated.db_updates(
            feed="continuous",
            since="now",
            latency=0,
            callback=lambda seq, updates: got.extend(update.db_name for update in updates),
        )
        assert isinstance(feed, ChangesFeed)
        assert feed.listening
        await asyncio.sleep(0.3)
        await updated.create(name)
        await until(lambda: name in got)
        await feed.stop()

    asyncio.run(main())


def test_where_the_server_has_none_it_says_what_to_do(call, couch):
    with pytest.raises(NotFound, match="created the database _global_changes") as listed:
        call(couch.db_updates)
    for kind in ("continuous", "eventsource"):
        for since in (0, "now"):
            with pytest.raises(NotFound) as heard:
                list(couch.db_updates(feed=kind, since=since))
            assert heard.value.args == listed.value.args


def test_there_is_no_place_for_a_checkpoint(couch):
    with pytest.raises(TypeError, match="checkpoint"):
        couch.db_updates(feed="continuous", checkpoint="mine")


def test_bad_arguments_are_refused_at_the_call(couch):
    for kind, options in (
        (TypeError, {"feed": "continuous", "include_docs": True}),
        (TypeError, {"filter": "a/b"}),
        (ValueError, {"feed": "x"}),
    ):
        with pytest.raises(kind):
            couch.db_updates(**options)
