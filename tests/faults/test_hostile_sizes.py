"""What is larger than memory should hold: whole answers, rows, changes, attachments, bombs."""

from __future__ import annotations

import gzip
import subprocess
import sys

import pytest

from corduroy import (
    AnswerTooLarge,
    ChangesFeed,
    ConnectionFailed,
    Couch,
    HTTPError,
    ServerError,
    defaults,
)
from tests.faults.hostile import CHUNKED, OK, bomb, chunk, never_ends, sends, told, zipped

LIMIT = 300_000
TEXT = b'{"_id":"large","text":"%b"}' % (b"x" * LIMIT)
EXACT = LIMIT + 25  # bytes

TOO_LARGE = {
    "a length": sends(OK + b"Content-Length: 100000000000\r\n\r\n" + TEXT[:200_000]),
    "a body": sends(told(TEXT)),
    "a small body": sends(told(TEXT)),
    "chunks without end": never_ends(CHUNKED, again=chunk(b"x" * 10_000)),
    "a body without end": never_ends(OK + b"\r\n", again=b"x" * 10_000),
    "a gzip": sends(zipped(TEXT)),
    "a refusal without end": never_ends(b"HTTP/1.1 500 No\r\n\r\n", again=b"x" * 10_000),
}


@pytest.mark.parametrize("script", TOO_LARGE.values(), ids=TOO_LARGE)
def test_an_answer_that_is_too_large_is_not_held(ordeal, call, script):
    trial = ordeal(script, max_body_size=LIMIT)
    with pytest.raises(AnswerTooLarge, match=f"larger than {LIMIT} bytes.*max_body_size") as caught:
        call(trial.db.get, "large")
    assert isinstance(caught.value, ConnectionFailed)
    trial.passed(call)


def test_what_is_too_large_is_not_asked_for_again(ordeal, call):
    trial = ordeal(sends(told(TEXT)), max_body_size=LIMIT, retries=5)
    with pytest.raises(AnswerTooLarge):
        call(trial.db.get, "large")
    trial.passed(call)


def test_the_limit_is_exact(ordeal, call):
    for raw in (told(TEXT), zipped(TEXT)):
        assert len(call(ordeal(sends(raw), max_body_size=EXACT).db.get, "large")["text"]) == LIMIT
        with pytest.raises(AnswerTooLarge):
            call(ordeal(sends(raw), max_body_size=EXACT - 1).db.get, "large")
    with pytest.raises(AnswerTooLarge):
        call(ordeal(sends(told(b'{"_id":"small"}')), max_body_size=10).db.get, "small")


def test_a_program_says_it_for_all_at_any_time(ordeal, call, monkeypatch):
    usual = ordeal(sends(told(TEXT), told(TEXT)))
    own = ordeal(sends(told(TEXT)), max_body_size=0)
    monkeypatch.setattr(defaults, "max_body_size", LIMIT)
    with pytest.raises(AnswerTooLarge):
        call(usual.db.get, "large")
    assert len(call(own.db.get, "large")["text"]) == LIMIT
    usual.passed(call)


@pytest.mark.parametrize(
    ("size", "kind"), [(-1, ValueError), ("1 GB", TypeError), (1.5, TypeError)]
)
def test_what_is_no_size_is_refused(size, kind):
    with pytest.raises(kind, match="max_body_size"):
        Couch(max_body_size=size)


# -- what is read piece by piece ------------------------------------------------------------------

HEAD = b'{"total_rows":3,"offset":0,"rows":[\r\n{"id":"a","key":"a","value":1}'

ROWS = {
    "a row": never_ends(CHUNKED + chunk(HEAD + b',\r\n{"id":"'), again=chunk(b"x" * 10_000)),
    "a row of brackets": never_ends(
        CHUNKED + chunk(HEAD + b',\r\n{"id":'), again=chunk(b"[" * 10_000)
    ),
    "what comes before the rows": never_ends(
        CHUNKED + chunk(b'{"a":"'), again=chunk(b"x" * 10_000)
    ),
    "what comes after the rows": never_ends(
        CHUNKED + chunk(HEAD + b'\r\n],"a":"'), again=chunk(b"x" * 10_000)
    ),
    "blanks": never_ends(CHUNKED + chunk(HEAD), again=chunk(b"\r\n" * 5_000)),
}


@pytest.mark.parametrize("script", ROWS.values(), ids=ROWS)
@pytest.mark.parametrize("resume", [False, True])
def test_a_row_without_end_is_not_held(ordeal, call, script, resume):
    trial = ordeal(script, max_body_size=LIMIT)
    with pytest.raises(HTTPError) as caught:
        call(trial.db.stream("_all_docs", resume=resume).all)
    assert isinstance(caught.value, AnswerTooLarge | ServerError)
    assert trial.server.met == 1, "it was asked for again"
    trial.passed(call)


def test_rows_of_any_number_are_no_row(ordeal, call):
    row = b'{"id":"%b","key":1,"value":null}' % (b"x" * 1000)
    rows = b",\r\n".join([row] * 2000)
    body = b'{"total_rows":2000,"offset":0,"rows":[\r\n' + rows + b"\r\n]}\n"
    trial = ordeal(sends(told(body)), max_body_size=100_000)
    assert len(call(trial.db.stream("_all_docs").all)) == 2000
    trial.passed(call)


LINE = b'{"seq":1,"id":"a","changes":[{"rev":"1-a"}]}\n'

FEEDS = {
    "continuous": (b"", LINE + b'{"seq":2,"id":"', b"x" * 10_000),
    "eventsource": (b"Content-Type: text/event-stream\r\n", b"data: {\n", b"data: \n" * 1000),
    "longpoll": (b"", b'{"results":[', b" \n" * 5000 + b"x"),
}


@pytest.mark.parametrize("feed", FEEDS)
async def test_a_change_without_end_is_not_held(ordeal, feed):
    header, begin, again = FEEDS[feed]
    head = b"HTTP/1.1 200 OK\r\n" + header + b"Transfer-Encoding: chunked\r\n\r\n"
    trial = ordeal(never_ends(head + chunk(begin), again=chunk(again)), max_body_size=LIMIT)
    with pytest.raises(AnswerTooLarge, match="max_body_size"):
        async for _ in ChangesFeed(trial.db, feed=feed, since=0, max_retries=3):
            pass
    assert trial.server.met == 1, "it was asked for again"


def attached(zips=False):
    return sends((zipped if zips else told)(b"x" * 1_000_000))


@pytest.mark.parametrize("zips", [False, True])
def test_an_attachment_is_held_up_to_the_limit(ordeal, call, zips):
    for options in ({}, {"progress": lambda size: None}):
        trial = ordeal(attached(zips), max_body_size=LIMIT)
        with pytest.raises(AnswerTooLarge):
            call(trial.db.get_attachment, "doc", "file", **options)
        trial.passed(call)


@pytest.mark.parametrize("zips", [False, True])
def test_an_attachment_that_is_not_held_may_be_of_any_size(ordeal, call, zips):
    sizes: list[int] = []
    trial = ordeal(attached(zips), max_body_size=LIMIT)
    size = call(trial.db.get_attachment, "doc", "file", to=lambda piece: sizes.append(len(piece)))
    assert size == sum(sizes) == 1_000_000
    trial.passed(call)


def test_a_document_with_what_is_attached_is_held_up_to_the_limit(ordeal, call):
    small = gzip.compress(b"x" * 200_000)
    parts = [
        b'Content-Type: application/json\r\n\r\n{"_id":"doc","_rev":"1-a","_attachments":{'
        + b",".join(
            b'"%b":{"content_type":"a/b","follows":true,"encoding":"gzip"}' % name
            for name in (b"one", b"two")
        )
        + b"}}",
        b"\r\n" + small,
        b"\r\n" + small,
    ]
    body = b"".join(b"\r\n--here\r\n" + part for part in parts) + b"\r\n--here--"
    raw = told(body, 'Content-Type: multipart/related; boundary="here"')
    welcome = told(b'{"couchdb":"Welcome","version":"3.5.0"}')
    trial = ordeal(sends(welcome, raw), max_body_size=500_000)
    found = call(trial.db.get_with_attachments, "doc")
    assert len(found["_attachments"]["two"]["data"]) == 200_000
    trial = ordeal(sends(welcome, raw), max_body_size=LIMIT)
    with pytest.raises(AnswerTooLarge):
        call(trial.db.get_with_attachments, "doc")
    trial.passed(call)


# -- bombs ----------------------------------------------------------------------------------------

ASK = """
import resource, sys
from corduroy import AnswerTooLarge, Couch
couch = Couch(sys.argv[1], max_body_size=eval(sys.argv[2]), timeout=60)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
try:
    couch.database("db").get("bomb")
except AnswerTooLarge as error:
    print(type(error).__name__, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024)
"""


@pytest.mark.parametrize(
    ("gigabytes", "limit", "most"), [(10, 64 * 1024 * 1024, 100), (1, None, 160)]
)
def test_a_bomb_does_not_go_off(serve, gigabytes, limit, most):
    """With the usual limit, what is implausible is enough."""
    server = serve(sends(told(bomb(gigabytes), "Content-Encoding: gzip")))
    command = [sys.executable, "-c", ASK, server.url, repr(limit)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    name, megabytes = done.stdout.split()
    assert name == "AnswerTooLarge"
    assert int(megabytes) < most
