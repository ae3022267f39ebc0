"""Of what takes long because it is large, the timeout counts the silence, not the whole."""

from __future__ import annotations

import asyncio
import io
import threading
import time

import pytest

from corduroy import ConnectionFailed, Couch, RequestTimeout

MB = 1024 * 1024
TIMEOUT = 1.0
SAID = b'{"ok":true,"id":"doc","rev":"1-a"}'


@pytest.fixture
def db_at(serve):
    """``db_at(behave)``: a database on a server that behaves so."""
    return lambda behave: Couch(serve(behave).url, timeout=TIMEOUT).database("db")


@pytest.fixture
def over():
    """Is set when the test is over."""
    event = threading.Event()
    yield event
    event.set()


def test_a_server_may_take_its_time_as_long_as_it_takes_something(db_at):
    taken = []

    def behave(peer):
        request = peer.head()
        for piece in peer.pieces(request):
            taken.append(len(piece))
            time.sleep(TIMEOUT / 100)
        peer.answer(SAID)
        peer.head()
        peer.answer(b"")

    content = bytes(12 * MB)
    began = time.monotonic()
    db_at(behave).put_attachment({"_id": "doc"}, io.BytesIO(content), "f")
    assert time.monotonic() - began > 1.5 * TIMEOUT
    assert sum(taken) == len(content)


def test_a_server_that_takes_no_more_is_given_up(call, db_at, over):
    def behave(peer):
        peer.head()
        over.wait(20)

    with pytest.raises(RequestTimeout):
        call(db_at(behave).put_attachment, {"_id": "doc"}, io.BytesIO(bytes(50 * MB)), "f")


def test_a_server_that_takes_all_and_does_not_answer_is_given_up(call, db_at, over):
    def behave(peer):
        peer.body(peer.head())
        over.wait(20)

    with pytest.raises(RequestTimeout):
        call(db_at(behave).put_attachment, {"_id": "doc"}, io.BytesIO(bytes(MB)), "f")


def test_content_that_comes_slowly_is_no_silence_of_the_server(db_at):
    def behave(peer):
        peer.request()
        peer.answer(SAID)
        peer.head()
        peer.answer(b"")

    def pieces():
        yield b"one"
        time.sleep(1.5 * TIMEOUT)
        yield b"two"

    assert db_at(behave).put_attachment({"_id": "doc"}, pieces(), "f")["ok"]


def test_a_download_may_take_longer_than_the_timeout(db_at):
    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n")
        for _ in range(4):
            time.sleep(TIMEOUT / 2)
            peer.send(bytes(10))

    assert db_at(behave).get_attachment("doc", "f", to=io.BytesIO()) == 40


@pytest.mark.parametrize("end", ["silence", "a cut"])
def test_what_does_not_come_to_its_end_is_given_up(call, db_at, over, end):
    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n" + bytes(10))
        if end == "silence":
            over.wait(20)

    taken = io.BytesIO()
    with pytest.raises(RequestTimeout if end == "silence" else ConnectionFailed):
        call(db_at(behave).get_attachment, "doc", "f", to=taken)
    assert taken.getvalue() == bytes(10)


@pytest.mark.usefixtures("runner")
async def test_a_slow_reader_slows_the_server_and_is_not_mistaken_for_a_silent_one(serve):
    sent = []

    def behave(peer):
        peer.request()
        size = 64 * MB
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % size)
        for _ in range(64):
            peer.send(bytes(MB))
            sent.append(1)

    db = Couch(serve(behave).url, timeout=TIMEOUT).database("db")
    pieces = aiter(db.stream_attachment("doc", "f"))
    size = len(await anext(pieces))
    await asyncio.sleep(1.5 * TIMEOUT)
    assert len(sent) < 40
    async for piece in pieces:
        size += len(piece)
    assert size == 64 * MB


@pytest.mark.usefixtures("runner")
async def test_a_stream_that_is_left_frees_its_connection(serve):
    gone = threading.Event()

    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n" + bytes(10))
        peer.wait_for_end()
        gone.set()

    db = Couch(serve(behave).url).database("db")
    async for _ in db.stream_attachment("doc", "f"):
        break
    assert await asyncio.to_thread(gone.wait, 10)


def test_what_goes_to_a_file_keeps_its_connection(call, serve):
    def behave(peer):
        while True:
            peer.request()
            peer.answer(b"content")

    server = serve(behave)
    db = Couch(server.url).database("db")
    for _ in range(3):
        assert call(db.get_attachment, "doc", "f", to=io.BytesIO()) == 7
    assert server.connections == 1
