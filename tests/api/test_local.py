"""Local documents: fetched, saved, deleted and copied through an object of their own."""

from __future__ import annotations

import pytest

from corduroy import Conflict, Document, NotFound


def test_a_local_document_is_saved_fetched_and_deleted(call, db):
    local = db.local("settings")
    assert (local.id, repr(local)) == ("_local/settings", "<LocalDocument _local/settings>")
    with pytest.raises(NotFound):
        call(local.get)
    doc = {"volume": 11}
    assert call(local.save, doc).resolved == {"_local/settings": doc}
    assert doc["_id"] == "_local/settings"
    found = call(local.get)
    assert (found, type(found)) == (doc, Document)
    found.volume = 5
    call(found.store)
    assert call(local.get).volume == 5
    assert call(local.delete)["ok"] is True
    with pytest.raises(NotFound):
        call(local.get)
    with pytest.raises(NotFound):
        call(local.delete)


@pytest.mark.parametrize("name", ["a/b c", "ä?#%", "_local/x", "_design/x"])
def test_any_name_will_do(call, db, name):
    call(db.local(name).save, {"n": 1})
    assert call(db.get, "_local/" + name.removeprefix("_local/")).n == 1
    assert call(db.local(name).get).n == 1


def test_a_stale_revision_is_in_conflict_where_the_server_looks_at_it(call, db, classic):
    local = db.local("a")
    mine = {"n": 1}
    call(local.save, mine)
    call(local.save, {**mine, "n": 2})
    mine["m"] = 1
    if classic:  # with CouchDB 3 the last one wins
        with pytest.raises(Conflict):
            call(local.save, mine)
        call(local.save, mine, lambda doc, server: {**server, "m": doc["m"]})
        assert mine == {"_id": "_local/a", "_rev": mine["_rev"], "n": 2, "m": 1}
    call(local.save, mine, force=True)
    assert call(local.get) == mine


def test_a_certain_revision_is_deleted(call, db):
    local, doc = db.local("a"), {"n": 1}
    call(local.save, doc)
    call(local.delete, doc["_rev"])
    with pytest.raises(NotFound):
        call(local.get)


def test_a_local_document_is_copied(call, db):
    call(db.local("a").save, {"n": 1})
    copied = call(db.local("a").copy, "b")
    assert copied["id"] == "_local/b"
    found = call(db.local("b").get)
    assert (found.n, found._rev) == (1, copied["rev"])
    with pytest.raises(NotFound):
        call(db.local("nothing").copy, "c")


def test_a_local_document_is_in_no_list_of_documents(call, db):
    call(db.local("a").save, {"n": 1})
    assert call(db.ids().all) == []
    assert call(db.info)["doc_count"] == 0


def test_it_has_the_style_of_its_database(db):
    assert db.with_style("blocking").local("a").save({"n": 1}).resolved


def test_bad_input_is_told_at_the_call(refused, db):
    for name in ("", "_local/"):
        with pytest.raises(ValueError, match="name must not be empty"):
            db.local(name)
    with pytest.raises(TypeError, match="name must be a str, not 3"):
        db.local(3)
    local = db.local("a")
    refused(TypeError, "doc must be a dict", local.save, "b")
    refused(ValueError, "doc has another '_id' than '_local/a'", local.save, {"_id": "_local/b"})
    refused(ValueError, "dest must not be empty", local.copy, "")
    refused(TypeError, "dest must be a str", local.copy, 3)
