"""Whatever fails, and however: no password, token or cookie comes out, in no form that anybody could
read it in; see `Ears` for all that is listened to."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import functools
import hashlib
import hmac
import json
import pickle
import re
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
import trustme
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import (
    BasicAuth,
    ConnectionFailed,
    CookieAuth,
    Couch,
    HTTPError,
    JWTAuth,
    ProxyAuth,
    ReplicationFailed,
    ServerError,
)
from corduroy.command.main import main
from tests.conftest import Caller
from tests.faults.leaks import USER, Ears, secret, token
from tests.faults.scripted import End, Script, Upstream
from tests.faults.secure import SecureServer, contexts, handshake

Serve = Callable[[Script], Upstream]

each_kind = pytest.mark.parametrize("kind", [None, SimpleAsyncHTTPClient, CurlAsyncHTTPClient])


# -- the server ------------------------------------------------------------------------------------


def answer(code: int, body: Any = None, *headers: str) -> bytes:
    """An answer; without a body, a refusal."""
    data = json.dumps(body or {"error": "odd", "reason": "so it is"}).encode()
    lines = [f"HTTP/1.1 {code} Odd", *headers, f"Content-Length: {len(data)}", "", ""]
    return "\r\n".join(lines).encode() + data


WELCOME = answer(200, {"couchdb": "Welcome", "version": "3.5.0", "features": ["partitioned"]})
SESSION = answer(
    200, {"ok": True, "name": USER, "roles": []}, f"Set-Cookie: AuthSession={token('session')}"
)
ELSEWHERE = f"http://u:{quote(secret('location'), safe='')}@other.example/x?sig={token('signed')}"

FAULTS: dict[str, bytes] = {
    "unauthorized": answer(401, None, f"Set-Cookie: AuthSession={token('session')}"),
    "forbidden": answer(403),
    "missing": answer(404),
    "conflict": answer(409),
    "broken server": answer(500),
    "no JSON": b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
    "redirect": f"HTTP/1.1 302 Odd\r\nLocation: {ELSEWHERE}\r\nContent-Length: 0\r\n\r\n".encode(),
    "cut": b'HTTP/1.1 200 OK\r\nContent-Length: 99\r\nConnection: close\r\n\r\n{"rows":[\n',
    "bad chunk": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    "gone": b"",
    "silence": b"...",
}

each_fault = pytest.mark.parametrize("fault", FAULTS)
some_faults = pytest.mark.parametrize(
    "fault", ["unauthorized", "broken server", "no JSON", "gone", "silence"]
)


def failing(fault: str, at: str = "") -> Script:
    """Tell who one is, let everybody log in, and fail at everything else, or at this alone."""
    failure = FAULTS[fault]

    def script(peer: End) -> None:
        while head := peer.head():
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                peer.swallow(int(length[1]))
            if head.startswith(b"GET / ") and at != "/":
                peer.send(WELCOME)
            elif head.startswith(b"POST /_session ") and at != "/_session":
                peer.send(SESSION)
            elif failure == FAULTS["silence"]:
                peer.rest()
                return
            else:
                peer.send(failure)
                if fault in ("cut", "gone", "bad chunk"):
                    return

    return script


# -- the secrets -----------------------------------------------------------------------------------


def with_userinfo(url: str) -> str:
    return url.replace("//", f"//{USER}:{quote(secret('url'), safe='')}@")


class OwnAuth:
    """A way to authenticate that a program has of its own."""

    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Own {token('own')}"}


WAYS: dict[str, Callable[[str], dict[str, Any]]] = {
    "in the url": lambda url: {"url": with_userinfo(url)},
    "in several urls": lambda url: {"url": [with_userinfo(url), f"{with_userinfo(url)}/"]},
    "a pair": lambda url: {"url": url, "auth": (USER, secret("pair"))},
    "user and password": lambda url: {"url": url, "user": USER, "password": secret("password")},
    "CookieAuth": lambda url: {"url": url, "auth": CookieAuth(USER, secret("cookieauth"))},
    "JWTAuth": lambda url: {"url": url, "auth": JWTAuth(token("jwt"))},
    "JWTAuth that asks": lambda url: {"url": url, "auth": JWTAuth(lambda: token("asked"))},
    "ProxyAuth": lambda url: {"url": url, "auth": ProxyAuth(USER, ["a"], secret("proxy"))},
    "one's own": lambda url: {"url": url, "auth": OwnAuth()},
    "a cookie": lambda url: {"url": url, "cookie": f"AuthSession={token('cookie')}"},
    "a header": lambda url: {
        "url": url, "headers": {"Authorization": f"Bearer {token('header')}"}
    },
}  # fmt: skip

# What ProxyAuth makes of its secret lets anybody in.
PROXY_TOKEN = hmac.new(secret("proxy").encode(), USER.encode(), hashlib.sha256).hexdigest()

NAMES = [
    "url", "pair", "password", "cookieauth", "jwt", "asked", "proxy", "own", "cookie", "header",
    "session", "location", "signed", "new", "far",
]  # fmt: skip
SECRETS = [PROXY_TOKEN, *map(token, NAMES)]


@pytest.fixture
def ears(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ears]:
    """Listens during the test, in asyncio's debug mode; nothing may be heard."""
    monkeypatch.setenv("PYTHONASYNCIODEBUG", "1")
    with Ears(*SECRETS) as ears:
        yield ears
    assert ears.heard, "nothing was said at all"
    assert ears.leaks == []


def attempt(
    ears: Ears, call: Caller, method: Callable[..., Any], *args: Any, **options: Any
) -> Any:
    """Call what is going to fail, and listen to how."""
    loop = call.runner.get_loop()
    loop.set_debug(True)
    loop.slow_callback_duration = 0  # tells of whatever the loop does
    try:
        value = call(method, *args, **options)
    except Exception as error:
        ears.examine(error)
        return error
    ears.shown(value)
    return value


def blocking(ears: Ears, call: Callable[[], Any]) -> Any:
    """The same, of a function without arguments."""
    try:
        value = call()
    except Exception as error:
        ears.examine(error)
        return error
    ears.shown(value)
    return value


def knock(ears: Ears, way: dict[str, Any], **options: Any) -> Couch[Any]:
    """A Couch that tries everything once, and whose program is told of it."""
    return Couch(**{"retries": 0, "on_request": ears.shown, **way, **options})


def patience(fault: str) -> float:
    return 0.1 if fault == "silence" else 20


def some(ways: Iterable[str], fault: str) -> list[str]:
    """The first ones alone, where each takes its time."""
    return list(ways)[: 2 if fault == "silence" else None]


# -- secrets that say who is asking ----------------------------------------------------------------


@each_fault
@pytest.mark.parametrize("way", WAYS)
def test_who_asks_does_not_come_out(
    way: str, fault: str, serve: Serve, call: Caller, ears: Ears
) -> None:
    url = serve(failing(fault)).url
    couch = knock(ears, WAYS[way](url), timeout=patience(fault))
    db = couch.database("db")
    ears.shown(couch)
    ears.shown(db)
    for method, *args in ((couch.all_dbs,), (db.save, {"_id": "a"}), (couch.session,)):
        assert isinstance(attempt(ears, call, method, *args), HTTPError)
    call(couch.close)


@each_fault
@pytest.mark.parametrize("kind", [SimpleAsyncHTTPClient, CurlAsyncHTTPClient])
def test_nor_through_other_clients(
    kind: type[AsyncHTTPClient], fault: str, serve: Serve, ears: Ears
) -> None:
    url = serve(failing(fault)).url
    for way in some(WAYS, fault):
        options = {"http_client": kind, "timeout": patience(fault), "style": "blocking"}
        with knock(ears, WAYS[way](url), **options) as couch:
            assert isinstance(blocking(ears, couch.all_dbs), HTTPError)
            save = functools.partial(couch.database("db").save, {"_id": "a"})
            assert isinstance(blocking(ears, save), HTTPError)


@each_kind
@each_fault
def test_nor_from_streams_feeds_and_writers(
    kind: type[AsyncHTTPClient] | None, fault: str, serve: Serve, ears: Ears
) -> None:
    url = serve(failing(fault)).url

    async def listen(options: dict[str, Any]) -> None:
        states: list[Any] = []
        async with knock(ears, options, style="future") as couch:
            feed = couch.database("db").changes(feed="continuous", on_state=states.append)
            with contextlib.suppress(HTTPError, TimeoutError):
                async with asyncio.timeout(0.1):
                    async for _ in feed:
                        pass
            ears.shown(feed)
            ears.shown(states)
            if feed.exception is not None:
                ears.examine(feed.exception)
            await feed.stop()

    for way in ("in the url", "CookieAuth", "a header"):
        options = {"http_client": kind, "timeout": patience(fault), **WAYS[way](url)}
        with knock(ears, options, style="blocking") as couch:
            db = couch.database("db")
            stream = db.stream("all/of")
            blocking(ears, lambda stream=stream: list(stream))
            ears.shown(stream)
            blocking(ears, lambda db=db: db.save([{"_id": str(each)} for each in range(3)]))
            blocking(ears, lambda db=db: db.put_attachment("a", b"a", "a.txt"))
            with contextlib.suppress(Exception), db.writer(max_retries=0) as writer:
                writer.save({"_id": "a"})
            ears.shown(writer)
        asyncio.run(listen(options), debug=True)


@some_faults
def test_a_log_in_that_fails(fault: str, serve: Serve, call: Caller, ears: Ears) -> None:
    url = serve(failing(fault, at="/_session")).url
    couch = knock(ears, WAYS["CookieAuth"](url), timeout=patience(fault))
    assert isinstance(attempt(ears, call, couch.all_dbs), HTTPError)
    assert isinstance(attempt(ears, call, couch.login, USER, secret("new")), HTTPError)
    call(couch.close)


# -- secrets that are asked about ------------------------------------------------------------------


ENDS = [
    {"url": "http://far/a", "auth": {"basic": {"username": USER, "password": secret("far")}}},
    {"url": "http://far/a", "headers": {"Authorization": f"Bearer {token('far')}"}},
    f"http://{USER}:{quote(secret('far'), safe='')}@far/b",
]

ACTS: dict[str, Callable[[Couch[Any]], tuple[Any, ...]]] = {
    "login": lambda couch: (couch.login, USER, secret("new")),
    "save_user": lambda couch: (couch.save_user, USER, secret("new")),
    "a new password": lambda couch: (
        functools.partial(couch.save_user, password=secret("new"), rev="1-a"), USER
    ),
    "a field": lambda couch: (functools.partial(couch.save_user, pin=secret("new")), USER),
    "check_user": lambda couch: (couch.check_user, USER, secret("new")),
    "add_admin": lambda couch: (couch.add_admin, USER, secret("new")),
    "config": lambda couch: (couch.config, "admins/zora", secret("new")),
    "config of a node": lambda couch: (couch.node().config, "admins/zora", secret("new")),
    "enable_cluster": lambda couch: (couch.enable_cluster, USER, secret("new")),
    "enable_single_node": lambda couch: (couch.enable_single_node, USER, secret("new")),
    "add_node": lambda couch: (couch.add_node, "host", USER, secret("new")),
    "replicate": lambda couch: (couch.replicate, ENDS[0], ENDS[2]),
    "replicate by a document": lambda couch: (
        functools.partial(couch.replicate, _id="r"), ENDS[1], ENDS[2]
    ),
    "through a proxy": lambda couch: (
        functools.partial(couch.replicate, proxy=ENDS[2].rpartition("/")[0]), "a", "b"
    ),
    "from a database": lambda couch: (couch.replicate, couch.database("db"), "b"),
}  # fmt: skip


@some_faults
@pytest.mark.parametrize("act", ACTS)
def test_what_is_sent_does_not_come_back(
    act: str, fault: str, serve: Serve, call: Caller, ears: Ears
) -> None:
    couch = knock(ears, WAYS["a pair"](serve(failing(fault)).url), timeout=patience(fault))
    attempt(ears, call, *ACTS[act](couch))
    call(couch.close)


@some_faults
@pytest.mark.parametrize("kind", [SimpleAsyncHTTPClient, CurlAsyncHTTPClient])
def test_nor_does_it_through_other_clients(
    kind: type[AsyncHTTPClient], fault: str, serve: Serve, ears: Ears
) -> None:
    options = WAYS["a pair"](serve(failing(fault)).url)
    with Couch(timeout=patience(fault), http_client=kind, style="blocking", **options) as couch:
        for act in some(ACTS, fault):
            method, *args = ACTS[act](couch)
            blocking(ears, functools.partial(method, *args))


def test_what_the_server_says_of_a_replication(serve: Serve, call: Caller, ears: Ears) -> None:
    """Some show what they were told, as CouchDB 1.x does."""
    told = f"could not open {ENDS[2]}/"
    shown = {
        "doc_id": "r", "database": "_replicator", "id": "r", "state": "failed", "source": ENDS[0],
        "target": ENDS[2], "info": {"error": told}, "error_count": 9,
    }  # fmt: skip

    def script(peer: End) -> None:
        while head := peer.head():
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                peer.swallow(int(length[1]))
            if head.startswith(b"GET / "):
                peer.send(WELCOME)
            elif head.startswith(b"POST /_replicate "):
                peer.send(answer(500, {"error": "db_not_found", "reason": told, "source": ENDS[1]}))
            elif b"/_scheduler/docs/_replicator/r" in head:
                peer.send(answer(200, shown))
            else:
                peer.send(answer(200, {"total_rows": 1, "docs": [shown], "jobs": [shown]}))

    couch = knock(ears, WAYS["a pair"](serve(script).url))
    failed = attempt(ears, call, couch.replicate, ENDS[0], ENDS[2])
    assert isinstance(failed, ServerError)
    assert failed.reason == "could not open http://far/b/"
    failed = attempt(ears, call, couch.wait_for_replication, "r")
    assert isinstance(failed, ReplicationFailed)
    assert failed.response["source"] == {"url": "http://far/a", "auth": "*****"}
    assert attempt(ears, call, couch.scheduler_docs)["docs"][0]["target"] == "http://far/b"
    assert attempt(ears, call, couch.scheduler_docs, docid="r")["doc_id"] == "r"
    assert attempt(ears, call, couch.scheduler_jobs)["jobs"][0]["state"] == "failed"
    call(couch.close)


# -- what is wrong before anything is sent ---------------------------------------------------------


PASSWORD = quote(secret("url"), safe="")
BAD_COUCHES: list[dict[str, Any]] = [
    {"url": f"ftp://{USER}:{PASSWORD}@host"},
    {"url": f"{USER}:{PASSWORD}@host"},
    {"url": f"http://{USER}:{PASSWORD}@"},
    {"url": f"http://{USER}:{PASSWORD}@host:port"},
    {"url": f"http://{USER}:{PASSWORD}@host/?a"},
    {"url": f"http://{USER}:{PASSWORD}@host/a b"},
    {"url": f"http://{USER}:{secret('url')}@host"},
    {"url": f"http://{USER}:a/{token('far')}@host"},
    {"url": f"http://:{PASSWORD}@host"},
    {"auth": (USER, secret("pair"), "c")},
    {"auth": secret("pair")},
    {"auth": (USER + ":", secret("pair"))},
    {"auth": (USER, secret("pair").encode())},
    {"auth": (USER, secret("pair") + "\ud800")},
    {"auth": (USER, secret("pair")), "user": USER},
    {"password": secret("password")},
    {"user": 5, "password": secret("password")},
    {"cookie": f"AuthSession={token('cookie')}\r\n"},
    {"cookie": token("cookie").encode()},
    {"headers": {"Authorization": f"Bearer {token('header')}\n"}},
    {"headers": {"Authorization": token("header").encode()}},
    {"headers": [("Authorization", token("header"))]},
    {"auth": (USER, secret("pair")), "cookie": f"a={token('cookie')}", "timeout": -1},
    {"url": f"http://{USER}:{PASSWORD}@host", "port": 0, "headers": {"X-A": token("header")}},
    {"url": f"https://{USER}:{PASSWORD}@host", "ca_certs": "/nowhere"},
    {"auth": (USER, secret("pair")), "style": "odd"},
]


@pytest.mark.parametrize("number", range(len(BAD_COUCHES)))
def test_a_couch_that_cannot_be(number: int, ears: Ears) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Couch(**{"url": "http://host", **BAD_COUCHES[number]})
    ears.examine(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        lambda: BasicAuth(USER + ":", secret("new")),
        lambda: BasicAuth(5, secret("new")),  # type: ignore[arg-type]
        lambda: BasicAuth(USER, secret("new").encode()),  # type: ignore[arg-type]
        lambda: CookieAuth("", secret("new")),
        lambda: CookieAuth(USER, secret("new"), timeout=-1),
        lambda: JWTAuth(token("jwt") + "\n"),
        lambda: JWTAuth(token("jwt").encode()),  # type: ignore[arg-type]
        lambda: ProxyAuth(USER, ["a,b"], secret("new")),
        lambda: ProxyAuth(USER, [], secret("new").encode()),  # type: ignore[arg-type]
        lambda: ProxyAuth(USER, [], secret("new"), algorithm="odd"),
    ],
)
def test_credentials_that_cannot_be(make: Callable[[], Any], ears: Ears) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        make()
    ears.examine(caught.value)


def test_what_a_program_s_own_credentials_raise_is_traced_to_it(ears: Ears) -> None:
    class Broken:
        def headers(self) -> dict[str, str]:
            raise LookupError("no keys here")

    with pytest.raises(LookupError) as caught:
        Couch(with_userinfo("http://host"), Broken(), headers={"Authorization": token("header")})
    ears.examine(caught.value)
    assert "headers" in [each.name for each in caught.traceback]


def test_arguments_that_cannot_be(serve: Serve, call: Caller, ears: Ears) -> None:
    couch = Couch(serve(failing("missing")).url)
    odd = {"basic": {"name": USER, "password": secret("far")}}
    for method, *args in (
        (couch.login, "", secret("new")),
        (couch.login, 5, secret("new")),
        (functools.partial(couch.login, odd=1), USER, secret("new")),
        (couch.login, USER, secret("new").encode()),
        (couch.save_user, "_a", secret("new")),
        (couch.save_user, USER, secret("new").encode()),
        (couch.save_user, USER, secret("new"), "a"),
        (functools.partial(couch.save_user, pin=secret("new"), at=object()), USER, secret("new")),
        (functools.partial(couch.save_user, pin=secret("new") + "\ud800"), USER, secret("new")),
        (functools.partial(couch.save_user, type=secret("new")), USER, secret("new")),
        (couch.check_user, "", secret("new")),
        (couch.add_admin, "a:b", secret("new")),
        (couch.add_admin, "a", secret("new").encode()),
        (couch.config, "admins", secret("new")),
        (couch.config, "admins/a", secret("new").encode()),
        (couch.enable_cluster, None, secret("new")),
        (couch.add_node, "", USER, secret("new")),
        (couch.replicate, f"{USER}:{PASSWORD}@host/a", "b"),
        (couch.replicate, f"http://{USER}:{PASSWORD}@host:port/a", "b"),
        (couch.replicate, {"auth": {"basic": {"password": secret("far")}}}, "b"),
        (couch.replicate, {"url": "http://h/a", "auth": odd}, "b"),
        (couch.replicate, {"url": "http://h/a", "headers": {"A": token("far") + "\n"}}, "b"),
        (couch.replicate, {"url": "http://h/a", "auth": secret("far")}, "b"),
        (functools.partial(couch.replicate, proxy=secret("far"), filter=5), "a", "b"),
        (functools.partial(couch.replicate, odd=secret("far")), ENDS[0], ENDS[2]),
    ):
        failure = attempt(ears, call, method, *args)
        assert isinstance(failure, ValueError | TypeError), (method, failure)
    call(couch.close)


@pytest.mark.parametrize("given", [token("asked") + "\n", token("asked").encode(), ""])
def test_a_function_that_gives_no_token(given: Any, serve: Serve, call: Caller, ears: Ears) -> None:
    couch = Couch(serve(failing("missing")).url, auth=JWTAuth(lambda: given))
    assert isinstance(attempt(ears, call, couch.all_dbs), ValueError | TypeError)
    call(couch.close)


# -- TLS, redirects, callbacks, the command line ---------------------------------------------------


@each_kind
def test_a_server_that_is_not_trusted(kind: type[AsyncHTTPClient] | None, ears: Ears) -> None:
    server = SecureServer(handshake(contexts(trustme.CA())))
    with contextlib.closing(server):
        for way in WAYS.values():
            options = way(server.url())
            with knock(ears, options, http_client=kind, style="blocking") as couch:
                assert isinstance(blocking(ears, couch.all_dbs), ConnectionFailed)
        assert server.heard == b""


@each_kind
def test_a_redirect_takes_nobody_with_it(
    kind: type[AsyncHTTPClient] | None, serve: Serve, ears: Ears
) -> None:
    other = serve(failing("missing"))

    def script(peer: End) -> None:
        while peer.head():
            where = other.url.replace("//", f"//u:{quote(secret('location'), safe='')}@")
            lines = ["HTTP/1.1 307 Odd", f"Location: {where}/db?sig={token('signed')}"]
            peer.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())

    for way in ("in the url", "a header", "a cookie"):
        options = WAYS[way](serve(script).url)
        with knock(ears, options, http_client=kind, style="blocking") as couch:
            failure = blocking(ears, couch.all_dbs)
            assert failure.code == 307
            assert failure.reason == f"the server points to {other.url}/db"
    assert other.met == 0


def test_a_callback_that_fails(serve: Serve, ears: Ears) -> None:
    options = WAYS["CookieAuth"](serve(failing("missing")).url)

    def fail(data: Any, status: Any) -> None:
        ears.shown(status)
        raise RuntimeError("of the callback's own")

    async def use() -> None:
        loop = asyncio.get_running_loop()
        loop.slow_callback_duration = 0
        async with knock(ears, options) as couch:
            with pytest.raises(RuntimeError) as caught:
                await couch.login(USER, secret("new"), callback=fail)
            ears.examine(caught.value)
            with pytest.raises(RuntimeError) as caught:
                await couch.save_user(USER, secret("new"), callback=fail)
            ears.examine(caught.value)
            couch.save_user(USER, secret("new"), callback=fail)  # nobody hears of this one
            await asyncio.sleep(0.1)

    asyncio.run(use(), debug=True)


@pytest.mark.parametrize("fault", ["unauthorized", "no JSON", "redirect"])
def test_the_command_line(
    fault: str, serve: Serve, ears: Ears, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    url = with_userinfo(serve(failing(fault)).url)
    for arguments in (
        ["info", "--verbose", f"{url}/db"],
        ["dump", f"{url}/db", "-o", str(tmp_path / "dump")],
        ["info", f"{url}/Bad Name"],
        ["info", f"{url.removeprefix('http://')}/db"],
    ):
        with contextlib.suppress(SystemExit):
            assert main(arguments) != 0
    ears.hear("the terminal", *capfd.readouterr())


# -- what is kept ----------------------------------------------------------------------------------


@pytest.mark.parametrize("way", WAYS)
def test_a_couch_is_not_pickled(way: str) -> None:
    couch = Couch(**WAYS[way]("http://host"))
    for each in (couch, couch.database("db"), couch.node(), couch.database("db").partition("a")):
        with pytest.raises(TypeError, match="holds credentials, and is not pickled: pickle what"):
            pickle.dumps(each)


def test_a_copy_of_a_couch_is_itself() -> None:
    """It may be in what a program copies: its settings, say."""
    couch = Couch(**WAYS["a pair"]("http://host"))
    assert copy.copy(couch) is couch
    assert copy.deepcopy({"couch": couch})["couch"] is couch


def test_a_document_is_pickled_without_where_it_came_from(serve: Serve, ears: Ears) -> None:
    def script(peer: End) -> None:
        while peer.head():
            peer.send(answer(200, {"_id": "a", "_rev": "1-a"}))

    with Couch(style="blocking", **WAYS["a pair"](serve(script).url)) as couch:
        doc = couch.database("db").get("a")
        ears.shown(doc)
        ears.pickled(doc)
        assert pickle.loads(pickle.dumps(doc)) == {"_id": "a", "_rev": "1-a"}


# -- Ears ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "said",
    [
        secret("new"),
        f"user={USER}&password={quote(secret('new'))}",
        json.dumps({"password": secret("new")}),
        repr(json.dumps({"password": secret("new")})),
        repr({"password": secret("new")}),
        repr(secret("new").encode()),
        BasicAuth(USER, secret("new")).headers()["Authorization"],
        BasicAuth("zo", secret("new")).headers()["Authorization"],
        BasicAuth("z", secret("new")).headers()["Authorization"],
        with_userinfo("http://host"),
        f"Bearer {token('jwt')}",
    ],
)
def test_the_ears_hear(said: str) -> None:
    ears = Ears(*SECRETS)
    ears.hear("somewhere", said)
    assert ears.leaks


def test_the_ears_hear_what_a_frame_holds() -> None:
    namespace: dict[str, Any] = {}
    source = "def leak(password):\n    raise ValueError('odd')\n"
    exec(compile(source, "elsewhere.py", "exec"), namespace)
    ears = Ears(*SECRETS)
    with pytest.raises(ValueError, match="odd") as caught:
        namespace["leak"](secret("new"))
    ears.examine(caught.value)
    (leak,) = ears.leaks
    assert "elsewhere.py:2 leak" in leak
