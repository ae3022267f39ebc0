"""Writing documents: save, delete, copy; what becomes of the caller's documents."""

from __future__ import annotations

import collections
import copy
import json
import re
import types

import pytest

from corduroy import (
    BadRequest,
    Conflict,
    ConflictResolution,
    ConnectionFailed,
    Couch,
    Document,
    ExpectationFailed,
    Forbidden,
    NotFound,
    ServerError,
    defaults,
)


class Untouched:
    """Proves that a document is exactly as it was: equal, in the same order, of the same objects."""

    def __init__(self, doc):
        self.doc = doc
        self.before = copy.deepcopy(doc)
        self.objects = {key: id(value) for key, value in doc.items()}

    def check(self):
        assert self.doc == self.before
        assert list(self.doc) == list(self.before)
        assert {key: id(value) for key, value in self.doc.items()} == self.objects


# -- what was saved -------------------------------------------------------------------------------


def test_a_saved_document_gets_its_id_and_its_revision(call, db):
    nested = {"x": [1, {"y": None}]}
    doc = {"first": "Tom", "nested": nested}
    saved = call(db.save, doc)
    assert type(saved) is ConflictResolution
    assert list(doc) == ["first", "nested", "_id", "_rev"]
    assert doc["nested"] is nested
    assert doc["_rev"].startswith("1-")
    assert saved.resolved == {doc["_id"]: doc}
    assert saved.resolved[doc["_id"]] is doc
    assert saved.pending == {}
    assert repr(saved) == "<Success: 1 doc updated>"
    assert call(db.get, doc["_id"]) == doc


def test_a_saved_document_can_be_saved_again(call, db):
    doc = {"_id": "a"}
    for n in range(1, 4):
        doc["n"] = n
        call(db.save, doc)
        assert doc["_rev"].startswith(f"{n}-")
    assert call(db.get, "a").n == 3


def test_a_list_of_documents_is_saved(call, db):
    docs = [{"_id": "a"}, {"n": 1}, Document(n=2)]
    saved = call(db.save, docs)
    assert repr(saved) == "<Success: 3 docs updated>"
    assert all(re.fullmatch(r"1-\w{32}", doc["_rev"]) for doc in docs)
    assert call(db.get, [doc["_id"] for doc in docs]) == docs
    assert list(saved.resolved.values()) == docs


def test_an_empty_list_is_saved_without_asking(call, canned, canned_db):
    assert repr(call(canned_db.save, [])) == "<Success: 0 docs updated>"
    assert canned.asked == []


def test_a_generator_of_documents_is_saved(call, db):
    call(db.save, ({"_id": id} for id in "abc"))
    assert call(db.info)["doc_count"] == 3


@pytest.mark.parametrize("kind", [collections.UserDict, Document, collections.OrderedDict])
def test_any_mutable_mapping_is_saved_and_gets_its_revision(call, db, kind):
    docs = [kind({"_id": "a", "inner": kind({"x": 1})}), kind({"n": 2})]
    call(db.save, docs[0])
    call(db.save, docs[1:])
    assert [doc["_rev"][:2] for doc in docs] == ["1-", "1-"]
    assert call(db.get, "a").inner.x == 1


def test_a_mapping_that_cannot_change_is_saved_as_well(call, db):
    inner = types.MappingProxyType({"x": (1, 2)})
    call(db.save, types.MappingProxyType({"_id": "a", "inner": inner}))
    call(db.save, [types.MappingProxyType({"_id": "b"})])
    assert call(db.get, "a").inner == {"x": [1, 2]}
    assert "b" in call(db.get, "b")._id


def test_a_dict_like_put_under_an_id_gets_that_id(db):
    doc = collections.UserDict({"n": 1})
    db["a"] = doc
    assert (doc["_id"], doc["_rev"][:2]) == ("a", "1-")
    assert db["a"].n == 1


# -- ids ------------------------------------------------------------------------------------------


def test_missing_ids_come_from_the_server_so_many_at_a_time(call, canned, canned_db, monkeypatch):
    monkeypatch.setattr(defaults, "uuid_cache", 3)

    def answer(request):
        if request.path == "/_uuids":
            count = int(request.query_arguments["count"][0])
            return {"uuids": [f"{len(canned.asked)}-{n}" for n in range(count)]}
        return _save_all(request) if request.path.endswith("_bulk_docs") else {"rev": "1-x"}

    canned.answer = answer
    docs = [{} for _ in range(7)]
    for doc in docs[:3]:
        call(canned_db.save, doc)
    call(canned_db.save, docs[3:])
    assert len({doc["_id"] for doc in docs}) == 7
    asked = [request.uri for request in canned.asked if request.path == "/_uuids"]
    assert asked == ["/_uuids?count=3", "/_uuids?count=4"]


def test_many_missing_ids_are_fetched_in_as_few_requests_as_the_server_allows(
    call, canned, canned_db
):
    counts = []

    def answer(request):
        if request.path != "/_uuids":
            return _save_all(request)
        counts.append(int(request.query_arguments["count"][0]))
        return {"uuids": [f"{len(counts)}-{n}" for n in range(counts[-1])]}

    canned.answer = answer
    docs = [{} for _ in range(2500)]
    call(canned_db.save, docs)
    assert counts == [1000, 1000, 500]
    assert len({doc["_id"] for doc in docs}) == 2500


def test_the_server_gives_as_many_ids_as_are_asked_for_at_once(call, db):
    docs = [{} for _ in range(1001)]
    call(db.save, docs)
    assert call(db.info)["doc_count"] == 1001


def test_a_document_with_an_id_asks_for_none(call, canned, canned_db):
    call(canned_db.save, {"_id": "a"})
    assert [request.uri for request in canned.asked] == ["/canned/a"]


# -- how it is sent -------------------------------------------------------------------------------


def test_a_long_list_goes_in_several_requests(call, db, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 7)
    docs = [{"_id": f"d{n:02}"} for n in range(30)]
    saved = call(db.save, docs)
    assert len(saved.resolved) == 30
    assert all(doc["_rev"].startswith("1-") for doc in docs)
    assert call(db.info)["doc_count"] == 30


def _sizes(canned):
    return [len(json.loads(request.body)["docs"]) for request in canned.asked]


def _save_all(request):
    return [
        {"ok": True, "id": doc["_id"], "rev": "1-x"} for doc in json.loads(request.body)["docs"]
    ]


def test_no_request_has_more_documents_than_it_may(call, canned, canned_db):
    canned.answer = _save_all
    docs = [{"_id": str(n)} for n in range(2 * defaults.bulk_count + 1)]
    call(canned_db.save, docs)
    assert _sizes(canned) == [defaults.bulk_count, defaults.bulk_count, 1]
    assert {doc["_rev"] for doc in docs} == {"1-x"}


def test_no_request_is_larger_than_it_may_be_unless_one_document_is(
    call, canned, canned_db, monkeypatch
):
    canned.answer = _save_all
    monkeypatch.setattr(defaults, "bulk_bytes", 1000)
    sizes = [400, 400, 400, 400, 5000, 400]
    call(canned_db.save, [{"_id": str(n), "x": "x" * size} for n, size in enumerate(sizes)])
    assert _sizes(canned) == [2, 2, 1, 1]


def test_a_batched_document_has_no_revision_yet(call, canned, canned_db, answering):
    answering(202, b'{"ok":true,"id":"a"}')
    doc = {"_id": "a"}
    saved = call(canned_db.save, doc, batch=True)
    assert doc == {"_id": "a"}
    assert saved.resolved == {"a": doc}
    assert canned.asked[0].uri == "/canned/a?batch=ok"


def test_a_document_can_be_saved_as_a_batch(call, db):
    doc = {"_id": "a", "n": 1}
    assert call(db.save, doc, batch=True).resolved["a"] is doc


def test_revisions_can_be_saved_as_they_are(call, db):
    doc = {"_id": "a", "_rev": "3-abc", "n": 1}
    call(db.save, doc, new_edits=False)
    assert doc == {"_id": "a", "_rev": "3-abc", "n": 1}
    assert call(db.get, "a") == doc
    leaves = [{"_id": "a", "_rev": "3-abd", "n": 2}, {"_id": "b", "_rev": "7-x", "n": 3}]
    saved = call(db.save, leaves, new_edits=False)
    assert saved.pending == {}
    assert call(db.get, "a") == leaves[0]
    assert call(db.get, "b") == leaves[1]
    assert [leaf["ok"].n for leaf in call(db.get, "a", open_revs=["3-abc"])] == [1]


def test_revisions_as_they_are_need_to_be_there(call, db):
    with pytest.raises(BadRequest):
        call(db.save, {"_id": "a"}, new_edits=False)


def test_all_or_nothing_is_for_servers_that_know_it(call, db, classic):
    docs = [{"_id": "a"}, {"_id": "b"}]
    said = "this server does not offer all_or_nothing" if classic else "is not supported"
    for what in (docs, docs[0]):
        with pytest.raises(ExpectationFailed, match=said) as caught:
            call(db.save, what, all_or_nothing=True)
        assert caught.value.code == 417
    assert docs == [{"_id": "a"}, {"_id": "b"}]
    assert call(db.info)["doc_count"] == 0
    assert call(db.save, docs, all_or_nothing=False).pending == {}


def test_all_or_nothing_goes_in_one_request(call, canned, canned_db, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 2)
    monkeypatch.setattr(defaults, "bulk_bytes", 10)
    welcome = {"couchdb": "Welcome", "version": "1.7.2"}
    canned.answer = lambda request: welcome if request.path == "/" else _save_all(request)
    docs = [{"_id": str(n)} for n in range(5)]
    call(canned_db.save, docs, all_or_nothing=True)
    (sent,) = [json.loads(request.body) for request in canned.asked if request.path != "/"]
    assert sent == {"docs": [{"_id": str(n)} for n in range(5)], "all_or_nothing": True}


def test_options_that_say_what_is_usual_change_nothing(call, canned, canned_db, answering):
    answering(201, b'{"rev":"1-x"}')
    call(canned_db.save, {"_id": "a"}, batch=False, all_or_nothing=False, new_edits=True)
    assert [request.uri for request in canned.asked] == ["/canned/a"]
    canned.answer = _save_all
    call(canned_db.save, [{"_id": "a"}], batch=False, all_or_nothing=False, new_edits=True)
    assert json.loads(canned.asked[-1].body) == {"docs": [{"_id": "a"}]}


# -- what was not saved ---------------------------------------------------------------------------


def _hard(**more):
    return {"z": {"deep": [1, {"y": b"".decode()}]}, "a": [[], {}], **more}


def test_a_document_in_conflict_stays_as_it_was(call, db):
    call(db.save, {"_id": "a"})
    for doc in (_hard(_id="a"), _hard(_id="a", _rev="1-0123456789abcdef0123456789abcdef")):
        untouched = Untouched(doc)
        with pytest.raises(Conflict):
            call(db.save, doc)
        untouched.check()


def test_a_forbidden_document_raises_and_stays_as_it_was(call, guarded):
    for doc in (_hard(_id="a", bad=True), _hard(bad=True)):
        untouched = Untouched(doc)
        with pytest.raises(Forbidden) as caught:
            call(guarded.save, doc)
        untouched.check()
        assert (caught.value.code, caught.value.reason) == (403, "no bad documents")


def test_forbidden_revisions_raise_even_if_they_are_saved_as_they_are(call, guarded):
    untouched = Untouched({"_id": "a", "_rev": "1-abc", "bad": True})
    with pytest.raises(Forbidden):
        call(guarded.save, untouched.doc, new_edits=False)
    saved = call(guarded.save, [untouched.doc, {"_id": "b", "_rev": "1-abc"}], new_edits=False)
    untouched.check()
    assert (list(saved.pending), list(saved.resolved)) == (["a"], ["b"])


def test_without_a_database_nothing_changes(call, couch):
    db = couch.database("no-such-database")
    for docs in (_hard(_id="a"), [_hard(_id="a")]):
        untouched = Untouched(docs if isinstance(docs, dict) else docs[0])
        with pytest.raises(NotFound):
            call(db.save, docs)
        untouched.check()


@pytest.mark.usefixtures("once")
def test_without_a_server_nothing_changes(call, nobody, http_client):
    db = Couch(nobody, http_client=http_client).database("db")
    for docs in (_hard(_id="a"), [_hard(_id="a")], _hard(), [_hard()]):
        untouched = Untouched(docs if isinstance(docs, dict) else docs[0])
        with pytest.raises(ConnectionFailed):
            call(db.save, docs)
        untouched.check()


@pytest.mark.parametrize("answer", [(500, b"{}"), (201, b"oh"), (201, b""), (502, b"<html>")])
@pytest.mark.usefixtures("once")
def test_after_a_broken_answer_nothing_has_changed(call, canned_db, answering, answer):
    answering(*answer)
    for docs in (_hard(_id="a"), [_hard(_id="a")]):
        untouched = Untouched(docs if isinstance(docs, dict) else docs[0])
        with pytest.raises(ServerError):
            call(canned_db.save, docs)
        untouched.check()


def test_what_an_earlier_request_has_saved_keeps_its_revision(
    call, canned, canned_db, answering, monkeypatch
):
    monkeypatch.setattr(defaults, "bulk_count", 1)
    answering(502, b"<html>")
    broken = canned.answer
    canned.answer = lambda request: _save_all(request) if len(canned.asked) == 1 else broken
    docs = [{"_id": "a"}, {"_id": "b"}]
    with pytest.raises(ServerError):
        call(canned_db.save, docs)
    assert docs == [{"_id": "a", "_rev": "1-x"}, {"_id": "b"}]


class Stream:
    """A file that cannot be put back: a pipe, say."""

    def __init__(self, content):
        self.left = content

    def read(self, size=-1):
        content, self.left = self.left, b""
        return content


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.parametrize("how", [{"force": True}, {"merge": lambda local, server: local}])
def test_what_was_read_of_a_stream_survives_a_conflict(call, db, how, many):
    call(db.save, {"_id": "a"})
    doc = {"_id": "a", "_attachments": {"f.txt": {"data": Stream(b"some text")}}}
    call(db.save, [doc] if many else doc, **how)
    assert doc["_attachments"]["f.txt"]["length"] == 9
    assert call(db.get, "a", attachments=True)._attachments["f.txt"].data == "c29tZSB0ZXh0"


def test_a_conflict_can_be_overwritten_later_with_what_was_read_of_a_stream(call, db):
    call(db.save, {"_id": "a"})
    stream = Stream(b"some text")
    doc = {"_id": "a", "_attachments": {"f.txt": stream}}
    with pytest.raises(ConflictResolution) as caught:
        call(db.save, doc)
    assert doc == {"_id": "a", "_attachments": {"f.txt": stream}}
    call(caught.value.overwrite)
    assert call(db.get, "a", attachments=True)._attachments["f.txt"].data == "c29tZSB0ZXh0"


def test_put_under_an_id_a_document_that_is_refused_stays_as_it_was(db):
    db["a"] = {}
    untouched = Untouched({"n": 1})
    with pytest.raises(Conflict):
        db["a"] = untouched.doc
    untouched.check()
