"""Cancelling a call frees its connection at once, wherever the exchange is."""

import asyncio
import threading

import pytest

from corduroy import Couch

PARTS = {
    "before the answer": b"",
    "in the headers": b"HTTP/1.1 200 OK\r\nContent-",
    "in the body": b'HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n{"ok"',
}


class Halfway:
    """A behaviour: answers in part, and knows when the client has gone."""

    def __init__(self, part):
        self.part = part
        self.reached = threading.Event()
        self.left = threading.Event()

    def __call__(self, peer):
        peer.request()
        peer.send(self.part)
        self.reached.set()
        peer.wait_for_end()
        self.left.set()


async def until(event):
    assert await asyncio.to_thread(event.wait, 20)


def answer_json(peer):
    while True:
        peer.request()
        peer.answer(b'{"ok":  true}')


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
def test_a_cancelled_call_leaves_no_half_read_answer(serve, runner, part):
    halfway = Halfway(part)
    server = serve(halfway, answer_json)
    couch = Couch(server.url)

    async def story():
        future = couch.info()
        await until(halfway.reached)
        assert future.cancel()
        await until(halfway.left)
        assert future.cancelled()
        assert await couch.info() == {"ok": True}

    runner.run(story())
    assert server.connections == 2


@pytest.mark.parametrize("part", PARTS.values(), ids=PARTS)
async def test_a_cancelled_fetch_does_so_too(serve, new_client, part):
    client = new_client(max_clients=1)
    halfway = Halfway(part)
    server = serve(halfway, answer_json)
    future = client.fetch(server.url)
    await until(halfway.reached)
    future.cancel()
    await until(halfway.left)
    assert (await client.fetch(server.url)).code == 200
    assert client.pool.connections == 1


async def test_a_timeout_around_a_fetch_cancels_it(serve, client):
    halfway = Halfway(b"")
    server = serve(halfway)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(client.fetch(server.url), 0.05)
    await until(halfway.left)


async def test_cancelled_while_a_piece_is_handed_out(serve, client):
    handed = asyncio.Event()

    async def take(piece):
        handed.set()
        await asyncio.Event().wait()

    halfway = Halfway(PARTS["in the body"])
    server = serve(halfway, answer_json)
    future = client.fetch(server.url, streaming_callback=take)
    await handed.wait()
    future.cancel()
    await until(halfway.left)
    assert (await client.fetch(server.url)).code == 200


async def test_cancelled_while_a_body_is_sent(serve, client):
    producing, ended = asyncio.Event(), asyncio.Event()

    async def produce(write):
        try:
            while True:
                producing.set()
                await write(b"a" * 65536)
        finally:
            ended.set()

    server = serve(lambda peer: peer.wait_for_end(), answer_json)
    future = client.fetch(server.url, method="POST", body_producer=produce)
    await producing.wait()
    future.cancel()
    await ended.wait()
    assert (await client.fetch(server.url)).code == 200


async def test_cancelled_while_connecting(serve, new_client):
    """TCP connects at once on loopback: it is the TLS handshake that takes its time."""
    client = new_client(max_clients=1)
    asked, left = threading.Event(), threading.Event()

    def behave(peer):
        peer.socket.recv(1)
        asked.set()
        peer.wait_for_end()
        left.set()

    server = serve(behave, answer_json)
    future = client.fetch(server.url.replace("http", "https"))
    await until(asked)
    future.cancel()
    await until(left)
    assert (await client.fetch(server.url)).code == 200


async def test_cancelled_at_once(serve, new_client):
    client = new_client(max_clients=1)
    server = serve(answer_json)
    for _ in range(3):
        client.fetch(server.url).cancel()
    assert (await client.fetch(server.url)).code == 200


async def test_a_callback_whose_own_wait_is_cancelled_fails_the_fetch(serve, client):
    async def take(piece):
        waiting = asyncio.get_running_loop().create_future()
        waiting.cancel()
        await waiting

    with pytest.raises(Exception, match="was cancelled") as caught:
        await client.fetch(serve().url, streaming_callback=take)
    assert caught.value.code == 599
