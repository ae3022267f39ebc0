"""Answers whose frame is not what it says: an error in time, and the next answer is right."""

from __future__ import annotations

import gzip
import time

import pytest

from corduroy import ConnectionFailed, HTTPError, RequestTimeout, ServerError, defaults
from tests.faults.hostile import (
    CHUNKED,
    OK,
    answer_right,
    chunk,
    cuts,
    drips,
    never_ends,
    sends,
    told,
    zipped,
)

DOC = b'{"_id":"wrong"}'

BROKEN = {
    "fewer bytes than its length": cuts(OK + b"Content-Length: 99\r\n\r\n" + DOC),
    "a negative length": sends(OK + b"Content-Length: -15\r\n\r\n" + DOC),
    "a length with a sign": sends(OK + b"Content-Length: +15\r\n\r\n" + DOC),
    "a length beyond all bounds": sends(OK + b"Content-Length: " + b"9" * 30 + b"\r\n\r\n" + DOC),
    "two lengths": sends(OK + b"Content-Length: 15\r\nContent-Length: 3\r\n\r\n" + DOC),
    "two lengths in one header": sends(OK + b"Content-Length: 15, 3\r\n\r\n" + DOC),
    "a length, and chunks": sends(
        OK + b"Content-Length: 15\r\nTransfer-Encoding: chunked\r\n\r\n" + chunk(DOC) + b"0\r\n\r\n"
    ),
    "chunks without a last one": cuts(CHUNKED + chunk(DOC)),
    "a chunk cut off": cuts(CHUNKED + b"f\r\n{"),
    "a chunk of negative size": sends(CHUNKED + b"-f\r\n" + DOC),
    "a chunk of no size": sends(CHUNKED + b"\r\n" + DOC),
    "a chunk longer than it says": sends(CHUNKED + b"2\r\n" + DOC + b"\r\n0\r\n\r\n"),
    "headers that do not end": cuts(OK + b"Content-Le"),
    "a header without a colon": sends(OK + b"Content-Length 15\r\n\r\n" + DOC),
    "line breaks of another kind": sends(OK.replace(b"\r\n", b"\r") + b"\r\r" + DOC),
    "no status": sends(b"HTTP/1.1 \r\n\r\n"),
    "bytes of no kind": sends(bytes(range(256)) * 10),
    "gzip that is none": sends(told(DOC, "Content-Encoding: gzip")),
    "gzip cut off": sends(told(gzip.compress(DOC)[:-3], "Content-Encoding: gzip")),
}


@pytest.mark.parametrize("script", BROKEN.values(), ids=BROKEN)
def test_an_answer_that_is_broken_is_a_failed_connection(ordeal, call, script):
    trial = ordeal(script)
    with pytest.raises(ConnectionFailed) as caught:
        call(trial.db.get, "wrong")
    assert caught.value.reason
    assert caught.value.url.endswith("/db/wrong")
    trial.passed(call)


USELESS = {
    "gzip that nobody told of": told(gzip.compress(DOC)),
    "no body": told(b""),
    "half of the JSON": told(DOC[:-3]),
    "more than the JSON": told(DOC + b"}"),
    "a page": told(b"<!DOCTYPE html><title>Welcome</title>", "Content-Type: text/html"),
    "a page, compressed": zipped(b"<!DOCTYPE html><title>Welcome</title>"),
    "no UTF-8": told(b'{"_id":"\xff\xfe"}'),
    "UTF-16": told('{"_id":"wrong"}'.encode("utf-16")),
    "a lone surrogate": told(b'{"_id":"\\ud800"}'),
    "a surrogate in UTF-8": told(b'{"_id":"\xed\xa0\x80"}'),
    "lists in lists in lists": told(b'{"a":' + b"[" * 100_000),
    "objects in objects": told(b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "NaN": told(b'{"_id":"wrong","n":NaN}'),
    "a byte order mark": told(b"\xef\xbb\xbf" + DOC),
    "a zero byte": told(b'{"_id":"a\0b"}'),
}


@pytest.mark.parametrize("raw", USELESS.values(), ids=USELESS)
def test_an_answer_that_is_no_json_is_an_error_of_the_servers(ordeal, call, raw):
    trial = ordeal(sends(raw))
    with pytest.raises(ServerError) as caught:
        call(trial.db.get, "wrong")
    assert caught.value.reason.startswith("the answer is no JSON: ")
    assert str(caught.value).isprintable()
    trial.passed(call)


def test_the_last_of_two_keys_counts(ordeal, call):
    trial = ordeal(sends(told(b'{"_id":"a","n":1,"n":2}')))
    assert call(trial.db.get, "a") == {"_id": "a", "n": 2}


def test_a_wrong_content_type_does_no_harm(ordeal, call):
    trial = ordeal(sends(told(DOC, "Content-Type: image/png; charset=none")))
    assert call(trial.db.get, "wrong") == {"_id": "wrong"}
    trial.passed(call)


def test_a_header_that_is_no_latin_1_is_one(ordeal, call):
    said = told(b"{}", "X-Says: \N{SNOWMAN}", status="503 Later")
    trial = ordeal(sends(told(DOC), said, told(DOC), said), retries=1)
    assert call(trial.db.get, "wrong") == {"_id": "wrong"}
    assert call(trial.db.get, "wrong") == {"_id": "wrong"}, "the 503 has been got over"
    with pytest.raises(ServerError) as caught:
        call(trial.db.get, "wrong", retries=0)
    assert caught.value.status.headers["X-Says"] == "\N{SNOWMAN}"
    trial.passed(call)


def test_so_it_is_where_a_function_of_the_design_says_it(ordeal, call):
    trial = ordeal(sends(told(b"{}", "X-Says: \N{SNOWMAN}", "X-Says: a")))
    assert call(trial.db.show, "ddoc/name").headers["X-Says"] == "\N{SNOWMAN},a"


ODD = {"a list": b"[]", "a number": b"5", "null": b"null", "a number too large": b'{"n":1e999}'}


@pytest.mark.parametrize("body", ODD.values(), ids=ODD)
def test_json_that_is_no_document_is_an_error_of_the_servers(ordeal, call, body):
    trial = ordeal(sends(told(body)))
    with pytest.raises(ServerError, match=r"the answer is odd: (Expected `object`|Number)"):
        call(trial.db.get, "wrong")
    trial.passed(call)


@pytest.mark.parametrize("status", ["500 Oops", "502 Bad Gateway", "503 Later", "521 Down"])
def test_a_page_that_tells_of_an_error(ordeal, call, status):
    page = b"<html>\n<h1>Bad\tGateway</h1>\n" + b"<p>sorry</p>" * 1000
    trial = ordeal(sends(told(page, "Content-Type: text/html", status=status)))
    with pytest.raises(ServerError, match="<h1>Bad Gateway</h1>") as caught:
        call(trial.db.get, "wrong")
    assert caught.value.code == int(status[:3])
    assert len(str(caught.value)) < 500
    trial.passed(call)


@pytest.mark.parametrize(
    "body", [b"[" * 50_000, b"\xff\xfe", b"[]", b"5", b'{"error":5,"reason":[]}']
)
def test_a_refusal_that_explains_itself_oddly_is_a_refusal(ordeal, call, body):
    trial = ordeal(sends(told(body, status="404 Object Not Found")))
    with pytest.raises(HTTPError) as caught:
        call(trial.db.get, "wrong")
    assert caught.value.code == 404
    trial.passed(call)


TOO_MUCH = {
    "more bytes than its length": told(DOC) + b'{"more":1}',
    "a second answer": told(DOC) + told(b'{"_id":"second"}'),
    "half of a second answer": told(DOC) + OK,
    "chunks after the last one": CHUNKED + chunk(DOC) + b"0\r\n\r\n" + chunk(DOC),
    "two equal lengths": OK + b"Content-Length: 15\r\n" * 2 + b"\r\n" + DOC,
}


@pytest.mark.parametrize("raw", TOO_MUCH.values(), ids=TOO_MUCH)
def test_what_comes_after_an_answer_is_nobodys(ordeal, call, raw):
    trial = ordeal(sends(raw))
    try:
        assert call(trial.db.get, "wrong") == {"_id": "wrong"}
    except ConnectionFailed:
        assert raw is TOO_MUCH["two equal lengths"]
    trial.passed(call)


def test_an_answer_to_nobody_is_not_taken_for_one(ordeal, call):
    """It comes while the connection is idle."""

    def script(peer):
        peer.head()
        peer.send(told(DOC))
        peer.send(told(b'{"_id":"to nobody"}'))
        answer_right(peer)

    trial = ordeal(script)
    assert call(trial.db.get, "wrong") == {"_id": "wrong"}
    time.sleep(0.05)
    trial.passed(call)


def test_a_body_where_none_may_be(ordeal, call):
    trial = ordeal(sends(told(b"a body", 'ETag: "1-a"')))
    assert call(trial.db.head, "wrong").rev == "1-a"
    trial.passed(call)


SLOW = {
    "no answer": drips(again=b""),
    "a body that ends early": sends(OK + b"Content-Length: 99\r\n\r\n" + DOC),
    "a body that drips": drips(OK + b"Content-Length: 9999\r\n\r\n", again=b" "),
    "headers that drip": drips(OK, again=b"X"),
    "chunks that drip": drips(CHUNKED, again=chunk(b" ")),
    "the size of a chunk that drips": drips(CHUNKED, again=b"0"),
    "trailers that drip": drips(CHUNKED + chunk(DOC) + b"0\r\n", again=b"X: y\r\n"),
    "1xx that drip": drips(again=b"HTTP/1.1 102 Processing\r\n\r\n"),
    "an end that is never told": drips(OK + b"\r\n" + DOC, again=b" "),
    "a refusal that drips": drips(b"HTTP/1.1 500 Oops\r\n\r\n", again=b"x"),
}


@pytest.mark.parametrize("script", SLOW.values(), ids=SLOW)
def test_an_answer_that_does_not_end_is_given_up_at_the_deadline(ordeal, call, script):
    trial = ordeal(script, timeout=0.3)
    with pytest.raises(RequestTimeout):
        call(trial.db.get, "wrong")
    trial.passed(call, within=2.0)


def test_a_stream_that_is_refused_without_end_is_given_up_at_the_deadline(ordeal, call):
    trial = ordeal(drips(b"HTTP/1.1 500 Oops\r\n\r\n", again=b"x"), timeout=0.3)
    with pytest.raises(RequestTimeout):
        call(trial.db.docs().all)
    trial.passed(call, within=2.0)


@pytest.mark.parametrize(
    "script",
    [
        never_ends(OK, again=b"X-Many: a\r\n" * 1000),
        never_ends(OK + b"X-Huge: ", again=b"a" * 1000),
        never_ends(again=b"HTTP/1.1 102 Processing\r\n\r\n" * 100),
        never_ends(b"HTTP/1.1 200 ", again=b"OK" * 1000),
    ],
    ids=["very many", "a huge one", "1xx", "the status line"],
)
def test_headers_without_end(ordeal, call, script):
    trial = ordeal(script)
    with pytest.raises(ConnectionFailed, match=r"larger than 65536 bytes.*max_header_size"):
        call(trial.db.get, "wrong")
    trial.passed(call)


def test_how_large_headers_may_be_is_for_the_program_to_say(ordeal, call, monkeypatch):
    large = told(DOC, "X-Large: " + "a" * 100_000)
    monkeypatch.setattr(defaults, "max_header_size", 200_000)
    assert call(ordeal(sends(large)).db.get, "wrong") == {"_id": "wrong"}
    monkeypatch.setattr(defaults, "max_header_size", 0)
    assert call(ordeal(sends(large)).db.get, "wrong") == {"_id": "wrong"}
    monkeypatch.setattr(defaults, "max_header_size", 500)
    trial = ordeal(sends(told(DOC, "X-Small: " + "a" * 1000)))
    with pytest.raises(ConnectionFailed, match="larger than 500 bytes"):
        call(trial.db.get, "wrong")
    trial.passed(call)


def test_a_greeting_before_any_request_is_no_answer(ordeal, call):
    def script(peer):
        peer.send(b"220 mail.example.org ESMTP\r\n")
        peer.rest()

    trial = ordeal(script)
    with pytest.raises(ConnectionFailed):
        call(trial.db.get, "wrong")
    trial.passed(call)


def test_an_answer_before_the_request_was_sent_whole(ordeal, call):
    """The rest of the request is owed to the server: nothing else may follow on that connection."""

    def script(peer):
        peer.head()
        peer.send(told(b'{"error":"too_large","reason":"no"}', status="413 Too Large"))
        peer.read(1)
        while peer.read(65536):  # it reads on, and would take the next request for the document
            pass

    trial = ordeal(script)
    with pytest.raises(HTTPError) as caught:
        call(trial.db.save, {"_id": "large", "data": "x" * 30_000_000})
    assert caught.value.code in (413, 599)
    trial.passed(call)
