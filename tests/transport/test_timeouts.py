"""Every limit of time is kept, wherever the time goes, and a limit of 0 is none."""

import asyncio
import threading
import time

import pytest
from tornado.simple_httpclient import HTTPTimeoutError

from corduroy import Couch, RequestTimeout, defaults

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n"

STALLS = {
    "before the answer": b"",
    "in the headers": HEAD[:20],
    "before the body": HEAD,
    "in the body": HEAD + b'{"ok"',
    "in a chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab",
    "before the connection's end": b"HTTP/1.1 200 OK\r\n\r\nab",
}


def stalls(raw):
    """A behaviour: sends some bytes after each request, and nothing more."""

    def behave(peer):
        peer.request()
        peer.send(raw)
        peer.wait_for_end()

    return behave


def answer_json(peer):
    while True:
        peer.request()
        peer.answer(b'{"ok":  true}')


@pytest.mark.parametrize("raw", STALLS.values(), ids=STALLS)
def test_a_server_that_stalls(serve, call, raw):
    server = serve(stalls(raw), answer_json)
    couch = Couch(server.url, timeout=0.05)
    with pytest.raises(RequestTimeout) as caught:
        call(couch.info)
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.code == 599
    assert call(couch.info) == {"ok": True}
    assert server.connections == 2


def test_a_server_that_takes_no_connection(full_house, call, monkeypatch):
    monkeypatch.setattr(defaults, "connect_timeout", 0.05)
    with pytest.raises(RequestTimeout, match="connecting"):
        call(Couch(full_house).info)


async def test_connecting_has_a_limit_of_its_own(full_house, client):
    with pytest.raises(HTTPTimeoutError, match="connecting"):
        await client.fetch(full_house, connect_timeout=0.05, request_timeout=3600)
    with pytest.raises(HTTPTimeoutError, match="connecting"):
        await client.fetch(full_house, connect_timeout=3600, request_timeout=0.05)


async def test_a_handshake_that_stalls(serve, client):
    ended = threading.Event()

    def behave(peer):
        peer.wait_for_end()
        ended.set()

    server = serve(behave)
    with pytest.raises(HTTPTimeoutError, match="connecting"):
        await client.fetch(server.url.replace("http", "https"), connect_timeout=0.1)
    assert await asyncio.to_thread(ended.wait, 20), "the socket is still open"


async def test_waiting_for_a_turn_counts(serve, new_client):
    client = new_client(max_clients=1)
    server = serve(stalls(b""))
    first = asyncio.ensure_future(client.fetch(server.url, request_timeout=0.2))
    with pytest.raises(HTTPTimeoutError, match="Timeout in request queue"):
        await client.fetch(server.url, connect_timeout=0.05)
    with pytest.raises(HTTPTimeoutError, match="no whole answer in time"):
        await first
    assert server.connections == 1


async def test_no_limit_is_no_limit(serve, client):
    server = serve()
    response = await client.fetch(server.url, connect_timeout=0, request_timeout=0)
    assert response.body == b"ok"
    assert (await client.fetch(server.url, request_timeout=0)).body == b"ok"
    assert (await client.fetch(server.url, connect_timeout=0)).body == b"ok"
    assert server.connections == 1


def test_a_couch_may_have_no_limit(serve, call, monkeypatch):
    monkeypatch.setattr(defaults, "request_timeout", 0.001)
    go_on = threading.Event()

    def behave(peer):
        peer.request()
        go_on.wait(20)
        peer.answer(b'{"ok":  true}')

    couch = Couch(serve(behave).url, timeout=0)
    threading.Timer(0.05, go_on.set).start()
    assert call(couch.info) == {"ok": True}


async def test_a_later_request_may_have_less_time_on_the_same_connection(serve, client):
    def behave(peer):
        peer.request()
        peer.answer()
        peer.request()
        peer.wait_for_end()

    server = serve(behave)
    await client.fetch(server.url, request_timeout=3600)
    began = time.monotonic()
    with pytest.raises(HTTPTimeoutError):
        await client.fetch(server.url, request_timeout=0.05)
    assert time.monotonic() - began < 10
    assert server.connections == 1


async def test_an_earlier_limit_does_not_end_a_later_request(serve, client):
    """The connection's one timer was set for the first request, and rings during the second."""
    ringing = threading.Event()

    def behave(peer):
        peer.request()
        peer.answer()
        peer.request()
        ringing.wait(20)
        peer.answer()

    server = serve(behave)
    await client.fetch(server.url, request_timeout=0.05)
    asyncio.get_running_loop().call_later(0.1, ringing.set)
    assert (await client.fetch(server.url, request_timeout=20)).body == b"ok"
    assert server.connections == 1


async def test_many_requests_share_one_timer(serve, client):
    server = serve()
    loop = asyncio.get_running_loop()
    set_up = 0
    call_at = loop.call_at

    def counted(*args, **options):
        nonlocal set_up
        set_up += 1
        return call_at(*args, **options)

    loop.call_at = counted
    for _ in range(3):
        await client.fetch(server.url, request_timeout=3600)
    before = set_up
    for _ in range(20):
        await client.fetch(server.url, request_timeout=3600)
    assert set_up == before


async def test_time_that_the_body_takes_counts(serve, client):
    async def produce(write):
        while True:
            await write(b"a" * 65536)

    def behave(peer):
        peer.head()
        ended.wait(20)

    ended = threading.Event()
    server = serve(behave)
    with pytest.raises(HTTPTimeoutError, match="sending the body"):
        await client.fetch(server.url, method="POST", body_producer=produce, request_timeout=0.1)
    ended.set()


async def test_time_that_a_reader_takes_counts(serve, client):
    async def slow(piece):
        await asyncio.sleep(0.05)

    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\n\r\n")
        while True:
            peer.send(b"a" * 65536)

    with pytest.raises(HTTPTimeoutError):
        await client.fetch(serve(behave).url, streaming_callback=slow, request_timeout=0.2)


async def test_timeouts_cost_no_slot(serve, new_client):
    client = new_client(max_clients=2)
    server = serve(*[stalls(b"")] * 4, answer_json)
    late = await asyncio.gather(
        *[client.fetch(server.url, request_timeout=0.1, connect_timeout=20) for _ in range(4)],
        return_exceptions=True,
    )
    assert all(isinstance(error, HTTPTimeoutError) for error in late)
    server = serve()
    both = await asyncio.gather(client.fetch(server.url), client.fetch(server.url))
    assert [response.body for response in both] == [b"ok"] * 2
