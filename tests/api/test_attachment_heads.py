"""What a server tells of an attachment without sending it, and attachments of design documents."""

from __future__ import annotations

import pytest

from corduroy import NotFound


@pytest.mark.parametrize("id", ["a", "a/b c?#", "_design/a"])
def test_an_attachment_tells_what_it_is(call, db, id, classic):
    doc = {"_id": id}
    call(db.put_attachment, doc, b"\x89PNG", "f g.png")
    for of in (doc, id):
        head = call(db.head_attachment, of, "f g.png")
        assert (head.size, head.content_type) == (4, "image/png")
        assert head.digest == doc["_attachments"]["f g.png"]["digest"]
        assert head["ranges"] is not classic  # PouchDB Server sends all of it


def test_of_a_text_that_the_server_compresses_the_true_size_is_told(call, db):
    doc = {"_id": "a"}
    call(db.put_attachment, doc, "hello " * 1000, "f.txt")
    head = call(db.head_attachment, doc, "f.txt")
    assert (head.size, head.ranges) == (6000, False)
    assert head.digest == call(db.get, "a")._attachments["f.txt"].digest


def test_an_attachment_of_an_old_revision_is_told_of(call, db):
    doc = {"_id": "a"}
    call(db.put_attachment, doc, b"one", "f.bin")
    old = doc["_rev"]
    call(db.put_attachment, doc, b"seven", "f.bin")
    assert call(db.head_attachment, doc, "f.bin").size == 5
    assert call(db.head_attachment, doc, "f.bin", rev=old).size == 3


def test_what_is_not_there_is_not_found(call, db):
    call(db.save, {"_id": "a"})
    for id in ("a", "b"):
        with pytest.raises(NotFound):
            call(db.head_attachment, id, "f.txt")


def test_what_the_server_does_not_say_is_none(call, canned_db, answering):
    answering(200, b"", ())
    head = call(canned_db.head_attachment, "a", "f")
    assert head == {"size": 0, "content_type": None, "digest": None, "ranges": False}


def test_a_design_document_has_attachments_as_any_other(call, db):
    doc = {"_id": "_design/site", "views": {}}
    call(db.save, doc)
    call(db.put_attachment, doc, "<p>hello</p>", "index.html")
    call(db.put_attachment, "_design/site", b"a{}", "css/all.css")
    assert call(db.get_attachment, "_design/site", "index.html") == b"<p>hello</p>"
    assert call(db.get_attachment, doc, "css/all.css") == b"a{}"
    call(db.delete_attachment, "_design/site", "css/all.css")
    with pytest.raises(NotFound):
        call(db.head_attachment, doc, "css/all.css")
    assert list(call(db.get, "_design/site")._attachments) == ["index.html"]


def test_bad_input_is_told_at_the_call(refused, db):
    refused(ValueError, "filename must not be empty", db.head_attachment, "a", "")
    refused(ValueError, "doc has no '_id'", db.head_attachment, {}, "f")
    refused(TypeError, "rev must be a str", db.head_attachment, "a", "f", rev=3)
