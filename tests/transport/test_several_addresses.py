"""Several addresses of one server: requests go round those that live."""

import asyncio
import contextlib
import os
import ssl
import time
from collections import Counter

import pytest
import trustme

from corduroy import (
    AnswerTooLarge,
    ChangesFeed,
    ConnectionFailed,
    CookieAuth,
    Couch,
    RequestTimeout,
    ServerError,
    defaults,
)
from tests.faults.proxy import FaultProxy, Lost, unavailable

OK = b'{"ok":true}'


class Node:
    """One of some servers, which can be made to fail."""

    def __init__(self, serve, name):
        self.name = name
        self.mood = "well"
        self.asked = []
        self.server = serve(self.behave)
        self.url = self.server.url

    def behave(self, peer):
        while True:
            request = peer.request()
            mood = self.mood
            if request.target == "/_up":
                self.asked.append("probe")
                assert "authorization" not in request.headers
            else:
                self.asked.append(request.method)
            if mood == "well":
                peer.answer(OK)
            elif mood == "ill":
                peer.answer(b'{"error":"x","reason":"ill"}', status="503 Service Unavailable")
            elif mood == "silent":
                peer.wait_for_end()
                return
            else:
                peer.reset()
                return


@pytest.fixture
def nodes(serve):
    return [Node(serve, name) for name in "abc"]


@pytest.fixture
def couch(nodes):
    with Couch([node.url for node in nodes], ("user", "pw")) as couch:
        yield couch


def test_requests_go_round(nodes, couch, call):
    for _ in range(9):
        assert call(couch.info) == {"ok": True}
    assert [len(node.asked) for node in nodes] == [3, 3, 3]


@pytest.mark.parametrize("mood", ["ill", "gone"])
def test_a_node_that_fails_is_left_alone(nodes, couch, call, mood):
    nodes[0].mood = mood
    for _ in range(20):
        assert call(couch.info) == {"ok": True}
    assert 1 <= len(nodes[0].asked) <= 2


def test_it_comes_back_by_a_light_probe(nodes, couch, call):
    nodes[0].mood = "ill"
    for _ in range(6):
        call(couch.info)
    nodes[0].mood = "well"
    nodes[0].asked.clear()
    deadline = time.monotonic() + 20
    while "GET" not in nodes[0].asked and time.monotonic() < deadline:
        call(couch.info)
        time.sleep(0.02)
    assert nodes[0].asked[:2] == ["probe", "GET"]


def test_its_rest_grows(nodes, couch):
    nodes[0].mood = "ill"
    until = time.monotonic() + 6
    while time.monotonic() < until:
        couch.info()
        time.sleep(0.01)
    # After 0.5 to 1 s, then 1 to 2 s, then 2 to 4 s.
    assert 2 <= nodes[0].asked.count("probe") <= 4
    assert nodes[0].asked.count("GET") == 1


@pytest.mark.usefixtures("runner")
async def test_one_that_does_not_answer_does_not_gather_them_all(nodes):
    nodes[0].mood = "silent"
    async with Couch([node.url for node in nodes]) as couch:
        pending = {couch.info() for _ in nodes}  # one for each
        while len(pending) > 1:
            _, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
        for _ in range(20):
            assert await couch.info() == {"ok": True}
        assert len(nodes[0].asked) == 1
    await asyncio.gather(*pending, return_exceptions=True)


def test_reads_are_answered_as_long_as_one_lives(nodes, couch, call):
    nodes[0].mood, nodes[1].mood = "gone", "ill"
    for _ in range(20):
        assert call(couch.info, retries=0) == {"ok": True}


def test_even_where_the_others_are_silent(nodes, couch, call):
    nodes[0].mood = nodes[1].mood = "silent"
    for _ in range(3):
        assert call(couch.info, timeout=1.5) == {"ok": True}


def test_even_where_one_that_is_silent_has_to_be_probed_and_there_is_little_time(
    nodes, call, monkeypatch
):
    monkeypatch.setattr("corduroy.transport.way._REST", 0.01)
    nodes[0].mood = "silent"
    with Couch([node.url for node in nodes]) as couch:
        while "GET" not in nodes[0].asked:
            call(couch.info, timeout=1.5)
        while "probe" not in nodes[0].asked:
            assert call(couch.info, timeout=0.9) == {"ok": True}


@pytest.mark.usefixtures("runner")
async def test_a_probe_that_is_called_off_is_not_left_to_the_next_caller(nodes, monkeypatch):
    monkeypatch.setattr("corduroy.transport.way._REST", 0.1)
    nodes[0].mood = "silent"
    async with Couch([node.url for node in nodes]) as couch:
        while "GET" not in nodes[0].asked:
            await couch.info(timeout=1.5)
        answered = 0
        while "probe" not in nodes[0].asked or not answered:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(0.3):
                    await couch.info()
                    answered += "probe" in nodes[0].asked


def test_even_where_another_has_a_certificate_that_is_not_accepted(nodes, serve, call):
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(tls)
    doubtful = serve(tls=tls)
    with Couch([doubtful.url, nodes[0].url]) as couch:
        for _ in range(3):
            assert call(couch.info, retries=0) == {"ok": True}
            assert call(couch.database("db").cleanup, retries=0) == {"ok": True}
    with pytest.raises(ConnectionFailed, match="certificate"):
        call(Couch([doubtful.url, doubtful.url]).info, retries=3, timeout=10)
    assert not doubtful.requests


def test_where_none_lives_the_failure_is_told(nodes, couch, call):
    for node in nodes:
        node.mood = "ill"
    with pytest.raises(ServerError, match="ill"):
        call(couch.info, retries=0)
    assert sum(len(node.asked) for node in nodes) == 3
    for node in nodes:
        node.mood = "well"
    assert call(couch.info) == {"ok": True}, "nobody has to wait until a rest is over"


def test_a_node_is_not_blamed_for_what_is_too_large_for_us(nodes, call, caplog):
    couch = Couch([node.url for node in nodes], max_body_size=5)
    with pytest.raises(AnswerTooLarge):
        call(couch.info)
    assert "left alone" not in caplog.text


@pytest.mark.usefixtures("runner")
async def test_a_node_is_not_blamed_for_a_queue_of_ours(nodes, caplog, monkeypatch):
    monkeypatch.setattr(defaults, "max_clients", 1)
    for node in nodes:
        node.mood = "silent"
    async with Couch([node.url for node in nodes]) as couch:
        stuck = couch.database("db").cleanup()
        for _ in range(2):
            with pytest.raises(RequestTimeout):
                await couch.info(timeout=0.1)
        stuck.cancel()
    assert "left alone" not in caplog.text


def test_a_post_goes_on_only_from_a_node_that_was_not_there(nodes, call):
    with Couch(["http://127.0.0.1:1", nodes[0].url], retries=0) as couch:
        for _ in range(4):
            assert call(couch.database("db").cleanup) == {"ok": True}
    nodes[0].mood = "gone"
    nodes[0].asked.clear()
    with Couch([nodes[0].url, nodes[1].url], retries=0) as couch:
        outcomes = Counter()
        for _ in range(2):
            try:
                call(couch.database("db").cleanup)
                outcomes["done"] += 1
            except ConnectionFailed:
                outcomes["failed"] += 1
    assert len(nodes[0].asked) == outcomes["failed"]


def test_all_silent_is_a_timeout(nodes, couch, call):
    for node in nodes:
        node.mood = "silent"
    began = time.monotonic()
    with pytest.raises(RequestTimeout):
        call(couch.info, timeout=0.6)
    assert time.monotonic() - began < 5


def test_the_environment_can_name_several(nodes, call, monkeypatch):
    monkeypatch.setitem(os.environ, "COUCHDB_URL", ", ".join(node.url for node in nodes))
    couch = Couch()
    assert couch.urls == [node.url for node in nodes]
    assert couch.url == nodes[0].url
    assert call(couch.info) == {"ok": True}


@pytest.mark.parametrize("urls", [[], ["http://a", 3], ["http://a", "ftp://b"], {"http://a"}, 3])
def test_nonsense_is_refused(urls):
    with pytest.raises((TypeError, ValueError), match="url"):
        Couch(urls)


@pytest.fixture
def proxies(couchdb_url):
    """Three ways to the same server."""
    with contextlib.ExitStack() as stack:
        yield [stack.enter_context(FaultProxy(couchdb_url)) for _ in range(3)]


@pytest.fixture
def db(couchdb_url):
    with Couch(couchdb_url, style="blocking") as couch:
        name = f"moving-{time.time_ns()}"
        yield couch.create(name)
        couch.delete(name)


def test_a_write_whose_answer_was_lost_is_found_by_way_of_another_node(db, proxies, call):
    for proxy in proxies[:2]:
        proxy.next(Lost())
    docs = [{"_id": f"{n}"} for n in range(4)]
    with Couch([proxy.url for proxy in proxies]) as couch:
        for doc in docs:
            call(couch.database(db.name).save, doc)
    assert {doc["_rev"][:2] for doc in docs} == {"1-"}


def test_a_feed_moves_to_another_node_and_goes_on(db, proxies):
    seen, served = [], set()
    with Couch([proxy.url for proxy in proxies], style="blocking") as couch:
        feed = ChangesFeed(couch.database(db.name), feed="continuous", limit=30)
        changes = iter(feed)
        for turn in range(3):
            for n in range(10):
                db.save({"_id": f"{turn}-{n}"})
            seen += [next(changes)["id"] for _ in range(10)]
            (at,) = [at for at, proxy in enumerate(proxies) if proxy.connections]
            served.add(at)
            for proxy in proxies:
                proxy.plan = None
            proxies[at].plan = lambda request: unavailable()
            proxies[at].cut_all()
        feed.stop()
    assert len(seen) == len(set(seen)) == 30
    assert len(served) >= 2


class Guarded(Node):
    """Lets in by a session of its own: the others do not share its secret.

    Attributes:
        granted (int): how many sessions it has granted; the last one is good.
    """

    granted = 0

    def behave(self, peer):
        while True:
            request = peer.request()
            if request.target == "/_session":
                self.granted += 1
                if self.mood == "silent":
                    peer.wait_for_end()
                    return
                peer.answer(OK, f"Set-Cookie: AuthSession={self.name}{self.granted}; Max-Age=600")
            elif request.headers.get("cookie") == f"AuthSession={self.name}{self.granted}":
                peer.answer(OK)
            else:
                peer.answer(b'{"error":"unauthorized"}', status="401 Unauthorized")


@pytest.fixture
def guarded(serve):
    return [Guarded(serve, name) for name in "abc"]


def test_a_session_works_on_all_nodes_though_each_has_its_own(guarded, call):
    with Couch([node.url for node in guarded], CookieAuth("user", "pw")) as couch:
        for _ in range(9):
            assert call(couch.info) == {"ok": True}
    assert [node.granted for node in guarded] == [1, 1, 1]


def test_so_does_one_that_was_begun_at_one_of_them(guarded, call):
    with Couch([node.url for node in guarded]) as couch:
        call(couch.login, "user", "pw")
        for _ in range(9):
            assert call(couch.info) == {"ok": True}
    assert [node.granted for node in guarded] == [1, 1, 1]


def test_a_node_that_never_grants_a_session_leaves_time_for_the_others(guarded, call):
    guarded[0].mood = "silent"
    with Couch([node.url for node in guarded], CookieAuth("user", "pw"), timeout=1.5) as couch:
        while guarded[0].granted == 0:
            assert call(couch.info) == {"ok": True}


def test_sessions_that_all_nodes_have_forgotten_are_renewed(guarded, call):
    with Couch([node.url for node in guarded], CookieAuth("user", "pw")) as couch:
        for _ in range(3):
            call(couch.info)
        for node in guarded:
            node.granted += 1
        for _ in range(9):
            assert call(couch.info) == {"ok": True}
    assert [node.granted for node in guarded] == [3, 3, 3]
