"""What a recorder has taken down can be replayed, and tells no secrets."""

from __future__ import annotations

import asyncio
import base64
import gzip
import http.client
import json
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from corduroy import Couch
from tests.replay.replayer import Replayer

JSON = {"Content-Type": "application/json"}


@pytest.fixture
def recorder(upstream, record):
    """A recorder in front of it, which an administrator uses."""
    return record(f"http://us%40er:p%2Fw@{upstream.netloc}")


def told(headers, body, status=200):
    return lambda request, client: client.whole(status, headers, body)


# -- there and back -------------------------------------------------------------------------------


def _a_bit_of_everything(couch, name):
    db = couch.create(name)
    db.save({"_id": "a/b", "n": 2**70, "text": "é\u2028"})
    db.save([{"_id": "c"}, {"_id": "d"}])
    db.put_attachment(db.get("c"), b"\x00\xff\xfe", "f.bin", "image/png")
    found = [
        "a/b" in db,
        "nobody" in db,
        db.get("a/b"),
        db.get_attachment("c", "f.bin"),
        [row.id for row in db.view("_all_docs", include_docs=True)],
        [change["id"] for change in db.changes()["results"]],
    ]
    couch.delete(name)
    return found


def test_what_a_server_has_said_is_said_again(couchdb_url, http_client, record):
    recorder, name = record(str.__str__(couchdb_url)), f"recorder-{uuid.uuid4().hex}"
    with Couch(recorder.url, http_client=http_client) as couch:
        live = _a_bit_of_everything(couch, name)
    server = Replayer(recorder.recorded(), "admin")
    try:
        with Couch(server.url if "@" in recorder.url else f"http://{server.netloc}") as couch:
            replayed = _a_bit_of_everything(couch, name)
        assert server.difference is None
        assert server.missing() is None
    finally:
        server.close()
    assert replayed == live


@pytest.mark.parametrize(
    "body",
    [
        b'{"b":1,"a":["\xc3\xa9"]}\n',
        b'{"total_rows":1,"rows":[\r\n{"id":"a"}\r\n]}\n',
        b'{"n":1e400,"m":1.50,"k":"\\u00e9"}',
        b"plain\r\ntext\n\n",
        b"\x00\xff\xfe",
        gzip.compress(b"text", mtime=0),
        b"",
    ],
)
def test_answers_are_kept_byte_by_byte(send, upstream, recorder, body):
    headers = [("X-Couch-A", "b"), ("Content-Encoding", "gzip")]
    upstream.act = told(headers, body, 203)
    got = send(recorder, "GET", "/")
    server = Replayer(recorder.recorded(), "admin")
    try:
        again = send(server, "GET", "/")
    finally:
        server.close()
    assert (got.status, got.body) == (again.status, again.body) == (203, body)
    assert again.headers["Content-Encoding"] == "gzip"
    assert again.headers["X-Couch-A"] == "b"


def test_a_request_reaches_the_server_as_it_is(send, upstream, recorder):
    headers = {
        "Destination": "x",
        "If-Match": "1-a",
        "Accept-Encoding": "gzip",
        "Range": "bytes=1-",
    }
    send(recorder, "COPY", "/db/a%2Fb?rev=1-a&x=%22", headers=headers, body=b"\x00\xff")
    (asked,) = upstream.asked
    assert (asked.method, asked.uri, asked.body) == ("COPY", "/db/a%2Fb?rev=1-a&x=%22", b"\x00\xff")
    for name, value in headers.items():
        assert asked.headers[name] == value


def test_of_an_answer_to_head_the_length_is_kept(send, upstream, recorder):
    upstream.act = told([("Content-Length", "12345")], b"")
    assert send(recorder, "HEAD", "/").headers["Content-Length"] == "12345"
    (exchange,) = recorder.recorded()
    assert exchange["answer"]["headers"] == [["Content-Length", "12345"]]


def test_headers_that_tell_nothing_are_not_kept(send, upstream, recorder):
    noise = {"Date": "now", "X-Couch-Request-ID": "x", "X-CouchDB-Body-Time": "0", "server": "y"}
    upstream.act = told([*noise.items(), ("ETag", '"1-a"')], b"{}")
    got = send(recorder, "GET", "/")
    assert got.headers["X-Couch-Request-Id"] == "x"  # the client has them
    (exchange,) = recorder.recorded()
    assert exchange["answer"]["headers"] == [["Etag", '"1-a"']]


def test_a_server_that_does_not_answer_leaves_nothing_to_replay(send, upstream, recorder):
    upstream.act = lambda request, client: request.connection.close()
    with pytest.raises(http.client.HTTPException):
        send(recorder, "GET", "/")
    with pytest.raises(RuntimeError, match=r"no whole answer to method: \"GET\""):
        recorder.recorded()


def test_what_comes_when_the_test_is_over_is_not_recorded(send, recorder):
    send(recorder, "GET", "/a")
    assert len(recorder.recorded()) == 1
    assert recorder.late == []
    send(recorder, "GET", "/b")
    assert len(recorder.recorded()) == 1
    assert recorder.late == ['method: "GET"\npath: "/b"']


# -- what was at once -----------------------------------------------------------------------------


def test_what_was_sent_at_once_is_told_and_in_an_order_of_its_own(send, recorder):
    send(recorder, "GET", "/z")
    with ThreadPoolExecutor(3) as pool:
        list(pool.map(lambda path: send(recorder, "GET", path), ["/c", "/a", "/b"]))
    send(recorder, "GET", "/y")
    found = [(each["request"]["path"], "at_once" in each) for each in recorder.recorded()]
    assert found == [("/z", False), ("/a", False), ("/b", True), ("/c", True), ("/y", False)]


# -- feeds ----------------------------------------------------------------------------------------


def _follow(server, send, paths):
    """Read a feed whose lines each let a request be sent, and leave it with the last one."""
    connection = http.client.HTTPConnection(server.netloc, timeout=20)
    connection.request("GET", "/db/_changes?feed=continuous")
    answer = connection.getresponse()
    lines = (line for line in answer if line.strip())
    found = []
    for path in paths:
        found.append(next(lines))
        send(server, "PUT", path)
    found.append(next(lines))
    answer.close()
    connection.close()
    return found


def test_a_feed_goes_on_when_it_went_on_and_ends_when_it_is_left(send, upstream, recorder, caplog):
    written = [asyncio.Event() for _ in range(3)]

    async def act(request, client):
        if request.method == "PUT":
            client.whole(201, [], b"")
            written[int(request.path[1:])].set()
            return
        client.begin(200, [("Content-Type", "application/json")])
        for at, event in enumerate(written):
            client.piece(b'{"seq":%d}\n' % at)
            await event.wait()
            client.piece(b"\n")
        client.piece(b'{"seq":3}\n')
        while not client.gone.is_set():
            await asyncio.sleep(0.05)
            client.piece(b"\n")

    upstream.act = act
    paths = ["/0", "/1", "/2"]
    live = _follow(recorder, send, paths)
    recorded = recorder.recorded()
    feed = recorded[0]["answer"]
    assert feed["left"] is True
    assert [piece["after"] for piece in feed["pieces"]] == [1, 2, 3, 4]
    assert feed["pieces"][-1]["text"] == ['{"seq":3}\n']
    server = Replayer(recorded, "admin")
    try:
        replayed = _follow(server, send, paths)
        assert server.missing() is None
    finally:
        server.close()
    assert replayed == live
    assert caplog.text == ""


def test_a_feed_that_ends_by_itself_ends_again(send, upstream, recorder):
    def act(request, client):
        client.begin(200, [])
        client.piece(b'{"id":"a"}\n')
        client.piece(b'{"last_seq":1}\n')
        client.end()

    upstream.act = act
    live = send(recorder, "GET", "/db/_changes?feed=eventsource").body
    server = Replayer(recorder.recorded(), "admin")
    try:
        assert send(server, "GET", "/db/_changes?feed=eventsource").body == live
    finally:
        server.close()


# -- what is not told -----------------------------------------------------------------------------


def _hide(send, upstream, recorder, answer=b"{}\n", told_headers=(), **content):
    upstream.act = told(list(told_headers), answer)
    send(recorder, "POST", "/x", **content)
    return json.dumps(recorder.recorded())


def test_credentials_reach_the_server_and_not_the_recording(send, upstream, recorder):
    pair = base64.b64encode(b"us@er:p/w").decode()
    jwt = "eyJhbGciOi.eyJzdWIiOi.c2lnbmF0dXJl"
    body = {
        "password": "p/w",
        "source": f"http://us%40er:p%2Fw@{recorder.netloc}/a",
        "headers": {"Authorization": f"Basic {pair}"},
        "target": {"headers": {"Authorization": f"Bearer {jwt}"}},
    }
    headers = {
        **JSON,
        "Authorization": f"Basic {pair}",
        "Cookie": "AuthSession=c2VjcmV0LWNvb2tpZQ; other=secret-too",
        "X-Auth-CouchDB-Token": "c2VjcmV0LXRva2Vu",
    }
    answer = json.dumps(
        {
            "admins": {"us@er": "-pbkdf2:sha256-5b1d,600000,abc"},
            "chttpd_auth": {"secret": "5ec2e7"},
            "source": {"headers": {"Authorization": f"Basic {pair}"}},
        }
    ).encode()
    cookie = ("Set-Cookie", "AuthSession=YW5vdGhlci1jb29raWU; Max-Age=600")
    found = _hide(
        send, upstream, recorder, answer, [cookie], headers=headers, body=json.dumps(body)
    )
    (asked,) = upstream.asked
    assert asked.headers["Authorization"] == f"Basic {pair}"
    assert json.loads(asked.body)["password"] == "p/w"
    for secret in (
        pair, jwt, "p/w", "p%2Fw", "c2VjcmV0", "secret-too", "YW5vdGhlci", "5b1d", "5ec2e7",
    ):  # fmt: skip
        assert secret not in found
    (exchange,) = json.loads(found)
    assert exchange["request"]["headers"] == {
        "Authorization": "Basic {{hidden}}",
        "Cookie": "AuthSession={{cookie-1}}; other={{hidden}}",
        "X-Auth-Couchdb-Token": "{{hidden}}",
    }


def test_a_password_in_a_form_is_not_told(send, upstream, recorder):
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    found = _hide(send, upstream, recorder, headers=headers, body="name=us%40er&password=p%2Fw")
    assert "password={{password}}" in found
    assert "p%2Fw" not in found


def test_words_that_only_look_like_credentials_stay(send, upstream, recorder):
    challenge = ("Www-Authenticate", 'Basic realm="server"')
    found = _hide(send, upstream, recorder, b'"Basic authentication"', [challenge])
    assert "Basic authentication" in found
    assert 'Basic realm=\\"server\\"' in found


def test_the_server_finds_itself_in_a_body_and_the_recording_has_no_address(
    send, upstream, recorder
):
    def act(request, client):
        assert json.loads(request.body) == {"source": f"http://{upstream.netloc}/a"}
        client.whole(200, [("Location", f"http://{upstream.netloc}/x")], request.body)

    upstream.act = act
    body = json.dumps({"source": f"http://{recorder.netloc}/a"})
    got = send(recorder, "POST", "/x", headers=JSON, body=body)
    assert got.body.decode() == body
    assert got.headers["Location"] == f"http://{recorder.netloc}/x"
    found = json.dumps(recorder.recorded())
    assert found.count("http://{{server}}/") == 3
    assert recorder.netloc not in found
    assert upstream.netloc not in found


def test_a_name_can_stand_for_another(send, upstream, recorder):
    recorder.veil.name("4f1c", "0001")
    found = _hide(send, upstream, recorder, b'{"db":"t-4f1c"}\n', headers=JSON, body='["t-4f1c"]')
    assert "4f1c" not in found
    assert found.count("t-0001") == 2
    assert b"t-4f1c" in upstream.asked[0].body
