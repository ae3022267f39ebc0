"""What has changed in a database."""

from __future__ import annotations

import threading
import time

import pytest

from corduroy import NotFound


@pytest.fixture
def changed(db):
    """A database with ``a`` saved twice, ``b``, ``c`` deleted; blocking."""
    blocking = db.with_style("blocking")
    a = {"_id": "a", "n": 1}
    blocking.save([a, {"_id": "b", "n": 2}, {"_id": "c"}])
    blocking.save(a)
    blocking.delete("c")
    return blocking


def _ids(found):
    """The ids, sorted: a cluster has no order between its shards."""
    return sorted(change["id"] for change in found["results"])


def test_changes_are_the_latest_of_each_document(call, db, changed):
    found = call(db.changes)
    assert _ids(found) == ["a", "b", "c"]
    by_id = {change["id"]: change for change in found["results"]}
    assert by_id["a"]["changes"] == [{"rev": changed.head("a").rev}]
    assert by_id["c"]["deleted"] is True
    assert "last_seq" in found


def test_changes_since_a_seq_are_those_after_it(call, db, changed):
    first = call(db.changes, limit=1)
    assert len(first["results"]) == 1
    others = sorted({"a", "b", "c"} - set(_ids(first)))
    assert _ids(call(db.changes, since=first["last_seq"])) == others
    assert _ids(call(db.changes, since=first["results"][0]["seq"])) == others
    assert _ids(call(db.changes, since=0)) == ["a", "b", "c"]
    assert _ids(call(db.changes, since="now")) == []
    assert _ids(call(db.changes, since=call(db.changes)["last_seq"])) == []


def test_changes_take_options(call, db, changed):
    assert _ids(call(db.changes, descending=True)) == ["a", "b", "c"]
    found = call(db.changes, include_docs=True, style="all_docs")
    assert {change["doc"].get("n") for change in found["results"]} == {1, 2, None}


def test_changes_of_some_documents_only(call, db, changed):
    assert _ids(call(db.changes, doc_ids=["a", "nobody"])) == ["a"]
    assert _ids(call(db.changes, doc_ids=(id for id in "ab"))) == ["a", "b"]


def test_changes_that_match_a_selector_where_the_server_can(call, db, changed, classic):
    selector = {"n": {"$gt": 1}}
    if classic:
        with pytest.raises(NotFound, match=r"does not offer _changes\?filter=_selector"):
            call(db.changes, selector=selector)
    else:
        assert _ids(call(db.changes, selector=selector)) == ["b"]


def test_changes_of_design_documents_where_the_server_can(call, db, changed, classic):
    changed.save({"_id": "_design/some"})
    if classic:
        with pytest.raises(NotFound, match=r"does not offer _changes\?filter=_design"):
            call(db.changes, filter="_design")
    else:
        assert _ids(call(db.changes, filter="_design")) == ["_design/some"]


def test_a_filter_that_is_missing_is_no_lack_of_the_server_s(call, db, changed):
    with pytest.raises(NotFound) as raised:
        call(db.changes, filter="no/filter")
    assert raised.value.error == "not_found"


def test_changes_go_through_a_filter_with_its_parameters(call, db, changed):
    source = "function (doc, req) { return doc._id === req.query.wanted; }"
    changed.save({"_id": "_design/some", "filters": {"one": source}})
    found = call(db.changes, filter="some/one", query_params={"wanted": "b"})
    assert _ids(found) == ["b"]


def test_a_longpoll_waits_for_the_next_change(call, db, changed):
    since = call(db.changes)["last_seq"]
    late = threading.Timer(0.2, changed.save, [{"_id": "new"}])
    late.start()
    found = call(db.changes, feed="longpoll", since=since, timeout=30)
    late.join()
    assert _ids(found) == ["new"]


@pytest.mark.parametrize("seconds", [0, 0.3])
def test_a_longpoll_waits_no_longer_than_it_is_told(call, db, changed, seconds):
    since = call(db.changes)["last_seq"]
    start = time.monotonic()
    found = call(db.changes, feed="longpoll", since=since, timeout=seconds)
    assert time.monotonic() - start < 10
    assert found["results"] == []
    assert call(db.changes, since=found["last_seq"])["results"] == []


def test_a_longpoll_s_timeout_is_in_seconds(call, canned, canned_db, answering):
    answering(200, b'{"couchdb":"Welcome","version":"3.5.0","results":[],"last_seq":0}')
    for timeout, sent in ((1.5, b"1500"), (0, b"0")):
        call(canned_db.changes, feed="longpoll", timeout=timeout)
        assert canned.asked[-1].arguments["timeout"] == [sent]
        assert canned.asked[-1].arguments["feed"] == [b"longpoll"]


def test_changes_of_a_missing_database_are_not_found(call, couch):
    with pytest.raises(NotFound):
        call(couch.database("no-such-database").changes)


def test_a_filter_may_be_named_as_couchdb_names_it(call, db, changed, classic):
    assert _ids(call(db.changes, filter="_doc_ids", doc_ids=["b"])) == ["b"]
    if not classic:  # PouchDB Server knows no selectors here
        assert _ids(call(db.changes, filter="_selector", selector={"n": 2})) == ["b"]
