"""Compressed answers: read whole or in pieces, refused where they are damaged, or bombs."""

import gzip
import os
import tracemalloc
import zlib

import pytest
from tornado.httpclient import HTTPClientError

from corduroy import ConnectionFailed, Couch

TEXT = b'{"text": "' + os.urandom(150_000).hex().encode() + b'"}'
ZIPPED = gzip.compress(TEXT)


def answers(body, *headers):
    """A behaviour: every answer is the same compressed body."""

    def behave(peer):
        while True:
            peer.request()
            peer.answer(body, "Content-Encoding: gzip", *headers)

    return behave


async def whole(client, url):
    return (await client.fetch(url, raise_error=False)).body


async def in_pieces(client, url):
    pieces = []
    await client.fetch(url, streaming_callback=pieces.append, raise_error=False)
    assert all(0 < len(piece) <= 65536 for piece in pieces)
    return b"".join(pieces)


both = pytest.mark.parametrize("read", [whole, in_pieces])


def test_a_couch_asks_for_gzip_and_reads_it(serve, call):
    server = serve(answers(ZIPPED))
    assert len(call(Couch(server.url).info)["text"]) == 300_000
    assert server.requests[0].headers["accept-encoding"] == "gzip"


def test_an_attachment_is_unzipped_on_the_way(serve, call):
    pieces = []
    db = Couch(serve(answers(ZIPPED)).url).database("db")
    assert call(db.get_attachment, "doc", "file", to=pieces.append) == len(TEXT)
    assert b"".join(pieces) == TEXT


def test_the_rows_of_a_view_are_decoded_without_a_copy_of_its_body(serve, call):
    rows = [b'{"id":"%d","key":0,"value":"%b"}' % (at, b"v" * 20_000) for at in range(1000)]
    text = b'{"total_rows":1000,"offset":0,"rows":[\r\n' + b",\r\n".join(rows) + b"\r\n]}\n"
    view = Couch(serve(answers(gzip.compress(text))).url).database("db").view
    tracemalloc.start()
    try:
        assert len(call(view, "design/view")) == 1000
        assert tracemalloc.get_traced_memory()[1] < 1.8 * len(text)
    finally:
        tracemalloc.stop()


@both
async def test_a_gzip_of_several_members(serve, client, read):
    assert await read(client, serve(answers(ZIPPED * 3)).url) == TEXT * 3


@both
async def test_a_gzip_that_comes_byte_by_byte(serve, client, read):
    small = gzip.compress(b"hello") + gzip.compress(b" world")

    def behave(peer):
        peer.request()
        peer.send(
            b"HTTP/1.1 200 OK\r\nContent-Encoding: GZIP\r\nContent-Length: %d\r\n\r\n" % len(small)
        )
        for byte in small:
            peer.send(bytes([byte]))

    assert await read(client, serve(behave).url) == b"hello world"


@both
async def test_an_empty_body_is_no_broken_gzip(serve, client, read):
    server = serve(answers(b""))
    assert await read(client, server.url) == b""
    assert await read(client, server.url) == b""
    assert server.connections == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
@both
async def test_neither_is_an_answer_without_body(serve, client, read, status):
    raw = f"HTTP/1.1 {status}\r\nContent-Encoding: gzip\r\n\r\n".encode()
    assert await read(client, serve(raw).url) == b""


async def test_the_header_that_was_used_up_says_so(serve, client):
    server = serve(answers(ZIPPED))
    response = await client.fetch(server.url)
    assert "Content-Encoding" not in response.headers
    assert response.headers["X-Consumed-Content-Encoding"] == "gzip"
    response = await client.fetch(server.url, decompress_response=False)
    assert response.body == ZIPPED
    assert response.headers["Content-Encoding"] == "gzip"
    assert "accept-encoding" not in server.requests[1].headers


DAMAGED = {
    "cut off": ZIPPED[:-100],
    "cut off in the checksum": ZIPPED[:-1],
    "cut off in its second member": ZIPPED + ZIPPED[:50],
    "with a wrong checksum": ZIPPED[:-8] + bytes(8),
    "with garbage behind it": ZIPPED + b"garbage",
    "none at all": TEXT,
    "of another kind": zlib.compress(TEXT),
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
@both
async def test_a_damaged_gzip_is_refused(serve, client, read, body):
    server = serve(answers(body))
    with pytest.raises(HTTPClientError, match="gzip") as caught:
        await read(client, server.url)
    assert caught.value.code == 599


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_couch_refuses_it_too(serve, call, body):
    couch = Couch(serve(answers(body)).url)
    with pytest.raises(ConnectionFailed, match="gzip"):
        call(couch.info)
    with pytest.raises(ConnectionFailed, match="gzip"):
        call(couch.database("db").get_attachment, "doc", "file", to=lambda piece: None)


@pytest.fixture(scope="module")
def bomb():
    """120 MB of nothing in half a megabyte."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    pieces = [packer.compress(bytes(1024 * 1024)) for _ in range(120)]
    return b"".join(pieces) + packer.flush()


def test_a_bomb_does_not_go_off(serve, call, bomb):
    server = serve(answers(bomb))
    tracemalloc.start()
    try:
        with pytest.raises(ConnectionFailed, match="decompressed body too large"):
            call(Couch(server.url).info)
        assert tracemalloc.get_traced_memory()[1] < 200 * 1024 * 1024
    finally:
        tracemalloc.stop()


async def test_a_bomb_is_harmless_where_the_pieces_are_not_kept(serve, client, bomb):
    size = 0

    def take(piece):
        nonlocal size
        size += len(piece)

    tracemalloc.start()
    try:
        await client.fetch(serve(answers(bomb)).url, streaming_callback=take)
        assert tracemalloc.get_traced_memory()[1] < 8 * 1024 * 1024
    finally:
        tracemalloc.stop()
    assert size == 120 * 1024 * 1024


@both
async def test_the_largest_body_is_counted_after_unzipping(serve, new_client, read):
    server = serve(answers(ZIPPED))
    exact = new_client(max_body_size=len(TEXT))
    assert await read(exact, server.url) == TEXT
    with pytest.raises(HTTPClientError, match="larger than"):
        await read(new_client(max_body_size=len(TEXT) - 1), server.url)
