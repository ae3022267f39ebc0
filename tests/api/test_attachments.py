"""Attachments: put, fetched and deleted one by one."""

from __future__ import annotations

import collections
import errno
import io
import os
import tempfile

import pytest

from corduroy import Conflict, NotFound, RangeNotSatisfiable

BYTES = bytes(range(256)) * 40


class Source:
    """The same content in every form that content may have."""

    def __init__(self, path):
        path.write_bytes(BYTES)
        self.path = path

    async def _async(self):
        for start in range(0, len(BYTES), 1000):
            yield BYTES[start : start + 1000]

    def forms(self):
        yield BYTES
        yield bytearray(BYTES)
        yield memoryview(BYTES)
        yield self.path
        yield io.BytesIO(BYTES)
        yield (BYTES[start : start + 1000] for start in range(0, len(BYTES), 1000))
        yield [BYTES[:10], b"", BYTES[10:]]
        yield self._async()
        with self.path.open("rb") as file:
            yield file
        with self.path.open("rb", buffering=0) as file:
            yield file


@pytest.fixture
def source(tmp_path):
    return Source(tmp_path / "content.bin")


# -- put ------------------------------------------------------------------------------------------


def test_content_comes_in_many_forms(call, db, source):
    doc = {"_id": "a"}
    for at, content in enumerate(source.forms()):
        said = call(db.put_attachment, doc, content, f"{at}.bin")
        assert (said["ok"], said["id"], said["rev"]) == (True, "a", doc["_rev"])
        assert call(db.get_attachment, "a", f"{at}.bin") == BYTES
    assert len(doc["_attachments"]) == 10


def test_text_is_sent_as_utf_8(call, db, tmp_path):
    doc = {"_id": "a"}
    path = tmp_path / "text.txt"
    path.write_text("Grüße", encoding="utf-8")
    call(db.put_attachment, doc, "Grüße", "b.txt")
    with path.open(encoding="utf-8") as file:
        call(db.put_attachment, doc, file)
    for name in ("b.txt", "text.txt"):
        assert call(db.get_attachment, doc, name) == "Grüße".encode()


def test_nothing_is_content_as_well(call, db):
    doc = {"_id": "a"}
    for at, content in enumerate((b"", "", io.BytesIO(), [])):
        call(db.put_attachment, doc, content, f"{at}")
        assert call(db.get_attachment, doc, f"{at}") == b""


def test_large_content_is_attached(call, db):
    doc = {"_id": "a"}
    content = os.urandom(3 * 1024 * 1024)
    call(db.put_attachment, doc, io.BytesIO(content), "large.bin")
    assert call(db.get_attachment, doc, "large.bin") == content


def test_a_file_is_sent_from_where_it_stands(call, db):
    file = io.BytesIO(b"head and tail")
    file.seek(9)
    doc = {"_id": "a"}
    call(db.put_attachment, doc, file, "f")
    assert call(db.get_attachment, doc, "f") == b"tail"


def test_the_document_follows(call, db):
    doc = {"_id": "a", "n": 1}
    call(db.save, doc)
    call(db.put_attachment, doc, b"content", "f.png")
    assert doc["_rev"].startswith("2-")
    stub = doc["_attachments"]["f.png"]
    assert (stub["stub"], stub["content_type"], stub["length"]) == (True, "image/png", 7)
    doc["n"] = 2
    call(db.save, doc)
    call(db.put_attachment, doc, b"more", "g.png")
    doc["n"] = 3
    call(db.save, doc)
    assert call(db.get_attachment, doc, "f.png") == b"content"
    assert call(db.get_attachment, doc, "g.png") == b"more"
    stored = call(db.get, "a")
    assert stored.n == 3
    for name in ("f.png", "g.png"):
        for field in ("stub", "content_type", "revpos", "digest"):
            assert doc["_attachments"][name][field] == stored._attachments[name][field]


def test_any_mutable_mapping_follows(call, db):
    doc = collections.UserDict({"_id": "a"})
    call(db.put_attachment, doc, b"content", "f.txt")
    assert doc["_rev"].startswith("1-")
    assert list(doc["_attachments"]) == ["f.txt"]


def test_an_id_takes_the_document_as_it_is_now_or_creates_it(call, db):
    call(db.put_attachment, "a", b"1", "f")
    call(db.put_attachment, "a", b"2", "f")
    assert call(db.get_attachment, "a", "f") == b"2"
    assert call(db.get, "a")._rev.startswith("2-")


def test_the_name_and_the_type_come_from_the_file_unless_they_are_given(call, db, tmp_path):
    path = tmp_path / "photo.png"
    path.write_bytes(b"png")
    doc = {"_id": "a"}
    call(db.put_attachment, doc, path)
    with path.open("rb") as file:
        call(db.put_attachment, doc, file, "other", "text/x-strange; charset=utf-8")
    call(db.put_attachment, doc, b"?", "unknown")
    kinds = {name: stub.content_type for name, stub in call(db.get, "a")._attachments.items()}
    assert kinds == {
        "photo.png": "image/png",
        "other": "text/x-strange; charset=utf-8",
        "unknown": "application/octet-stream",
    }


def test_content_without_a_name_needs_one(refused, db):
    refused(ValueError, "filename", db.put_attachment, "a", b"content")
    with tempfile.TemporaryFile() as file:  # its name is a number
        refused(ValueError, "filename", db.put_attachment, "a", file)


def test_what_could_not_be_attached_changes_neither_document_nor_file(call, db):
    call(db.save, {"_id": "a"})
    doc = {"_id": "a", "n": 1}
    file = io.BytesIO(b"head and tail")
    file.seek(9)
    with pytest.raises(Conflict):
        call(db.put_attachment, doc, file, "f")
    assert doc == {"_id": "a", "n": 1}
    assert file.tell() == 9
    call(db.put_attachment, "a", file, "f")
    assert call(db.get_attachment, "a", "f") == b"tail"


def test_what_the_content_raises_reaches_the_caller(call, db):
    def pieces():
        yield b"one"
        raise LookupError("no more")

    doc = {"_id": "a"}
    with pytest.raises(LookupError, match="no more"):
        call(db.put_attachment, doc, pieces(), "f")
    assert doc == {"_id": "a"}


@pytest.mark.parametrize(
    "error", [OSError(errno.ENOSPC, "full"), TimeoutError(), ConnectionResetError()], ids=repr
)
def test_what_fails_at_the_callers_end_is_no_failure_of_the_server(call, db, attached, error):
    def pieces():
        yield b"one"
        raise error

    def take(piece):
        raise error

    for method, args, options in (
        (db.put_attachment, ("a", pieces(), "g"), {}),
        (db.get_attachment, ("a", "f.bin"), {"to": take}),
    ):
        with pytest.raises(type(error)) as caught:
            call(method, *args, **options)
        assert caught.value is error
    assert call(db.get_attachment, "a", "f.bin") == BYTES


def test_a_path_that_is_no_file_says_so(call, db, tmp_path):
    with pytest.raises(IsADirectoryError):
        call(db.put_attachment, "a", tmp_path, "f")


def test_content_that_gives_something_else_is_a_type_error(call, db):
    with pytest.raises(TypeError, match="content must give bytes, not 1"):
        call(db.put_attachment, "a", [b"x", 1], "f")


# -- get ------------------------------------------------------------------------------------------


@pytest.fixture
def attached(db):
    """A document with an attachment that the server does not compress."""
    blocking = db.with_style("blocking")
    blocking.put_attachment("a", BYTES, "f.bin", "application/octet-stream")
    return blocking.get("a")


def test_an_attachment_that_is_not_there_is_not_found(call, db, attached):
    for doc, name in (("a", "g"), ("nobody", "f.bin")):
        with pytest.raises(NotFound):
            call(db.get_attachment, doc, name)


def test_an_attachment_of_an_old_revision_can_be_fetched(call, db, attached):
    call(db.put_attachment, "a", b"new", "f.bin")
    assert call(db.get_attachment, "a", "f.bin") == b"new"
    assert call(db.get_attachment, "a", "f.bin", rev=attached._rev) == BYTES


@pytest.mark.parametrize(
    ("wanted", "part"),
    [
        ((0, 9), BYTES[:10]),
        ((10, 10), BYTES[10:11]),
        ((300, None), BYTES[300:]),
        ((10000, 99999), BYTES[10000:]),
    ],
)
def test_a_range_of_bytes_can_be_fetched(call, db, attached, wanted, part):
    assert call(db.get_attachment, "a", "f.bin", range=wanted) == part


def test_a_range_of_a_text_that_the_server_compresses_can_be_fetched(call, db):
    text = b"a line of text\n" * 1000
    call(db.put_attachment, "a", text, "f.txt")
    assert call(db.get_attachment, "a", "f.txt") == text
    assert call(db.get_attachment, "a", "f.txt", range=(5, 99)) == text[5:100]


def test_a_range_beyond_the_end_cannot_be_satisfied(call, db, attached, classic):
    if classic:  # PouchDB Server knows no ranges, and gives the whole
        assert call(db.get_attachment, "a", "f.bin", range=(999999, None)) == b""
        return
    with pytest.raises(RangeNotSatisfiable):
        call(db.get_attachment, "a", "f.bin", range=(999999, None))


def test_an_attachment_can_go_to_a_file(call, db, attached, tmp_path):
    with (tmp_path / "copy").open("wb") as file:
        assert call(db.get_attachment, "a", "f.bin", to=file) == len(BYTES)
    assert (tmp_path / "copy").read_bytes() == BYTES


def test_an_attachment_can_go_to_a_function_which_may_take_its_time(call, db, attached):
    pieces = []

    async def slowly(piece):
        pieces.append(piece)

    for take in (pieces.append, slowly):
        pieces.clear()
        assert call(db.get_attachment, attached, "f.bin", to=take) == len(BYTES)
        assert b"".join(pieces) == BYTES


def test_nothing_goes_to_a_file_where_there_is_no_attachment(call, db):
    file = io.BytesIO()
    with pytest.raises(NotFound) as caught:
        call(db.get_attachment, "nobody", "f", to=file)
    assert file.getvalue() == b""
    assert caught.value.error == "not_found"


# -- delete ---------------------------------------------------------------------------------------


def test_an_attachment_is_deleted_and_the_document_follows(call, db):
    doc = {"_id": "a"}
    call(db.put_attachment, doc, b"1", "f")
    call(db.put_attachment, doc, b"2", "g")
    said = call(db.delete_attachment, doc, "f")
    assert said["rev"] == doc["_rev"]
    assert list(doc["_attachments"]) == ["g"]
    call(db.delete_attachment, doc, "g")
    assert "_attachments" not in doc
    assert call(db.get, "a") == doc


def test_by_an_id_the_current_attachment_is_deleted(call, db, attached):
    call(db.delete_attachment, "a", "f.bin")
    with pytest.raises(NotFound):
        call(db.get_attachment, "a", "f.bin")


def test_an_attachment_is_not_deleted_from_an_old_revision(call, db, attached):
    old = dict(attached)
    call(db.put_attachment, "a", b"new", "f.bin")
    with pytest.raises(Conflict):
        call(db.delete_attachment, old, "f.bin")
    assert old == attached
    assert call(db.get_attachment, "a", "f.bin") == b"new"


# -- with the document ----------------------------------------------------------------------------


def test_attachments_are_saved_with_their_documents(call, db, source):
    for at, content in enumerate([BYTES, bytearray(BYTES), source.path, io.BytesIO(BYTES)]):
        for attachment in (content, {"data": content, "content_type": "text/x-own"}):
            doc = {
                "_id": f"{at}-{type(attachment).__name__}",
                "_attachments": {"f.bin": attachment},
            }
            call(db.save, doc)
            stub = doc["_attachments"]["f.bin"]
            given = isinstance(attachment, dict)
            assert stub["content_type"] == ("text/x-own" if given else "application/octet-stream")
            assert (stub["stub"], stub["length"]) == (True, len(BYTES))
            assert call(db.get_attachment, doc, "f.bin") == BYTES
            doc["more"] = 1
            call(db.save, doc)
            assert call(db.get_attachment, doc, "f.bin") == BYTES


def test_attachments_are_saved_with_a_list_of_documents(call, db):
    docs = [{"_id": id, "_attachments": {"f": id.encode()}} for id in "abc"]
    call(db.save, docs)
    assert [call(db.get_attachment, doc, "f") for doc in docs] == [b"a", b"b", b"c"]
    assert all(doc["_attachments"]["f"]["stub"] for doc in docs)


def test_attachments_that_are_base64_already_are_sent_as_they_are(call, db):
    doc = {
        "_id": "a",
        "_attachments": {"f": {"content_type": "text/plain", "data": "Y29udGVudA=="}},
    }
    call(db.save, doc)
    assert call(db.get_attachment, "a", "f") == b"content"


def test_attachments_that_are_there_stay_there(call, db):
    doc = {"_id": "a", "_attachments": {"f": b"1"}}
    call(db.save, doc)
    doc["_attachments"]["g"] = b"2"
    call(db.save, doc)
    fetched = call(db.get, "a")
    fetched._attachments["h"] = io.BytesIO(b"3")
    call(db.save, fetched)
    assert [call(db.get_attachment, "a", name) for name in "fgh"] == [b"1", b"2", b"3"]


def test_a_document_that_could_not_be_saved_keeps_its_files_and_they_stand_where_they_stood(
    call, db, source
):
    call(db.save, {"_id": "a"})
    with source.path.open("rb") as file:
        file.seek(5)
        memory = io.BytesIO(b"content")
        attachments = {"f": file, "g": {"data": memory}, "h": b"bytes"}
        inner = dict(attachments)
        doc = {"_id": "a", "_attachments": attachments}
        for docs in (doc, [doc]):
            try:
                saved = call(db.save, docs)
                assert saved.pending["a"]["doc"] is doc
            except Conflict:
                assert docs is doc
            assert doc["_attachments"] is attachments
            assert attachments == inner
            assert (file.tell(), memory.tell()) == (5, 0)
        call(db.save, doc, force=True)
    assert call(db.get_attachment, "a", "f") == BYTES[5:]
    assert call(db.get_attachment, "a", "g") == b"content"


def test_a_document_can_be_fetched_with_its_attachments(call, db, attached):
    doc = call(db.get, "a", attachments=True)
    assert doc._attachments["f.bin"].data
    assert "stub" not in doc._attachments["f.bin"]
