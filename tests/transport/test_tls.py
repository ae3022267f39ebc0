"""TLS: who the server is gets checked, unless a program says otherwise; connections are kept."""

import contextlib
import socket
import ssl
import threading

import pytest
import trustme
from tornado.httpclient import HTTPClientError

from corduroy import ConnectionFailed, Couch

JSON = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}'


def answer_json(peer):
    while True:
        peer.request()
        peer.send(JSON)


@pytest.fixture(scope="module")
def authority():
    return trustme.CA()


@pytest.fixture(scope="module")
def ca_certs(authority, tmp_path_factory):
    """The file of the authority that the servers' certificates are from."""
    path = tmp_path_factory.mktemp("tls") / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(scope="module")
def server_side(authority):
    """``server_side("127.0.0.1")``: a server's TLS, with a certificate for some names."""

    def make(*names):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(*names).configure_cert(context)
        return context

    return make


@pytest.fixture
def secure(serve, server_side):
    """A server whose certificate is in order."""
    return serve(answer_json, tls=server_side("127.0.0.1"))


def test_a_known_authority_vouches_for_the_server(secure, call, ca_certs):
    couch = Couch(secure.url, ca_certs=ca_certs)
    for _ in range(3):
        assert call(couch.info) == {"ok": True}
    assert secure.connections == 1


def test_an_unknown_one_does_not(secure, call):
    couch = Couch(secure.url, auth=("me", "secret"))
    with pytest.raises(ConnectionFailed, match="certificate verify failed") as caught:
        call(couch.info)
    assert secure.requests == [], "the password went to a server that nobody vouches for"
    assert "secret" not in str(caught.value)


def test_a_certificate_for_another_host_does_not(serve, server_side, call, ca_certs):
    server = serve(answer_json, tls=server_side("couch.example"))
    with pytest.raises(ConnectionFailed, match=r"not valid for '127\.0\.0\.1'"):
        call(Couch(server.url, ca_certs=ca_certs).info)


def test_a_program_may_look_away(serve, server_side, call):
    server = serve(answer_json, tls=server_side("couch.example"))
    assert call(Couch(server.url, verify=False).info) == {"ok": True}


def test_a_program_may_bring_its_own_context(secure, call, ca_certs):
    context = ssl.create_default_context(cafile=ca_certs)
    assert call(Couch(secure.url, ssl_context=context).info) == {"ok": True}


def test_a_client_may_have_a_certificate_too(serve, server_side, authority, call, ca_certs):
    asking = server_side("127.0.0.1")
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    server = serve(answer_json, tls=asking)
    context = ssl.create_default_context(cafile=ca_certs)
    with pytest.raises(ConnectionFailed):
        call(Couch(server.url, ssl_context=context).info)
    authority.issue_cert("me@example.com").configure_cert(context)
    assert call(Couch(server.url, ssl_context=context).info) == {"ok": True}


def test_a_server_that_speaks_no_tls(serve, call):
    server = serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(ConnectionFailed, match="SSL"):
        call(Couch(server.url.replace("http", "https")).info)


def test_an_answer_cut_off_below_tls_is_no_whole_one(serve, server_side, call, ca_certs):
    """Its end is the connection's, which anybody on the way can bring about: TLS has no part in it."""

    def behave(peer):
        peer.request()
        peer.send(b'HTTP/1.1 200 OK\r\n\r\n{"ok":true}')
        peer.hang_up()  # without TLS's close_notify

    server = serve(behave, tls=server_side("127.0.0.1"))
    with pytest.raises(ConnectionFailed):
        call(Couch(server.url, ca_certs=ca_certs).info)


def test_an_answer_that_ends_with_tls_is_whole(serve, server_side, call, ca_certs):
    def behave(peer):
        peer.request()
        peer.send(b'HTTP/1.1 200 OK\r\n\r\n{"ok":true}')
        with contextlib.suppress(OSError):
            peer.socket.unwrap()

    server = serve(behave, tls=server_side("127.0.0.1"))
    assert call(Couch(server.url, ca_certs=ca_certs).info) == {"ok": True}


def test_a_post_meets_no_connection_that_was_closed(serve, server_side, call, ca_certs):
    closed = threading.Event()

    def behave(peer):
        peer.request()
        peer.send(JSON)
        peer.hang_up()
        closed.set()

    server = serve(behave, answer_json, tls=server_side("127.0.0.1"))
    couch = Couch(server.url, ca_certs=ca_certs)
    call(couch.info)
    assert closed.wait(20)
    assert call(couch.database("a").cleanup) == {"ok": True}
    assert server.connections == 2


async def test_large_bodies_go_both_ways(serve, server_side, client, ca_certs):
    piece = b"a" * 65536

    def behave(peer):
        request = peer.request()
        peer.answer(request.body)

    async def produce(write):
        for _ in range(64):
            await write(piece)

    server = serve(behave, tls=server_side("127.0.0.1"))
    pieces = []
    await client.fetch(
        server.url,
        method="POST",
        body_producer=produce,
        streaming_callback=pieces.append,
        ca_certs=str(ca_certs),
    )
    assert b"".join(pieces) == piece * 64


# -- the arguments of HTTPRequest ---------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"validate_cert": False},
        {"ssl_options": {"cert_reqs": ssl.CERT_NONE}},
        {"ca_certs": "CA"},
        {"ssl_options": {"cert_reqs": ssl.CERT_REQUIRED, "ca_certs": "CA"}},
    ],
    ids=["validate_cert", "ssl_options none", "ca_certs", "ssl_options required"],
)
async def test_equal_options_share_a_connection(secure, client, ca_certs, options):
    def spelled(value):
        if isinstance(value, dict):
            return {name: spelled(inner) for name, inner in value.items()}
        return str(ca_certs) if value == "CA" else value

    for _ in range(2):
        response = await client.fetch(secure.url, **spelled(options))
        assert response.body == b'{"ok":true}'
    assert secure.connections == 1


async def test_a_connection_that_was_not_checked_serves_nobody_who_checks(secure, client):
    await client.fetch(secure.url, validate_cert=False)
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.fetch(secure.url)
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.fetch(secure.url, ssl_options={"cert_reqs": ssl.CERT_REQUIRED})


async def test_a_client_certificate_from_files(
    serve, server_side, authority, client, ca_certs, tmp_path
):
    asking = server_side("127.0.0.1")
    authority.configure_trust(asking)
    asking.verify_mode = ssl.CERT_REQUIRED
    server = serve(answer_json, tls=asking)
    mine = authority.issue_cert("me@example.com")
    cert, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    mine.cert_chain_pems[0].write_to_path(cert)
    mine.private_key_pem.write_to_path(key)
    with pytest.raises((HTTPClientError, OSError)):
        await client.fetch(server.url, ca_certs=str(ca_certs))
    response = await client.fetch(
        server.url, ca_certs=str(ca_certs), client_cert=str(cert), client_key=str(key)
    )
    assert response.code == 200


async def test_the_name_in_the_url_is_the_one_that_is_checked(serve, server_side, client, ca_certs):
    server = serve(answer_json, tls=server_side("localhost"))
    url = f"https://localhost:{server.port}"
    try:
        socket.getaddrinfo("localhost", server.port)
    except OSError:
        pytest.skip("this machine does not know localhost by name")
    assert (await client.fetch(url, ca_certs=str(ca_certs))).code == 200
    with pytest.raises(ssl.SSLCertVerificationError):
        await client.fetch(server.url, ca_certs=str(ca_certs))
