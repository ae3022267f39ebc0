"""post: a document gets its id from the server in the same request."""

from __future__ import annotations

import pytest

from corduroy import BadRequest, Conflict, Document, Forbidden


def test_a_document_without_an_id_gets_one(call, db):
    doc = Document(n=1)
    said = call(db.post, doc)
    assert (said["ok"], said["id"], said["rev"]) == (True, doc._id, doc._rev)
    doc.n = 2
    call(doc.store)
    assert call(db.get, said["id"]).n == 2


def test_an_id_of_its_own_is_kept_and_may_be_in_conflict(call, db):
    assert call(db.post, {"_id": "a/b"})["id"] == "a/b"
    doc = {"_id": "a/b", "n": 1}
    with pytest.raises(Conflict):
        call(db.post, doc)
    assert doc == {"_id": "a/b", "n": 1}


def test_attachments_go_with_it(call, db):
    doc = {"_attachments": {"f.txt": b"content"}}
    call(db.post, doc)
    assert doc["_attachments"]["f.txt"]["stub"] is True
    assert call(db.get_attachment, doc, "f.txt") == b"content"


def test_a_batch_is_answered_before_it_is_written(call, db3):
    doc = {"n": 1}
    said = call(db3.post, doc, batch=True)
    assert said == {"ok": True, "id": doc["_id"]}
    assert "_rev" not in doc


def test_what_is_refused_stays_as_it_was(call, guarded):
    doc = {"bad": True}
    with pytest.raises(Forbidden):
        call(guarded.post, doc)
    assert doc == {"bad": True}
    with pytest.raises(BadRequest):
        call(guarded.post, {"_id": "a", "_rev": "no revision"})


def test_bad_input_is_told_at_the_call(refused, db):
    refused(TypeError, "doc must be a dict, not a list", db.post, [{}])
    refused(ValueError, r"doc\['n'\] is inf", db.post, {"n": float("inf")})
    refused(ValueError, r"doc\['_id'\] '_x': ids that start with '_'", db.post, {"_id": "_x"})
