"""Connecting: by whichever address of a name answers, and given up at any moment."""

import asyncio
import contextlib
import socket
import time

import pytest
from tornado.httpclient import HTTPClientError

from corduroy import ConnectionFailed, Couch, defaults
from corduroy.transport import KeepAliveHTTPClient
from tests.faults.leftovers import leaving_nothing


@pytest.fixture
def named(runner):
    """``named(address, …)``: a name that stands for addresses, each a host and a port."""
    known = {}

    async def resolve(host, port, **_options):
        return [(socket.AF_INET, socket.SOCK_STREAM, 0, "", address) for address in known[host]]

    def name(*addresses):
        known[f"couch{len(known)}.example"] = addresses
        return f"http://{list(known)[-1]}:5984"

    runner.get_loop().getaddrinfo = resolve
    return name


def address(url):
    """Where a server listens."""
    host, _, port = url.removeprefix("http://").partition(":")
    return host, int(port)


def closed_port():
    """An address where nobody listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()


async def leaving_nothing_of(story):
    async with leaving_nothing():
        await story()


HOW_MANY = {"an address": 0, "a name of one": 1, "a name of two": 2}


@pytest.mark.parametrize("many", HOW_MANY.values(), ids=HOW_MANY)
@pytest.mark.parametrize("turns", range(16))
def test_given_up_at_any_moment_it_leaves_nothing(serve, runner, named, many, turns):
    server = serve()
    url = named(*many * [address(server.url)]) if many else server.url

    async def story():
        client = KeepAliveHTTPClient(force_instance=True)
        fetching = client.fetch(url)
        for _ in range(turns):
            await asyncio.sleep(0)
        fetching.cancel()
        await asyncio.wait([fetching])
        client.close()

    runner.run(leaving_nothing_of(story))


@pytest.mark.parametrize("turns", range(1, 16))
def test_so_does_a_client_that_is_closed_meanwhile(serve, runner, named, turns):
    server = serve()

    async def story():
        client = KeepAliveHTTPClient(force_instance=True)
        fetching = client.fetch(named(*2 * [address(server.url)]))
        for _ in range(turns):
            await asyncio.sleep(0)
        client.close()
        with contextlib.suppress(HTTPClientError):
            await fetching

    runner.run(leaving_nothing_of(story))


def test_closing_ends_a_call_that_no_server_takes(full_house, runner, monkeypatch):
    monkeypatch.setattr(defaults, "connect_timeout", 0)

    async def story():
        couch = Couch(full_house, timeout=0)
        call = couch.info()
        await asyncio.sleep(0.05)
        await couch.close()
        with pytest.raises(ConnectionFailed, match="the client was closed"):
            await call

    runner.run(leaving_nothing_of(story))


def test_given_up_when_an_address_has_just_won(serve, runner, named, full_house):
    servers = [serve(lambda peer: peer.wait_for_end()) for _ in range(8)]

    async def story():
        for turns, server in enumerate(servers):
            client = KeepAliveHTTPClient(force_instance=True)
            fetching = client.fetch(named(address(full_house), address(server.url)))
            while not server.connections:  # noqa: ASYNC110  (its thread tells nobody)
                await asyncio.sleep(0)
            for _ in range(turns):
                await asyncio.sleep(0)
            fetching.cancel()
            await asyncio.wait_for(asyncio.wait([fetching]), 20)
            assert fetching.cancelled()
            client.close()

    runner.run(leaving_nothing_of(story))


def keep_busy():
    """Have the loop so slow that a server's end is there before anything is sent."""
    time.sleep(0.003)
    asyncio.get_running_loop().call_soon(keep_busy)


@pytest.mark.parametrize("busy", [False, True])
@pytest.mark.parametrize("said", [b"", b"220 mail.example.org\r\n"], ids=["nothing", "something"])
def test_a_server_that_hangs_up_on_whoever_comes_is_told_of(serve, runner, said, busy):
    def behave(peer):
        if said:
            peer.send(said)

    async def story():
        if busy:
            keep_busy()
        couch = Couch(server.url, timeout=0)
        for _ in range(20):
            with pytest.raises(ConnectionFailed):
                await asyncio.wait_for(couch.info(), 20)
        await couch.close()

    server = serve(behave)
    runner.run(story())


async def test_also_where_a_body_waits_to_be_asked_for(serve, client):
    keep_busy()
    for _ in range(5):
        with pytest.raises(HTTPClientError):
            await client.fetch(
                serve(lambda peer: None).url,
                method="PUT",
                body_producer=lambda write: write(b"a"),
                expect_100_continue=True,
                request_timeout=0,
            )


async def test_a_name_without_an_address(runner, named):
    with pytest.raises(ConnectionFailed, match="no address"):
        await Couch(named()).info()


def test_it_does_so_in_a_task_that_was_told_to_end_before(full_house, runner):
    async def read(db):
        with contextlib.suppress(asyncio.CancelledError):  # and has gone on
            await asyncio.Event().wait()
        async for _ in db.docs():
            pass

    async def story():
        couch = Couch(full_house)
        task = asyncio.ensure_future(read(couch.database("db")))
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.sleep(0.05)
        await couch.close()
        with pytest.raises(ConnectionFailed, match="the client was closed"):
            await task

    runner.run(story())


async def test_where_one_address_refuses_the_next_one_serves(serve, client, named):
    url = named(closed_port(), address(serve().url))
    assert (await client.fetch(url)).body == b"ok"


async def test_where_one_is_silent_the_next_one_is_tried_beside_it(
    serve, client, named, full_house
):  # fmt: skip
    url = named(address(full_house), address(serve().url))
    assert (await client.fetch(url)).body == b"ok"


async def test_where_all_refuse_each_is_told_of(runner, named):
    first, second = closed_port(), closed_port()
    with pytest.raises(ConnectionFailed) as caught:
        await Couch(named(first, second)).info()
    assert all(str(port) in caught.value.reason for _, port in (first, second))
