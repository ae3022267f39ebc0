"""Broken answers through Tornado's own clients: each has its own idea of them, and none hangs."""

from __future__ import annotations

import contextlib

import pytest
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import AnswerTooLarge, ConnectionFailed, HTTPError
from tests.faults.hostile import CHUNKED, OK, chunk, never_ends, sends, told
from tests.faults.test_hostile_framing import BROKEN, SLOW, TOO_MUCH, USELESS
from tests.faults.test_hostile_sizes import LIMIT, ROWS

through_both = pytest.mark.parametrize(
    "http_client", [SimpleAsyncHTTPClient, CurlAsyncHTTPClient], ids=["simple", "curl"]
)

ENDLESS = {
    "headers": never_ends(OK, again=b"X-Many: a\r\n" * 1000),
    "a header": never_ends(OK + b"X-Huge: ", again=b"a" * 1000),
    "a refusal of a stream": never_ends(b"HTTP/1.1 500 No\r\n\r\n", again=b"x" * 1000),
}

ALL = {
    **BROKEN,
    **SLOW,
    **ENDLESS,
    **{name: sends(raw) for name, raw in (USELESS | TOO_MUCH).items()},
}


@through_both
@pytest.mark.parametrize("script", ALL.values(), ids=ALL)
def test_whatever_comes_ends_in_time(ordeal, http_client, script):
    trial = ordeal(script, http_client=http_client, timeout=0.3)
    with contextlib.suppress(HTTPError):  # curl takes some of what was cut for a whole
        assert trial.db.get("wrong") == {"_id": "wrong"}
    trial.passed(lambda method, *args: method(*args))


@through_both
@pytest.mark.parametrize("script", ENDLESS.values(), ids=ENDLESS)
def test_a_stream_ends_in_time(ordeal, http_client, script):
    trial = ordeal(script, http_client=http_client, timeout=0.3)
    with pytest.raises(HTTPError):
        trial.db.docs().all()
    trial.passed(lambda method, *args: method(*args))


@through_both
def test_a_header_that_looks_like_a_status_is_none(ordeal, http_client):
    raw = told(b'{"rows":[]}', "HTTP/2 is: here", "HTTP/1.1: there")
    trial = ordeal(sends(raw), http_client=http_client)
    with contextlib.suppress(ConnectionFailed):  # the simple one does not like it
        assert trial.db.docs().all() == []
    trial.passed(lambda method, *args: method(*args))


@through_both
@pytest.mark.parametrize("script", ROWS.values(), ids=ROWS)
def test_a_row_without_end_is_not_held(ordeal, http_client, script):
    trial = ordeal(script, http_client=http_client, max_body_size=LIMIT)
    with pytest.raises(HTTPError):
        trial.db.stream("_all_docs").all()
    trial.passed(lambda method, *args: method(*args))


@through_both
def test_a_stream_that_is_refused_without_end_is_not_held(ordeal, http_client):
    script = never_ends(CHUNKED.replace(b"200 OK", b"500 No"), again=chunk(b"x" * 10_000))
    trial = ordeal(script, http_client=http_client, max_body_size=LIMIT)
    with pytest.raises(AnswerTooLarge):
        trial.db.docs().all()
    trial.passed(lambda method, *args: method(*args))
