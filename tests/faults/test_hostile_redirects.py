"""Redirects: nobody follows them, and nothing that proves who is asking goes to another host."""

from __future__ import annotations

import pytest
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import CookieAuth, Couch, HTTPError, JWTAuth
from tests.faults.hostile import sends, told
from tests.faults.scripted import End

SECRET = "a-secret-of-ours"

PROOFS = {
    "a password": {"auth": ("me", SECRET)},
    "a session": {"auth": CookieAuth("me", SECRET)},
    "a token": {"auth": JWTAuth(token=SECRET)},
    "a cookie": {"cookie": f"AuthSession={SECRET}"},
    "a header": {"headers": {"X-Secret": SECRET}},
}


@pytest.fixture
def elsewhere(serve):
    """Another server, which must not be asked anything."""
    asked: list[bytes] = []

    def script(peer: End) -> None:
        asked.append(peer.head())
        peer.send(told(b'{"_id":"right"}'))

    server = serve(script)
    server.asked = asked
    return server


@pytest.mark.parametrize("http_client", [None, SimpleAsyncHTTPClient], ids=["own", "simple"])
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_nothing_follows_a_redirect(serve, elsewhere, call, proof, status, http_client):
    to = f"Location: {elsewhere.url}/db/wrong?token={SECRET}"
    server = serve(redirecting(to, status))
    couch = Couch(server.url, retries=0, timeout=5, http_client=http_client, **proof)
    db = couch.database("db")
    for ask in (db.get, db.delete, db.get_attachment):
        arguments = ("wrong",) if ask != db.get_attachment else ("wrong", "file")
        with pytest.raises(HTTPError, match="the server points to " + elsewhere.url) as caught:
            call(ask, *arguments)
        assert caught.value.code == status
        assert SECRET not in str(caught.value)
    with pytest.raises(HTTPError, match="the server points to"):
        call(db.docs().all)
    assert not elsewhere.asked


def redirecting(to: str, status: int):
    def script(peer: End) -> None:
        while head := peer.head():
            if b"content-length: " in head.lower():
                peer.read(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))
            if b"/_session" in head:
                peer.send(told(b'{"ok":true,"name":"me","roles":[]}', "Set-Cookie: AuthSession=x"))
            else:
                peer.send(told(b"", to, status=f"{status} Elsewhere"))

    return script


def test_a_cookie_for_another_host_is_not_kept(serve, elsewhere, call):
    """Whatever a server sets: what is sent is what was granted for it, and to nobody else."""
    raw = told(b'{"_id":"right"}', f"Set-Cookie: AuthSession={SECRET}; Domain=127.0.0.1; Path=/")
    couch = Couch(serve(sends(raw)).url)
    call(couch.database("db").get, "right")
    call(Couch(elsewhere.url).database("db").get, "right")
    assert SECRET.encode() not in elsewhere.asked[0]
    assert b"Cookie" not in elsewhere.asked[0]


async def test_a_program_that_follows_redirects_leaves_its_credentials_behind(serve, elsewhere):
    """`KeepAliveHTTPClient` for the whole program follows them, as Tornado's clients do."""
    to = f"Location: {elsewhere.url}/"
    server = serve(sends(told(b"", to, status="302 Elsewhere")))
    AsyncHTTPClient.configure("corduroy.transport.KeepAliveHTTPClient")
    try:
        client = AsyncHTTPClient(force_instance=True)
        headers = {"Cookie": f"AuthSession={SECRET}"}
        await client.fetch(server.url, auth_username="me", auth_password=SECRET, headers=headers)
        client.close()
    finally:
        AsyncHTTPClient.configure(None)
    (asked,) = elsewhere.asked
    assert b"Authorization" not in asked
    assert b"Cookie" not in asked


def test_a_redirect_without_end_is_one_answer(serve, call):
    server = serve(sends(*[told(b"", "Location: /db/wrong", status="302 Here")] * 5))
    with pytest.raises(HTTPError, match="the server points to /db/wrong"):
        call(Couch(server.url, retries=5).database("db").get, "wrong")
    assert server.met == 1


@pytest.mark.parametrize("headers", [(), ("Location: \x00",), ("Location: //[/",)])
def test_a_redirect_to_nowhere(ordeal, call, headers):
    trial = ordeal(sends(told(b"", *headers, status="302 Somewhere")))
    with pytest.raises(HTTPError):
        call(trial.db.get, "wrong")
    trial.passed(call)
