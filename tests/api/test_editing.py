"""edit and patch: a document is fetched, changed, and saved if it has changed."""

from __future__ import annotations

import asyncio
import io

import pytest

from corduroy import Conflict, Document, Forbidden, NotFound
from tests.api.conftest import Canned


@pytest.fixture(params=["with", "async with"])
def edit(request, db):
    """``edit(id, change, …)``: changes a document by either kind of block."""

    def edit(id, change, **options):
        if request.param == "with":
            with db.edit(id, **options) as doc:
                return change(doc)

        async def in_loop():
            async with db.edit(id, **options) as doc:
                return change(doc)

        return asyncio.run(in_loop())

    return edit


@pytest.fixture
def blocking(db):
    """The same database, for what is done beside."""
    return db.with_style("blocking")


# -- edit -----------------------------------------------------------------------------------------


def test_what_is_changed_in_the_block_is_saved(edit, blocking):
    blocking.save({"_id": "a", "n": 1, "tags": {"list": [{"x": 1}]}})

    def change(doc):
        assert type(doc) is Document
        doc.n = 2
        doc.tags.list[0].x = 3
        return doc

    doc = edit("a", change)
    assert blocking.get("a") == doc == {
        "_id": "a", "_rev": doc._rev, "n": 2, "tags": {"list": [{"x": 3}]}
    }  # fmt: skip
    assert doc._rev.startswith("2-")


def test_nothing_is_saved_if_nothing_has_changed(edit, blocking):
    blocking.save({"_id": "a", "n": 1, "list": [1.0, {"x": True}]})

    def change(doc):
        doc.list[1].x = bool(doc.n)
        doc.n += 1
        doc.n -= 1
        doc["list"] = [*doc.list]

    edit("a", change)
    assert blocking.get("a")._rev.startswith("1-")


@pytest.mark.parametrize("value", [True, 1.0, "1", [1], None])
def test_a_value_of_another_kind_is_a_change(edit, blocking, value):
    blocking.save({"_id": "a", "n": 1})
    edit("a", lambda doc: doc.update(n=value))
    assert blocking.get("a")._rev.startswith("2-")


def test_nothing_is_saved_if_the_block_raises(edit, blocking):
    blocking.save({"_id": "a", "n": 1})

    def change(doc):
        doc.n = 2
        raise KeyError("own")

    with pytest.raises(KeyError, match="own"):
        edit("a", change)
    assert blocking.get("a").n == 1


def test_a_conflict_is_raised_or_merged(edit, blocking):
    blocking.save({"_id": "a", "n": 1})

    def change(doc):
        blocking.patch("a", {"n": doc.n + 10})
        doc.m = 1

    with pytest.raises(Conflict):
        edit("a", change)
    assert blocking.get("a").n == 11
    edit("a", change, merge=lambda local, server: {**server, "m": local["m"]})
    found = blocking.get("a")
    assert (found.n, found.m) == (21, 1)


def test_what_is_missing_is_not_found_unless_it_is_to_be_created(edit, blocking):
    with pytest.raises(NotFound):
        edit("a", lambda doc: doc.update(n=1))
    edit("a", lambda doc: doc, create_if_missing=True)
    assert list(blocking.ids()) == []
    edit("a", lambda doc: doc.update(n=1), create_if_missing=True)
    edit("a", lambda doc: doc.update(m=1), create_if_missing=True)
    found = blocking.get("a")
    assert (found.n, found.m) == (1, 1)
    blocking.delete("a")
    edit("a", lambda doc: doc.update(n=2), create_if_missing=True)
    assert blocking.get("a") == {"_id": "a", "_rev": blocking.get("a")._rev, "n": 2}


def test_a_database_that_is_missing_is_not_created(couch):
    nowhere = couch.with_style("blocking").database("nowhere")
    with pytest.raises(NotFound), nowhere.edit("a", create_if_missing=True):
        pytest.fail("there is nothing to edit")


def test_files_are_attached_by_an_edit(edit, blocking):
    blocking.save({"_id": "a"})
    edit("a", lambda doc: doc.update(_attachments={"f.txt": io.BytesIO(b"content")}))
    assert blocking.get_attachment("a", "f.txt") == b"content"


def test_a_document_is_deleted_by_an_edit(edit, blocking):
    blocking.save({"_id": "a"})
    edit("a", lambda doc: doc.update(_deleted=True))
    assert not list(blocking.ids())


def test_a_local_document_is_edited(edit, blocking):
    edit("_local/a", lambda doc: doc.update(n=1), create_if_missing=True)
    edit("_local/a", lambda doc: doc.update(n=doc.n + 1))
    assert blocking.get("_local/a").n == 2


def test_an_edit_leaves_id_and_rev_alone(edit, blocking):
    blocking.save({"_id": "a"})
    for name in ("_id", "_rev"):
        with pytest.raises(ValueError, match=f"{name} must stay as it is"):
            edit("a", lambda doc, name=name: doc.update({name: "1-b"}))
    assert list(blocking.ids()) == ["a"]


def test_the_block_must_suit_the_style(db, blocking):
    blocking.save({"_id": "a"})

    async def in_loop():
        with pytest.raises(RuntimeError, match="use `async with` instead"), db.edit("a"):
            pytest.fail("this blocks the loop")
        with pytest.raises(TypeError, match="edited by `with`"):
            async with blocking.edit("a"):
                pytest.fail("this blocks the loop")
        with blocking.edit("a") as doc:
            doc.n = 1
        async with db.with_style("future").edit("a") as doc:
            doc.n += 1

    asyncio.run(in_loop())
    assert blocking.get("a").n == 2


def test_bad_input_of_an_edit_is_told_at_once(db):
    with pytest.raises(ValueError, match="id must not be empty"):
        db.edit("")
    with pytest.raises(TypeError, match="merge must be callable"):
        db.edit("a", merge=3)


# -- patch ----------------------------------------------------------------------------------------


def test_some_fields_are_set(call, db):
    call(db.save, {"_id": "a", "n": 1, "m": {"x": 1}})
    doc = call(db.patch, "a", {"n": 2, "m": {"y": 1}})
    assert doc == call(db.get, "a") == {"_id": "a", "_rev": doc._rev, "n": 2, "m": {"y": 1}}
    assert type(doc) is Document
    doc.n = 3
    call(doc.store)


def test_nothing_is_saved_if_the_fields_have_these_values(call, db):
    call(db.save, {"_id": "a", "n": 1, "m": {"x": [1]}})
    assert call(db.patch, "a", {"n": 1, "m": {"x": [1]}})._rev.startswith("1-")
    assert call(db.patch, "a", {})._rev.startswith("1-")
    assert call(db.patch, "a", {"n": True})._rev.startswith("2-")


def test_a_patch_creates_nothing(call, db):
    with pytest.raises(NotFound):
        call(db.patch, "a", {"n": 1})
    call(db.save, {"_id": "a"})
    call(db.delete, "a")
    with pytest.raises(NotFound):
        call(db.patch, "a", {"n": 1})
    assert call(db.ids().all) == []


def test_many_patches_at_once_are_all_made(db):
    db.with_style("blocking").save({"_id": "a"})

    async def main():
        await asyncio.gather(*(db.patch("a", {f"field{n}": n}) for n in range(10)))

    asyncio.run(main())
    found = db.get("a")
    assert {name: value for name, value in found.items() if name[0] != "_"} == {
        f"field{n}": n for n in range(10)
    }


def test_a_patch_that_a_validation_refuses_raises(call, guarded):
    call(guarded.save, {"_id": "a", "n": 1})
    with pytest.raises(Forbidden):
        call(guarded.patch, "a", {"bad": True})
    assert call(guarded.get, "a").n == 1


def test_attachments_are_added_by_a_patch(call, db):
    call(db.save, {"_id": "a", "_attachments": {"f.txt": b"one"}})
    doc = call(db.patch, "a", {"_attachments": {"g.txt": io.BytesIO(b"two")}})
    assert {name: stub.stub for name, stub in doc._attachments.items()} == {
        "f.txt": True,
        "g.txt": True,
    }
    doc.n = 1
    call(doc.store)
    for name, content in (("f.txt", b"one"), ("g.txt", b"two")):
        assert call(db.get_attachment, "a", name) == content


def test_a_document_deleted_in_the_midst_of_a_patch_is_not_found(call, canned_db, canned):
    deleted = {
        "rows": [{"id": "a", "key": "a", "doc": None, "value": {"rev": "2-b", "deleted": True}}]
    }

    def answer(request):
        if request.method == "PUT":
            return Canned(409, b'{"error":"conflict","reason":"too late"}')
        if request.method == "POST":
            return deleted
        if len(canned.asked) > 1:
            return Canned(404, b'{"error":"not_found","reason":"deleted"}')
        return {"_id": "a", "_rev": "1-a"}

    canned.answer = answer
    with pytest.raises(NotFound, match="deleted"):
        call(canned_db.patch, "a", {"n": 1})


def test_bad_input_of_a_patch_is_told_at_the_call(refused, db):
    refused(TypeError, "changes must be a dict, not 3", db.patch, "a", 3)
    refused(ValueError, "changes must not have '_rev'", db.patch, "a", {"_rev": "1-a"})
    refused(ValueError, r"changes\['n'\] is nan", db.patch, "a", {"n": float("nan")})
    refused(TypeError, r"changes\['_attachments'\]\['f'\] must be", db.patch, "a",
            {"_attachments": {"f": 3}})  # fmt: skip
    refused(ValueError, "id must not be empty", db.patch, "", {})
