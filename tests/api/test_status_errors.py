"""Status and the exceptions: which one for which answer, what they tell, and what they never tell."""

from __future__ import annotations

import asyncio
import builtins
import copy
import logging
import pickle
import traceback

import pytest
from tornado.httputil import HTTPHeaders

import corduroy
from corduroy import (
    BadRequest,
    Conflict,
    ConnectionFailed,
    Couch,
    Database,
    HTTPError,
    NotFound,
    RequestTimeout,
    ServerError,
    Status,
    Unauthorized,
)

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    402: "HTTPError",
    403: "Forbidden",
    404: "NotFound",
    405: "HTTPError",
    406: "NotAcceptable",
    409: "Conflict",
    410: "Gone",
    412: "PreconditionFailed",
    413: "TooLarge",
    415: "UnsupportedMediaType",
    416: "RangeNotSatisfiable",
    417: "ExpectationFailed",
    429: "TooManyRequests",
    500: "ServerError",
    503: "ServerError",
}


def _status(method, *args, **options):
    """Data and Status as a callback gets them."""
    told = []

    async def ask():
        await method(*args, callback=lambda *said: told.append(said), **options)

    asyncio.run(ask())
    ((data, status),) = told
    return data, status


# -- answers --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("code", "name"), CODES.items())
def test_each_status_has_its_exception(call, canned_db, answering, code, name):
    answering(code, b'{"error":"bad_luck","reason":"It rains."}', (("X-Why", "rain"),))
    with pytest.raises(HTTPError) as caught:
        call(canned_db.get, "a b")
    error = caught.value
    assert type(error) is getattr(corduroy, name)
    assert (error.code, error.error, error.reason) == (code, "bad_luck", "It rains.")
    assert (error.method, error.url) == ("GET", f"{canned_db.url}/a%20b")
    assert error.response == {"error": "bad_luck", "reason": "It rains."}
    assert str(error) == f"{code} bad_luck: It rains. (GET {error.url})"
    assert repr(error) == f"<{name} {error}>"
    assert error.status.headers["x-why"] == "rain"


def test_every_exception_is_an_http_error():
    for name in ("ConnectionFailed", "RequestTimeout", *CODES.values()):
        assert issubclass(getattr(corduroy, name), HTTPError)
    assert issubclass(ConnectionFailed, builtins.ConnectionError)
    assert issubclass(RequestTimeout, builtins.TimeoutError)


@pytest.mark.usefixtures("once")
def test_a_proxy_s_page_is_no_success_and_no_json(call, canned_couch, answering):
    answering(502, b"<html>\n<h1>Bad   Gateway</h1>", (("Content-Type", "text/html"),))
    db = canned_couch.database("db")
    calls = [
        (db.get, "a"),
        (db.get, ["a"]),
        (db.get,),
        (db.save, {"_id": "a"}),
        (db.save, [{"_id": "a"}]),
        (db.save, {}),
        (db.delete, "a"),
        (db.copy, "a", "b"),
        (db.view, "d/v"),
        (db.info,),
        (db.exists,),
        (db.head, "a"),
        (db.get_attachment, "a", "f"),
        (db.show, "d/s"),
        (db.changes,),
        (canned_couch.info,),
        (canned_couch.exists, "db"),
        (canned_couch.db, "db"),
        (canned_couch.create, "db"),
        (canned_couch.delete, "db"),
        (canned_couch.all_dbs,),
        (canned_couch.config,),
        (canned_couch.stats,),
    ]
    for method, *args in calls:
        with pytest.raises(ServerError) as caught:
            call(method, *args)
        assert caught.value.code == 502
    with pytest.raises(ServerError) as caught:
        call(db.get, "a")
    assert caught.value.reason == "the answer is no JSON: <html> <h1>Bad Gateway</h1>"
    assert caught.value.error == "As Told"
    assert caught.value.response == "<html>\n<h1>Bad   Gateway</h1>"


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"<html>hello", "the answer is no JSON: <html>hello"),
        (b"", "it is empty"),
        (b'{"_id":"a","_rev"', "the answer is no JSON"),
        (b"\xff\xfe", "the answer is no JSON"),
    ],
)
@pytest.mark.parametrize("headers", [(("Content-Type", "text/html"),), ()])
def test_a_success_without_json_is_a_server_error(
    call, canned_couch, answering, body, said, headers
):
    answering(200, body, headers)
    db = canned_couch.database("db")
    for method, *args in [
        (db.get, "a"),
        (db.get, ["a"]),
        (db.save, {"_id": "a"}),
        (db.save, [{"_id": "a"}]),
        (db.delete, "a", "1-x"),
        (db.view, "d/v"),
        (db.info,),
        (canned_couch.create, "db"),
        (canned_couch.delete, "db"),
        (canned_couch.all_dbs,),
    ]:
        with pytest.raises(ServerError) as caught:
            call(method, *args)
        assert said in caught.value.reason
        assert caught.value.error == "invalid_json"
        assert caught.value.url.startswith(canned_couch.url)


@pytest.mark.parametrize("code", [301, 302, 307])
def test_a_redirect_is_an_error_that_says_where_the_server_points(
    call, canned, canned_db, answering, code
):
    answering(code, b"", (("Location", "http://elsewhere/login?secret=1"),))
    for method, *args in [
        (canned_db.get, "a"),
        (canned_db.save, {"_id": "a"}),
        (canned_db.exists,),
    ]:
        with pytest.raises(HTTPError) as caught:
            call(method, *args)
        assert caught.value.code == code
        assert caught.value.reason == "the server points to http://elsewhere/login"
    assert len(canned.asked) == 3  # nobody has followed


def test_an_answer_without_a_type_is_read_all_the_same(call, canned_db, answering):
    answering(200, b'{"_id":"a"}', ())
    assert call(canned_db.get, "a") == {"_id": "a"}
    assert call(canned_db.show, "d/s").body == b'{"_id":"a"}'


def test_errors_that_say_little_are_clear_all_the_same(call, canned_db, answering):
    for body in (b"", b"{}", b"[]", b"null", b'{"error":null}'):
        answering(404, body)
        with pytest.raises(NotFound, match="404 As Told"):
            call(canned_db.get, "a")


# -- no answer ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("once")
def test_without_a_server_the_connection_has_failed(call, nobody, http_client):
    db = Couch(nobody, http_client=http_client).database("db")
    with pytest.raises(ConnectionFailed) as caught:
        call(db.get, "a")
    error = caught.value
    assert (error.code, error.method, error.url) == (599, "GET", f"{nobody}/db/a")
    assert error.reason
    with pytest.raises(ConnectionError):
        call(db.get, "a")


def test_a_name_that_does_not_exist_is_a_failed_connection(call, http_client):
    couch = Couch("http://no-such-host.invalid", http_client=http_client)
    with pytest.raises(ConnectionFailed):
        call(couch.info)


@pytest.fixture
def silent():
    """An address that takes connections and never answers."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"


def test_a_server_that_does_not_answer_is_late(call, silent, http_client):
    db = Couch(silent, timeout=0.1, http_client=http_client).database("db")
    with pytest.raises(RequestTimeout) as caught:
        call(db.get, "a")
    assert (caught.value.code, caught.value.url) == (599, f"{silent}/db/a")
    with pytest.raises(TimeoutError):
        call(db.save, {"_id": "a"})


def test_the_default_timeout_is_read_at_the_time_of_use(call, silent, http_client, monkeypatch):
    db = Couch(silent, http_client=http_client).database("db")
    monkeypatch.setattr(corduroy.defaults, "request_timeout", 0.1)
    with pytest.raises(RequestTimeout):
        call(db.get, "a")


def test_a_timeout_of_zero_is_none(call, couchdb_url, http_client):
    couch = Couch(str.__str__(couchdb_url), timeout=0, http_client=http_client)
    assert call(couch.version)


# -- status ---------------------------------------------------------------------------------------


def test_a_success_s_status(staff):
    data, status = _status(staff.get, "p0")
    assert data.first == "Ann"
    assert (status.ok, status.code, status.exception, status.error) == (True, 200, None, None)
    assert status.response is data
    assert repr(status) == "<200/Success>"
    assert status
    assert status.headers["content-type"] == status.headers["CONTENT-TYPE"]


def test_a_failure_s_status(staff):
    data, status = _status(staff.get, "nobody")
    assert data == status.response == {"error": "not_found", "reason": "missing"}
    assert (status.ok, status.code, status.error) == (False, 404, NotFound)
    assert type(status.exception) is NotFound
    assert repr(status) == "<404/NotFound | not_found, missing>"
    assert not status
    assert isinstance(status.headers, HTTPHeaders)
    assert status.headers["Content-Type"] == status.exception.status.headers["content-type"]


def test_the_status_of_a_conflict_holds_the_resolution(db):
    call = db.with_style("blocking").save
    call({"_id": "a", "n": 1})
    data, status = _status(db.save, {"_id": "a", "n": 2})
    assert data["error"] == "conflict"
    assert (status.code, status.error) == (409, Conflict)
    assert status.exception.pending["a"]["server_doc"].n == 1
    assert (status.exception.method, status.exception.url) == ("PUT", f"{db.url}/a")
    assert "json" in pickle.loads(pickle.dumps(status.exception)).status.headers["content-type"]


def test_the_status_of_what_got_no_answer(nobody, http_client):
    data, status = _status(Couch(nobody, http_client=http_client).info)
    assert data is None
    assert (status.ok, status.code, status.error) == (False, 599, ConnectionFailed)
    assert repr(status).startswith("<599/ConnectionFailed | connection_failed, ")
    assert list(status.headers) == []


def test_an_exception_knows_its_status(staff):
    with pytest.raises(NotFound) as caught:
        staff.get("nobody")
    status = caught.value.status
    assert type(status) is Status
    assert status.exception is caught.value
    assert repr(status) == "<404/NotFound | not_found, missing>"


# -- pickles and secrets --------------------------------------------------------------------------


def _errors(call, answering, canned_db, nobody, http_client):
    for code in CODES:
        answering(code, b'{"error":"bad_luck","reason":"It rains."}')
        yield canned_db, code
    yield Couch(nobody, http_client=http_client).database("db"), 599


@pytest.mark.usefixtures("once")
def test_every_exception_pickles(call, answering, canned_db, nobody, http_client):
    for db, code in _errors(call, answering, canned_db, nobody, http_client):
        with pytest.raises(HTTPError) as caught:
            call(db.get, "a")
        for again in (pickle.loads(pickle.dumps(caught.value)), copy.copy(caught.value)):
            assert type(again) is type(caught.value)
            assert str(again) == str(caught.value)
            assert (again.code, again.response) == (code, caught.value.response)
            assert repr(again.status) == repr(caught.value.status)
            assert dict(again.status.headers) == dict(caught.value.status.headers)


SECRET = "pa55-%2F-w0rd"
SPELLINGS = ("pa55-", "w0rd", "YWRtaW46cGE1NS0v")  # as it is, and in base64


def _secretive(url):
    return url.replace("://", f"://admin:{SECRET}@")


def _shown(*things):
    text = "\n".join(f"{thing!r} {thing!s}" for thing in things)
    assert not [spelling for spelling in SPELLINGS if spelling in text]


def test_credentials_are_in_no_repr_and_no_url(canned):
    couch = Couch(_secretive(canned.url), cookie="AuthSession=pa55-")
    db = Database(_secretive(canned.url) + "/db")
    parts = (
        couch,
        couch.database("x"),
        db,
        couch._session,
        couch._server,
        couch._session._ways.all[0].auth,
    )
    _shown(*parts, couch.url, db.url, db.name, Couch(canned.url, ("admin", SECRET)))


@pytest.mark.usefixtures("once")
def test_credentials_are_in_no_exception_traceback_log_or_pickle(
    call, canned, answering, nobody, http_client, caplog
):
    caplog.set_level(logging.DEBUG)
    for url, code in [(canned.url, 401), (canned.url, 500), (canned.url, 302), (nobody, 599)]:
        answering(code, b"{}", (("Location", "http://x/"),))
        db = Couch(_secretive(url), http_client=http_client).database("db")
        for method, *args in [(db.get, "a"), (db.save, {"_id": "a"}), (db.save, [{}])]:
            with pytest.raises(HTTPError) as caught:
                call(method, *args)
            error = caught.value
            _shown(error, error.url, error.args, error.status, error.__dict__)
            _shown("".join(traceback.format_exception(error)))
            pickled = pickle.dumps(error)
            assert not [spelling for spelling in SPELLINGS if spelling.encode() in pickled]
    assert caplog.records
    _shown(caplog.text)


@pytest.mark.parametrize(
    "url",
    [
        f"http://admin:{SECRET}@",
        f"http://admin:{SECRET}@host:99999",
        f"http://admin:{SECRET}@host:port",
        f"http://admin:{SECRET}@host/?x=1",
        f"ftp://admin:{SECRET}@host",
        f"http://admin:{SECRET}@ho st",
        f"http://admin:{SECRET}\n@host",
        f"http://ad%3Amin:{SECRET}@host",
    ],
)
def test_credentials_are_in_no_complaint_about_an_url(url):
    with pytest.raises(ValueError, match=r"url|user") as caught:
        Couch(url)
    _shown(caught.value)


def test_wrong_credentials_do_not_echo(call, canned_db, answering):
    answering(401, b'{"error":"unauthorized","reason":"Name or password is incorrect."}')
    with pytest.raises(Unauthorized, match="incorrect"):
        call(canned_db.get, "a")


def test_a_bad_request_is_not_mistaken_for_a_bad_argument(call, canned_db, answering):
    answering(400, b'{"error":"query_parse_error","reason":"no such thing"}')
    with pytest.raises(BadRequest) as caught:
        call(canned_db.view, "d/v", limit=1)
    assert not isinstance(caught.value, ValueError | TypeError)
