"""Replication: the ends in all their forms, and what is sent for them."""

from __future__ import annotations

import json
import uuid

import pytest

from corduroy import CookieAuth, Couch, HTTPError, JWTAuth, NotFound, ProxyAuth
from corduroy.asking import NOT_OFFERED


@pytest.fixture
def copies(db, couch):
    """A function that makes names of databases, which are gone after the test."""
    names = []

    def make():
        names.append(f"copy-{uuid.uuid4().hex}")
        return names[-1]

    yield make
    blocking = couch.with_style("blocking")
    for name in names:
        if blocking.exists(name):
            blocking.delete(name)


def test_a_database_is_copied(call, couch, db, copies):
    call(db.save, [{"_id": "a"}, {"_id": "b"}])
    name = copies()
    assert call(couch.replicate, db.name, name, create_target=True)["ok"] is True
    assert list(couch.database(name).with_style("blocking")) == ["a", "b"]


@pytest.mark.parametrize(
    ("chosen", "options"),
    [
        (["50%25", "a b", "c/d", "x+y", "ü"], {"doc_ids": ("50%25", "a b", "c/d", "x+y", "ü")}),
        (["c/d", "x+y"], {"selector": {"n": {"$gt": 1}}}),
        (["50%25", "a b"], {"filter": "by/n", "query_params": {"n": "1"}}),
    ],
    ids=["doc_ids", "selector", "filter"],
)
def test_some_documents_are_copied(call, couch, db, copies, chosen, options):
    source = "function (doc, req) { return String(doc.n) === req.query.n; }"
    ids = {"50%25": 1, "a b": 1, "c/d": 2, "x+y": 2, "ü": None, "z": None, "x y": None}
    docs = [{"_id": id, "n": n} for id, n in ids.items()]
    call(db.save, [*docs, {"_id": "_design/by", "filters": {"n": source}}])
    target = couch.with_style("blocking").create(copies())
    assert call(couch.replicate, db, target, **options)["ok"] is True
    assert sorted(target) == chosen
    assert not [id for id in couch.replicator.with_style("blocking") if id.startswith("corduroy-")]


def test_a_database_pushes_and_pulls(couch, db, copies, couchdb_url):
    db, target = db.with_style("blocking"), couch.with_style("blocking").create(copies())
    db.save({"_id": "a"})
    assert db.push({"url": f"{str.__str__(couchdb_url)}/{target.name}"})["ok"] is True
    assert list(target) == ["a"]
    target.save({"_id": "b"})
    assert db.pull(target)["ok"] is True
    assert list(db) == ["a", "b"]


def test_replicating_what_is_not_there_fails(call, couch3, fresh3):
    with pytest.raises(HTTPError):
        call(couch3.replicate, fresh3("source"), fresh3("target"))


@pytest.mark.parametrize(
    "options", [{}, {"selector": {}}, {"_id": "copying"}, {"continuous": True}]
)
def test_pouchdb_server_does_not_make_a_source_that_is_missing(
    call, couch, db, copies, classic, options
):
    if not classic:
        pytest.skip("the server tells of it by itself, in its own ways")
    missing = copies()
    for source in (missing, f"{couch.url}/{missing}", couch.database(missing)):
        with pytest.raises(NotFound, match=f"source: there is no database '{missing}'"):
            call(couch.replicate, source, db, **options)
    assert missing not in couch.with_style("blocking").all_dbs()
    assert "copying" not in couch.replicator.with_style("blocking")


# -- what is sent ---------------------------------------------------------------------------------


SERVERS = {
    "new": {"couchdb": "Welcome", "version": "3.5.0"},
    "old": {"couchdb": "Welcome", "version": "1.7.2"},
    "pouchdb": {"express-pouchdb": "Welcome!", "version": "4.2.0"},
}


@pytest.fixture(params=SERVERS)
def kind(request, canned):
    """The canned server is each of those in turn."""
    answer = SERVERS[request.param]
    canned.answer = lambda request: answer if request.path == "/" else {"ok": True}
    return request.param


def _sent(canned):
    return json.loads(canned.asked[-1].body)


def test_an_own_database_goes_by_its_name_or_by_its_address(call, canned, http_client, kind):
    couch = Couch(canned.url.replace("://", "://me:secret@"), http_client=http_client)
    call(couch.replicate, "a/b", couch.database("c"))
    if kind != "new":
        assert _sent(canned) == {"source": "a/b", "target": "c"}
        return
    headers = {"Authorization": "Basic bWU6c2VjcmV0"}
    assert _sent(canned) == {
        "source": {"url": f"{canned.url}/a%2Fb", "headers": headers},
        "target": {"url": f"{canned.url}/c", "headers": headers},
    }


def test_another_server_s_database_goes_by_its_address(call, canned, canned_couch, kind):
    other = Couch("http://other:1", ("you", "se:cr@t")).database("db")
    call(canned_couch.replicate, other, "http://u:p@third:1/db", continuous=True, filter=None)
    if kind == "pouchdb":
        source, target = "http://you:se%3Acr%40t@other:1/db", "http://u:p@third:1/db"
    else:
        headers = {"Authorization": "Basic eW91OnNlOmNyQHQ="}
        source = {"url": "http://other:1/db", "headers": headers}
        target = {"url": "http://u:p@third:1/db"}
    assert _sent(canned) == {"source": source, "target": target, "continuous": True}


@pytest.mark.parametrize(
    ("known_by", "headers"),
    [
        ({"auth": CookieAuth("me", "secret")}, {"Authorization": "Basic bWU6c2VjcmV0"}),
        ({"auth": JWTAuth("a.b.c")}, {"Authorization": "Bearer a.b.c"}),
        (
            {"auth": ProxyAuth("me", ["a"])},
            {"X-Auth-CouchDB-UserName": "me", "X-Auth-CouchDB-Roles": "a"},
        ),
        ({"headers": {"Authorization": "Bearer x", "X-Other": "y"}}, {"Authorization": "Bearer x"}),
        ({"cookie": "AuthSession=abc"}, {"Cookie": "AuthSession=abc"}),
        ({}, {}),
    ],
    ids=["cookie session", "token", "proxy", "header", "cookie", "nothing"],
)
def test_whatever_proves_who_is_asking_is_handed_on(call, canned, canned_couch, known_by, headers):
    canned.answer = lambda request: SERVERS["new"]
    other = Couch("http://other:1", **known_by).database("db")
    call(canned_couch.replicate, other, "http://third:1/db")
    assert _sent(canned)["source"] == {"url": "http://other:1/db", "headers": headers}


def test_a_function_that_gives_tokens_cannot_be_handed_on(refused, nobody):
    source = Couch("http://other:1", JWTAuth(lambda: "a.b.c")).database("db")
    refused(ValueError, '{"url": …, "headers": …}', Couch(nobody).replicate, source, "b")


def test_a_dict_goes_as_it_is(call, canned, canned_couch, kind):
    basic = {"url": "http://a:1/b", "auth": {"basic": {"username": "me", "password": "s@crt"}}}
    call(canned_couch.replicate, basic, {"url": "http://c/d", "headers": {}}, since_seq=0)
    sent = _sent(canned)
    if kind == "pouchdb":
        assert (sent["source"], sent["target"]) == ("http://me:s%40crt@a:1/b", "http://c/d")
    else:
        assert (sent["source"], sent["target"]) == (basic, {"url": "http://c/d", "headers": {}})
    assert sent["since_seq"] == 0


@pytest.mark.parametrize(
    "end",
    [
        {"url": "http://a/b", "headers": {"X-A": "b"}},
        {"url": "http://a/b", "headers": {"Authorization": "Bearer secret"}},
        {"url": "http://a/b", "auth": {"plugin": {"key": "secret"}}},
    ],
)
def test_pouchdb_server_takes_no_more_than_an_url(call, canned, canned_couch, end):
    canned.answer = lambda request: SERVERS["pouchdb"]
    with pytest.raises(NotFound, match="source as an url") as caught:
        call(canned_couch.replicate, end, "b")
    assert caught.value.error == NOT_OFFERED
    assert "secret" not in repr(caught.value)
    assert [asked.path for asked in canned.asked] == ["/"]


@pytest.mark.usefixtures("kind")
def test_push_and_pull_name_the_database_itself_as_one_of_the_ends(call, canned, canned_db):
    call(canned_db.push, "http://a/b")
    pushed = _sent(canned)
    call(canned_db.pull, "http://a/b")
    assert _sent(canned) == {"source": pushed["target"], "target": pushed["source"]}
    assert "canned" in str(pushed["source"])


@pytest.mark.usefixtures("kind")
@pytest.mark.parametrize("name", ["_id", "replication_id"])
def test_a_replication_with_an_id_is_a_document(call, canned, canned_couch, name):
    call(canned_couch.replicate, "http://a/b", "http://c/d", **{name: "a/b"})
    assert canned.asked[-1].method == "PUT"
    assert canned.asked[-1].uri == "/_replicator/a%2Fb"
    assert "replication_id" not in _sent(canned)


@pytest.mark.parametrize(
    ("kind_of_error", "words", "options"),
    [
        (ValueError, "doc_ids and filter exclude", {"doc_ids": [], "filter": "a/b"}),
        (ValueError, "filter and selector exclude", {"filter": "a/b", "selector": {}}),
        (ValueError, "proxy and target_proxy", {"proxy": "http://x", "target_proxy": "http://y"}),
        (ValueError, "proxy must be an http, https or socks5 url", {"proxy": "ftp://x"}),
        (ValueError, "target_proxy must be", {"target_proxy": "x"}),
        (TypeError, "source_proxy must be a str", {"source_proxy": 1}),
        (TypeError, "no option 'continous': did you mean 'continuous'", {"continous": True}),
        (TypeError, "no option 'doc_id': did you mean 'doc_ids'", {"doc_id": None}),
        (TypeError, "create_target must be True or False", {"create_target": 1}),
        (TypeError, "doc_ids must be a list", {"doc_ids": "a"}),
        (TypeError, r"doc_ids\[1\] must be a str", {"doc_ids": ["a", 1]}),
        (TypeError, "selector must be a dict", {"selector": "a"}),
        (TypeError, r"query_params\['x'\]", {"query_params": {"x": {1}}}),
        (TypeError, "since_seq must be a seq", {"since_seq": 1.5}),
        (TypeError, "worker_processes must be an int", {"worker_processes": "few"}),
        (ValueError, "_id", {"_id": "_x"}),
        (ValueError, "^_id must not be empty", {"_id": ""}),
        (ValueError, "^replication_id must not be empty", {"replication_id": ""}),
        (ValueError, "^replication_id '_x'", {"replication_id": "_x"}),
        (ValueError, "takes no notice of such documents", {"_id": "_design/x"}),
        (ValueError, "_id and replication_id", {"_id": "a", "replication_id": "b"}),
        (ValueError, "'jobs' is no replicator database", {"_id": "a", "db": "jobs"}),
        (ValueError, "^db 'A' is no database name", {"_id": "a", "db": "A"}),
        (ValueError, "give its _id", {"db": "jobs/_replicator"}),
    ],
)
def test_options_are_checked(refused, nobody, kind_of_error, words, options):
    refused(kind_of_error, words, Couch(nobody).replicate, "a", "b", **options)


@pytest.mark.parametrize(
    ("kind_of_error", "words", "end"),
    [
        (TypeError, "source", 5),
        (TypeError, "source", None),
        (ValueError, "^source 'Bad Name'", "Bad Name"),
        (ValueError, "names no host", "http:///db"),
        (ValueError, "source must have an 'url'", {"headers": {}}),
        (ValueError, "names no host", {"url": "http:///db"}),
        (TypeError, r"source\['headers'\]\['X'\]", {"url": "http://a/b", "headers": {"X": {1}}}),
        (ValueError, "value of X holds", {"url": "http://a/b", "headers": {"X": "a\r\nb"}}),
        (TypeError, r"source\['auth'\] must be a dict", {"url": "http://a/b", "auth": "me"}),
        (
            ValueError,
            "a 'username' and a",
            {"url": "http://a/b", "auth": {"basic": {"name": "me"}}},
        ),
        (TypeError, "not Couch", Couch("http://a/b")),
    ],
)
def test_ends_are_checked(refused, nobody, kind_of_error, words, end):
    refused(kind_of_error, words, Couch(nobody).replicate, end, "b")


@pytest.mark.parametrize(
    ("end", "options"),
    [
        ("me:secret@host/db", {}),
        ("http://me:secret @host/db", {}),
        ("ftp://me:secret@host/db", {}),
        ({"url": "http://me:secret@"}, {}),
        ({"url": "http://a/b", "headers": {"Authorization": "Basic secret\n"}}, {}),
        ({"url": "http://a/b", "auth": {"basic": {"password": {"secret"}}}}, {}),
        ("b", {"proxy": "ftp://me:secret@host"}),
    ],
)
def test_no_error_shows_a_password(nobody, end, options):
    with pytest.raises((ValueError, TypeError)) as caught:
        Couch(nobody).replicate("a", end, **options)
    assert "secret" not in str(caught.value)


def test_proxies_of_the_three_kinds_are_taken(call, canned, canned_couch, kind):
    for proxy in ("http://p:1", "https://p:1", "socks5://p:1"):
        call(canned_couch.replicate, "http://a/b", "http://c/d", source_proxy=proxy)
        assert _sent(canned)["source_proxy"] == proxy


def test_an_option_that_is_none_is_left_out(call, canned, canned_couch):
    canned.answer = lambda request: SERVERS["new"]
    left_out = {"proxy": None, "filter": None, "doc_ids": None, "continuous": None}
    call(canned_couch.replicate, "http://a/b", "http://c/d", selector={}, **left_out)
    assert _sent(canned).keys() == {"source", "target", "selector"}


def test_every_option_is_sent_as_it_is(call, canned, canned_couch):
    canned.answer = lambda request: SERVERS["new"]
    options = {
        "checkpoint_interval": 5000,
        "connection_timeout": 10000,
        "continuous": False,
        "create_target": True,
        "create_target_params": {"q": 1, "n": 1},
        "filter": "a/b",
        "http_connections": 2,
        "owner": "me",
        "query_params": {"a": "b"},
        "retries_per_request": 0,
        "since_seq": "1-g",
        "socket_options": "[{keepalive, true}]",
        "source_proxy": "http://p:1",
        "target_proxy": "socks5://p:1",
        "use_bulk_get": False,
        "use_checkpoints": False,
        "user_ctx": {"name": "me", "roles": ["a"]},
        "winning_revs_only": True,
        "worker_batch_size": 10,
        "worker_processes": 1,
    }
    call(canned_couch.replicate, "http://a/b", "http://c/d", _id="x", **options)
    ends = {"source": {"url": "http://a/b"}, "target": {"url": "http://c/d"}}
    assert _sent(canned) == {**options, **ends}
