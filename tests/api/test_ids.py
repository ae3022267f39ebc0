"""Ids with every kind of character make a round trip, wherever ids go.

Each test takes all of them in one database, since making databases is what takes time."""

from __future__ import annotations

import pytest

from corduroy import Conflict, NotFound

IDS = {
    "slash": "a/b",
    "leading slash": "/a",
    "question": "a?b=c&d",
    "hash": "a#b",
    "percent": "a%2Fb%zz%",
    "plus": "a+b",
    "space": " a b ",
    "dot": ".",
    "dots": "..",
    "dot segments": "../../a/./b",
    "emoji": "😀 👩‍👩‍👧",
    "letters": "äßé中文ُ",
    "quotes": "a\"b'c`d",
    "brackets": "<a>[b]{c}|d\\e^f",
    "semicolon": "a;b,c:d@e$f=g!h*i(j)",
    "backslash": "a\\b",
    "tilde": "~a-b_c.d",
    "null": "null",
    "number": "1",
    "control": "a\tb\nc\x7f",
    "long": "x" * 7000,
}


def test_a_document_is_saved_fetched_and_deleted(call, db):
    for id in IDS.values():
        doc = {"_id": id, "n": 1}
        saved = call(db.save, doc)
        assert list(saved.resolved) == [id]
        found = call(db.get, id)
        assert found == doc
        assert call(db.head, id).rev == doc["_rev"]
        assert call(db.revisions, id) == [doc["_rev"]]
        assert call(db.delete, doc)["ok"]
        with pytest.raises(NotFound):
            call(db.get, id)


def test_documents_are_saved_and_fetched_in_bulk(call, db):
    for id in IDS.values():
        docs = [{"_id": id, "n": 1}, {"_id": id + "2", "n": 2}]
        call(db.save, docs)
        assert call(db.get, [id, id + "2"]) == docs
        assert call(db.bulk_get, [{"id": id}]) == docs[:1]
        assert [row.id for row in call(db.view, "_all_docs", key=id)] == [id]
        assert [row.id for row in call(db.view, "_all_docs", keys=[id])] == [id]
        found = call(db.view, "_all_docs", startkey=id, endkey=id)
        assert [row.id for row in found] == [id]


def test_a_document_is_copied(call, db):
    call(db.save, {"_id": "source", "n": 1})
    for kind, id in IDS.items():
        first = call(db.copy, "source", id)
        assert first["id"] == id
        copied = call(db.get, id)
        assert (copied.n, copied._rev) == (1, first["rev"])
        assert call(db.copy, id, f"copy of {kind}")["id"] == f"copy of {kind}"
        assert call(db.get, f"copy of {kind}").n == 1


def test_a_conflict_is_found_out_about_and_overwritten(call, db):
    for id in IDS.values():
        call(db.save, {"_id": id, "n": 1})
        with pytest.raises(Conflict) as caught:
            call(db.save, {"_id": id, "n": 2})
        assert caught.value.pending[id]["server_doc"].n == 1
        call(caught.value.overwrite)
        assert call(db.get, id).n == 2


def test_a_file_is_attached(call, db):
    for id in IDS.values():
        doc = {"_id": id}
        call(db.put_attachment, doc, b"content", "a.txt")
        assert call(db.get_attachment, id, "a.txt") == b"content"
        call(db.delete_attachment, doc, "a.txt")
        assert call(db.get, id)["_rev"] == doc["_rev"]


NAMES = {kind: name for kind, name in IDS.items() if kind not in ("long", "control")}


def test_an_attachment_may_have_such_a_name(call, db):
    doc = {"_id": "a"}
    for name in NAMES.values():
        call(db.put_attachment, doc, b"content", name)
        assert call(db.get_attachment, doc, name) == b"content"
        assert list(call(db.get, "a")._attachments) == [name]
        call(db.delete_attachment, doc, name)
        assert "_attachments" not in doc


NAMED = {kind: name for kind, name in NAMES.items() if "/" not in name}


def test_a_design_document_and_a_view_may_have_such_a_name(call, db):
    call(db.save, {"_id": "a"})
    map_ids = {"map": "function (doc) { emit(doc._id); }"}
    for name in NAMED.values():
        call(db.save, {"_id": f"_design/{name}", "views": {name: map_ids}})
        assert [row.id for row in call(db.view, f"{name}/{name}")] == ["a"]
        assert call(db.info, name)["view_index"]


def test_such_a_text_is_a_key_of_a_view(call, staff):
    for id in IDS.values():
        assert list(call(staff.view, "employees/byname", key=id)) == []
        assert list(call(staff.view, "employees/byname", startkey=id, endkey=id)) == []
        assert list(call(staff.view, "employees/byname", keys=[id])) == []
