"""Without faults, everything passes through the proxy as it is, at once, and at its own pace."""

from __future__ import annotations

import select
import socket
import threading

import pytest

from tests.faults.proxy import Answer, Cut, Delay, FaultProxy
from tests.faults.scripted import PATIENCE, answering
from tests.faults.wire import Chunked

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
CHUNKS = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\nB;name=value\r\n two\r\nlines\r\n0\r\nTrailer: x\r\n\r\n"
)
ANSWERS = {
    "a counted body": OK,
    "an empty body": b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    "chunks": CHUNKS,
    "no content": b"HTTP/1.1 204 No Content\r\n\r\n",
    "not modified": b"HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
    "an interim answer": b"HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + OK,
    "headers in lower case": OK.lower().replace(b"http", b"HTTP"),
}
REQUESTS = {
    "no body": b"DELETE /a?b=%20 HTTP/1.1\r\nHost: here\r\n\r\n",
    "a counted body": b"PUT /a HTTP/1.1\r\nContent-Length: 6\r\n\r\nGET /\n",
    "chunks": b"POST / HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n3\r\n\r\n\r\n\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("answer", ANSWERS.values(), ids=ANSWERS)
def test_an_answer_passes_unchanged_and_its_end_is_found(answer, serve, connect):
    upstream = serve(answering(answer, answer, answer))
    with FaultProxy(upstream.url) as proxy:
        client = connect(proxy)
        for _ in range(2):
            client.ask()
            assert client.read(len(answer)) == answer
        proxy.next(Cut(after=3))
        client.ask()
        assert client.rest() == answer[:3]  # which counts from the end of the second
        assert proxy.requests == 3
    assert upstream.met == 1


def test_an_answer_to_head_has_no_body(stand, connect):
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n"
    proxy = stand(answering(head, OK))
    client = connect(proxy)
    client.ask(method="HEAD")
    assert client.read(len(head)) == head
    proxy.next(Cut(after=len(OK) - 1))
    client.ask()
    assert client.rest() == OK[:-1]


def test_an_answer_may_end_with_the_connection(stand, connect):
    answer = b"HTTP/1.1 200 OK\r\n\r\nfor ever"

    def script(peer):
        peer.head()
        peer.send(answer)

    client = connect(stand(script))
    client.ask()
    assert client.rest() == answer


def test_an_answer_that_breaks_off_passes_as_far_as_it_came(stand, connect):
    def script(peer):
        peer.head()
        peer.send(b"HTTP/1.1 200 O")

    client = connect(stand(script))
    client.ask()
    assert client.rest() == b"HTTP/1.1 200 O"


@pytest.mark.parametrize("request_", REQUESTS.values(), ids=REQUESTS)
def test_a_request_passes_unchanged_and_its_end_is_found(request_, stand, connect):
    def script(peer):
        for _ in range(2):
            assert peer.read(len(request_)) == request_
            peer.send(OK)
        peer.rest()

    proxy = stand(script)
    client = connect(proxy)
    for number in (1, 2):
        client.send(request_)
        assert client.read(len(OK)) == OK
        assert proxy.requests == number


def test_chunks_may_be_split_anywhere():
    chunks = CHUNKS.partition(b"\r\n\r\n")[2]
    for at in range(len(chunks)):
        framing = Chunked()
        found = b""
        for piece in (chunks[:at], chunks[at:] + b"HTTP"):
            size, content = framing.follow(piece)
            found += b"".join(piece[part.start : part.stop] for part in content)
        assert framing.over
        assert size == len(chunks) - at
        assert found == b"hello two\r\nlines"


def test_a_body_waits_for_100_continue(stand, connect):
    go_ahead = b"HTTP/1.1 100 Continue\r\n\r\n"

    def script(peer):
        peer.head()
        peer.send(go_ahead)
        assert peer.read(4) == b"body"
        peer.send(OK)
        peer.rest()

    client = connect(stand(script))
    client.send(b"PUT /a HTTP/1.1\r\nContent-Length: 4\r\nExpect: 100-continue\r\n\r\n")
    assert client.read(len(go_ahead)) == go_ahead
    client.send(b"body")
    assert client.read(len(OK)) == OK


def test_requests_may_come_before_the_answers_to_others(stand, connect):
    answers = [OK.replace(b"ok", b"%02d" % number) for number in range(3)]
    proxy = stand(answering(answers[0], answers[2]))
    own = Answer(200, b"01")
    proxy.next(Delay(0.01, after=5), own)
    client = connect(proxy)
    for _ in range(3):
        client.ask()
    expected = answers[0] + own.render("GET") + answers[2]
    assert client.read(len(expected)) == expected


def test_a_stream_without_end_flows_at_once(stand, connect):
    seen = threading.Semaphore(0)

    def script(peer):
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(20):
            assert seen.acquire(timeout=PATIENCE)
            peer.send(b"1\r\n\n\r\n")
        peer.rest()

    client = connect(stand(script))
    client.ask()
    assert client.head()
    for _ in range(20):
        seen.release()  # only now the server sends the next
        assert client.read(6) == b"1\r\n\n\r\n"


MUCH = 1 << 27  # bytes, more than any system holds for two connections


def fill(end):
    """Send until the other end takes no more, or it is too much; returns how many bytes went."""
    sent = 0
    while sent < MUCH and select.select([], [end.socket], [], 0.5)[1]:
        sent += end.socket.send(bytes(min(65536, MUCH - sent)))
    return sent


def test_a_slow_client_slows_the_server(stand, connect):
    sent = []
    full = threading.Event()

    def script(peer):
        peer.head()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % MUCH)
        sent.append(fill(peer))
        full.set()
        peer.send(bytes(MUCH - sent[0]))
        peer.rest()

    client = connect(stand(script))
    client.ask()
    assert full.wait(PATIENCE)
    assert sent[0] < MUCH
    assert client.head()
    assert client.swallow(MUCH) == MUCH


def test_a_slow_server_slows_the_client(stand, connect):
    full = threading.Event()

    def script(peer):
        peer.head()
        assert full.wait(PATIENCE)
        assert peer.swallow(MUCH) == MUCH
        peer.send(OK)
        peer.rest()

    client = connect(stand(script))
    client.send(b"PUT /a HTTP/1.1\r\nContent-Length: %d\r\n\r\n" % MUCH)
    sent = fill(client)
    assert sent < MUCH
    full.set()
    client.send(bytes(MUCH - sent))
    assert client.read(len(OK)) == OK


@pytest.mark.parametrize("end", ["closes", "resets"])
def test_the_server_learns_that_the_client_has_gone(end, stand, connect):
    gone = threading.Event()

    def script(peer):
        peer.head()
        peer.send(CHUNKS[:60])
        peer.rest()
        gone.set()

    proxy = stand(script)
    client = connect(proxy)
    client.ask()
    client.read(60)
    client.socket.close() if end == "closes" else client.reset()
    assert gone.wait(PATIENCE)
    proxy.wait_until(lambda: proxy.connections == 0)


@pytest.mark.parametrize("end", ["closes", "resets"])
def test_the_client_learns_that_the_server_has_gone(end, stand, connect):
    def script(peer):
        peer.head()
        peer.send(OK)
        peer.head()
        if end == "resets":
            peer.reset()

    client = connect(stand(script))
    client.ask()
    assert client.read(len(OK)) == OK
    client.ask()
    if end == "closes":
        assert client.rest() == b""
    else:
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_server_that_is_down_is_a_reset(connect):
    with socket.socket() as unheard:
        unheard.bind(("127.0.0.1", 0))
        with FaultProxy(f"http://127.0.0.1:{unheard.getsockname()[1]}") as proxy:
            client = connect(proxy)
            client.ask()
            with pytest.raises(ConnectionResetError):
                client.rest()
