"""Replication: the ends in all their forms, and what is sent for them."""

from __future__ import annotations

import json
import uuid

import pytest

from corduroy import Couch, HTTPError


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


def test_a_database_is_copied(call, couch, db, copies, classic):
    call(db.save, [{"_id": "a"}, {"_id": "b"}, {"_id": "c/d"}])
    name = copies()
    said = call(couch.replicate, db.name, name, create_target=True, doc_ids=["a", "c/d"])
    assert said["ok"] is True
    copied = list(couch.database(name).with_style("blocking"))
    assert copied == (["a", "b", "c/d"] if classic else ["a", "c/d"])  # PouchDB Server copies all


def test_a_database_pushes_and_pulls(couch, db, copies, couchdb_url):
    db, target = db.with_style("blocking"), couch.with_style("blocking").create(copies())
    db.save({"_id": "a"})
    assert db.push({"url": f"{str.__str__(couchdb_url)}/{target.name}"})["ok"] is True
    assert list(target) == ["a"]
    target.save({"_id": "b"})
    assert db.pull(target)["ok"] is True
    assert list(db) == ["a", "b"]


def test_replicating_what_is_not_there_fails(couch, copies, classic):
    if classic:
        pytest.skip("PouchDB Server creates what is not there")
    with pytest.raises(HTTPError):
        couch.with_style("blocking").replicate(copies(), copies())


# -- what is sent ---------------------------------------------------------------------------------


@pytest.fixture(params=[b'{"couchdb":"Welcome","version":"3.5.0"}', b'{"express-pouchdb":"Hi"}'])
def kind(request, canned):
    """The canned server is CouchDB 3 once, and PouchDB Server once."""
    answer = json.loads(request.param)
    canned.answer = lambda request: answer if request.path == "/" else {"ok": True}
    return "new" if "couchdb" in answer else "classic"


def _sent(canned):
    return json.loads(canned.asked[-1].body)


def test_an_own_database_goes_by_its_name_or_by_its_address(call, canned, http_client, kind):
    couch = Couch(canned.url.replace("://", "://me:secret@"), http_client=http_client)
    call(couch.replicate, "a/b", couch.database("c"))
    if kind == "classic":
        assert _sent(canned) == {"source": "a/b", "target": "c"}
        return
    headers = {"Authorization": "Basic bWU6c2VjcmV0"}
    assert _sent(canned) == {
        "source": {"url": f"{canned.url}/a%2Fb", "headers": headers},
        "target": {"url": f"{canned.url}/c", "headers": headers},
    }


def test_another_server_s_database_goes_by_its_address(call, canned, canned_couch, kind):
    other = Couch("http://other:1", ("you", "secret")).database("db")
    plain = {"url": "http://third:1/db", "headers": {"X-A": "b"}, "auth": {"basic": {}}}
    call(canned_couch.replicate, other, plain, continuous=True, filter=None, since_seq=0)
    assert _sent(canned) == {
        "source": {
            "url": "http://other:1/db",
            "headers": {"Authorization": "Basic eW91OnNlY3JldA=="},
        },
        "target": plain,
        "continuous": True,
        "since_seq": 0,
    }
    call(canned_couch.replicate, "http://u:p@fourth:1/db", "http://fifth/db")
    assert _sent(canned)["target"] == (
        "http://fifth/db" if kind == "classic" else {"url": "http://fifth/db"}
    )


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
        (ValueError, "doc_ids and filter", {"doc_ids": [], "filter": "a/b"}),
        (ValueError, "filter and selector", {"filter": "a/b", "selector": {}}),
        (ValueError, "proxy", {"proxy": "ftp://x"}),
        (ValueError, "target_proxy", {"target_proxy": "x"}),
        (TypeError, "continous", {"continous": True}),
        (TypeError, r"options\['query_params'\]\['x'\]", {"query_params": {"x": {1}}}),
        (ValueError, "_id", {"_id": "_x"}),
    ],
)
def test_options_are_checked(refused, nobody, kind_of_error, words, options):
    refused(kind_of_error, words, Couch(nobody).replicate, "a", "b", **options)


@pytest.mark.parametrize(
    ("kind_of_error", "words", "end"),
    [
        (TypeError, "source", 5),
        (TypeError, "source", None),
        (ValueError, "Bad Name", "Bad Name"),
        (ValueError, "names no host", "http:///db"),
        (ValueError, "source must have an 'url'", {"headers": {}}),
        (ValueError, "names no host", {"url": "http:///db"}),
        (TypeError, r"source\['headers'\]\['X'\]", {"url": "http://a/b", "headers": {"X": {1}}}),
    ],
)
def test_ends_are_checked(refused, nobody, kind_of_error, words, end):
    refused(kind_of_error, words, Couch(nobody).replicate, end, "b")


def test_proxies_of_the_three_kinds_are_taken(call, canned, canned_couch):
    canned.answer = lambda request: {"couchdb": "Welcome", "version": "3.5.0"}
    for proxy in ("http://p:1", "https://p:1", "socks5://p:1"):
        call(canned_couch.replicate, "http://a/b", "http://c/d", source_proxy=proxy)
        assert _sent(canned)["source_proxy"] == proxy


def test_an_option_that_is_none_is_left_out(call, canned, canned_couch):
    left_out = {"proxy": None, "filter": None, "doc_ids": None, "continuous": None}
    call(canned_couch.replicate, "http://a/b", "http://c/d", selector={}, **left_out)
    assert _sent(canned).keys() == {"source", "target", "selector"}
