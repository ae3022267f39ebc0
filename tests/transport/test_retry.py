"""What cannot have been processed is sent again, on a fresh connection; nothing else is."""

import asyncio
import threading

import pytest

from corduroy import ConnectionFailed, Couch
from corduroy.testing import Server

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def answers_once_then(end):
    """A behaviour: one answer; then, at the next request, something else."""

    def behave(peer):
        peer.request()
        peer.send(OK)
        peer.request()
        end(peer)

    return behave


def answer_json(peer):
    while True:
        peer.request()
        peer.send(OK)


ENDS = {
    "close": lambda peer: peer.close(),
    "reset": lambda peer: peer.reset(),
}


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_get_that_meets_the_end_of_a_kept_connection_is_sent_again(serve, call, end):
    server = serve(answers_once_then(end), answer_json)
    couch = Couch(server.url)
    for _ in range(2):
        assert call(couch.info) == {"ok": True}
    assert server.connections == 2
    assert len(server.requests) == 3


@pytest.mark.parametrize("end", ENDS.values(), ids=ENDS)
def test_a_post_that_meets_it_is_not(serve, call, end):
    server = serve(answers_once_then(end), answer_json)
    couch = Couch(server.url)
    call(couch.info)
    with pytest.raises(ConnectionFailed):
        call(couch.database("a").cleanup)
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_a_get_whose_answer_has_begun_is_not(serve, call):
    server = serve(answers_once_then(lambda peer: peer.send(OK[:20])), answer_json)
    couch = Couch(server.url)
    call(couch.info)
    with pytest.raises(ConnectionFailed):
        call(couch.info)
    assert len(server.requests) == 2


def test_a_get_on_a_fresh_connection_is_not(serve, call):
    server = serve(lambda peer: peer.request(), answer_json)
    with pytest.raises(ConnectionFailed):
        call(Couch(server.url).info)
    assert len(server.requests) == 1


async def test_a_body_that_was_made_on_the_way_is_not(serve, client):
    async def produce(write):
        await write(b"{}")

    server = serve(answers_once_then(lambda peer: peer.close()), answer_json)
    await client.fetch(server.url)
    with pytest.raises(Exception, match="closed the connection"):
        await client.fetch(
            server.url, body_producer=produce, method="GET", allow_nonstandard_methods=True
        )
    assert len(server.requests) == 2


def test_a_post_works_where_the_connection_was_closed_between_two_calls(serve, call):
    """The loop of a script stands still between its calls: it has not heard of the end."""
    closed = threading.Event()

    def behave(peer):
        peer.request()
        peer.send(OK)
        peer.close()
        closed.set()

    server = serve(behave, answer_json)
    couch = Couch(server.url)
    call(couch.info)
    assert closed.wait(20)
    assert call(couch.database("a").cleanup) == {"ok": True}
    assert [request.method for request in server.requests] == ["GET", "POST"]


def test_one_get_succeeds_where_twenty_kept_connections_have_died(serve, runner):
    together = threading.Barrier(20)
    again = threading.Event()

    def behave(peer):
        peer.request()
        together.wait(20)
        peer.send(OK)
        again.wait(20)

    server = serve(*[behave] * 20, answer_json)
    couch = Couch(server.url)

    async def ask(count):
        return await asyncio.gather(*[couch.info() for _ in range(count)])

    runner.run(ask(20))
    again.set()  # all twenty are closed while the loop stands still, or while it runs
    assert runner.run(ask(1)) == [{"ok": True}]
    assert server.connections == 21


@pytest.fixture(scope="module")
def on_disk(tmp_path_factory):
    with Server(tmp_path_factory.mktemp("server")) as server:
        yield server


def test_a_server_killed_and_started_again_is_met_by_the_next_call(on_disk, call):
    couch = Couch(on_disk.url)
    db = call(couch.create, f"killed-{call.style}")
    doc = {"_id": "a"}
    call(db.save, doc)
    on_disk.kill()
    with pytest.raises(ConnectionFailed):
        call(db.get, "a")
    on_disk.start()
    call(db.save, doc)
    assert call(db.get, "a") == doc
    assert doc["_rev"].startswith("2-")


def test_a_server_restarted_between_two_calls_is_not_even_noticed(on_disk, call):
    db = call(Couch(on_disk.url).create, f"restarted-{call.style}")
    call(db.save, {"_id": "a"})
    on_disk.kill()
    on_disk.start()
    call(db.save, {"_id": "b"})
    assert call(db.info)["doc_count"] == 2
