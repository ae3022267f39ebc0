"""A call has one deadline, which covers all that belongs to it."""

import asyncio
import time
from functools import partial

import pytest

from corduroy import Couch, JWTAuth, RequestTimeout, ServerError, defaults
from corduroy.testing import Server

SOON = 0.3  # seconds


def silent(peer):
    peer.request()
    peer.wait_for_end()


def trickling(peer):
    """An answer that comes a byte at a time, and never ends."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    for _ in range(1000):
        peer.send(b" ")
        time.sleep(0.05)


def failing(peer):
    while True:
        peer.request()
        peer.answer(b"", status="503 Service Unavailable")


def slow_to_each(peer):
    while True:
        peer.request()
        time.sleep(0.2)
        peer.answer(b'{"rows":[],"_id":"doc","_rev":"1-a","version":"3.5.0","couchdb":"Welcome"}')


@pytest.mark.parametrize("behaviour", [silent, trickling], ids=["silent", "trickling"])
def test_an_answer_that_does_not_end_in_time_is_given_up(serve, call, behaviour):
    couch = Couch(serve(behaviour).url)
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        call(couch.info, timeout=SOON)
    assert SOON * 0.9 < time.monotonic() - began < 10 * SOON


def test_the_clock_of_the_couch_is_the_usual_one(serve, call):
    with pytest.raises(RequestTimeout):
        call(Couch(serve(silent).url, timeout=SOON).info)


@pytest.mark.parametrize("what", ["info", "ids"])
def test_so_is_a_token_that_never_comes(serve, call, what):
    async def token():
        await asyncio.Event().wait()

    couch = Couch(serve().url, JWTAuth(token), timeout=0.2)
    with pytest.raises(RequestTimeout):
        call(couch.info if what == "info" else couch.database("db").ids().all)


@pytest.mark.parametrize(
    "read", [lambda db: db.ids().all, lambda db: partial(db.get_attachment, "a", "b", to=list)]
)
def test_a_stream_does_not_pause_for_longer_than_its_server_may_be_silent(serve, call, read):
    def busy(peer):
        while True:
            peer.request()
            peer.answer(b"", "Retry-After: 3600", status="503 Service Unavailable")

    db = Couch(serve(busy).url, timeout=5, retries=3).database("db")
    with pytest.raises(ServerError):
        call(read(db))


def test_several_requests_of_one_call_share_it(serve, call):
    couch = Couch(serve(slow_to_each).url)
    assert call(couch.database("db").head, "doc")["rev"] == "1-a"
    with pytest.raises(RequestTimeout):
        call(couch.database("db").delete, "doc", timeout=0.3)


def test_tries_and_the_pauses_between_them_are_a_part_of_it(serve, call):
    """What does not fit any more is not begun: the failure is told at once, as what it is."""
    couch = Couch(serve(failing).url, retries=1000)
    began = time.monotonic()
    with pytest.raises(Exception, match="503"):
        call(couch.info, timeout=SOON)
    assert time.monotonic() - began < 10 * SOON


@pytest.mark.usefixtures("runner")
async def test_waiting_for_its_turn_is_a_part_of_it(serve, monkeypatch):
    monkeypatch.setattr(defaults, "max_clients", 1)
    couch = Couch(serve(silent).url)
    first = couch.info(timeout=0)
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        await couch.info(timeout=SOON)
    assert time.monotonic() - began < 10 * SOON
    first.cancel()


@pytest.mark.usefixtures("runner")
async def test_an_operation_that_lets_time_pass_ends_with_it(serve):
    def behave(peer):
        while True:
            peer.request()
            peer.answer(
                b'{"couchdb":"Welcome","version":"3.5.0","state":"running","id":null,"info":null,"doc_id":"job"}'
            )

    couch = Couch(serve(behave).url)
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        await couch.wait_for_replication("job", timeout=SOON)
    assert time.monotonic() - began < 10 * SOON


def test_a_save_from_an_iterator_ends_with_it(serve, call):
    couch = Couch(serve(silent).url)
    with pytest.raises(RequestTimeout, match=r"0\.3 s"):
        call(couch.database("db").save, iter([{"_id": "a"}]), timeout=SOON)


def test_zero_is_no_limit(serve, call):
    def behave(peer):
        peer.request()
        time.sleep(2 * SOON)
        peer.answer(b'{"ok":true}')

    assert call(Couch(serve(behave).url, timeout=SOON).info, timeout=0) == {"ok": True}


def test_a_connection_that_was_given_up_is_not_used_again(serve, call):
    def late(peer):
        peer.request()
        time.sleep(2 * SOON)
        peer.answer(b'{"late":true}')
        peer.request()

    def prompt(peer):
        peer.request()
        peer.answer(b'{"prompt":true}')

    server = serve(late, prompt)
    couch = Couch(server.url)
    with pytest.raises(RequestTimeout):
        call(couch.info, timeout=SOON)
    time.sleep(2 * SOON)
    assert call(couch.info) == {"prompt": True}
    assert server.connections == 2


@pytest.mark.usefixtures("runner")
async def test_cancelling_a_call_that_has_a_deadline_is_cancelling(serve):
    call = Couch(serve(silent).url).info(timeout=30)
    await asyncio.sleep(0.05)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call


@pytest.mark.usefixtures("runner")
async def test_what_a_callback_does_has_all_the_time_that_it_takes(serve):
    async def slow(data, status):
        await asyncio.sleep(2 * SOON)
        return data

    couch = Couch(serve(lambda peer: (peer.request(), peer.answer(b'{"ok":true}'))).url)
    assert await couch.info(callback=slow, timeout=SOON) == {"ok": True}


@pytest.mark.parametrize("timeout", [-1, "1", True, float("nan"), 10**400])
def test_nonsense_is_refused_before_anything_is_sent(serve, call, timeout):
    server = serve(silent)
    with pytest.raises((TypeError, ValueError), match="timeout"):
        call(Couch(server.url).info, timeout=timeout)
    assert not server.requests


@pytest.mark.parametrize("what", ["changes", "db_updates"])
def test_a_list_of_changes_ends_with_it(serve, call, what):
    couch = Couch(serve(silent).url)
    place = couch.database("db") if what == "changes" else couch
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        call(getattr(place, what), timeout=SOON)
    assert time.monotonic() - began < 10 * SOON


def test_changes_keep_their_own_timeout(call, tmp_path):
    with Server(tmp_path) as server:
        db = call(Couch(server.url).create, "db")
        began = time.monotonic()
        found = call(db.changes, feed="longpoll", since="now", timeout=SOON)
        assert found["results"] == []
        assert time.monotonic() - began < 20 * SOON
