"""A server, or what stands before it, may tell again what it was told: who asks, and the urls that it
was given. A refusal is logged, shown and pickled, and nothing of that is in it."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from corduroy import Couch, Database, HTTPError
from corduroy.veil import refused
from tests.conftest import Caller
from tests.faults.leaks import Ears, secret, token
from tests.faults.scripted import End, Script, Upstream
from tests.faults.test_secrets import (
    ENDS,
    SECRETS,
    WAYS,
    answer,
    attempt,
    ears,
    knock,
    with_userinfo,
)  # fmt: skip

__all__ = ["ears"]

Serve = Callable[[Script], Upstream]


def page(code: int, text: str, *headers: str) -> bytes:
    """A page of a proxy's."""
    lines = [f"HTTP/1.1 {code} Odd", *headers, f"Content-Length: {len(text)}", "", text]
    return "\r\n".join(lines).encode("latin-1")


URL = ENDS[2]
ECHOES: dict[str, Callable[[str], bytes]] = {
    "a proxy's page": lambda said: page(502, f"<p>{said}</p>"),
    "a page for an answer": lambda said: page(200, f"<p>{said}</p>"),
    "a reason": lambda said: answer(503, {"error": "odd", "reason": said}),
    "a name": lambda said: answer(403, {"error": f"{said} to {URL}", "reason": "so it is"}),
    "some field": lambda said: answer(401, {"error": "odd", "you": [{"said": said, "to": URL}]}),
    "a header": lambda said: page(403, "{}", said, f"X-Said: {said}", f"Content-Location: {URL}"),
    "where it points": lambda _: page(302, "", f"Location: {URL.removeprefix('http:')}"),
    "what is for there": lambda _: page(302, "", f"Location: /a#access_token={token('signed')}"),
}


@pytest.mark.parametrize("way", ["in the url", "CookieAuth", "JWTAuth"])
@pytest.mark.parametrize("echo", ECHOES)
def test_an_echo_has_no_credentials(
    echo: str, way: str, serve: Serve, call: Caller, ears: Ears
) -> None:
    def script(peer: End) -> None:
        while head := peer.head():
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                peer.swallow(int(length[1]))
            if head.startswith(b"POST /_session "):
                cookie = f"Set-Cookie: AuthSession={token('session')}"
                peer.send(answer(200, {"ok": True, "name": "a", "roles": []}, cookie))
                continue
            said = re.search(rb"(?i)(authorization|cookie): [^\r]*", head)
            assert said is not None
            peer.send(ECHOES[echo](said[0].decode()))

    couch = knock(ears, WAYS[way](serve(script).url), retries=1)
    db = couch.database("db")
    for method, *args in ((couch.all_dbs,), (db.save, {"_id": "a"}), (db.save, [{}, {}])):
        failed = attempt(ears, call, method, *args)
        if echo == "a page for an answer":
            assert "Basic *" in failed.reason or way != "in the url"
        assert isinstance(failed, HTTPError)
    call(couch.close)


def test_nor_has_what_is_said_of_one_document_among_many(
    serve: Serve, call: Caller, ears: Ears
) -> None:
    told = {"id": "a", "error": "forbidden", "reason": f"not from {URL}"}

    def script(peer: End) -> None:
        while head := peer.head():
            if length := re.search(rb"(?i)content-length: (\d+)", head):
                peer.swallow(int(length[1]))
            peer.send(answer(201, [told, {**told, "id": "b"}]))

    couch = knock(ears, WAYS["a pair"](serve(script).url))
    failed = attempt(ears, call, couch.database("db").save, [{"_id": "a"}, {"_id": "b"}])
    ears.shown(getattr(failed, "errors", failed))
    call(couch.close)


def test_nor_has_what_a_server_is_busy_with(serve: Serve, call: Caller, ears: Ears) -> None:
    def script(peer: End) -> None:
        while peer.head():
            peer.send(answer(200, [{"type": "replication", "source": URL, "target": URL + "/"}]))

    couch: Couch[Any] = knock(ears, WAYS["a pair"](serve(script).url))
    (task,) = attempt(ears, call, couch.tasks)
    assert task["source"] == "http://far/b"
    call(couch.close)


@pytest.mark.parametrize(
    "said",
    [
        "Basic authentication required",
        "Bearer authentication required",
        'Basic realm="administrator"',
        "write to me@example.org",
        "http://host/@me",
    ],
)
def test_a_sentence_is_left_as_it_is(said: str) -> None:
    assert refused(said) == said


def test_each_form_of_a_secret_would_be_heard() -> None:
    for said in (with_userinfo("http://host"), f"Bearer {token('jwt')}", secret("far")):
        ears = Ears(*SECRETS)
        ears.hear("somewhere", said)
        assert ears.leaks
        if "//" in said or said.startswith("Bearer"):
            assert refused(said) != said


# -- what shows a replication ----------------------------------------------------------------------


def test_nor_is_a_replication_s_document_shown_with_them(
    serve: Serve, call: Caller, ears: Ears
) -> None:
    shown = {"_id": "r", "_rev": "1-a"}
    docs = [{**shown, "source": source, "target": ENDS[0]} for source in (URL, ENDS[1])]

    def script(peer: End) -> None:
        for doc in docs:
            peer.head()
            peer.send(answer(200, doc))

    couch = knock(ears, WAYS["a pair"](serve(script).url))
    for doc in docs:
        found = attempt(ears, call, couch.replicator.get, "r")
        assert found == doc, "what is there can be saved again"
        ears.hear("a notebook", found._repr_html_())
    call(couch.close)


@pytest.mark.parametrize(
    "given",
    [
        with_userinfo("http://host/Bad Name"),
        with_userinfo("http://host:port/a"),
        [with_userinfo("http://host/a")],
        with_userinfo("//host/a"),
    ],
)
def test_a_database_that_cannot_be(given: Any, ears: Ears) -> None:
    with pytest.raises((ValueError, TypeError)) as caught:
        Database(given)
    ears.examine(caught.value)
    with pytest.raises((ValueError, TypeError)) as caught:
        Database("Bad Name", ("a", secret("pair")))
    ears.examine(caught.value)
