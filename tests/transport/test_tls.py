"""TLS: who the server is gets checked, unless a program says otherwise; connections are kept."""

import contextlib
import socket
import ssl
import threading
from pathlib import Path

import pytest
import trustme
from cryptography.hazmat.primitives import serialization
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import HTTPClientError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

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


@pytest.fixture(scope="module")
def asking(authority, server_side):
    """A server's TLS that wants a client certificate."""
    context = server_side("127.0.0.1")
    authority.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


@pytest.fixture(scope="module")
def mine(authority, tmp_path_factory):
    """The files of a client's certificate: with its key, without it, and the key alone."""
    folder = tmp_path_factory.mktemp("mine")
    issued = authority.issue_cert("me@example.com")
    both, cert, key = folder / "both.pem", folder / "cert.pem", folder / "key.pem"
    issued.private_key_and_cert_chain_pem.write_to_path(both)
    issued.cert_chain_pems[0].write_to_path(cert)
    issued.private_key_pem.write_to_path(key)
    return both, cert, key


def test_a_client_may_have_a_certificate_in_its_own_context(
    serve, asking, authority, call, ca_certs
):
    server = serve(answer_json, tls=asking)
    context = ssl.create_default_context(cafile=ca_certs)
    with pytest.raises(ConnectionFailed):
        call(Couch(server.url, ssl_context=context).info)
    authority.issue_cert("me@example.com").configure_cert(context)
    assert call(Couch(server.url, ssl_context=context).info) == {"ok": True}


@pytest.mark.parametrize("kind", [None, SimpleAsyncHTTPClient, CurlAsyncHTTPClient])
@pytest.mark.parametrize("spelled", [str, Path])
def test_a_client_certificate(serve, asking, call, ca_certs, mine, kind, spelled):
    server = serve(answer_json, tls=asking)
    both, cert, key = map(spelled, mine)
    for given in ({"client_cert": both}, {"client_cert": cert, "client_key": key}):
        couch = Couch(server.url, ca_certs=ca_certs, http_client=kind, **given)
        assert call(couch.info) == {"ok": True}
        call(couch.close)


def test_a_client_certificate_says_who_asks_in_a_stream_too(serve, asking, ca_certs, mine):
    def behave(peer):
        while True:
            peer.request()
            peer.answer(b'{"total_rows":1,"offset":0,"rows":[\n{"id":"a","key":"a","value":1}\n]}')

    server = serve(behave, tls=asking)
    for kind in (None, SimpleAsyncHTTPClient, CurlAsyncHTTPClient):
        options = {"ca_certs": ca_certs, "client_cert": mine[0], "http_client": kind}
        with Couch(server.url, style="blocking", **options) as couch:
            assert [row.id for row in couch.database("db").stream("all/of")] == ["a"]


# -- what is wrong before anything is sent --------------------------------------------------------


def refused(match, kind=ValueError, **options):
    with pytest.raises(kind, match=match):
        Couch("https://127.0.0.1:1", **options)


def test_files_that_are_not_there(tmp_path, mine):
    nowhere = tmp_path / "nowhere.pem"
    refused(r"ca_certs '.*nowhere\.pem': No such file", ca_certs=nowhere)
    refused(r"client_cert '.*nowhere\.pem': No such file", client_cert=nowhere)
    refused(r"client_key '.*nowhere\.pem': No such file", client_cert=mine[1], client_key=nowhere)
    refused(r"ca_certs '.*': Is a directory", ca_certs=tmp_path)
    refused(r"client_cert '.*': Is a directory", client_cert=tmp_path)


def test_files_that_hold_something_else(tmp_path, mine):
    nonsense = tmp_path / "nonsense.pem"
    for data in (
        b"",
        b"nonsense",
        b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    ):
        nonsense.write_bytes(data)
        refused("ca_certs .*: the file holds no certificates in PEM form", ca_certs=nonsense)
        refused("client_cert .*: the file holds no certificate in PEM form", client_cert=nonsense)
        refused(
            "client_key .*: the file holds no private key in PEM form",
            client_cert=mine[1],
            client_key=nonsense,
        )
    refused("client_cert .*: the file holds no private key in PEM form", client_cert=mine[1])
    refused("client_cert .*: the file holds no certificate in PEM form", client_cert=mine[2])


def test_a_key_of_another_certificate(authority, tmp_path, mine):
    other = tmp_path / "other.pem"
    authority.issue_cert("you@example.com").private_key_pem.write_to_path(other)
    refused(
        "client_key .*: the private key is not that of the certificate in client_cert",
        client_cert=mine[1],
        client_key=other,
    )


def test_an_encrypted_key_asks_nobody_at_the_terminal(tmp_path, mine):
    locked = tmp_path / "locked.pem"
    key = serialization.load_pem_private_key(mine[2].read_bytes(), None)
    pem, form = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    locked.write_bytes(
        key.private_bytes(pem, form, serialization.BestAvailableEncryption(b"xyzzy"))
    )
    refused("client_key .* is encrypted", client_cert=mine[1], client_key=locked)
    locked.write_bytes(mine[1].read_bytes() + locked.read_bytes())
    refused("client_cert .* is encrypted", client_cert=locked)


def test_arguments_that_do_not_go_together(mine):
    context = ssl.create_default_context()
    refused("client_key needs client_cert beside it", client_key=mine[2])
    refused("client_cert and ssl_context: give one", client_cert=mine[0], ssl_context=context)
    refused("client_cert must be a str or a Path, not 5", TypeError, client_cert=5)
    refused("client_key must be a str or a Path", TypeError, client_cert=mine[1], client_key=b"a")


# -- looking away ---------------------------------------------------------------------------------


def test_looking_away_is_logged_once_an_address(serve, server_side, call, caplog):
    server = serve(answer_json, tls=server_side("couch.example"))
    address = f"127.0.0.1:{server.port}"
    for _ in range(2):
        call(Couch(f"https://me:secret@{address}", verify=False).info)
    call(Couch(server.url, ssl_context=ssl._create_unverified_context()).info)
    (told,) = [each for each in caplog.records if each.name == "corduroy.tls"]
    assert told.levelname == "WARNING"
    assert told.getMessage().startswith(f"{address}: the TLS certificate is not checked")
    assert "secret" not in caplog.text


def test_a_server_that_is_checked_is_not_talked_about(secure, call, ca_certs, caplog):
    call(Couch(secure.url, ca_certs=ca_certs).info)
    Couch("http://127.0.0.1:1", verify=False)
    assert not [each for each in caplog.records if each.name == "corduroy.tls"]


# -- what happens on the connection ---------------------------------------------------------------


def test_a_server_that_speaks_no_tls(serve, call):
    server = serve(lambda peer: peer.send(b"HTTP/1.1 400 Bad Request\r\n\r\n"))
    with pytest.raises(ConnectionFailed, match="the server speaks no TLS on this port"):
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


async def test_a_client_certificate_from_files(serve, asking, client, ca_certs, mine):
    server = serve(answer_json, tls=asking)
    _, cert, key = map(str, mine)
    with pytest.raises((HTTPClientError, OSError)):
        await client.fetch(server.url, ca_certs=str(ca_certs))
    response = await client.fetch(
        server.url, ca_certs=str(ca_certs), client_cert=cert, client_key=key
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
