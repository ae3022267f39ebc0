"""A replayed server answers what was asked in recording it, and tells how anything else differs."""

from __future__ import annotations

import json

import pytest

from tests.replay.conftest import exchange

JSON = {"Content-Type": "application/json"}
SAVED = exchange(
    "PUT",
    "/db/a%2Fb",
    query=["batch=ok", "new_edits=false"],
    headers={"If-Match": "1-x"},
    json={"n": 1, "list": [1, 2]},
)


def _put(target="/db/a%2Fb?batch=ok&new_edits=false", method="PUT", headers=None, body=None):
    """The request that was recorded, but for what is given."""
    return {
        "method": method,
        "target": target,
        "headers": {**JSON, "If-Match": "1-x"} if headers is None else headers,
        "body": '{"n": 1, "list": [1, 2]}' if body is None else body,
    }


def test_what_was_recorded_is_answered(send, replay):
    server = replay(SAVED)
    assert json.loads(send(server, **_put()).body) == {"was": "/db/a%2Fb"}
    assert server.difference is None
    assert server.missing() is None


@pytest.mark.parametrize(
    "same",
    [
        {"target": "/db/a%2Fb?new_edits=false&batch=ok"},
        {"body": '{"list":[1,2],"n":1}'},
        {"headers": {**JSON, "if-match": "1-x", "User-Agent": "mine", "Accept-Encoding": "gzip"}},
        {"headers": {**JSON, "If-Match": "1-x", "Accept": "application/json"}},
    ],
    ids=["query", "json", "client's headers", "accept"],
)
def test_what_says_the_same_is_the_same(send, replay, same):
    server = replay(SAVED)
    assert send(server, **_put(**same)).status == 200
    assert server.difference is None


@pytest.mark.parametrize(
    ("other", "recorded", "sent"),
    [
        ({"method": "POST"}, 'method: "PUT"', 'method: "POST"'),
        ({"target": "/db/a/b?batch=ok&new_edits=false"}, "/db/a%2Fb", "/db/a/b"),
        ({"target": "/db/a%2Fb?batch=ok"}, '["batch=ok", "new_edits=false"]', '["batch=ok"]'),
        ({"target": "/db/a%2Fb?batch=ok&new_edits=0"}, "new_edits=false", "new_edits=0"),
        ({"target": "/db/a%2Fb"}, 'query: ["batch=ok"', None),
        ({"body": '{"n": 2, "list": [1, 2]}'}, '"n": 1', '"n": 2'),
        ({"body": '{"n": 1, "list": [2, 1]}'}, "[1, 2]", "[2, 1]"),
        ({"body": '{"n": true, "list": [1, 2]}'}, '"n": 1', '"n": true'),
        ({"body": '{"n": 1.0, "list": [1, 2]}'}, '"n": 1', '"n": 1.0'),
        ({"body": ""}, 'json: {"list"', None),
        ({"headers": JSON}, '"If-Match": "1-x"', None),
        ({"headers": {**JSON, "If-Match": "2-y"}}, "1-x", "2-y"),
        ({"headers": {**JSON, "If-Match": "1-x", "X-Couch-A": "b"}}, None, '"X-Couch-A": "b"'),
        ({"headers": {**JSON, "If-Match": "1-x", "Accept": "*/*"}}, None, '"Accept": "*/*"'),
        ({"headers": {"If-Match": "1-x"}}, 'json: {"list"', 'text: ["{'),
    ],
)
def test_what_differs_is_shown(send, replay, other, recorded, sent):
    server = replay(SAVED)
    got = send(server, **_put(**other))
    assert got.status == 500
    assert json.loads(got.body) == {"error": "not_recorded", "reason": server.difference}
    assert server.difference.startswith("a request differs from what was recorded:\n--- recorded\n")
    lines = server.difference.splitlines()
    for mark, words in (("-", recorded), ("+", sent)):
        marked = [line for line in lines if line.startswith(mark) and line.strip("+-")]
        assert words is None or any(words in line for line in marked)


def test_the_nearest_is_what_a_request_is_compared_with(send, replay):
    near = exchange("GET", "/db/_all_docs", query=["limit=1"])
    server = replay(near, {**SAVED, "at_once": True}, exchange("DELETE", at_once=True))
    send(server, "GET", "/db/_all_docs?limit=2")
    assert server.difference.splitlines()[-4:] == [
        ' method: "GET"',
        ' path: "/db/_all_docs"',
        '-query: ["limit=1"]',
        '+query: ["limit=2"]',
    ]


def test_a_request_more_is_one_too_many(send, replay):
    server = replay(exchange())
    assert send(server, "GET", "/db").status == 200
    assert send(server, "GET", "/db").status == 500
    assert server.difference.startswith("a request more than was recorded:")
    assert "/db" in server.difference


def test_what_does_not_come_is_missed(send, replay):
    server = replay(exchange(path="/a"), exchange(path="/b"), exchange(path="/c"))
    send(server, "GET", "/a")
    assert server.difference is None
    missing = server.missing()
    assert missing.startswith("2 of the recorded requests never came:")
    assert '"/b"' in missing
    assert '"/c"' in missing


def test_the_first_difference_is_the_one_that_is_told(send, replay):
    server = replay(exchange(path="/a"), exchange(path="/b"))
    send(server, "GET", "/x")
    first = server.difference
    assert send(server, "GET", "/a").status == 500
    assert server.difference == first


def test_what_was_answered_first_must_be_asked_first(send, replay):
    server = replay(exchange(path="/a"), exchange(path="/b"))
    assert send(server, "GET", "/b").status == 500
    assert server.difference.startswith("a request that was recorded for later:")


def test_what_was_sent_at_once_comes_in_any_order(send, replay):
    server = replay(
        exchange(path="/a"),
        exchange(path="/b", at_once=True),
        exchange(path="/c"),
        exchange(path="/d"),
    )
    for path in ("/b", "/a", "/c", "/d"):
        assert json.loads(send(server, "GET", path).body) == {"was": path}
    assert server.missing() is None


def test_the_same_request_gets_the_next_answer_each_time(send, replay):
    states = [exchange(), exchange(), exchange()]
    for state, code in zip(states, (404, 202, 200), strict=True):
        state["answer"] = {"status": code}
    server = replay(*states)
    assert [send(server, "GET", "/db").status for _ in states] == [404, 202, 200]


def test_an_answer_has_the_status_the_headers_and_the_bytes_that_were_recorded(send, replay):
    told = {"status": 206, "headers": [["Etag", '"x"'], ["Content-Range", "bytes 0-3/9"]]}
    bodies = [
        ({"base64": "AP8B/g=="}, b"\x00\xff\x01\xfe"),
        ({"text": ["é\r\n", "b"]}, "é\r\nb".encode()),
        ({"json": {"b": 1, "a": ["é"]}}, '{"b":1,"a":["é"]}\n'.encode()),
        ({}, b""),
    ]
    for content, body in bodies:
        server = replay({"request": {"method": "GET", "path": "/"}, "answer": {**told, **content}})
        got = send(server, "GET", "/")
        assert (got.status, got.headers["Etag"], got.body) == (206, '"x"', body)
        assert got.headers["Content-Range"] == "bytes 0-3/9"
        assert got.headers["Content-Length"] == str(len(body))


def test_an_answer_to_head_has_the_length_of_what_does_not_come(send, replay):
    answer = {"status": 200, "headers": [["Content-Length", "12345"]]}
    server = replay({"request": {"method": "HEAD", "path": "/"}, "answer": answer})
    got = send(server, "HEAD", "/")
    assert (got.headers["Content-Length"], got.body) == ("12345", b"")


def test_the_server_s_address_is_its_own(send, replay):
    doc = {"url": "http://{{server}}/db", "password": "{{password}}"}
    server = replay(
        {
            "request": {"method": "PUT", "path": "/", "json": doc},
            "answer": {
                "status": 201,
                "headers": [["Location", "http://{{server}}/x"]],
                "json": doc,
            },
        }
    )
    password = server.url.split(":")[2].partition("@")[0]
    body = json.dumps({"url": f"http://{server.netloc}/db", "password": password})
    got = send(server, "PUT", "/", body=body, headers=JSON)
    assert json.loads(got.body) == json.loads(body)
    assert got.headers["Location"] == f"http://{server.netloc}/x"


def test_a_renewed_cookie_is_told_from_an_old_one(send, replay):
    def log_in(cookie):
        told = exchange("POST", "/_session")
        told["answer"]["headers"] = [["Set-Cookie", f"AuthSession={cookie}; Path=/"]]
        return told

    def ask(cookie):
        return exchange(headers={"Cookie": f"AuthSession={cookie}"})

    recorded = [log_in("{{cookie-1}}"), log_in("{{cookie-2}}"), ask("{{cookie-2}}")]
    for at, ok in ((1, True), (0, False)):
        server = replay(*recorded)
        jar = [send(server, "POST", "/_session").headers["Set-Cookie"] for _ in range(2)]
        send(server, "GET", "/db", headers={"Cookie": jar[at].partition(";")[0]})
        assert (server.difference is None) is ok


def test_what_a_client_makes_up_comes_back_as_it_was_made_up(send, replay):
    path = "/db/_design/corduroy-{{own-1}}"
    server = replay(
        {
            "request": {"method": "PUT", "path": path, "json": {"_rev": "1-{{own-1}}"}},
            "answer": {"status": 201, "json": {"rev": "1-{{own-1}}"}},
        }
    )
    own = "0123456789abcdef" * 2
    target = path.replace("{{own-1}}", own)
    got = send(server, "PUT", target, body=json.dumps({"_rev": f"1-{own}"}), headers=JSON)
    assert json.loads(got.body) == {"rev": f"1-{own}"}


def test_a_boundary_that_a_client_makes_up_is_no_difference(send, replay):
    parts = ["--{{boundary-1}}\r\n", "\r\n", "a\r\n", "--{{boundary-1}}--"]
    headers = {"Content-Type": 'multipart/related; boundary="{{boundary-1}}"'}
    server = replay(exchange("PUT", "/db/x", headers=headers, text=parts))
    own = "boundary-of-this-client"
    body = "".join(parts).replace("{{boundary-1}}", own)
    headers = {"Content-Type": f'multipart/related; boundary="{own}"'}
    assert send(server, "PUT", "/db/x", headers=headers, body=body).status == 200


def test_a_body_that_is_no_json_is_compared_byte_by_byte(send, replay):
    server = replay(
        exchange("PUT", "/db/x/f", headers={"Content-Type": "image/png"}, base64="/wD/")
    )
    headers = {"Content-Type": "image/png"}
    assert send(server, "PUT", "/db/x/f", headers=headers, body=b"\xff\x00\xfe").status == 500
    server = replay(
        exchange("PUT", "/db/x/f", headers={"Content-Type": "image/png"}, base64="/wD/")
    )
    assert send(server, "PUT", "/db/x/f", headers=headers, body=b"\xff\x00\xff").status == 200
