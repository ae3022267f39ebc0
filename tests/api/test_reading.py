"""Reading documents: by id, many at once, at certain revisions, and as a container."""

from __future__ import annotations

import asyncio
import re

import pytest

from corduroy import Document, NotFound, defaults
from corduroy.documents import AttrDict


@pytest.fixture
def store(db):
    """Save documents, blocking."""
    return db.with_style("blocking").save


def test_get_gives_a_document(call, staff):
    doc = call(staff.get, "p0")
    assert type(doc) is Document
    assert (doc._id, doc.first, doc.age) == ("p0", "Ann", 20)
    assert re.fullmatch(r"1-[0-9a-f]{32}", doc._rev)


def test_get_raises_where_there_is_no_document(call, staff):
    with pytest.raises(NotFound) as caught:
        call(staff.get, "nobody")
    error = caught.value
    assert (error.code, error.error, error.reason) == (404, "not_found", "missing")
    assert error.method == "GET"
    assert error.url == f"{staff.url}/nobody"


def test_get_raises_where_there_is_no_database(call, couch):
    with pytest.raises(NotFound) as caught:
        call(couch.database("no-such-database").get, "x")
    assert caught.value.reason != "missing"


def test_get_raises_where_the_document_was_deleted(call, db, store, classic):
    doc = {"_id": "a"}
    store(doc)
    call(db.delete, doc)
    with pytest.raises(NotFound) as caught:
        call(db.get, "a")
    assert caught.value.reason == ("missing" if classic else "deleted")


def test_get_of_a_list_keeps_its_order_and_has_none_where_something_is_missing(call, db, store):
    gone = {"_id": "gone"}
    store([gone, *({"_id": id, "n": id} for id in "abc")])
    call(db.delete, gone)
    found = call(db.get, ["c", "nobody", "a", "gone", "c"])
    assert [doc and doc.n for doc in found] == ["c", None, "a", None, "c"]
    assert all(type(doc) is Document for doc in found if doc is not None)
    assert call(db.get, []) == []
    assert [doc.n for doc in call(db.get, (id for id in "ab"))] == ["a", "b"]


def test_get_of_a_list_takes_the_options_of_views(call, staff):
    found = call(staff.get, ["p0", "p1"], descending=False, conflicts=True)
    assert [doc.first for doc in found] == ["Ann", "Bob"]


def test_get_of_nothing_gives_the_first_fifty(call, db, store):
    store([{"_id": f"d{n:02}"} for n in range(60)])
    found = call(db.get)
    assert [doc._id for doc in found] == [f"d{n:02}" for n in range(50)]
    assert len(call(db.get, limit=3)) == 3
    assert call(db.get, limit=1, descending=True)[0]._id == "d59"


def test_get_gives_what_class_of_document_the_defaults_say(call, staff, monkeypatch):
    class Person(Document):
        __slots__ = ()

    monkeypatch.setattr(defaults, "document", Person)
    assert type(call(staff.get, "p0")) is Person
    assert [type(doc) for doc in call(staff.get, ["p0", "p1"])] == [Person, Person]


# -- revisions ------------------------------------------------------------------------------------


@pytest.fixture
def history(db, store):
    """A document that was saved three times; gives its revisions, the oldest first."""
    doc, revs = {"_id": "a"}, []
    for n in range(3):
        doc["n"] = n
        store(doc)
        revs.append(doc["_rev"])
    return revs


def test_an_old_revision_can_be_fetched(call, db, history):
    assert call(db.get, "a", rev=history[0]).n == 0
    assert call(db.get, "a", rev=None).n == 2
    with pytest.raises(NotFound):
        call(db.get, "a", rev="7-0123456789abcdef0123456789abcdef")


def test_revisions_are_all_of_them_the_newest_first(call, db, history):
    assert call(db.revisions, "a") == history[::-1]
    with pytest.raises(NotFound):
        call(db.revisions, "nobody")


def test_a_document_tells_of_its_revisions_if_it_is_asked(call, db, history):
    doc = call(db.get, "a", revs=True, revs_info=True)
    assert doc._revisions.start == 3
    assert [info.rev for info in doc._revs_info] == history[::-1]
    assert doc._revs_info[0].status == "available"


def test_the_latest_revision_of_a_branch_can_be_asked_for(call, db, history):
    assert call(db.get, "a", rev=history[0], latest=True)._rev == history[-1]
    (leaf,) = call(db.get, "a", open_revs=[history[0]], latest=True)
    assert leaf["ok"]._rev == history[-1]


def test_couchdb_tells_of_deleted_leaves_and_of_the_document_s_place(call, db3):
    winner, other = f"2-{'b' * 32}", f"2-{'a' * 32}"
    leaves = [{"_id": "a", "_rev": rev} for rev in (winner, other)]
    call(db3.save, leaves, new_edits=False)
    assert call(db3.get, "a", conflicts=True)._conflicts == [other]
    gone = call(db3.delete, "a", other)["rev"]
    assert call(db3.get, "a", deleted_conflicts=True)._deleted_conflicts == [gone]
    told = call(db3.get, "a", meta=True)
    assert (told._revs_info[0].rev, told._deleted_conflicts) == (winner, [gone])
    assert call(db3.get, "a", local_seq=True)._local_seq > 0


def test_couchdb_sends_attachments_newer_than_what_the_caller_has(call, db3):
    doc = {"_id": "a", "_attachments": {"old": b"old"}}
    call(db3.save, doc)
    had = doc["_rev"]
    call(db3.put_attachment, doc, b"new" * 100, "new.txt")
    sent = call(db3.get, "a", atts_since=[had])._attachments
    assert ("data" in sent["new.txt"], "data" in sent["old"]) == (True, False)
    told = call(db3.get, "a", att_encoding_info=True)._attachments["new.txt"]
    assert (told.encoding, told.length) == ("gzip", 300)
    assert told.encoded_length < 300


def test_a_revision_that_the_caller_has_is_not_fetched_again(call, db, history):
    assert call(db.get, "a", if_none_match=history[0]).n == 2
    assert call(db.get, "a", if_none_match=history[-1]) is None


def test_open_revisions_are_a_list_of_what_there_is_and_what_is_not(call, db, store, history):
    store({"_id": "a", "_rev": "3-zzz", "n": "other"}, new_edits=False)
    leaves = call(db.get, "a", open_revs="all")
    assert {leaf["ok"].n for leaf in leaves} == {2, "other"}
    assert all(type(leaf["ok"]) is Document for leaf in leaves)
    wanted = [history[-1], "9-abc"]
    assert call(db.get, "a", open_revs=wanted)[0]["ok"].n == 2
    assert call(db.get, "a", open_revs=wanted)[1] == {"missing": "9-abc"}
    assert call(db.get, "a", open_revs=None)._id == "a"


def test_conflicts_are_told_if_asked_for(call, db, store, history):
    store({"_id": "a", "_rev": "3-zzz", "n": "other"}, new_edits=False)
    winner = call(db.get, "a", conflicts=True)
    assert winner._conflicts == [({history[-1], "3-zzz"} - {winner._rev}).pop()]


def test_bulk_get_fetches_documents_at_revisions(call, db, store, history):
    wanted = [{"id": "a", "rev": history[0]}, {"id": "no"}, {"id": "a"}, {"id": "a", "rev": None}]
    old, nobody, new, current = call(db.bulk_get, wanted)
    assert (old.n, nobody, new.n, current) == (0, None, 2, new)
    assert type(old) is Document
    assert call(db.bulk_get, []) == []
    store({"_id": "b", "n": 9})
    wanted = [
        ("a", history[2]),
        ("b", "1-abc"),
        ("no", "1-abc"),
        ("a", history[0]),
        ("a", history[2]),
    ]
    found = call(db.bulk_get, [{"id": id, "rev": rev} for id, rev in wanted])
    assert [doc and (doc._id, doc._rev) for doc in found] == [
        ("a", history[2]), None, None, ("a", history[0]), ("a", history[2])
    ]  # fmt: skip


def test_bulk_get_fetches_histories_and_what_is_attached_if_asked(call, db, store, history):
    store(
        {"_id": "b", "_attachments": {"note": {"content_type": "text/plain", "data": "aGVsbG8="}}}
    )
    ids = [{"id": "a"}, {"id": "b"}]
    a, b = call(db.bulk_get, ids, revs=True, attachments=True)
    known = enumerate(a["_revisions"]["ids"])
    assert [f"{a['_revisions']['start'] - at}-{digest}" for at, digest in known] == history[::-1]
    assert b["_attachments"]["note"]["data"] == "aGVsbG8="
    a, b = call(db.bulk_get, ids, revs=False)
    assert "_revisions" not in a
    assert b["_attachments"]["note"]["stub"] is True
    with pytest.raises(TypeError, match=r"bulk_get.*revs"):
        call(db.bulk_get, ids, rev=True)


def test_head_tells_of_a_document_without_fetching_it(call, db, history):
    head = call(db.head, "a")
    assert type(head) is AttrDict
    assert head.rev == history[-1]
    assert head.size is None or head.size > 0
    assert "GMT" in head.date
    with pytest.raises(NotFound):
        call(db.head, "nobody")


# -- local and design documents -------------------------------------------------------------------


@pytest.mark.parametrize("id", ["_local/mark", "_design/things", "_local/a/b?c", "_design/ä ö"])
def test_documents_of_couchdb_s_own_kinds_are_read_and_written_as_others_are(call, db, id):
    doc = {"_id": id, "language": "javascript", "note": "1"}
    call(db.save, doc)
    assert call(db.get, id) == doc
    assert call(db.head, id).rev == doc["_rev"]
    doc["note"] = "2"
    call(db.save, doc)
    assert call(db.get, id).note == "2"
    assert call(db.delete, id)["id"] == id
    with pytest.raises(NotFound):
        call(db.get, id)


# -- as a container -------------------------------------------------------------------------------


def test_a_database_is_a_container_of_documents(db):
    db["a"] = doc = {"n": 1}
    assert doc["_id"] == "a"
    assert doc["_rev"].startswith("1-")
    doc["n"] = 2
    db["a"] = doc
    assert db["a"].n == 2
    assert "a" in db
    assert "b" not in db
    db["b"] = {}
    assert list(db) == ["a", "b"]
    assert len(db) == 2
    del db["a"]
    assert "a" not in db
    with pytest.raises(NotFound):
        db["a"]
    with pytest.raises(NotFound):
        del db["a"]


def test_a_database_is_true_if_it_exists(db, couch):
    assert db
    assert not couch.database("no-such-database")


def test_a_document_cannot_be_put_under_the_id_of_another(db):
    doc = {"_id": "a"}
    with pytest.raises(ValueError, match="'b'"):
        db["b"] = doc
    assert doc == {"_id": "a"}
    assert len(db) == 0


@pytest.mark.parametrize(
    ("expression", "named"),
    [
        (lambda db: db["x"], r"database\.get\("),
        (lambda db: db.__setitem__("x", {}), r"database\.save\("),
        (lambda db: db.__delitem__("x"), r"database\.delete\("),
        (lambda db: "x" in db, r"database\.head\("),
        (list, r"database\.view\("),
        (len, r"database\.info\("),
    ],
)
def test_under_a_running_loop_a_container_names_what_to_await(staff, expression, named):
    async def in_loop():
        with pytest.raises(RuntimeError, match=named):
            expression(staff)

    asyncio.run(in_loop())


def test_under_a_running_loop_a_database_is_simply_true(couch):
    async def in_loop():
        database = couch.database("no-such-database")
        assert (database or "another") is database

    asyncio.run(in_loop())
