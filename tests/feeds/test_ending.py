"""What cannot heal ends a feed, and is told once; so does what has been borne long enough."""

from __future__ import annotations

import asyncio
import time

import pytest

from corduroy import (
    BadRequest,
    ChangesFeed,
    ConnectionFailed,
    Forbidden,
    HTTPError,
    NotFound,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from tests.faults.proxy import Answer, CutInLine, Refuse, Silence, Stall, error_500
from tests.feeds.conftest import Script, answer, until
from tests.feeds.test_resuming import row


def told(code, error="e", reason="r"):
    body = f'{{"error":"{error}","reason":"{reason}"}}'.encode()
    return Answer(code, body, (("Content-Type", "application/json"),))


@pytest.mark.parametrize(
    ("code", "kind"),
    [(400, BadRequest), (401, Unauthorized), (403, Forbidden), (404, NotFound), (418, HTTPError)],
)
def test_what_cannot_heal_is_raised_at_once(follow, proxied, proxy, code, kind):
    proxy.plan = lambda request: told(code)
    with pytest.raises(kind):
        follow(proxied, 1)
    assert proxy.requests == 1
    assert isinstance(follow.feed.exception, kind)
    assert not follow.feed.listening


def test_a_database_that_does_not_exist(follow, couch):
    with pytest.raises(NotFound):
        follow(couch.database("no-such-database"))


def test_a_database_that_is_deleted(follow, couch3, db3):
    blocking = couch3.with_style("blocking")
    blocking.database(db3.name).save({"_id": "a"})
    with pytest.raises(NotFound):
        follow(db3, each=lambda change: blocking.delete(db3.name))


def test_a_filter_that_does_not_exist(follow, db, save):
    save("_design/some", filters={})
    with pytest.raises((NotFound, ServerError)):
        follow(db, filter="some/filter", max_retries=0)


@pytest.mark.parametrize("options", [{"selector": {}}, {"filter": "_design"}], ids=str)
@pytest.mark.parametrize("kind", ["continuous", "eventsource", "longpoll"])
def test_a_filter_that_the_server_does_not_have(follow, db, classic, kind, options):
    if not classic:
        pytest.skip("this server has it")
    with pytest.raises(NotFound) as listed:
        db.with_style("blocking").changes(**options)
    assert "does not offer" in listed.value.reason
    with pytest.raises(NotFound) as heard:
        follow(db, feed=kind, **options)
    assert heard.value.args == listed.value.args


def test_a_filter_that_does_not_compile(follow, db3):
    bad = {"_id": "_design/some", "filters": {"bad": "function (doc, req) { nonsense ("}}
    db3.with_style("blocking").save([bad, {"_id": "a"}])
    with pytest.raises(ServerError, match="compilation_error"):
        follow(db3, filter="some/bad")


def test_a_page_that_says_404_is_no_end_while_the_server_starts(follow, script, scripted):
    script.answers = [
        answer(row(1)),
        answer(b"default backend - 404", "text/plain", 404),
        answer(row(2)) + Script.HOLD,
    ]
    assert [change.seq for change in follow(scripted, 2)] == [1, 2]


def test_so_many_failures_in_a_row_are_borne(follow, proxied, proxy):
    proxy.plan = lambda request: error_500()
    with pytest.raises(ServerError):
        follow(proxied, 1, max_retries=2)
    assert proxy.requests == 3


def test_none_are_borne(follow, proxied, proxy):
    proxy.plan = lambda request: Refuse()
    with pytest.raises(ConnectionFailed):
        follow(proxied, 1, max_retries=0)
    assert proxy.requests == 1


def test_a_success_starts_the_count_over(follow, script, scripted):
    page = answer(b"<html>", "text/html", 502)
    script.answers = [page, page, answer(row(1)), page, page, answer(row(2)) + Script.HOLD]
    assert len(follow(scripted, 2, max_retries=3)) == 2


def test_so_many_seconds_without_success_are_borne(follow, proxied, proxy):
    proxy.plan = lambda request: error_500()
    begun = time.monotonic()
    with pytest.raises(ServerError):
        follow(proxied, 1, retry_for=0.5)
    assert 0.4 < time.monotonic() - begun < 5


def test_the_history_backwards_cannot_be_resumed(follow, proxied, proxy, save):
    save("a", "b", "c")
    proxy.next(CutInLine(skip=1))
    with pytest.raises(ConnectionFailed):
        follow(proxied, descending=True)


# -- silence --------------------------------------------------------------------------------------


@pytest.mark.parametrize("fault", [Silence(), Stall(after=10), Stall(after=900)])
def test_silence_is_a_dead_connection(follow, proxied, proxy, save, fault):
    save("a", "b", "c", "d")
    proxy.next(fault)
    begun = time.monotonic()
    assert len({change.id for change in follow(proxied, 4, heartbeat=0.3)}) == 4
    assert time.monotonic() - begun < 10


def test_silence_may_be_what_it_ends_with(follow, proxied, proxy):
    proxy.plan = lambda request: Stall(after=300)
    with pytest.raises(RequestTimeout):
        follow(proxied, 1, heartbeat=0.2, max_retries=0)


def test_signs_of_life_are_asked_for_and_suffice(follow, proxied, proxy, save, later):
    later(1.2, save, "a")
    assert len(follow(proxied, 1, heartbeat=0.3)) == 1
    assert proxy.requests == 1


def test_a_slow_consumer_is_no_silence(follow, proxied, proxy, save):
    save(*"abcdefgh")
    follow(proxied, 8, each=lambda change: time.sleep(0.12), heartbeat=0.2)
    assert proxy.requests == 1


def test_without_a_heartbeat_a_connection_is_trusted(proxied, proxy, save):
    proxy.next(Stall(after=0))
    feed = ChangesFeed(proxied, heartbeat=None, timeout=0.6)
    assert list(feed) == []
    assert proxy.requests == 1


@pytest.mark.parametrize("options", [{"since": "now"}, {"checkpoint": "mine"}], ids=str)
@pytest.mark.parametrize("fault", [Stall(after=0), Silence()], ids=repr)
def test_not_to_know_where_it_begins_is_not_the_same_as_no_change(
    follow, proxied, proxy, db, options, fault
):
    db.with_style("blocking").save({"_id": "_local/mine", "seq": 0})
    proxy.next(fault)
    with pytest.raises(RequestTimeout, match=r"no answer in 0\.3 s to where it begins") as caught:
        follow(proxied, timeout=0.3, **options)
    assert (caught.value.method, caught.value.url) == ("GET", f"{proxied.url}/_changes")
    assert "@" not in str(caught.value)
    assert proxy.requests == 1
    assert follow.feed.exception is caught.value
    assert not follow.feed.listening
    assert follow(proxied, timeout=2, **options) == []
    assert follow(proxied, timeout=0, since=0) == []  # that is known without asking


# -- how it is told -------------------------------------------------------------------------------


def test_a_callback_without_a_status_is_told_through_its_loop(couch):
    async def main():
        told = []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: told.append(context["exception"]))
        feed = ChangesFeed(couch.database("no-such-database"), lambda seq, changes: None).listen()
        await until(lambda: told)
        assert told == [feed.exception]
        assert isinstance(feed.exception, NotFound)

    asyncio.run(main())


def test_a_callback_that_raises_ends_the_feed_and_gets_its_batch_again(db, save):
    save("a", "b")

    async def main():
        failures, got = [], []
        loop = asyncio.get_running_loop()
        loop.set_exception_handler(lambda loop, context: failures.append(context["exception"]))

        def callback(seq, changes):
            got.append(changes[0].id)
            if len(got) == 2:
                raise ZeroDivisionError

        feed = ChangesFeed(db, callback, latency=0).listen()
        await until(lambda: failures)
        assert isinstance(failures[0], ZeroDivisionError)
        assert feed.exception is failures[0]
        assert not feed.listening
        feed.listen()
        await until(lambda: len(got) == 3)
        await feed.stop()
        assert got[1] == got[2] != got[0]
        assert feed.exception is None

    asyncio.run(main())
