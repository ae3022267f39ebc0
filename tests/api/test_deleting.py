"""Documents that are deleted, and copied within their database."""

from __future__ import annotations

import pytest

from corduroy import Conflict, NotFound

# -- delete ---------------------------------------------------------------------------------------


def test_a_document_is_deleted(call, db):
    doc = {"_id": "a"}
    call(db.save, doc)
    said = call(db.delete, doc)
    assert (said["ok"], said["id"], said["rev"][:2]) == (True, "a", "2-")
    with pytest.raises(NotFound):
        call(db.get, "a")


def test_without_a_revision_the_current_one_is_deleted(call, db):
    for doc in ("a", {"_id": "a"}):
        call(db.save, {"_id": "a"}, force=True)
        assert call(db.delete, doc)["ok"]
        with pytest.raises(NotFound):
            call(db.get, "a")


def test_a_revision_beside_the_document_is_the_one_that_is_deleted(call, db):
    doc = {"_id": "a"}
    call(db.save, doc)
    old = dict(doc)
    call(db.save, doc)
    with pytest.raises(Conflict):
        call(db.delete, old)
    with pytest.raises(Conflict):
        call(db.delete, "a", old["_rev"])
    with pytest.raises(Conflict):
        call(db.delete, doc, rev=old["_rev"])
    assert call(db.delete, old, rev=doc["_rev"])["ok"]


def test_deleting_what_is_not_there_is_not_found(call, db):
    for what in ("nobody", {"_id": "nobody"}, {"_id": "nobody", "_rev": "1-abc"}):
        with pytest.raises(NotFound):
            call(db.delete, what)


def test_a_deleted_document_can_be_saved_anew(call, db):
    call(db.save, {"_id": "a", "n": 1})
    call(db.delete, "a")
    doc = {"_id": "a", "n": 2}
    call(db.save, doc)
    assert doc["_rev"].startswith("3-")


def test_a_document_can_be_deleted_by_saving_it(call, db):
    docs = [{"_id": "a"}, {"_id": "b"}]
    call(db.save, docs)
    call(db.save, [{**doc, "_deleted": True} for doc in docs])
    assert call(db.get, ["a", "b"]) == [None, None]


# -- copy -----------------------------------------------------------------------------------------


def test_a_copy_has_the_same_content_and_attachments(call, db):
    call(db.save, {"_id": "a", "n": 1, "_attachments": {"f.txt": b"content"}})
    said = call(db.copy, "a", "b")
    assert said == {"id": "b", "rev": call(db.head, "b").rev}
    assert call(db.get, "b").n == 1
    assert call(db.get_attachment, "b", "f.txt") == b"content"


def test_a_copy_to_an_id_that_has_to_be_quoted_has_its_attachments_too(call, db):
    call(db.save, {"_id": "a b", "n": 1, "_attachments": {"f.txt": b"content"}})
    call(db.copy, "a b", "b/c?d")
    assert call(db.get_attachment, "b/c?d", "f.txt") == b"content"


def test_a_copy_over_a_document_needs_its_revision(call, db):
    docs = [{"_id": id, "n": id} for id in ("a", "b", "c d")]
    call(db.save, docs)
    for dest in docs[1:]:
        for without in (dest["_id"], {"_id": dest["_id"]}):
            with pytest.raises(Conflict):
                call(db.copy, "a", without)
        said = call(db.copy, docs[0], dest)
        assert said["rev"].startswith("2-")
        assert call(db.get, dest["_id"]).n == "a"


def test_an_old_revision_can_be_copied(call, db):
    doc = {"_id": "a", "n": 1}
    call(db.save, doc)
    old = dict(doc)
    call(db.save, {**doc, "n": 2})
    call(db.copy, old, "b")
    assert call(db.get, "b").n == 1


def test_copying_what_is_not_there_is_not_found(call, db):
    with pytest.raises(NotFound):
        call(db.copy, "nobody", "b")
    with pytest.raises(NotFound):
        call(db.copy, "nobody", "b/c")
