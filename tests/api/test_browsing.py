"""Going through a whole database: ids, all documents, and those that have conflicts."""

from __future__ import annotations

import pytest

from corduroy import Document, NotFound


@pytest.fixture
def letters(db):
    """A database of the documents ``a`` to ``e``."""
    db.with_style("blocking").save([{"_id": letter, "n": at} for at, letter in enumerate("abcde")])
    return db


def ids(docs):
    return [doc._id for doc in docs]


def test_the_ids_are_listed(gone_through, letters):
    assert gone_through(letters.ids) == ["a", "b", "c", "d", "e"]
    assert gone_through(letters.ids, startkey="b", endkey="d", inclusive_end=False) == ["b", "c"]
    assert gone_through(letters.ids, descending=True, limit=2, skip=1) == ["d", "c"]


def test_all_documents_come_once_and_know_their_database(gone_through, letters):
    docs = gone_through(letters.docs)
    assert ids(docs) == ["a", "b", "c", "d", "e"]
    assert {type(doc) for doc in docs} == {Document}
    docs[0].n = 7
    letters.with_style("blocking").save(docs[0])
    assert docs[0]._rev.startswith("2-")


def test_a_part_of_the_documents_in_either_direction(gone_through, letters):
    assert ids(gone_through(letters.docs, startkey="b", endkey="d")) == ["b", "c", "d"]
    down = {"descending": True, "startkey": "d", "endkey": "b", "inclusive_end": False}
    assert ids(gone_through(letters.docs, **down)) == ["d", "c"]
    assert ids(gone_through(letters.docs, limit=2, skip=1)) == ["b", "c"]


def test_documents_by_their_ids_in_the_order_asked_for(gone_through, letters):
    letters.with_style("blocking").delete("b")
    docs = gone_through(letters.docs, keys=["d", "nobody", "a", "b", "d"])
    assert [doc and doc._id for doc in docs] == ["d", None, "a", None, "d"]
    assert gone_through(letters.docs, keys=[]) == []


def test_no_documents_at_all(gone_through, db):
    assert gone_through(db.docs) == []
    assert gone_through(db.ids) == []
    assert gone_through(db.conflicted) == []


def test_documents_of_a_stream_can_be_changed_and_deleted_on_the_way(letters):
    blocking = letters.with_style("blocking")
    for doc in blocking.docs():
        if doc.n % 2:
            blocking.delete(doc)
        else:
            doc.n += 10
            doc.store()
    assert {doc._id: doc.n for doc in blocking.docs()} == {"a": 10, "c": 12, "e": 14}


def test_attachments_come_with_the_documents_if_asked_for(gone_through, letters):
    letters.with_style("blocking").put_attachment("c", b"content", "f.txt")
    (doc,) = gone_through(letters.docs, attachments=True, startkey="c", endkey="c")
    assert doc._attachments["f.txt"].data == "Y29udGVudA=="


def test_documents_that_have_conflicts_are_found(gone_through, letters):
    blocking = letters.with_style("blocking")
    for id in ("b", "d"):
        blocking.save({"_id": id, "_rev": f"1-{'0' * 32}", "n": 9}, new_edits=False)
    found = gone_through(letters.conflicted)
    assert ids(found) == ["b", "d"]
    assert [doc._conflicts for doc in found] == [[f"1-{'0' * 32}"]] * 2
    for doc in found:
        blocking.conflicts(doc._id).overwrite()
    assert gone_through(letters.conflicted) == []


def test_a_database_that_is_missing_is_not_found(gone_through, couch):
    with pytest.raises(NotFound):
        gone_through(couch.database("nowhere").docs)


def test_bad_input_is_told_at_the_call(db):
    for method, kind, words, options in (
        (
            db.ids,
            TypeError,
            "ids has no option 'startkay': did you mean 'startkey'",
            {"startkay": 1},
        ),
        (db.docs, TypeError, "docs has no option 'group'", {"group": True}),
        (db.docs, TypeError, "keys must be a list, not 'abc'", {"keys": "abc"}),
        (db.docs, TypeError, "resume must be", {"resume": "yes"}),
        (db.docs, TypeError, "callback must be callable", {"callback": 3}),
        (db.stream, TypeError, "a view has no option 'queries'", {"name": "a/b", "queries": []}),
        (db.stream, ValueError, "name must be 'ddoc/function'", {"name": "nothing"}),
    ):
        with pytest.raises(kind, match=words):
            method(**options)
