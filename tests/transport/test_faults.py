"""Whatever a server does wrong ends in an exception, and the next request is none the worse."""

import asyncio

import pytest
from tornado.httpclient import HTTPClientError

from corduroy import ConnectionFailed, Couch, HTTPError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"
JSON = HEAD + b'Content-Length: 13\r\n\r\n{"ok":  true}'

CUT = {
    "before the answer": b"",
    "in the status line": b"HTTP/1.1 20",
    "in the headers": HEAD + b"Content-Len",
    "after the headers": HEAD + b"Content-Length: 13\r\n\r\n",
    "in the body": HEAD + b'Content-Length: 13\r\n\r\n{"ok":',
    "in a chunk's size": CHUNKED + b"1",
    "in a chunk": CHUNKED + b'd\r\n{"ok":',
    "before the last chunk": CHUNKED + b'd\r\n{"ok":  true}\r\n',
    "before the end of chunks": HEAD
    + b'Transfer-Encoding: chunked\r\n\r\nd\r\n{"ok":  true}\r\n0\r\n',
    "in chunks of two codings": HEAD
    + b"Transfer-Encoding: gzip\r\nTransfer-Encoding: chunked\r\n\r\nd\r\n{",
    "after 100 Continue": b"HTTP/1.1 100 Continue\r\n\r\n",
}
CORRUPT = {
    "no HTTP at all": b"SSH-2.0-OpenSSH_9.2\r\n",
    "a page": b"<html>\r\n",
    "a status that is no number": b"HTTP/1.1 abc OK\r\n\r\n",
    "a version that does not exist": b"HTTP/7.3 200 OK\r\n\r\n",
    "a header without a name": HEAD + b": nameless\r\n\r\n",
    "a header with a line break": HEAD + b"X-Evil: a\rb\r\n\r\n",
    "a chunk size that is no number": CHUNKED + b"xyz\r\n",
    "a chunk size beyond all bounds": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n"
    + b"f" * 20
    + b"\r\n",
    "a chunk longer than its size": HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n1\r\nab\r\n0\r\n\r\n",
    "a length that is no number": HEAD + b"Content-Length: many\r\n\r\n",
    "a negative length": HEAD + b"Content-Length: -1\r\n\r\n",
    "two lengths": HEAD + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "a length and chunks": HEAD
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "headers without end": HEAD + b"X-Filler: a\r\n" * 8000,
    "a header without end": HEAD + b"X-Filler: " + b"a" * 80000,
    "1xx answers without end": b"HTTP/1.1 102 Processing\r\n\r\n" * 4000,
    "another protocol": b"HTTP/1.1 101 Switch\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n",
}


def stays(raw):
    """A behaviour: sends bytes after a request, and leaves the connection open."""

    def behave(peer):
        peer.request()
        peer.send(raw)
        peer.wait_for_end()

    return behave


def resets(raw):
    """A behaviour: sends bytes after a request, and resets the connection."""

    def behave(peer):
        peer.request()
        peer.send(raw)
        peer.reset()

    return behave


def answer_json(peer):
    while True:
        peer.request()
        peer.send(JSON)


def faulty(serve, call, behaviour, kind=ConnectionFailed):
    """Ask a server that misbehaves once, then one question more."""
    server = serve(behaviour, answer_json)
    couch = Couch(server.url, auth=("me", "secret"))
    with pytest.raises(kind) as caught:
        call(couch.info)
    assert call(couch.info) == {"ok": True}
    assert server.connections == 2, "the request was sent again, or on the broken connection"
    assert "secret" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("raw", CUT.values(), ids=CUT)
def test_an_answer_that_is_cut_off(serve, call, raw):
    error = faulty(serve, call, raw)
    assert isinstance(error, ConnectionError)
    assert "the server closed the connection" in str(error)
    assert error.code == 599


@pytest.mark.parametrize("raw", [b"", HEAD, CUT["in the body"]], ids=["at once", "head", "body"])
def test_a_connection_that_is_reset(serve, call, raw):
    error = faulty(serve, call, resets(raw))
    assert isinstance(error, ConnectionError)


@pytest.mark.parametrize("raw", CORRUPT.values(), ids=CORRUPT)
def test_an_answer_that_is_corrupt(serve, call, raw):
    error = faulty(serve, call, stays(raw))
    assert "closed the connection" not in str(error), "the client waited for the server's end"


def test_an_answer_that_is_no_json(serve, call):
    server = serve(HEAD + b"Content-Length: 6\r\n\r\n<html>")
    with pytest.raises(HTTPError, match="the answer is no JSON: <html>"):
        call(Couch(server.url).info)


def test_nobody_listens(call):
    with pytest.raises(ConnectionFailed) as caught:
        call(Couch("http://127.0.0.1:1").info)
    assert isinstance(caught.value, ConnectionError)
    assert "127.0.0.1:1" in caught.value.url


def test_a_name_that_does_not_exist(call):
    with pytest.raises(ConnectionFailed):
        call(Couch("http://no-such-host.invalid").info)


@pytest.mark.parametrize("raw", [CUT["in the body"], CORRUPT["a page"]], ids=["cut", "corrupt"])
async def test_fetch_tells_of_faults_as_tornado_does(serve, client, raw):
    server = serve(raw, answer_json)
    with pytest.raises(HTTPClientError) as caught:
        await client.fetch(server.url)
    assert caught.value.code == 599
    assert (await client.fetch(server.url)).code == 200


@pytest.mark.parametrize("raw", [CUT["in the body"], CUT["in a chunk"]], ids=["length", "chunk"])
async def test_what_came_before_the_cut_is_streamed_and_then_the_fault(serve, client, raw):
    pieces = []
    with pytest.raises(HTTPClientError):
        await client.fetch(serve(raw).url, streaming_callback=pieces.append)
    assert b"".join(pieces) == b'{"ok":'


FAULTS = [*CUT.values(), *CORRUPT.values()]


async def test_faults_cost_no_slot(serve, new_client):
    client = new_client(max_clients=2)
    server = serve(*FAULTS, *[resets(b"")] * 3, answer_json)
    answers = await asyncio.gather(
        *[client.fetch(server.url) for _ in range(len(FAULTS) + 3)], return_exceptions=True
    )
    assert all(isinstance(answer, HTTPClientError | OSError) for answer in answers)
    both = await asyncio.gather(client.fetch(server.url), client.fetch(server.url))
    assert [response.code for response in both] == [200, 200]
    assert client.pool.connections == 2
