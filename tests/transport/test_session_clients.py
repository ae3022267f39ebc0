"""A Couch goes through whichever `AsyncHTTPClient` it is given, in every style, on every loop."""

import asyncio
import ssl

import pytest
import trustme
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import ConnectionFailed, Couch, NotFound, RequestTimeout
from corduroy.transport import KeepAliveHTTPClient

KINDS = [KeepAliveHTTPClient, SimpleAsyncHTTPClient, CurlAsyncHTTPClient]
each_kind = pytest.mark.parametrize("kind", KINDS)


def answer_json(peer):
    while True:
        request = peer.request()
        if request.target == "/missing":
            peer.answer(b'{"error":"not_found","reason":"missing"}', status="404 Not Found")
        else:
            peer.answer(b'{"ok":true}')


@each_kind
def test_a_class_of_clients(serve, call, kind):
    server = serve(answer_json)
    couch = Couch(server.url, auth=("me", "secret"), http_client=kind)
    for _ in range(2):
        assert call(couch.info) == {"ok": True}
    assert call(couch.database("db").cleanup) == {"ok": True}
    assert [request.method for request in server.requests] == ["GET", "GET", "POST"]
    assert all(
        request.headers["authorization"] == "Basic bWU6c2VjcmV0" for request in server.requests
    )
    assert all(request.headers["host"] == f"127.0.0.1:{server.port}" for request in server.requests)


@each_kind
def test_one_client_of_a_loop_serves_on_others_too(serve, runner, kind):
    """On the loop that it was made on, it is used itself; elsewhere, others of its kind."""
    server = serve(answer_json)

    async def make():
        return kind(force_instance=True, defaults={"user_agent": "unused"})

    client = runner.run(make())
    fetched = []
    fetch = client.fetch
    client.fetch = lambda *args, **options: fetched.append(args) or fetch(*args, **options)
    couch = Couch(server.url, http_client=client)

    async def ask():
        return await couch.info()

    assert couch.info() == {"ok": True}
    assert asyncio.run(ask()) == {"ok": True}
    assert fetched == []
    assert runner.run(ask()) == {"ok": True}
    assert len(fetched) == (0 if kind is KeepAliveHTTPClient else 1)  # ours has a shorter way in
    couch.close()

    async def still_open():
        return (await client.fetch(server.url)).code

    assert runner.run(still_open()) == 200, "a client that was given is not closed"
    client.close()


@each_kind
def test_what_is_no_success_is_corduroys_exception(serve, call, kind):
    couch = Couch(serve(answer_json).url, http_client=kind)
    with pytest.raises(NotFound, match="missing"):
        call(couch.database("missing").info)
    assert call(couch.info) == {"ok": True}


@each_kind
def test_what_fails_on_the_way_is_too(serve, call, kind):
    with pytest.raises(ConnectionFailed):
        call(Couch("http://127.0.0.1:1", http_client=kind).info)
    with pytest.raises(ConnectionFailed):
        call(
            Couch(
                serve(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n{").url, http_client=kind
            ).info
        )
    stalled = serve(lambda peer: peer.wait_for_end())
    with pytest.raises(RequestTimeout):
        call(Couch(stalled.url, http_client=kind, timeout=0.1).info)


@pytest.mark.parametrize("end", ["close", "reset"])
@each_kind
def test_a_post_whose_connection_breaks_is_not_sent_again(serve, call, kind, end):
    """Be the connection a fresh one, or one that was kept."""

    def behave(peer):
        while peer.request().method == "GET":
            peer.answer(b'{"ok":true}')
        getattr(peer, end)()

    server = serve(behave)
    couch = Couch(server.url, http_client=kind, retries=2)
    for _ in range(2):
        assert call(couch.info) == {"ok": True}
        with pytest.raises(ConnectionFailed):
            call(couch.database("db").post, {"n": 1})
    assert [request.method for request in server.requests] == ["GET", "POST"] * 2


def test_a_number_of_the_systems_is_none_of_curls(call):
    """28 is curl's for a timeout, and the system's for a full disk."""

    class Full(SimpleAsyncHTTPClient):
        def fetch_impl(self, request, callback):
            callback(HTTPResponse(request, 599, error=OSError(28, "No space left on device")))

    with pytest.raises(ConnectionFailed, match="No space left"):
        call(Couch("http://127.0.0.1:1", http_client=Full).info)


@each_kind
def test_an_attachment_is_streamed(serve, call, kind):
    content = b"0123456789" * 50_000

    def behave(peer):
        while True:
            request = peer.request()
            if request.target == "/db/missing/file":
                peer.answer(b'{"error":"not_found","reason":"gone"}', status="404 Not Found")
            else:
                peer.answer(content)

    pieces = []
    db = Couch(serve(behave).url, http_client=kind).database("db")
    assert call(db.get_attachment, "doc", "file", to=pieces.append) == len(content)
    assert b"".join(pieces) == content
    with pytest.raises(NotFound, match="gone"):
        call(db.get_attachment, "missing", "file", to=pieces.append)
    assert b"".join(pieces) == content, "the refusal's body went where the attachment should go"


@each_kind
def test_a_coroutine_may_take_the_pieces(serve, call, kind):
    content = b"0123456789" * 50_000

    def behave(peer):
        peer.request()
        peer.answer(content)

    pieces = []

    async def take(piece):
        await asyncio.sleep(0)
        pieces.append(piece)

    db = Couch(serve(behave).url, http_client=kind).database("db")
    assert call(db.get_attachment, "doc", "file", to=take) == len(content)
    assert b"".join(pieces) == content


@each_kind
def test_what_takes_the_pieces_may_raise(serve, call, kind):
    def take(piece):
        raise ZeroDivisionError("no room")

    couch = Couch(serve(answer_json).url, http_client=kind)
    with pytest.raises(ZeroDivisionError, match="no room"):
        call(couch.database("db").get_attachment, "doc", "file", to=take)
    assert call(couch.info) == {"ok": True}


@each_kind
def test_an_attachment_is_sent_from_where_it_is(serve, call, kind, tmp_path):
    content = b"0123456789" * 50_000
    path = tmp_path / "file.bin"
    path.write_bytes(content)

    def behave(peer):
        while True:
            if peer.request().method == "HEAD":  # for the digest
                peer.answer(b"")
            else:
                peer.answer(b'{"ok":true,"id":"doc","rev":"2-b"}', status="201 Created")

    server = serve(behave)
    db = Couch(server.url, http_client=kind).database("db")
    doc = {"_id": "doc", "_rev": "1-a"}
    call(db.put_attachment, doc, path)
    call(
        db.put_attachment,
        doc,
        (content[at : at + 1000] for at in range(0, len(content), 1000)),
        "it",
    )
    sent = [request.body for request in server.requests if request.method == "PUT"]
    assert sent == [content] * 2


@each_kind
def test_tls(serve, call, kind, tmp_path):
    authority = trustme.CA()
    trusted = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(trusted)
    side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(side)
    server = serve(answer_json, tls=side)
    assert call(Couch(server.url, ca_certs=trusted, http_client=kind).info) == {"ok": True}
    assert call(Couch(server.url, verify=False, http_client=kind).info) == {"ok": True}
    with pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
        call(Couch(server.url, http_client=kind).info)


def test_a_client_that_takes_no_ssl_context_says_so(serve, call):
    couch = Couch(
        "https://127.0.0.1:1",
        ssl_context=ssl.create_default_context(),
        http_client=CurlAsyncHTTPClient,
    )
    with pytest.raises(ValueError, match="ssl_context: CurlAsyncHTTPClient takes none: use verify"):
        call(couch.info)


@pytest.mark.parametrize("given", ["simple", AsyncHTTPClient.configure, 5])
def test_what_is_no_client_is_refused(given):
    with pytest.raises(TypeError, match="http_client must be an AsyncHTTPClient"):
        Couch("http://127.0.0.1", http_client=given)


def test_a_program_may_bring_a_client_for_its_proxy(serve, runner):
    """Ours offers none; curl's does: what a client is configured with counts for the Couch, too."""
    proxy = serve(answer_json)

    async def ask():
        client = CurlAsyncHTTPClient(
            force_instance=True, defaults={"proxy_host": "127.0.0.1", "proxy_port": proxy.port}
        )
        try:
            return await Couch("http://couch.example:5984", http_client=client).info()
        finally:
            client.close()

    assert runner.run(ask()) == {"ok": True}
    assert proxy.requests[0].target == "http://couch.example:5984/"


def test_ours_says_who_offers_proxies(runner):
    async def ask():
        client = KeepAliveHTTPClient(
            force_instance=True, defaults={"proxy_host": "127.0.0.1", "proxy_port": 1}
        )
        return await client.fetch("http://couch.example:5984")

    with pytest.raises(
        NotImplementedError, match=r"does not offer a proxy: use .*CurlAsyncHTTPClient"
    ):
        runner.run(ask())
