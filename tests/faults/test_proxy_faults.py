"""Each kind of fault does what its name says, and the connection or the next one is as before."""

from __future__ import annotations

import json
import socket
import threading
import time

import pytest

from tests.faults.proxy import (
    Answer,
    Cut,
    Delay,
    FaultProxy,
    Lost,
    Refuse,
    Reset,
    Silence,
    Stall,
    Trickle,
    bad_gateway,
    error_500,
    too_many,
    unavailable,
)
from tests.faults.scripted import PATIENCE, answering

HEAD = b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n"
OK = HEAD + b'{"ok": true}'
PLACES = {
    "at the beginning": 0,
    "in the head": 20,
    "after the head": len(HEAD),
    "in the body": len(OK) - 3,
    "at the end": len(OK),
}


@pytest.fixture
def proxy(stand):
    """A proxy in front of a server that answers two requests a connection."""
    return stand(answering(OK, OK))


@pytest.fixture
def client(proxy, connect):
    """A connection through the proxy."""
    return connect(proxy)


def assert_reset(client):
    """The client gets nothing more than a reset."""
    with pytest.raises(ConnectionResetError):
        client.socket.recv(1)


@pytest.mark.parametrize("after", PLACES.values(), ids=PLACES)
def test_cut_closes_after_so_many_bytes(after, proxy, client, connect):
    proxy.next(Cut(after))
    client.ask()
    assert client.rest() == OK[:after]
    assert proxy.injected == {"Cut": 1}
    new = connect(proxy)
    new.ask()
    assert new.read(len(OK)) == OK


@pytest.mark.parametrize("after", PLACES.values(), ids=PLACES)
def test_reset_resets_after_so_many_bytes(after, proxy, client):
    proxy.next(Reset(after))
    client.ask()
    assert client.read(after) == OK[:after]
    assert_reset(client)
    assert proxy.injected == {"Reset": 1}


def test_bytes_are_counted_from_the_answer_of_the_request(proxy, client):
    proxy.next(None, Cut(after=20))
    client.ask()
    assert client.read(len(OK)) == OK
    client.ask()
    assert client.rest() == OK[:20]


def test_cut_closes_in_an_orderly_way_while_the_client_sends(stand, connect):
    def script(peer):
        peer.head()
        peer.send(OK)
        peer.rest()

    proxy = stand(script)
    proxy.next(Cut(after=5))
    client = connect(proxy)
    client.send(b"PUT /a HTTP/1.1\r\nContent-Length: 1000000\r\n\r\n")
    assert client.read(5) == OK[:5]
    client.send(bytes(1_000_000))
    assert client.rest() == b""


@pytest.mark.parametrize("after", PLACES.values(), ids=PLACES)
def test_stall_sends_nothing_more_and_stays_open(after, proxy, client, connect):
    proxy.next(Stall(after))
    client.ask()
    assert client.read(after) == OK[:after]
    proxy.wait_until(lambda: proxy.injected["Stall"] == 1)
    new = connect(proxy)
    new.ask()
    assert new.read(len(OK)) == OK  # while there is time for the rest to come
    assert not client.has_data()
    assert proxy.connections == 2
    client.socket.close()
    proxy.wait_until(lambda: proxy.connections == 1)


@pytest.mark.parametrize("size", [1, 3, 1000])
def test_trickle_sends_tiny_pieces_first(size, proxy, client, monkeypatch):
    sent = []
    client_port = client.socket.getsockname()[1]

    def send(sock, data, *flags):
        if data and sock.getpeername()[1] == client_port:
            assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            sent.append(len(data))
        return super(socket.socket, sock).send(data, *flags)

    monkeypatch.setattr(socket.socket, "send", send, raising=False)
    proxy.next(Trickle(size, first=len(HEAD) + 5))
    client.ask()
    assert client.read(len(OK)) == OK
    tiny, rest = sent[:-1], sent[-1]
    assert rest == 7
    assert max(tiny) == min(size, len(HEAD))
    assert len(tiny) == -(-len(HEAD) // size) + -(-5 // size)
    client.ask()
    assert client.read(len(OK)) == OK
    assert proxy.injected == {"Trickle": 1}


def test_delay_keeps_the_rest_back_for_a_while(proxy, client):
    proxy.next(Delay(0.2, after=20))
    began = time.monotonic()
    client.ask()
    assert client.read(len(OK)) == OK
    assert time.monotonic() - began >= 0.19
    client.ask()
    assert client.read(len(OK)) == OK
    assert proxy.injected == {"Delay": 1}


@pytest.mark.parametrize(
    ("answer", "status", "kind"),
    [
        (error_500(), b"500 Internal Server Error", b"application/json"),
        (bad_gateway(), b"502 Bad Gateway", b"text/html"),
        (too_many(retry_after=7), b"429 Too Many Requests", b"application/json"),
        (unavailable(), b"503 Service Unavailable", b"application/json"),
    ],
)
def test_answers_are_the_proxys_own(answer, status, kind, proxy, client):
    proxy.next(answer)
    client.send(b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody")
    head = client.head()
    assert head.startswith(b"HTTP/1.1 %s\r\n" % status)
    assert b"\r\nContent-Type: %s\r\n" % kind in head
    assert (b"\r\nRetry-After: 7\r\n" in head) == (answer.status == 429)
    body = client.read(len(answer.body))
    assert body == answer.body
    if kind == b"application/json":
        assert set(json.loads(body)) == {"error", "reason"}
    client.ask()  # the same connection goes on
    assert client.read(len(OK)) == OK


def test_an_answer_to_head_is_without_its_body(proxy, client):
    proxy.next(bad_gateway())
    client.ask(method="HEAD")
    assert b"\r\nContent-Length: 52\r\n" in client.head()
    client.ask()
    assert client.read(len(OK)) == OK


def test_an_answer_does_not_wait_for_a_body_that_waits_for_it(proxy, client):
    proxy.next(unavailable())
    client.send(b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert client.rest() == unavailable().render("PUT")


def test_answers_do_without_the_server(serve, connect):
    upstream = serve(answering())
    with FaultProxy(upstream.url) as proxy:
        proxy.next(Answer(204), Silence(), Refuse())
        client = connect(proxy)
        client.ask()
        assert client.head().startswith(b"HTTP/1.1 204 No Content\r\n")
        client.ask()
        proxy.wait_until(lambda: proxy.injected["Silence"] == 1)
        new = connect(proxy)
        new.ask()
        assert new.rest() == b""
    assert upstream.met == 0


def test_lost_has_the_request_done_and_resets(stand, connect):
    done = []

    def script(peer):
        done.append(peer.head() + peer.read(4))
        peer.send(OK)
        done.append(peer.rest())

    proxy = stand(script)
    proxy.next(Lost())
    client = connect(proxy)
    request = b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody"
    client.send(request)
    assert_reset(client)
    assert done[0] == request
    assert proxy.injected == {"Lost": 1}


@pytest.mark.parametrize("reset", [False, True])
def test_refuse_closes_before_the_request_is_passed_on(reset, stand, connect):
    heard = []

    def script(peer):
        heard.append(peer.head())
        peer.send(OK)
        heard.append(peer.head())

    proxy = stand(script)
    proxy.next(None, Refuse(reset=reset))
    client = connect(proxy)
    client.ask("/first")
    assert client.read(len(OK)) == OK
    client.send(b"PUT /second HTTP/1.1\r\nContent-Length: 4\r\n\r\nbody")
    if reset:
        assert_reset(client)
    else:
        assert client.rest() == b""
    assert b"/second" not in b"".join(heard)


def test_silence_stays_open_though_the_server_closes(stand, connect):
    silent = threading.Event()

    def script(peer):
        peer.head()
        peer.send(OK)
        assert silent.wait(PATIENCE)

    proxy = stand(script)
    proxy.next(None, Silence())
    client = connect(proxy)
    client.ask()
    assert client.read(len(OK)) == OK
    client.ask()
    proxy.wait_until(lambda: proxy.injected["Silence"] == 1)
    silent.set()
    new = connect(proxy)
    new.ask()
    assert new.rest() == OK  # which ends as the other would
    assert not client.has_data()
    proxy.wait_until(lambda: proxy.connections == 1)
    client.socket.close()
    proxy.wait_until(lambda: proxy.connections == 0)
