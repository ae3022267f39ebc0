"""Couch: the server itself, its databases, and how it is reached."""

from __future__ import annotations

import asyncio
import base64
import re
import uuid

import pytest

from corduroy import (
    ConnectionFailed,
    Couch,
    Database,
    NotFound,
    PreconditionFailed,
    ServerError,
    Unauthorized,
    defaults,
)


def test_info_and_version_tell_what_the_server_is(call, couch):
    info = call(couch.info)
    assert info["version"] == call(couch.version)
    assert re.match(r"\d+\.\d+", info["version"])


def test_up_is_true_where_a_server_answers(call, couch):
    assert call(couch.up) is True
    assert call(couch.up, raise_exception=True) is True


def test_up_is_false_where_nobody_does_or_raises_if_it_is_told_to(call, nobody, http_client):
    couch = Couch(nobody, http_client=http_client)
    assert call(couch.up) is False
    with pytest.raises(ConnectionFailed):
        call(couch.up, raise_exception=True)


@pytest.mark.parametrize("code", [404, 500, 503])
def test_up_is_false_where_the_server_is_not_ready(call, canned_couch, answering, code):
    answering(code, b'{"status":"maintenance_mode"}')
    assert call(canned_couch.up) is False


def test_up_is_false_in_maintenance_even_if_the_rest_of_the_server_answers(
    call, canned, canned_couch, answering
):
    answering(404, b'{"status":"maintenance_mode"}')
    maintained = canned.answer
    canned.answer = lambda request: maintained if request.path == "/_up" else {"couchdb": "Welcome"}
    assert call(canned_couch.up) is False
    with pytest.raises(ServerError) as caught:
        call(canned_couch.up, raise_exception=True)
    assert (caught.value.code, caught.value.error) == (404, "maintenance_mode")


@pytest.mark.parametrize("page", [b'{"error":"not_found","reason":"no_db_file"}', b"<html>", b""])
def test_up_is_true_where_only_up_is_missing(call, canned, canned_couch, answering, page):
    answering(404, page)
    missing = canned.answer
    canned.answer = lambda request: missing if request.path == "/_up" else {"couchdb": "Welcome"}
    assert call(canned_couch.up, raise_exception=True) is True


def test_up_is_false_where_a_proxy_answers_with_a_page_of_its_own(call, canned_couch, answering):
    answering(200, b"<html>Please log in", (("Content-Type", "text/html"),))
    assert call(canned_couch.up) is False


def test_uuids_are_as_many_as_wanted_and_differ(call, couch):
    (one,) = call(couch.uuids)
    many = call(couch.uuids, 30)
    assert len({one, *many}) == 31
    assert all(isinstance(each, str) and len(each) >= 32 for each in many)


def test_tasks_is_a_list(call, couch):
    assert isinstance(call(couch.tasks), list)


# -- databases ------------------------------------------------------------------------------------


@pytest.fixture
def name(couch):
    """A database's name with every kind of character that CouchDB allows; gone after the test."""
    name = f"t{uuid.uuid4().hex}/a_$()+-0"
    yield name
    blocking = couch.with_style("blocking")
    if blocking.exists(name):
        blocking.delete(name)


def test_a_database_lives_from_create_to_delete(call, couch, name, classic):
    assert call(couch.exists, name) is False
    database = call(couch.create, name)
    assert isinstance(database, Database)
    assert database.name == name
    assert call(couch.exists, name) is True
    # PouchDB Server lists names without the slashes that they have.
    assert (name.replace("/", "") if classic else name) in call(couch.all_dbs)
    assert call(database.exists) is True
    assert call(database.info)["doc_count"] == 0
    assert call(couch.delete, name) is None
    assert call(couch.exists, name) is False
    assert call(database.exists) is False


def test_creating_what_exists_is_a_failed_precondition_unless_it_may_exist(call, couch, db):
    with pytest.raises(PreconditionFailed):
        call(couch.create, db.name)
    assert call(couch.create, db.name, exists_ok=True).name == db.name


def test_deleting_what_does_not_exist_is_not_found_and_creates_nothing(call, couch, name):
    with pytest.raises(NotFound):
        call(couch.delete, name)
    assert call(couch.exists, name) is False


def test_db_takes_what_exists(call, couch, db):
    found = call(couch.db, db.name)
    assert found.name == db.name
    assert found.url == db.url


def test_db_creates_nothing_unless_it_is_told_to(call, couch, name):
    with pytest.raises(NotFound) as caught:
        call(couch.db, name)
    assert caught.value.reason
    assert call(couch.exists, name) is False
    assert call(couch.db, name, create_if_missing=True).name == name
    assert call(couch.exists, name) is True


def test_how_a_database_is_cut_goes_in_the_query_not_in_the_body(call, canned, canned_couch):
    canned.answer = lambda request: {"couchdb": "Welcome", "features": ["partitioned"]}
    call(canned_couch.create, "cut", q=4, n=1, partitioned=True)
    asked = canned.asked[-1]
    assert (asked.method, asked.uri) == ("PUT", "/cut?q=4&n=1&partitioned=true")
    assert asked.body == b""


def test_a_database_can_be_partitioned(call, couch3, fresh3):
    name = fresh3("parted")
    call(couch3.create, name, q=2, n=1, partitioned=True)
    assert call(couch3.database(name).info)["props"] == {"partitioned": True}


def test_a_server_without_partitions_makes_no_other_database_instead(call, couch, name, classic):
    if classic:
        with pytest.raises(NotFound, match="not offer partitioned databases: nothing was created"):
            call(couch.create, name, partitioned=True, exists_ok=True)
    else:
        call(couch.create, name, partitioned=True, exists_ok=True)
    assert call(couch.exists, name) is not classic


def test_couchdb_2_makes_no_other_database_instead_either(call, canned, canned_couch):
    canned.answer = lambda request: {
        "couchdb": "Welcome",
        "version": "2.3.1",
        "features": ["scheduler"],
    }
    with pytest.raises(NotFound, match="does not offer partitioned databases"):
        call(canned_couch.create, "parted", partitioned=True)
    assert [asked.method for asked in canned.asked] == ["GET"]


def test_all_dbs_takes_a_range_a_limit_and_an_order(call, couch):
    blocking = couch.with_style("blocking")
    prefix = f"r{uuid.uuid4().hex}"
    names = [f"{prefix}-{letter}" for letter in "abcd"]
    a, b, c, d = names
    for each in names:
        blocking.create(each)
    try:
        whole = {"startkey": prefix, "endkey": prefix + "~"}
        assert call(couch.all_dbs, **whole) == names
        assert call(couch.all_dbs, startkey=b, endkey=c) == [b, c]
        assert call(couch.all_dbs, start_key=b, end_key=c) == [b, c]
        assert call(couch.all_dbs, **whole, limit=2) == [a, b]
        assert call(couch.all_dbs, **whole, limit=0) == []
        assert call(couch.all_dbs, **whole, limit=2, skip=1) == [b, c]
        assert call(couch.all_dbs, startkey=d, endkey=b, descending=True) == [d, c, b]
        assert call(couch.all_dbs, startkey=d, endkey=None, descending=True, limit=1) == [d]
        assert set(names) <= set(call(couch.all_dbs, startkey=None, limit=None))
    finally:
        for each in names:
            blocking.delete(each)


def test_naming_a_database_sends_nothing(nobody):
    couch = Couch(nobody)
    database = couch.database("any/thing")
    assert database.name == "any/thing"
    assert database.url == f"{nobody}/any%2Fthing"
    assert couch.users.name == "_users"
    assert couch.replicator.name == "_replicator"


def test_a_database_s_url_can_name_it(call, couch, db, couchdb_url):
    database = Database(f"{str.__str__(couchdb_url)}/{db.name}")
    assert database.name == db.name
    assert call(database.info)["db_name"] == db.name


# -- as a container -------------------------------------------------------------------------------


def test_a_server_is_a_container_of_databases(couch, db):
    assert couch[db.name].name == db.name
    assert db.name in couch
    assert db.name in list(couch)
    assert len(couch) == len(couch.all_dbs())
    del couch[db.name]
    assert db.name not in couch
    with pytest.raises(NotFound):
        couch[db.name]
    with pytest.raises(NotFound):
        del couch[db.name]
    couch.create(db.name)  # for the fixture to delete


def test_a_server_is_true_if_it_is_up(couch, nobody, http_client):
    assert couch
    assert not Couch(nobody, http_client=http_client)


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        (lambda couch: couch["x"], r"couch\.db\("),
        (lambda couch: couch.__delitem__("x"), r"couch\.delete\("),
        (lambda couch: "x" in couch, r"couch\.exists\("),
        (list, r"couch\.all_dbs\("),
        (len, r"couch\.all_dbs\("),
    ],
)
@pytest.mark.parametrize("style", ["auto", "future"])
def test_under_a_running_loop_a_container_names_what_to_await(nobody, style, expression, named):
    async def in_loop():
        with pytest.raises(RuntimeError, match=named):
            expression(Couch(nobody).with_style(style))

    asyncio.run(in_loop())


def test_under_a_running_loop_a_server_is_simply_true(nobody):
    async def in_loop():
        couch = Couch(nobody)
        assert (couch or "another") is couch

    asyncio.run(in_loop())
    assert Couch(nobody, style="future")


def test_a_blocking_server_is_a_container_under_a_running_loop_too(couch, db):
    async def in_loop():
        assert db.name in couch.with_style("blocking")

    asyncio.run(in_loop())


# -- which server, and who asks -------------------------------------------------------------------


@pytest.fixture
def no_environment(monkeypatch):
    monkeypatch.delenv("COUCHDB_URL", raising=False)


@pytest.mark.usefixtures("no_environment")
def test_without_an_url_the_server_is_what_the_defaults_say(monkeypatch):
    assert Couch().url == "http://127.0.0.1:5984"
    monkeypatch.setattr(defaults, "host", "http://db.internal")
    monkeypatch.setattr(defaults, "port", 1234)
    assert Couch().url == "http://db.internal:1234"
    assert Database("things").url == "http://db.internal:1234/things"


@pytest.mark.usefixtures("no_environment")
def test_the_environment_goes_before_the_defaults_and_an_url_before_both(monkeypatch):
    monkeypatch.setenv("COUCHDB_URL", "https://who:secret@db.example:6984/couch/")
    assert Couch().url == "https://db.example:6984/couch"
    assert Database("things").url == "https://db.example:6984/couch/things"
    assert Couch("http://other:1").url == "http://other:1"


@pytest.mark.parametrize(
    ("url", "words"),
    [
        ("db.internal:5984", "COUCHDB_URL must start with http://"),
        ("http://:5984", "COUCHDB_URL 'http://:5984' names no host"),
        ("http://who:se/cret@host", "COUCHDB_URL has "),
        ("http://host?x=1", "COUCHDB_URL .* must not have a query"),
    ],
)
def test_a_bad_url_in_the_environment_is_told_by_its_name(monkeypatch, url, words):
    monkeypatch.setenv("COUCHDB_URL", url)
    for make in (Couch, lambda: Database("things")):
        with pytest.raises(ValueError, match=words):
            make()


@pytest.mark.usefixtures("no_environment")
def test_a_bad_default_is_told_by_its_name(monkeypatch):
    monkeypatch.setattr(defaults, "host", "db.internal")
    with pytest.raises(ValueError, match=r"defaults\.host must start with http://"):
        Couch()


def _basic(asked):
    kind, pair = asked.headers["Authorization"].split()
    assert kind == "Basic"
    return base64.b64decode(pair).decode()


def _asked(call, canned, couch):
    call(couch.up)
    return canned.asked[-1]


def test_credentials_in_the_url_are_percent_decoded(call, canned, http_client):
    url = canned.url.replace("://", "://us%40er:p%3Ass%2F%C3%A9@")
    couch = Couch(url, http_client=http_client)
    assert _basic(_asked(call, canned, couch)) == "us@er:p:ss/é"


@pytest.mark.parametrize(
    "how",
    [
        {"auth": ("us@er", "p:ss")},
        {"user": "us@er", "password": "p:ss"},
    ],
)
def test_credentials_can_be_given_beside_the_url_and_go_before_those_in_it(
    call, canned, http_client, how
):
    url = canned.url.replace("://", "://someone:else@")
    couch = Couch(url, http_client=http_client, **how)
    assert _basic(_asked(call, canned, couch)) == "us@er:p:ss"


def test_any_object_that_has_headers_can_authenticate(call, canned, http_client):
    class Token:
        def headers(self):
            return {"Authorization": "Bearer abc"}

    couch = Couch(canned.url, Token(), http_client=http_client)
    assert _asked(call, canned, couch).headers["Authorization"] == "Bearer abc"


def test_without_credentials_none_are_sent(call, canned, canned_couch):
    assert "Authorization" not in _asked(call, canned, canned_couch).headers


def test_wrong_credentials_are_unauthorized(call, couch3, fresh3, http_client):
    couch = Couch(couch3.url, (fresh3("nobody"), "wrong"), http_client=http_client)
    with pytest.raises(Unauthorized) as caught:
        call(couch.info)
    assert caught.value.reason == "Name or password is incorrect."


def test_whoever_is_not_let_in_hears_why_even_if_asking_is_by_head(
    call, couch3, fresh3, http_client
):
    couch = Couch(couch3.url, (fresh3("nobody"), "wrong"), http_client=http_client)
    db = couch.database("db")
    for method, *args in [(couch.exists, "db"), (couch.db, "db"), (db.exists,), (db.head, "id")]:
        with pytest.raises(Unauthorized) as caught:
            call(method, *args)
        assert caught.value.reason == "Name or password is incorrect."


def test_a_container_that_lets_nobody_in_says_why(couch3, fresh3, http_client):
    couch = Couch(couch3.url, (fresh3("nobody"), "wrong"), http_client=http_client)
    db = couch.database("db")
    for ask in (lambda: "db" in couch, lambda: "id" in db, lambda: bool(db)):
        with pytest.raises(Unauthorized, match=r"Name or password is incorrect\."):
            ask()


@pytest.mark.parametrize(
    ("options", "name", "value"),
    [
        ({"full_commit": False}, "X-Couch-Full-Commit", "false"),
        ({"cookie": "AuthSession=abc"}, "Cookie", "AuthSession=abc"),
        ({"headers": {"X-Team": "red"}}, "X-Team", "red"),
        ({"headers": {"User-Agent": "mine/1"}}, "User-Agent", "mine/1"),
    ],
)
def test_headers_go_with_every_request(call, canned, http_client, options, name, value):
    couch = Couch(canned.url, http_client=http_client, **options)
    assert _asked(call, canned, couch).headers[name] == value


def test_full_commit_is_the_default_and_says_nothing(call, canned, canned_couch):
    assert "X-Couch-Full-Commit" not in _asked(call, canned, canned_couch).headers


def test_a_port_goes_before_the_url_s(call, canned, http_client):
    port = int(canned.url.rpartition(":")[2])
    couch = Couch("http://127.0.0.1:1", port=port, http_client=http_client)
    assert couch.url == canned.url
    assert call(couch.up) is True
    assert Couch("http://[::1]:1/x", port=2).url == "http://[::1]:2/x"
    assert Couch("http://u:p@h/x", port=2).url == "http://h:2/x"


def test_a_path_in_the_url_goes_before_every_path(call, canned, http_client):
    couch = Couch(canned.url + "/couch/", http_client=http_client)
    call(couch.database("db").get, "x")
    assert canned.asked[-1].uri == "/couch/db/x"


def test_a_closed_server_opens_again(call, couch):
    version = call(couch.version)
    call(couch.close)
    assert call(couch.version) == version


def test_leaving_a_server_closes_it_and_it_can_be_entered_again(couch):
    async def in_loop():
        async with couch as server:
            first = await server.version()
        async with couch as server:
            assert await server.version() == first

    for _ in range(2):
        with couch as server:
            assert server is couch
            assert server.version()
    asyncio.run(in_loop())


@pytest.mark.parametrize("style", ["auto", "future"])
def test_under_a_running_loop_a_server_is_entered_by_async_with_only(nobody, style):
    async def in_loop():
        entered = False
        with pytest.raises(RuntimeError, match="async with"), Couch(nobody).with_style(style):
            entered = True
        assert not entered

    asyncio.run(in_loop())
