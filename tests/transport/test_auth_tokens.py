"""Tokens, proxies, and what a cookie tells; no secret shows anywhere."""

import base64
import copy
import hashlib
import hmac
import json
import logging
import pickle
import time
import traceback

import pytest

from corduroy import (
    BasicAuth,
    CookieAuth,
    Couch,
    HTTPError,
    JWTAuth,
    ProxyAuth,
    ServerError,
    Unauthorized,
)

KEY = b"corduroy-jwt-secret"
# What CouchDB's configuration needs for them; it is read when the server starts.
HANDLERS = """[chttpd]
authentication_handlers = {chttpd_auth, proxy_authentication_handler}, \
{chttpd_auth, jwt_authentication_handler}, {chttpd_auth, cookie_authentication_handler}, \
{chttpd_auth, default_authentication_handler}"""


@pytest.fixture
def handling(ground3):
    """A CouchDB 3 that takes tokens, and believes proxies."""

    def check(couch):
        there = couch.session()["info"]["authentication_handlers"]
        if not {"jwt", "proxy"} <= set(there):
            give_up = pytest.fail if ground3.name == "recorded" else pytest.skip
            give_up(f"CouchDB must be started with\n{HANDLERS}")

    ground3.offstage(check)


def token(life=600.0, **claims):
    """A JSON Web Token, signed with `KEY`."""
    claims = {"sub": "ada", "exp": time.time() + life, **claims}
    parts = [{"alg": "HS256", "typ": "JWT"}, claims]
    signed = b".".join(_coded(json.dumps(part).encode()) for part in parts)
    signature = _coded(hmac.digest(KEY, signed, "sha256"))
    return (signed + b"." + signature).decode()


def _coded(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=")


def answer_user(peer):
    """Behaves as a server for which old tokens have expired."""
    while True:
        request = peer.request()
        if request.headers.get("authorization", "").startswith("Bearer old"):
            peer.answer(b'{"error":"unauthorized","reason":"exp not in future"}', status="401 No")
        else:
            peer.answer(b'{"ok":true}')


# -- tokens -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("asynchronous", [False, True])
def test_a_function_gives_the_token(call, serve, asynchronous):
    given = []

    def fresh():
        given.append(f"good-{len(given)}")
        return given[-1]

    async def fresh_later():
        return fresh()

    server = serve(answer_user)
    couch = Couch(server.url, JWTAuth(fresh_later if asynchronous else fresh))
    for _ in range(3):
        call(couch.info)
    assert given == ["good-0"]
    assert {request.headers["authorization"] for request in server.requests} == {"Bearer good-0"}


def test_it_is_asked_again_before_the_token_expires(call, serve):
    given = []

    def fresh():
        given.append(token(life=1 if not given else 600))
        return given[-1]

    couch = Couch(serve(answer_user).url, JWTAuth(fresh))
    for _ in range(3):
        call(couch.info)
    assert len(given) == 2


def test_and_once_if_the_token_is_refused(call, serve):
    given = []

    def fresh():
        given.append("old" if len(given) in (0, 2, 3) else "good")
        return given[-1]

    server = serve(answer_user)
    couch = Couch(server.url, JWTAuth(fresh))
    call(couch.info)
    assert given == ["old", "good"]
    with pytest.raises(Unauthorized, match="exp not in future"):
        call(Couch(server.url, JWTAuth(fresh)).info)
    assert given == ["old", "good", "old", "old"]


def test_a_token_that_is_a_str_is_sent_as_it_is(call, serve):
    server = serve(answer_user)
    with pytest.raises(Unauthorized):
        call(Couch(server.url, JWTAuth("old")).info)
    call(Couch(server.url, JWTAuth("good")).info)
    assert [request.headers["authorization"] for request in server.requests] == [
        "Bearer old",
        "Bearer good",
    ]


@pytest.mark.parametrize(
    ("given", "kind"),
    [(None, TypeError), (b"abc", TypeError), ("", ValueError), ("a\r\nb", ValueError)],
)
def test_what_is_no_token(call, serve, given, kind):
    server = serve(answer_user)
    with pytest.raises(kind, match=r"token|headers"):
        call(Couch(server.url, JWTAuth(lambda: given)).info)
    with pytest.raises(kind, match=r"token|headers"):
        JWTAuth(given)
    assert server.requests == []


def test_what_the_function_raises_is_raised(call, serve):
    def fresh():
        raise LookupError("no provider")

    with pytest.raises(LookupError, match="no provider"):
        call(Couch(serve(answer_user).url, JWTAuth(fresh)).info)


def test_couchdb_takes_tokens(call, couch3, configured3, handling):
    configured3("jwt_keys/hmac:_default", base64.b64encode(KEY).decode())
    roles = {"_couchdb.roles": ["listener"]}
    with Couch(couch3.url, JWTAuth(lambda: token(**roles))) as server:
        said = call(server.session)
        call(server.check_credentials)
    assert said["userCtx"] == {"name": "ada", "roles": ["listener"]}
    assert said["info"]["authenticated"] == "jwt"
    with pytest.raises(Unauthorized, match="exp not in future"):
        call(Couch(couch3.url, JWTAuth(token(life=-60))).check_credentials)


# -- proxies ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ["sha256", "sha1"])
def test_couchdb_believes_a_proxy_that_knows_its_secret(
    call, couch3, configured3, handling, offstage, algorithm
):
    configured3("chttpd_auth/proxy_use_secret", True)
    secrets = []
    offstage(lambda couch: secrets.append(couch.config("chttpd_auth/secret")))
    secret = secrets[0] if secrets else "of the recorded server"
    auth = ProxyAuth("zoë", ["first violin", "b"], secret, algorithm)
    with Couch(couch3.url, auth) as server:
        said = call(server.session)
    assert said["userCtx"] == {"name": "zoë", "roles": ["first violin", "b"]}
    with pytest.raises(Unauthorized, match="does not know who is asking"):
        call(Couch(couch3.url, ProxyAuth("zoë", [], "wrong")).check_credentials)


def test_what_a_proxy_says(serve):
    server = serve()
    Couch(server.url, ProxyAuth("ada", secret="key", algorithm="sha1")).up()
    told = {k: v for k, v in server.requests[0].headers.items() if k.startswith("x-auth")}
    assert told == {
        "x-auth-couchdb-username": "ada",
        "x-auth-couchdb-roles": "",
        "x-auth-couchdb-token": hmac.new(b"key", b"ada", hashlib.sha1).hexdigest(),
    }
    assert "X-Auth-CouchDB-Token" not in ProxyAuth("ada", ["a"]).headers()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["", []], ValueError, "user must not be empty"),
        ([5, []], TypeError, "user must be a str"),
        (["a\nb", []], ValueError, "line break"),
        (["ada", "reader"], TypeError, "roles must be a list of str, not a str"),
        (["ada", ["a,b"]], ValueError, "roles: 'a,b' holds a comma"),
        (["ada", [5]], TypeError, "roles must be a str, not int"),
        (["ada", [], b"secret"], TypeError, "secret must be a str, not bytes"),
        (["ada", [], "secret", "crc"], ValueError, "algorithm must be one of sha256, sha1"),
    ],
)
def test_proxies_that_make_no_sense(arguments, kind, words):
    with pytest.raises(kind, match=words):
        ProxyAuth(*arguments)


# -- what a cookie tells ----------------------------------------------------------------------------

NOW = "Thu, 26 Nov 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("attributes", "brief"),
    [
        ("; Version=1; Max-Age=1; Path=/", True),
        ("; max-age=1", True),
        ("; Expires=Thu, 26-Nov-2026 10:00:01 GMT; Path=/", True),
        ("; Max-Age=600; Expires=Thu, 26-Nov-2026 10:00:01 GMT", False),
        ("; Expires=Thu, 26 Nov 2026 10:10:00 GMT", False),
        ("; Path=/; HttpOnly", False),
        ("; Max-Age=0", False),  # PouchDB Server takes seconds for milliseconds
        ("; Max-Age=soon", False),
        ("; Max-Age=nan", False),
        (f"; Expires=Thu, {'9' * 20} Nov 2026 10:00:01 GMT", False),
        ("; Expires=soon", False),
        ("", False),
    ],
)
def test_a_cookie_tells_how_long_it_lasts(call, serve, attributes, brief):
    def behave(peer):
        while True:
            if peer.request().method == "POST":
                cookies = (
                    f"Set-Cookie: sticky=1; Max-Age=9\r\nSet-Cookie: AuthSession=abc{attributes}"
                )
                peer.answer(b'{"ok":true}', cookies, f"Date: {NOW}")
            else:
                peer.answer(b'{"ok":true}')

    server = serve(behave)
    couch = Couch(server.url, CookieAuth("ada", "secret"))
    for _ in range(3):
        call(couch.info)
    asked = [request.method for request in server.requests]
    assert asked == (["POST", "GET"] * 3 if brief else ["POST", "GET", "GET", "GET"])
    assert {r.headers["cookie"] for r in server.requests if r.method == "GET"} == {
        "AuthSession=abc"
    }


@pytest.mark.parametrize("cookie", ["AuthSession=\xe2\x98\x83", "AuthSession=a\tb"])
def test_a_cookie_that_cannot_be_sent_back_is_none(call, serve, cookie):
    def behave(peer):
        while True:
            login = peer.request().method == "POST"
            said = "AuthSession=abc; Max-Age=1" if login else cookie  # which asks to be refreshed
            peer.send(f"HTTP/1.1 200 OK\r\nSet-Cookie: {said}\r\n".encode("latin-1"))
            peer.send(b'Content-Length: 11\r\n\r\n{"ok":true}')

    assert call(Couch(serve(behave).url, CookieAuth("ada", "secret")).info) == {"ok": True}


@pytest.mark.parametrize("retries", [0, 2])
def test_a_login_is_tried_as_often_as_the_request_that_it_is_for(call, serve, retries):
    def behave(peer):
        while True:
            peer.request()
            peer.answer(b'{"error":"x","reason":"ill"}', status="503 Service Unavailable")

    server = serve(behave)
    db = Couch(server.url, CookieAuth("ada", "secret")).database("db")
    for method in (db.info, db.cleanup):  # a POST, which has not been sent
        with pytest.raises(ServerError, match="ill"):
            call(method, retries=retries)
    assert [request.target for request in server.requests] == ["/_session"] * 2 * (retries + 1)


def test_a_server_without_sessions_is_told_of(call, serve):
    couch = Couch(serve(answer_user).url, CookieAuth("ada", "secret"))
    with pytest.raises(ServerError, match=r"no_session.*gave no AuthSession cookie"):
        call(couch.info)


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        (["ada", None], TypeError, "password must be a str, not NoneType"),
        (["", "secret"], ValueError, "user must not be empty"),
        (["ada", "pa55\ud800"], ValueError, "password is no Unicode text"),
        (["ada", "secret", 0], ValueError, "timeout must be a number of seconds above 0"),
    ],
)
def test_sessions_that_make_no_sense(arguments, kind, words):
    with pytest.raises(kind, match=words) as caught:
        CookieAuth(*arguments)
    assert "pa55" not in str(caught.value)


# -- secrets ----------------------------------------------------------------------------------------

SECRET = "pa55-w0rd"
COOKIE = "c00kie-of-a-session"
TOKEN = token(jti=SECRET)
SPELLINGS = (
    SECRET,
    COOKIE,
    TOKEN,
    TOKEN.split(".")[1],
    ProxyAuth("a", (), SECRET).headers()["X-Auth-CouchDB-Token"],
)
WAYS = {
    "basic": lambda: BasicAuth("a", SECRET),
    "cookie": lambda: CookieAuth("a", SECRET),
    "token": lambda: JWTAuth(TOKEN),
    "fresh token": lambda: JWTAuth(lambda: TOKEN),
    "proxy": lambda: ProxyAuth("a", (), SECRET),
}


def shown(*things):
    text = "\n".join(f"{thing!r} {thing!s}" for thing in things)
    assert not [spelling for spelling in SPELLINGS if spelling in text]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("code", [401, 404, 500, 200])
def test_no_secret_shows(call, serve, caplog, way, code):
    def behave(peer):
        while True:
            request = peer.request()
            cookie = f"Set-Cookie: AuthSession={COOKIE}; Max-Age=600"
            status = "200 OK" if request.method == "POST" else f"{code} Told"
            peer.answer(b"{}" if status != "200 Told" else b"no JSON", cookie, status=status)

    caplog.set_level(logging.DEBUG)
    auth = WAYS[way]()
    couch = Couch(serve(behave).url, auth)
    session = couch._session
    for _ in range(2):
        with pytest.raises(HTTPError) as caught:
            call(couch.info)
        error = caught.value
        shown(error, error.args, error.status, *traceback.format_exception(error))
        assert not [word for word in SPELLINGS if word.encode() in pickle.dumps(error)]
    shown(auth, couch, couch.database("x"), session, session._ways.all[0].renewal, caplog.text)
    if session._ways.all[0].renewal is not None:
        renewal = session._ways.all[0].renewal
        shown(renewal._grant, renewal.__dict__)
    assert caplog.records


@pytest.mark.parametrize("way", ["basic", "cookie", "token", "proxy"])
def test_they_can_be_copied_and_are_not_pickled(way):
    auth = WAYS[way]()
    assert copy.deepcopy(auth).headers() == auth.headers()
    with pytest.raises(TypeError, match=f"a {type(auth).__name__} holds credentials"):
        pickle.dumps(auth)


def test_a_server_that_replicates_gets_the_password_of_a_session():
    assert CookieAuth("a", SECRET).headers() == BasicAuth("a", SECRET).headers()


def test_a_token_that_renews_itself_is_nothing_for_a_server_that_replicates():
    with pytest.raises(ValueError, match="cannot ask your function for tokens"):
        JWTAuth(lambda: TOKEN).headers()
