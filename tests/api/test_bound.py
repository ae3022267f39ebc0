"""Bound documents: those that a database gave know where they came from."""

from __future__ import annotations

import asyncio
import copy
import pickle

import pytest

from corduroy import Conflict, Document, NotFound, defaults


def test_a_document_is_loaded_changed_stored_and_reloaded(call, db):
    call(db.save, {"_id": "a", "n": 1})
    doc = call(Document.load, db, "a")
    assert (type(doc), doc.n) == (Document, 1)
    doc.n = 2
    assert call(doc.store).resolved == {"a": doc}
    other = call(db.get, "a")
    assert (other.n, other._rev) == (2, doc._rev)
    other.n, other.m = 3, 1
    call(other.store)
    assert call(doc.reload) is doc
    assert doc == {"_id": "a", "_rev": other._rev, "n": 3, "m": 1}


def test_a_certain_revision_is_loaded(call, db):
    doc = Document(_id="a", n=1)
    call(db.save, doc)
    first = doc._rev
    doc.n = 2
    call(doc.store)
    assert call(Document.load, db, "a", first).n == 1
    assert call(Document.load, db, "a", rev=doc._rev).n == 2
    with pytest.raises(NotFound):
        call(Document.load, db, "b")


def test_a_class_of_the_program_s_own_loads_its_own(call, db):
    class Song(Document):
        pass

    call(db.save, {"_id": "a", "n": 1})
    song = call(Song.load, db, "a")
    assert type(song) is Song
    song.n = 2
    call(song.store)
    assert call(db.get, "a").n == 2


@pytest.mark.parametrize(
    "fetch",
    [
        lambda call, db: call(db.get, "a"),
        lambda call, db: call(db.get, "a", conflicts=True),
        lambda call, db: call(db.get, "a", open_revs="all")[0]["ok"],
        lambda call, db: call(db.get, ["a"])[0],
        lambda call, db: call(db.get)[0],
        lambda call, db: call(db.bulk_get, [{"id": "a"}])[0],
        lambda call, db: call(db.view, "_all_docs", include_docs=True)[0].doc,
        lambda call, db: next(iter(call(db.view, "_all_docs", include_docs=True)))["doc"],
        lambda call, db: call(db.view, "_all_docs", queries=[{"include_docs": True}])[0][0].doc,
        lambda call, db: call(db.query, "function (d) { emit(1) }", include_docs=True)[0].doc,
    ],
    ids=["get", "option", "open_revs", "ids", "first", "bulk", "row", "rows", "queries", "query"],
)
def test_whatever_way_it_came_a_document_knows_its_database(call, db, fetch):
    call(db.save, {"_id": "a", "n": 1})
    doc = fetch(call, db)
    doc.n = 2
    call(doc.store)
    assert call(db.get, "a") == {"_id": "a", "_rev": doc._rev, "n": 2}


def test_a_document_of_a_feed_knows_its_database(db):
    blocking = db.with_style("blocking")
    blocking.save({"_id": "a", "n": 1})
    (change,) = blocking.changes(feed="continuous", include_docs=True, limit=1)
    change.doc.n = 2
    change.doc.store()
    assert blocking.get("a").n == 2


def test_a_document_that_was_saved_knows_where(call, db):
    one, many = Document(_id="a"), [Document(_id="b"), Document(_id="c")]
    call(db.save, one)
    call(db.save, many)
    for doc in (one, *many):
        doc.n = 1
        call(doc.store)
        assert call(db.get, doc._id).n == 1


def test_a_document_is_stored_where_it_is_told_and_belongs_there_from_then_on(call, db):
    doc = Document(_id="a", n=1)
    call(doc.store, db)
    call(db.save, [{"_id": "b"}])
    copied = doc.copy()
    with pytest.raises(Conflict):
        call(Document(_id="b", n=1).store, db)
    doc.n = 2
    call(doc.store)
    assert call(copied.store, db, force=True).resolved == {"a": copied}
    assert call(doc.reload).n == 1


def test_storing_takes_the_options_of_save(call, db):
    call(db.save, {"_id": "a", "n": 1})
    mine, theirs = call(db.get, "a"), call(db.get, "a")
    theirs.n = 5
    call(theirs.store)
    mine.m = 1
    with pytest.raises(Conflict):
        call(mine.store)
    call(mine.store, merge=lambda local, server: {**server, "m": local["m"]})
    assert call(db.get, "a") == {"_id": "a", "_rev": mine._rev, "n": 5, "m": 1}


def test_what_is_gone_is_not_reloaded_and_the_document_stays(call, db):
    call(db.save, {"_id": "a", "n": 1})
    doc = call(db.get, "a")
    call(db.delete, "a")
    kept = dict(doc)
    with pytest.raises(NotFound):
        call(doc.reload)
    assert doc == kept


def test_any_dict_is_reloaded_by_its_database(call, db):
    doc = {"_id": "a", "n": 1}
    call(db.save, doc)
    first = doc["_rev"]
    call(db.save, {**doc, "n": 2})
    assert call(db.reload, doc) is doc
    assert doc["n"] == 2
    assert call(db.reload, doc, rev=first)["n"] == 1


@pytest.mark.parametrize(
    "made",
    [
        Document,
        lambda doc: doc.copy(),
        copy.deepcopy,
        lambda doc: pickle.loads(pickle.dumps(doc)),
        lambda doc: doc | {"m": 1},
    ],
    ids=["Document", "copy", "deepcopy", "pickle", "or"],
)
def test_what_is_made_of_a_document_knows_no_database(call, refused, db, made):
    call(db.save, {"_id": "a", "n": 1})
    doc = made(call(db.get, "a"))
    assert doc.n == 1
    refused(ValueError, "db is needed: this document came from no database", doc.store)
    refused(ValueError, "came from no database", doc.reload)


def test_bad_input_is_told_at_the_call(refused, db):
    refused(TypeError, "db must be a Database, not 'music'", Document.load, "music", "a")
    refused(TypeError, "db must be a Database, not {}", Document(_id="a").store, {})
    refused(ValueError, "id must not be empty", Document.load, db, "")
    refused(TypeError, "rev must be a str", Document.load, db, "a", 3)
    refused(ValueError, "doc has no '_id'", db.reload, Document(n=1))
    refused(TypeError, "doc must be a dict", db.reload, "a")


def test_a_document_takes_the_style_of_its_database(db):
    blocking = db.with_style("blocking")
    blocking.save({"_id": "a", "n": 1})
    doc = blocking.get("a")

    async def main():
        doc.n = 2
        doc.store()
        found = await db.get("a")
        assert found.n == 2
        future = found.reload()
        assert isinstance(future, asyncio.Future)
        assert await future is found

    asyncio.run(main())


def test_a_view_of_documents_is_pickled_without_its_database(call, db):
    call(db.save, {"_id": "a", "n": 1})
    found = pickle.loads(pickle.dumps(call(db.view, "_all_docs", include_docs=True)))
    assert found[0].doc.n == 1
    with pytest.raises(ValueError, match="came from no database"):
        found[0].doc.store()


def test_a_class_that_is_no_document_stays_what_it_is(call, db, monkeypatch):
    call(db.save, {"_id": "a", "n": 1})
    monkeypatch.setattr(defaults, "document", dict)
    assert type(call(db.get, "a")) is dict
    assert type(call(db.view, "_all_docs", include_docs=True)[0].doc) is dict
