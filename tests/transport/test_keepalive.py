"""Connections are kept, used again, and left when they are no good any more."""

import asyncio
import gc
import json
import threading
import weakref

import pytest
from tornado.httpclient import HTTPClientError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import ConnectionFailed, Couch, ServerError
from corduroy.transport import KeepAliveHTTPClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def answers(*raw):
    """A behaviour: each request is answered by the next of some bytes; then the client may leave."""

    def behave(peer):
        for answer in raw:
            peer.request()
            peer.send(answer)
        peer.wait_for_end()

    return behave


async def test_many_requests_share_a_connection(serve, client):
    server = serve()
    for _ in range(20):
        assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 1
    assert len(server.requests) == 20


async def test_each_origin_has_its_own(serve, client):
    one, other = serve(), serve()
    for _ in range(2):
        await client.fetch(one.url)
        await client.fetch(other.url)
    assert (one.connections, other.connections) == (1, 1)


async def test_the_connection_used_last_is_used_next(serve, client):
    turns = threading.Barrier(3)

    def behave(peer):
        peer.request()
        turns.wait(20)  # all three are open at once
        peer.answer()
        while True:
            number = peer.server.peers.index(peer)
            peer.request()
            peer.answer(str(number).encode())

    server = serve(behave)
    await asyncio.gather(*[client.fetch(server.url) for _ in range(3)])
    served = {(await client.fetch(server.url)).body for _ in range(5)}
    assert server.connections == 3
    assert len(served) == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.1 200 OK\r\nconnection: Close\r\nContent-Length: 2\r\n\r\nok",
        b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nok",
    ],
    ids=["close", "Close", "HTTP/1.0"],
)
async def test_is_closed_where_the_server_says_so(serve, client, answer):
    server = serve(answers(answer), answers(OK))
    await client.fetch(server.url)
    assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 2
    assert client.pool.connections == 1


async def test_http_1_0_may_keep_it_too(serve, client):
    kept = b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok"
    server = serve(answers(kept, kept))
    for _ in range(2):
        assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 1


async def test_the_end_of_the_connection_may_end_the_body(serve, client):
    server = serve(b"HTTP/1.1 200 OK\r\n\r\nuntil the end")
    assert (await client.fetch(server.url)).body == b"until the end"
    assert (await client.fetch(server.url)).body == b"until the end"
    assert server.connections == 2


@pytest.mark.parametrize(
    ("method", "answer", "code"),
    [
        ("HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 12345\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 200),
        ("HEAD", b"HTTP/1.1 404 Not Found\r\nContent-Length: 41\r\n\r\n", 404),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 99\r\n\r\n", 304),
        ("GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 200),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n", 204),
        ("GET", b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" * 5 + OK, 200),
        (
            "GET",
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;a=b\r\nok\r\n0\r\n\r\n",
            200,
        ),
    ],
)
async def test_every_kind_of_end_is_found(serve, client, method, answer, code):
    server = serve(answers(answer, OK))
    response = await client.fetch(server.url, method=method, raise_error=False)
    assert response.code == code
    assert "Link" not in response.headers
    assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 1


async def test_trailers_are_no_headers(serve, client):
    chunked = (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-Is: header\r\n\r\n"
        b"2\r\nok\r\n0\r\nX-Was: trailer\r\nContent-Encoding: gzip\r\n\r\n"
    )
    server = serve(answers(chunked, OK))
    response = await client.fetch(server.url)
    assert response.body == b"ok"
    assert dict(response.headers) == {"Transfer-Encoding": "chunked", "X-Is": "header"}
    await client.fetch(server.url)
    assert server.connections == 1


async def test_an_answer_may_come_byte_by_byte(serve, client):
    answer = (
        "HTTP/1.1 200 Très bien\r\nX-Name: größe\r\nX-Empty:\r\n"
        "Transfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"
    ).encode()

    def behave(peer):
        peer.socket.setsockopt(6, 1, 1)  # TCP_NODELAY: a segment each
        for _ in range(2):
            peer.request()
            for byte in answer:
                peer.send(bytes([byte]))

    server = serve(behave)
    for _ in range(2):
        response = await client.fetch(server.url)
        assert response.body == b"hello"
        assert response.headers["X-Name"] == "größe"
        assert response.headers["X-Empty"] == ""
    assert server.connections == 1


STRAY = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nstray"


STRAYS = {
    "an answer": STRAY,
    "an answer without body": b"HTTP/1.1 204 No Content\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nX-Stray: ",
    "garbage": b"garbage",
    "NUL": b"\x00",
}


@pytest.mark.parametrize("stray", STRAYS.values(), ids=STRAYS)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_what_comes_behind_an_answer_reaches_nobody(serve, client, method, stray):
    end = OK if method == "GET" else OK.removesuffix(b"ok")
    server = serve(answers(end + stray), answers(OK))
    await client.fetch(server.url, method=method)
    assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 2


async def test_what_comes_later_unasked_reaches_nobody(serve, client):
    served, ended = threading.Event(), threading.Event()

    def behave(peer):
        peer.request()
        peer.answer()
        served.wait(20)
        peer.answer(b"stray")
        peer.wait_for_end()
        ended.set()

    server = serve(behave, answers(OK))
    await client.fetch(server.url)
    served.set()
    assert await asyncio.to_thread(ended.wait, 20)  # the stray answer closes the connection
    assert (await client.fetch(server.url)).body == b"ok"
    assert server.connections == 2


def test_what_comes_unasked_while_no_loop_runs_reaches_nobody(serve, client, runner):
    """A script's loop stands still between two calls: it cannot have heard of the stray answer."""
    sent = threading.Event()

    def behave(peer):
        peer.request()
        peer.answer()
        peer.answer(b"stray")
        sent.set()
        peer.wait_for_end()

    async def fetch():
        return await client.fetch(server.url)

    server = serve(behave, answers(OK))
    assert runner.run(fetch()).body == b"ok"
    assert sent.wait(20)
    assert runner.run(fetch()).body == b"ok"
    assert server.connections == 2


async def test_what_is_idle_too_long_is_closed(serve, new_client):
    ended = threading.Event()

    def behave(peer):
        peer.request()
        peer.answer()
        peer.wait_for_end()
        ended.set()

    client = new_client(idle_timeout=0.05)
    server = serve(behave)
    await client.fetch(server.url)
    assert client.pool.connections == 1
    assert await asyncio.to_thread(ended.wait, 20)
    assert client.pool.connections == 0


def test_what_was_idle_too_long_while_no_loop_ran_is_not_used(serve):
    class Hasty(KeepAliveHTTPClient):
        def initialize(self, **options):
            super().initialize(idle_timeout=1e-9, **options)

    def answer_json(peer):
        while True:
            peer.request()
            peer.answer(b'{"ok":true}')

    server = serve(answer_json)
    couch = Couch(server.url, http_client=Hasty)
    for _ in range(3):
        assert couch.info() == {"ok": True}
    assert server.connections == 3


async def test_idle_connections_to_other_servers_make_room(serve, new_client):
    client = new_client(max_clients=2)
    servers = [serve() for _ in range(5)]
    for server in servers:
        await client.fetch(server.url)
    await asyncio.sleep(0)
    assert client.pool.connections == 2
    for server in servers[-2:]:  # those used last are still there
        await client.fetch(server.url)
        assert server.connections == 1


async def test_a_closed_client_serves_nobody(serve, client):
    server = serve()
    await client.fetch(server.url)
    client.close()
    client.close()
    await asyncio.sleep(0)
    assert client.pool.connections == 0
    with pytest.raises(RuntimeError, match="closed"):
        await client.fetch(server.url)


async def test_closing_ends_what_is_under_way_and_what_waits(serve, new_client):
    asked = threading.Event()

    def behave(peer):
        peer.request()
        asked.set()
        peer.wait_for_end()

    client = new_client(max_clients=1)
    server = serve(behave)
    fetches = [asyncio.ensure_future(client.fetch(server.url)) for _ in range(3)]
    await asyncio.to_thread(asked.wait, 20)
    client.close()
    errors = await asyncio.gather(*fetches, return_exceptions=True)
    assert [error.code for error in errors] == [599] * 3
    assert all(isinstance(error, HTTPClientError) for error in errors)
    assert "the client was closed" in str(errors[-1])


def half(peer):
    """A behaviour: sends half of a body that the connection's end will end."""
    peer.request()
    peer.send(b"HTTP/1.1 200 OK\r\n\r\nhalf")
    peer.wait_for_end()


async def test_closing_the_client_does_not_end_a_body(serve, client):
    with pytest.raises(HTTPClientError, match="closed on this side") as caught:
        await client.fetch(serve(half).url, streaming_callback=lambda piece: client.close())
    assert caught.value.code == 599


def test_closing_the_couch_does_not_end_an_attachment(serve, runner):
    couch = Couch(serve(half).url)

    async def take(piece):
        await couch.close()

    async def story():
        with pytest.raises(ConnectionFailed, match="closed on this side"):
            await couch.database("db").get_attachment("doc", "file", to=take)

    runner.run(story())


def answer_later(peer):
    """A behaviour: has each request come again in a quarter of an hour."""
    while peer.request():
        peer.answer(b"{}", "Retry-After: 900", status="503 Told")


def test_closing_the_couch_ends_what_would_go_out_again(serve, runner):
    server = serve(answer_later)

    async def story():
        heard = asyncio.Event()
        couch = Couch(server.url, retries=3, timeout=0, on_request=lambda event: heard.set())
        call = couch.info()
        await heard.wait()
        await couch.close()
        with pytest.raises(ConnectionFailed, match="the client was closed"):
            await call

    runner.run(story())
    assert len(server.requests) == 1


@pytest.mark.parametrize("kind", [KeepAliveHTTPClient, SimpleAsyncHTTPClient])
def test_also_what_fails_afterwards(serve, runner, kind):
    asked, answered = threading.Event(), threading.Event()

    def behave(peer):
        peer.request()
        asked.set()
        answered.wait(20)
        peer.answer(b"{}", "Retry-After: 900", status="503 Told")

    server = serve(behave)

    async def story():
        couch = Couch(server.url, retries=3, timeout=0, http_client=kind)
        call = couch.info()
        await asyncio.to_thread(asked.wait, 20)
        await couch.close()
        answered.set()
        with pytest.raises((ConnectionFailed, ServerError)):
            await call

    runner.run(story())
    assert len(server.requests) == 1


def test_also_a_call_of_many_requests_between_two_of_them(serve, runner):
    running = {
        "database": "_replicator", "doc_id": "x", "id": "x", "source": "a", "target": "b",
        "state": "running", "info": {}, "error_count": 0,
    }  # fmt: skip

    def behave(peer):
        while request := peer.request():
            told = {"couchdb": "Welcome", "version": "3.5.0"} if request.target == "/" else running
            peer.answer(json.dumps(told).encode())

    server = serve(behave)

    async def story():
        couch = Couch(server.url)
        call = couch.wait_for_replication("x", poll=0.05)
        while len(server.requests) < 3:  # noqa: ASYNC110  (its thread tells nobody)
            await asyncio.sleep(0.01)
        await couch.close()
        with pytest.raises(ConnectionFailed, match="closed"):
            await asyncio.wait_for(call, 20)

    runner.run(story())


def test_a_loop_that_ends_in_a_pause_is_let_go_of(serve):
    ended = []
    heard = asyncio.Event()
    couch = Couch(
        serve(answer_later).url, retries=3, timeout=0, on_request=lambda event: heard.set()
    )

    async def begin():
        call = couch.info()
        await heard.wait()
        await asyncio.sleep(0)
        assert not call.done()

    for _ in range(3):
        loop = asyncio.new_event_loop()
        loop.run_until_complete(begin())
        loop.close()
        ended.append(weakref.ref(loop))
        del loop
        heard = asyncio.Event()
    with pytest.raises(ServerError):
        couch.info(retries=0)
    while gc.collect():  # the end of a Task that was pending puts off that of what it knows
        pass
    assert [loop() for loop in ended[:-1]] == [None] * 2  # Tornado keeps the last that it has met


def test_also_what_another_thread_waits_for(serve):
    server = serve(answer_later)
    heard, failures = threading.Event(), []
    couch = Couch(server.url, retries=3, timeout=0, on_request=lambda event: heard.set())

    def call():
        with pytest.raises(ConnectionFailed, match="the client was closed") as caught:
            couch.info()
        failures.append(caught.value)

    thread = threading.Thread(target=call)
    thread.start()
    assert heard.wait(20)
    couch.close()
    thread.join(20)
    assert len(failures) == len(server.requests) == 1
