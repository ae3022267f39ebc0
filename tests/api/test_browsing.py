"""Going through a whole database: ids, all documents, and those that have conflicts."""

from __future__ import annotations

import asyncio

import pytest

from corduroy import Document, NotFound


@pytest.fixture
def letters(db):
    """A database of the documents ``a`` to ``e``."""
    db.with_style("blocking").save([{"_id": letter, "n": at} for at, letter in enumerate("abcde")])
    return db


@pytest.fixture(params=["for", "async for", "all"])
def gone_through(request):
    """``gone_through(stream)``: a list of what a stream gives, in each way to go through it."""

    async def in_loop(stream):
        return [item async for item in stream]

    def gone_through(stream):
        if request.param == "for":
            return list(stream)
        return asyncio.run(in_loop(stream)) if request.param == "async for" else stream.all()

    return gone_through


def ids(docs):
    return [doc._id for doc in docs]


def test_the_ids_are_listed(call, letters):
    assert call(letters.ids) == ["a", "b", "c", "d", "e"]
    assert call(letters.ids, startkey="b", endkey="d", inclusive_end=False) == ["b", "c"]
    assert call(letters.ids, descending=True, limit=2, skip=1) == ["d", "c"]


@pytest.mark.parametrize("page", [1, 2, 5, 6, 200])
def test_all_documents_come_once_whatever_the_page(letters, gone_through, page):
    docs = gone_through(letters.docs(page))
    assert ids(docs) == ["a", "b", "c", "d", "e"]
    assert {type(doc) for doc in docs} == {Document}


def test_a_part_of_the_documents_in_either_direction(letters, gone_through):
    assert ids(gone_through(letters.docs(2, startkey="b", endkey="d"))) == ["b", "c", "d"]
    down = letters.docs(2, descending=True, startkey="d", endkey="b", inclusive_end=False)
    assert ids(gone_through(down)) == ["d", "c"]


def test_no_documents_at_all(db, gone_through):
    assert gone_through(db.docs()) == []
    assert gone_through(db.conflicted()) == []


def test_documents_of_a_stream_can_be_changed_and_deleted_on_the_way(letters):
    blocking = letters.with_style("blocking")
    for doc in blocking.docs(page=2):
        if doc.n % 2:
            blocking.delete(doc)
        else:
            doc.n += 10
            doc.store()
    assert {doc._id: doc.n for doc in blocking.docs()} == {"a": 10, "c": 12, "e": 14}


def test_attachments_come_with_the_documents_if_asked_for(letters, gone_through):
    letters.with_style("blocking").put_attachment("c", b"content", "f.txt")
    (doc,) = gone_through(letters.docs(attachments=True, startkey="c", endkey="c"))
    assert doc._attachments["f.txt"].data == "Y29udGVudA=="


def test_documents_that_have_conflicts_are_found(letters, gone_through):
    blocking = letters.with_style("blocking")
    for id in ("b", "d"):
        blocking.save({"_id": id, "_rev": f"1-{'0' * 32}", "n": 9}, new_edits=False)
    assert ids(gone_through(letters.conflicted())) == ["b", "d"]
    found = gone_through(letters.conflicted(page=1))
    assert ids(found) == ["b", "d"]
    assert [doc._conflicts for doc in found] == [[f"1-{'0' * 32}"]] * 2
    for doc in found:
        blocking.conflicts(doc._id).overwrite()
    assert gone_through(letters.conflicted()) == []


def test_all_at_once_in_every_style(call, letters):
    assert ids(call(letters.docs(2).all)) == ["a", "b", "c", "d", "e"]


def test_a_database_that_is_missing_is_not_found(couch, gone_through):
    with pytest.raises(NotFound):
        gone_through(couch.with_style("auto").database("nowhere").docs())


def test_bad_input_is_told_at_the_call(refused, db):
    refused(TypeError, "ids has no option 'startkay': did you mean 'startkey'", db.ids, startkay=1)
    for stream, words, options in (
        (db.docs, "docs has no option 'limit'", {"limit": 3}),
        (db.docs, "page must be an int of at least 1, not 0", {"page": 0}),
        (db.conflicted, "page must be an int of at least 1, not '3'", {"page": "3"}),
    ):
        with pytest.raises((TypeError, ValueError), match=words):
            stream(**options)
