"""No more requests than agreed are under way; who came first is served first."""

import asyncio
import threading

import pytest

from corduroy import Couch, defaults


class Gate:
    """A behaviour that answers when it is told to, and counts who is inside."""

    def __init__(self):
        self.lock = threading.Lock()
        self.inside = self.most = 0
        self.entered = threading.Semaphore(0)
        self.permits = threading.Semaphore(0)

    def __call__(self, peer):
        while True:
            peer.request()
            with self.lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self.entered.release()
            assert self.permits.acquire(timeout=20)
            with self.lock:
                self.inside -= 1
            peer.answer(b'{"ok":true}')

    async def wait_for(self, count):
        """Until that many requests more have come in."""
        for _ in range(count):
            assert await asyncio.to_thread(self.entered.acquire, timeout=20)

    def open(self, count):
        self.permits.release(count)


@pytest.fixture
def gate():
    return Gate()


async def test_max_clients_bounds_what_is_under_way(serve, new_client, gate):
    client = new_client(max_clients=3)
    server = serve(gate)
    fetches = [asyncio.ensure_future(client.fetch(server.url)) for _ in range(10)]
    await gate.wait_for(3)
    assert server.connections == 3
    gate.open(10)
    await asyncio.gather(*fetches)
    assert gate.most == 3
    assert server.connections == 3


def test_a_couch_has_its_bound_from_the_defaults(serve, gate, runner, monkeypatch):
    monkeypatch.setattr(defaults, "max_clients", 2)
    server = serve(gate)
    couch = Couch(server.url)

    async def ask():
        calls = [couch.info() for _ in range(6)]
        await gate.wait_for(2)
        gate.open(6)
        await asyncio.gather(*calls)

    runner.run(ask())
    assert gate.most == 2


def test_a_couch_heeds_a_bound_that_changes(serve, gate, runner, monkeypatch):
    monkeypatch.setattr(defaults, "max_clients", 1)
    server = serve(gate)
    couch = Couch(server.url)

    async def ask():
        calls = [couch.info() for _ in range(9)]
        await gate.wait_for(1)
        defaults.max_clients = 4
        gate.open(1)
        await gate.wait_for(4)
        defaults.max_clients = 2
        gate.open(4)
        await gate.wait_for(2)
        assert gate.most == 4
        gate.most = 0
        gate.open(9)
        await asyncio.gather(*calls)

    runner.run(ask())
    assert gate.most <= 2


async def test_first_come_first_served(serve, new_client):
    client = new_client(max_clients=1)
    server = serve()
    await asyncio.gather(*[client.fetch(f"{server.url}/{number}") for number in range(20)])
    assert [request.target for request in server.requests] == [f"/{n}" for n in range(20)]


async def test_nobody_jumps_the_queue(serve, new_client):
    """Whoever asks in the moment in which a slot is given back comes after those who waited."""
    client = new_client(max_clients=1)
    server = serve()

    async def ask_twice(name):
        await client.fetch(f"{server.url}/{name}/1")
        await client.fetch(f"{server.url}/{name}/2")

    await asyncio.gather(ask_twice("a"), ask_twice("b"))
    assert [request.target for request in server.requests] == ["/a/1", "/b/1", "/a/2", "/b/2"]


async def test_who_leaves_the_queue_is_passed_over(serve, new_client, gate):
    client = new_client(max_clients=1)
    server = serve(gate)
    fetches = [asyncio.ensure_future(client.fetch(f"{server.url}/{n}")) for n in range(5)]
    await gate.wait_for(1)
    fetches[1].cancel()
    fetches[3].cancel()
    gate.open(5)
    await asyncio.gather(*fetches, return_exceptions=True)
    assert [request.target for request in server.requests] == ["/0", "/2", "/4"]
    assert (await client.fetch(server.url)).code == 200


async def test_who_leaves_when_its_turn_has_come_gives_it_to_the_next(serve, new_client, gate):
    client = new_client(max_clients=1)
    server = serve(gate)
    first, second, third = [asyncio.ensure_future(client.fetch(f"{server.url}/{n}")) for n in "123"]
    first.add_done_callback(lambda _: second.cancel())
    await gate.wait_for(1)
    gate.open(10)
    assert (await third).code == 200
    assert second.cancelled()
    assert (await client.fetch(server.url)).code == 200


async def test_a_server_that_stalls_does_not_hold_slots_for_ever(serve, new_client):
    def stall(peer):
        peer.request()
        peer.wait_for_end()

    client = new_client(max_clients=2)
    stalled, sound = serve(stall), serve()
    lost = [asyncio.ensure_future(client.fetch(stalled.url, request_timeout=0.1)) for _ in range(6)]
    answers = await asyncio.gather(*[client.fetch(sound.url) for _ in range(4)])
    assert [answer.body for answer in answers] == [b"ok"] * 4
    errors = await asyncio.gather(*lost, return_exceptions=True)
    assert all(error.code == 599 for error in errors)
