"""Conflicts: what is told of them, and what merge, force, resolve and overwrite make of them."""

from __future__ import annotations

import copy
import pickle

import pytest

from corduroy import Conflict, ConflictResolution, Document, Forbidden, HTTPError


@pytest.fixture
def other(db):
    """The database as another client uses it: blocking."""
    return db.with_style("blocking")


@pytest.fixture
def clash(other):
    """A function that saves documents of some ids, with ``n`` = 1, and gives local ones with 2 that are
    in conflict with them."""

    def make(*ids):
        other.save([{"_id": id, "n": 1} for id in ids])
        return [{"_id": id, "n": 2} for id in ids]

    return make


# -- what is told ---------------------------------------------------------------------------------


def test_one_document_in_conflict_raises_what_tells_of_it(call, db, clash):
    (doc,) = clash("a")
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    conflict = caught.value
    assert type(conflict) is ConflictResolution
    assert isinstance(conflict, HTTPError)
    assert (conflict.code, conflict.error) == (409, "conflict")
    assert conflict.reason.startswith("Document update conflict")
    assert conflict.resolved == {}
    (entry,) = conflict.pending.values()
    assert entry["doc"] is doc
    assert entry["error"] == "conflict"
    assert entry["reason"].startswith("Document update conflict")
    assert type(entry["server_doc"]) is Document
    assert (entry["server_doc"]._id, entry["server_doc"].n) == ("a", 1)
    assert repr(conflict) == "<Conflict: a>"


def test_a_list_with_conflicts_is_returned_and_the_rest_of_it_is_saved(call, db, clash):
    docs = [{"_id": "x"}, *clash("second"), {"_id": "y"}, *clash("fourth")]
    saved = call(db.save, docs)
    assert list(saved.resolved) == ["x", "y"]
    assert list(saved.pending) == ["second", "fourth"]
    assert [doc.get("_rev", "none")[:2] for doc in docs] == ["1-", "no", "1-", "no"]
    assert saved.pending["second"]["server_doc"].n == 1
    assert repr(saved) == "<Conflict: second, fourth>"


def test_a_server_s_deletion_is_its_side_of_a_conflict(call, db, other):
    doc = {"_id": "a", "n": 1}
    other.save(doc)
    gone = other.delete(doc)
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    assert caught.value.pending["a"]["server_doc"] == {
        "_id": "a",
        "_rev": gone["rev"],
        "_deleted": True,
    }


def test_a_conflict_with_nothing_at_all_is_told_as_one_with_a_deletion(call, db):
    doc = {"_id": "a", "_rev": "1-0123456789abcdef0123456789abcdef"}
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    assert caught.value.pending["a"]["server_doc"] == {"_id": "a", "_deleted": True}


def test_the_same_id_twice_in_a_list_is_a_conflict_of_the_second(call, db):
    docs = [{"_id": "a", "n": 1}, {"_id": "a", "n": 2}]
    saved = call(db.save, docs)
    assert docs[0]["_rev"].startswith("1-")
    assert docs[1] == {"_id": "a", "n": 2}
    assert saved.pending["a"]["doc"] is docs[1]


# -- force and overwrite --------------------------------------------------------------------------


def test_force_saves_over_what_the_server_has(call, db, clash):
    docs = clash("a", "b", "c")
    saved = call(db.save, docs[0], force=True)
    assert saved.pending == {}
    assert docs[0]["_rev"].startswith("2-")
    saved = call(db.save, docs[1:], force=True)
    assert list(saved.resolved) == ["b", "c"]
    assert [doc.n for doc in call(db.get, ["a", "b", "c"])] == [2, 2, 2]
    assert call(db.get, ["a", "b", "c"]) == docs


def test_overwrite_saves_what_is_pending_and_nothing_else(call, db, clash):
    docs = [{"_id": "x"}, *clash("a", "b")]
    saved = call(db.save, docs)
    again = call(saved.overwrite)
    assert again is saved
    assert saved.pending == {}
    assert sorted(saved.resolved) == ["a", "b", "x"]
    assert [doc["_rev"][:2] for doc in docs] == ["1-", "2-", "2-"]
    assert call(db.get, ["x", "a", "b"]) == docs


def test_a_caught_conflict_can_be_overwritten(call, db, clash):
    (doc,) = clash("a")
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    resolved = call(caught.value.overwrite)
    assert resolved.resolved["a"] is doc
    assert call(db.get, "a") == doc


def test_force_saves_over_a_deletion_and_over_nothing(call, db, other):
    deleted = {"_id": "a", "n": 1}
    other.save(deleted)
    other.delete(deleted)
    call(db.save, deleted, force=True)
    assert call(db.get, "a") == deleted
    unknown = {"_id": "b", "_rev": "7-0123456789abcdef0123456789abcdef", "n": 2}
    call(db.save, unknown, force=True)
    assert unknown["_rev"].startswith("1-")
    assert call(db.get, "b") == unknown


def test_force_deletes_what_the_server_has(call, db, clash):
    (doc,) = clash("a")
    call(db.save, {**doc, "_deleted": True}, force=True)
    assert call(db.get, ["a"]) == [None]


def test_local_documents_are_overwritten_as_well(call, db, other):
    other.save({"_id": "_local/a", "n": 1})
    call(db.save, {"_id": "_local/a", "_rev": "0-7", "n": 2}, force=True)
    assert call(db.get, "_local/a").n == 2


def test_what_a_validation_function_forbids_is_pending_and_never_overwritten(call, guarded):
    docs = [{"_id": "a"}, {"_id": "b", "bad": True}]
    for options in ({}, {"force": True}, {"merge": lambda local, server: local}):
        saved = call(guarded.save, docs, **options)
        assert list(saved.pending) == ["b"]
        entry = saved.pending["b"]
        assert (entry["error"], entry["reason"]) == ("forbidden", "no bad documents")
        assert entry["doc"] is docs[1]
        assert entry["server_doc"] is None
        call(saved.overwrite)
        call(saved.resolve, lambda local, server: local)
        assert list(saved.pending) == ["b"]
        assert docs[1] == {"_id": "b", "bad": True}
    assert call(guarded.get, ["b"]) == [None]


def test_a_merge_that_is_forbidden_raises_for_one_document_and_leaves_it_as_it_was(call, guarded):
    call(guarded.save, {"_id": "a"})
    doc = {"_id": "a", "n": 2}
    with pytest.raises(Forbidden) as caught:
        call(guarded.save, doc, merge=lambda local, server: {**local, "bad": True})
    assert (caught.value.code, caught.value.reason) == (403, "no bad documents")
    assert doc == {"_id": "a", "n": 2}


# -- merge and resolve ----------------------------------------------------------------------------


def _sum(local, server):
    server["n"] += local["n"]
    return server


def test_a_merge_gets_local_and_server_and_what_it_returns_is_saved(call, db, clash):
    docs = clash("a", "b", "c")
    saved = call(db.save, docs[0], merge=_sum)
    assert saved.resolved["a"] is docs[0]
    assert docs[0] == {"_id": "a", "_rev": docs[0]["_rev"], "n": 3}
    saved = call(db.save, docs[1:], merge=_sum)
    assert saved.pending == {}
    assert call(db.get, ["a", "b", "c"]) == docs
    assert [doc["n"] for doc in docs] == [3, 3, 3]


def test_a_merge_is_not_asked_where_there_is_no_conflict(call, db):
    def merge(local, server):
        raise AssertionError

    call(db.save, {"_id": "a"}, merge=merge)
    call(db.save, [{"_id": "b"}], merge=merge)


def test_resolve_merges_what_a_save_has_left(call, db, clash):
    docs = clash("a", "b")
    saved = call(db.save, docs)
    assert call(saved.resolve, _sum) is saved
    assert repr(saved) == "<Success: 2 docs updated>"
    assert [doc["n"] for doc in docs] == [3, 3]


def test_a_merge_that_returns_none_leaves_the_conflict(call, db, clash):
    docs = clash("a", "b", "c")
    before = copy.deepcopy(docs)
    saved = call(db.save, docs, merge=lambda local, server: None if local["_id"] == "b" else local)
    assert list(saved.pending) == ["b"]
    assert list(saved.resolved) == ["a", "c"]
    assert docs[1] == before[1]
    with pytest.raises(Conflict) as caught:
        call(db.save, docs[1], merge=lambda local, server: None)
    assert list(caught.value.pending) == ["b"]
    assert docs[1] == before[1]


def test_a_merge_works_on_copies(call, db, other):
    other.save({"_id": "a", "inner": {"n": 1}})
    doc = {"_id": "a", "inner": {"n": 2}, "list": [[1]]}
    before = copy.deepcopy(doc)

    def spoil(local, server):
        local["inner"]["n"] = local["list"][0][0] = server["inner"]["n"] = "spoilt"
        local["new"] = server["new"] = 1

    with pytest.raises(Conflict) as caught:
        call(db.save, doc, merge=spoil)
    assert doc == before
    assert caught.value.pending["a"]["server_doc"].inner == {"n": 1}
    assert "new" not in caught.value.pending["a"]["server_doc"]


def test_a_merge_may_return_any_mapping_and_forget_id_and_revision(call, db, clash):
    (doc,) = clash("a")
    inner = doc["inner"] = {"x": 1}
    call(db.save, doc, merge=lambda local, server: {"n": 9, "inner": inner})
    assert doc == {"n": 9, "inner": inner, "_id": "a", "_rev": doc["_rev"]}
    assert call(db.get, "a") == doc


def test_a_merge_gets_documents_that_know_the_dot_where_it_gave_such(call, db, clash):
    clash("a")
    doc = Document(_id="a", inner={"x": 1})

    def merge(local, server):
        assert local.inner.x == 1
        server.inner = local.inner
        return server

    call(db.save, doc, merge=merge)
    assert (doc.n, doc.inner.x) == (1, 1)


def test_a_merge_can_decide_for_deletion_or_against_it(call, db, other):
    docs = [{"_id": id, "n": 1} for id in "ab"]
    other.save(docs)
    for doc in docs:
        other.delete(doc)

    def merge(local, server):
        assert server._deleted
        return server if local["_id"] == "a" else local

    call(db.save, docs, merge=merge)
    assert [doc and doc.n for doc in call(db.get, ["a", "b"])] == [None, 1]


def test_what_a_merge_raises_reaches_the_caller_and_changes_nothing(call, db, clash):
    (doc,) = clash("a")
    before = copy.deepcopy(doc)

    def merge(local, server):
        raise LookupError("no idea")

    with pytest.raises(LookupError, match="no idea"):
        call(db.save, doc, merge=merge)
    assert doc == before
    assert call(db.get, "a").n == 1


@pytest.mark.parametrize(("result", "words"), [("text", "dict or None"), ({"x": {1}}, r"\['x'\]")])
def test_a_merge_that_returns_nonsense_is_told_so(call, db, clash, result, words):
    (doc,) = clash("a")
    with pytest.raises(TypeError, match=words):
        call(db.save, doc, merge=lambda local, server: result)
    assert doc == {"_id": "a", "n": 2}


def test_a_merge_is_asked_again_while_the_database_is_busy(call, db, other, clash):
    """Somebody else saves twice between what the merge was shown and what it returns."""
    (doc,) = clash("a")
    seen = []

    def merge(local, server):
        seen.append(server["n"])
        if len(seen) <= 2:
            _meanwhile(other, {**server, "n": server["n"] + 100})
        return {**local, "n": local["n"] + server["n"]}

    call(db.save, doc, merge=merge)
    assert seen == [1, 101, 201]
    assert doc["n"] == 203
    assert call(db.get, "a") == doc


def _meanwhile(other, doc):
    """Save from within a merge, which may be called on a running loop."""
    other.save(dict(doc))


def test_of_many_only_those_that_moved_are_merged_again(call, db, other, clash):
    docs = clash("a", "b", "c")
    seen = []

    def merge(local, server):
        seen.append((local["_id"], server["n"]))
        if seen.count(("b", 1)) == 1 and local["_id"] == "b" and server["n"] == 1:
            other.save({**server, "n": 50})
        return _sum(local, server)

    saved = call(db.save, docs, merge=merge)
    assert seen == [("a", 1), ("b", 1), ("c", 1), ("b", 50)]
    assert [doc["n"] for doc in docs] == [3, 52, 3]
    assert saved.pending == {}
    assert call(db.get, ["a", "b", "c"]) == docs


def test_force_wins_in_a_busy_database(call, db, other, clash):
    """The conflict was found out about before somebody else saved once more."""
    (doc,) = clash("a")
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    newer = other.get("a")
    newer.n = 77
    other.save(newer)
    call(caught.value.overwrite)
    assert call(db.get, "a") == doc
    assert doc["n"] == 2
    assert doc["_rev"].startswith("3-")


def test_attachments_take_part_in_a_merge(call, db, other, tmp_path):
    other.save({"_id": "a", "n": 1})
    path = tmp_path / "file.txt"
    path.write_bytes(b"content")
    with path.open("rb") as file:
        doc = {"_id": "a", "_attachments": {"file.txt": file, "b": {"data": b"bytes"}}}
        call(db.save, doc, merge=lambda local, server: {**server, **local})
    assert doc["n"] == 1
    assert doc["_attachments"]["file.txt"]["stub"] is True
    assert call(db.get_attachment, "a", "file.txt") == b"content"
    assert call(db.get_attachment, "a", "b") == b"bytes"


# -- as a value -----------------------------------------------------------------------------------


def test_a_resolution_pickles_but_knows_no_database_any_more(call, db, clash):
    with pytest.raises(Conflict) as caught:
        call(db.save, clash("a")[0])
    again = pickle.loads(pickle.dumps(caught.value))
    assert type(again) is ConflictResolution
    assert again.pending == caught.value.pending
    assert type(again.pending["a"]["server_doc"]) is Document
    assert repr(again) == "<Conflict: a>"
    assert (again.code, again.error, again.reason) == (409, "conflict", caught.value.reason)
    with pytest.raises(RuntimeError, match="unpickled"):
        again.overwrite()


def test_a_success_is_a_resolution_that_was_not_raised(call, db):
    saved = call(db.save, [{"_id": "a"}])
    again = pickle.loads(pickle.dumps(saved))
    assert again.resolved == saved.resolved
    assert repr(again) == "<Success: 1 doc updated>"
