"""Bodies flow in both directions at the pace of the slower side, and memory stays flat."""

import asyncio
import contextlib
import queue
import threading
import tracemalloc

import pytest

from corduroy import Couch

PIECE = b"a" * 65536
MB = 1024 * 1024


@contextlib.contextmanager
def at_most(limit):
    """Python may take that much more memory than before, and no more."""
    tracemalloc.start()
    try:
        yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < limit, f"{peak / MB:.1f} MB"


def sends(pieces, sent=None):
    """A behaviour: answers with a body of so many pieces, and counts those that it could send."""

    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % (pieces * len(PIECE)))
        for _ in range(pieces):
            peer.send(PIECE)
            if sent is not None:
                sent.append(1)

    return behave


# -- answers ------------------------------------------------------------------------------------


async def test_a_large_body_is_read_in_little_memory(serve, client):
    size = 0

    def take(piece):
        nonlocal size
        size += len(piece)

    with at_most(4 * MB):
        response = await client.fetch(serve(sends(1024)).url, streaming_callback=take)
    assert size == 64 * MB
    assert response.body == b""


async def test_a_slow_reader_slows_the_server(serve, client):
    sent, size = [], 0
    waiting, go_on = asyncio.Event(), asyncio.Event()

    async def take(piece):
        nonlocal size
        size += len(piece)
        waiting.set()
        await go_on.wait()

    server = serve(sends(1024, sent))
    with at_most(4 * MB):
        future = client.fetch(server.url, streaming_callback=take)
        await waiting.wait()
        await no_more(sent)
        assert len(sent) < 512, "the server could send on while nobody read"
        go_on.set()
        await future
    assert size == 64 * MB


async def no_more(counted):
    """Until a tenth of a second goes by in which nothing is added."""
    before = -1
    while len(counted) > before:
        before = len(counted)
        await asyncio.sleep(0.1)


async def test_pieces_come_one_at_a_time_and_in_order(serve, client):
    letters = [bytes([letter]) * 100000 for letter in b"abcdef"]

    def behave(peer):
        peer.request()
        peer.answer(b"".join(letters))

    inside, pieces = 0, []

    async def take(piece):
        nonlocal inside
        inside += 1
        assert inside == 1
        await asyncio.sleep(0)
        pieces.append(piece)
        inside -= 1

    await client.fetch(serve(behave).url, streaming_callback=take)
    assert b"".join(pieces) == b"".join(letters)


async def test_a_connection_whose_body_was_streamed_serves_on(serve, client):
    server = serve()
    for _ in range(3):
        await client.fetch(server.url, streaming_callback=lambda piece: None)
        await client.fetch(server.url)
    assert server.connections == 1


@pytest.mark.parametrize("which", ["streaming_callback", "header_callback"])
async def test_what_a_callback_raises_is_what_fetch_raises(serve, client, which):
    def fail(_):
        raise ZeroDivisionError("in a callback")

    server = serve()
    with pytest.raises(ZeroDivisionError, match="in a callback"):
        await client.fetch(server.url, **{which: fail})
    assert (await client.fetch(server.url)).body == b"ok"


async def test_headers_come_before_the_body(serve, client):
    arrived = threading.Event()
    lines = []

    def behave(peer):
        peer.request()
        peer.send(b"HTTP/1.1 200 OK\r\nX-A: 1\r\nContent-Length: 2\r\n\r\n")
        assert arrived.wait(20)
        peer.send(b"ok")

    def hear(line):
        lines.append(line)
        if line == "\r\n":
            arrived.set()

    assert (await client.fetch(serve(behave).url, header_callback=hear)).body == b"ok"
    assert lines == ["HTTP/1.1 200 OK\r\n", "X-A: 1\r\n", "Content-Length: 2\r\n", "\r\n"]


def test_an_attachment_is_read_in_little_memory(serve, call):
    size = 0

    def take(piece):
        nonlocal size
        size += len(piece)

    db = Couch(serve(sends(512)).url).database("db")
    with at_most(4 * MB):
        assert call(db.get_attachment, "doc", "file", to=take) == 32 * MB
    assert size == 32 * MB


# -- requests -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "headers", [{}, {"Content-Length": str(64 * MB)}], ids=["chunked", "length"]
)
async def test_a_large_body_is_made_in_little_memory(serve, client, headers):
    sizes = []

    def behave(peer):
        sizes.append(sum(map(len, peer.pieces(peer.head()))))
        peer.answer()

    async def produce(write):
        for _ in range(1024):
            await write(PIECE)

    server = serve(behave)
    with at_most(4 * MB):
        await client.fetch(server.url, method="POST", body_producer=produce, headers=headers)
    assert sizes == [64 * MB]


async def test_a_slow_server_slows_the_producer(serve, client):
    read_on = threading.Event()

    def behave(peer):
        head = peer.head()
        assert read_on.wait(20)
        for _ in peer.pieces(head):
            pass
        peer.answer()

    written = []

    async def produce(write):
        for _ in range(1024):
            await write(PIECE)
            written.append(1)

    with at_most(4 * MB):
        future = client.fetch(serve(behave).url, method="POST", body_producer=produce)
        await no_more(written)
        assert 0 < len(written) < 512
        read_on.set()
        await future
    assert len(written) == 1024


async def test_what_a_producer_raises_is_what_fetch_raises(serve, new_client):
    client = new_client(max_clients=1)

    async def produce(write):
        await write(b"half")
        raise ZeroDivisionError("in a producer")

    def behave(peer):
        peer.head()
        peer.wait_for_end()

    server = serve(behave)
    with pytest.raises(ZeroDivisionError, match="in a producer"):
        await client.fetch(server.url, method="POST", body_producer=produce)
    assert (await client.fetch(serve().url)).body == b"ok"


@pytest.mark.parametrize(("length", "fault"), [("3", "longer"), ("9", "4 bytes shorter")])
async def test_a_producer_keeps_the_length_it_promised(serve, client, length, fault):
    async def produce(write):
        await write(b"hello")

    def behave(peer):
        peer.head()
        peer.wait_for_end()

    server = serve(behave)
    with pytest.raises(ValueError, match=f"the body is {fault}"):
        await client.fetch(
            server.url, method="POST", body_producer=produce, headers={"Content-Length": length}
        )


async def test_a_server_may_refuse_a_body_before_it_has_it(serve, client):
    """It answers 413, and hangs up once it sees that the client has heard."""
    answered = asyncio.Event()

    def behave(peer):
        peer.head()
        peer.answer(b"too large", "Connection: close", status="413 Too Large")
        peer.wait_for_end()

    async def produce(write):
        with contextlib.suppress(ConnectionError):
            while True:
                await write(PIECE)
        answered.set()

    server = serve(behave)
    response = await client.fetch(
        server.url, method="POST", body_producer=produce, raise_error=False
    )
    assert (response.code, response.body) == (413, b"too large")
    assert answered.is_set()
    assert client.pool.connections == 0


async def test_a_refusal_counts_where_the_server_reads_no_further(serve, client):
    """The body is stuck, the connection stays open: the answer ends the exchange."""
    ended = threading.Event()

    def behave(peer):
        peer.head()
        peer.answer(b"no", status="413 Too Large")
        assert ended.wait(20)

    async def produce(write):
        while True:
            await write(PIECE)

    server = serve(behave)
    response = await client.fetch(
        server.url, method="POST", body_producer=produce, raise_error=False
    )
    ended.set()
    assert response.code == 413


async def refused(write):
    """Until the client has heard that the server takes no more of a body."""
    with contextlib.suppress(ConnectionError):
        while True:
            await write(b"")
            await asyncio.sleep(0)


@pytest.mark.parametrize("length", [{}, {"Content-Length": "10"}], ids=["chunked", "length"])
@pytest.mark.parametrize("end", ["falls short", "raises", "is cancelled"])
async def test_no_request_is_taken_for_the_rest_of_a_refused_body(serve, client, length, end):
    """The server has answered, and would keep the connection: it waits there for the body."""
    heard = asyncio.Event()

    def behave(peer):
        peer.head()
        peer.answer(b"no", status="413 Too Large")
        peer.wait_for_end()

    async def produce(write):
        await write(b"123")
        await refused(write)
        heard.set()
        if end == "raises":
            raise ZeroDivisionError
        if end == "is cancelled":
            await asyncio.Event().wait()

    server = serve(behave, lambda peer: (peer.request(), peer.answer()))
    future = client.fetch(
        server.url, method="POST", body_producer=produce, headers=length, raise_error=False
    )
    await heard.wait()
    if end == "is cancelled":
        future.cancel()
    await asyncio.wait([future])
    if end == "falls short":
        assert future.result().code == 413
    elif end == "raises":
        assert isinstance(future.exception(), ZeroDivisionError)
    await asyncio.sleep(0)
    assert client.pool.connections == 0
    assert (await client.fetch(server.url)).body == b"ok"


async def test_a_body_that_was_sent_keeps_its_connection_if_the_answer_comes_early(serve, client):
    def behave(peer):
        for _ in range(2):
            request = peer.head()
            assert next(peer.pieces(request)) == b"hello"
            peer.answer()

    async def produce(write):
        await write(b"hello")
        await refused(write)

    server = serve(behave)
    for _ in range(2):
        response = await client.fetch(
            server.url, method="POST", body_producer=produce, headers={"Content-Length": "5"}
        )
        assert response.body == b"ok"
    assert server.connections == 1


# -- 100 Continue -------------------------------------------------------------------------------


@pytest.mark.parametrize("body", [{"body": b"1234"}, {"body_producer": None}], ids=["body", "made"])
async def test_a_body_waits_for_100_continue(serve, client, body):
    asked = threading.Event()

    async def produce(write):
        assert asked.is_set(), "the body came before it was asked for"
        await write(b"1234")

    if "body_producer" in body:
        body = {"body_producer": produce}
    bodies = []

    def behave(peer):
        for _ in range(2):
            head = peer.head()
            assert head.headers["expect"] == "100-continue"
            asked.set()
            peer.send(b"HTTP/1.1 100 Continue\r\n\r\n")
            bodies.append(peer.body(head))
            peer.answer()

    server = serve(behave)
    for _ in range(2):
        response = await client.fetch(server.url, method="POST", expect_100_continue=True, **body)
        assert response.body == b"ok"
    assert bodies == [b"1234"] * 2
    assert server.connections == 1


async def test_no_body_is_sent_where_it_is_not_wanted(serve, client):
    rest = queue.Queue()

    def behave(peer):
        peer.head()
        peer.answer(b"", status="417 Expectation Failed")
        rest.put(peer.socket.recv(100))

    def produce(write):
        raise AssertionError("the body is not wanted")

    server = serve(behave)
    for body in ({"body": b"1234"}, {"body_producer": produce}):
        response = await client.fetch(
            server.url, method="POST", expect_100_continue=True, raise_error=False, **body
        )
        assert response.code == 417
        assert await asyncio.to_thread(rest.get, timeout=20) == b"", "the body was sent"
    assert server.connections == 2


async def test_the_server_may_hang_up_instead_of_100_continue(serve, client):
    server = serve(lambda peer: peer.head())
    with pytest.raises(Exception, match="closed the connection"):
        await client.fetch(server.url, method="POST", body=b"1", expect_100_continue=True)
