"""Documents with their attachments in one request: saved as bundles, and fetched with them."""

from __future__ import annotations

import base64
import io
import os

import pytest

from corduroy import Conflict

BYTES = os.urandom(200_000)
TEXT = b"a line of text\n" * 20_000
LITTLE = bytes(range(256)) * 4  # of what is recorded


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "file.bin"
    path.write_bytes(BYTES)
    return path


class Pipe(io.RawIOBase):
    """A file that cannot be put back."""

    def __init__(self, content):
        self._content = io.BytesIO(content)

    def readable(self):
        return True

    def readinto(self, buffer):
        return self._content.readinto(buffer)


# -- saved ----------------------------------------------------------------------------------------


def test_content_of_any_form_is_saved_with_its_document(call, db, path):
    contents = {
        "a path": path,
        "bytes": BYTES,
        "a text": {"data": TEXT, "content_type": "text/plain"},
        "a file": io.BytesIO(BYTES),
        "a list": [BYTES[:10], BYTES[10:]],
        "a pipe": {"data": Pipe(BYTES), "length": len(BYTES)},
        "a generator": {"data": (piece for piece in [BYTES]), "length": len(BYTES)},
        "nothing": io.BytesIO(),
        'gr\u00fc\u00dfe/"so"\r\n.png': path,
    }
    doc = {"_id": "a", "n": 1, "_attachments": dict(contents)}
    call(db.save, doc)
    assert doc["_rev"].startswith("1-")
    stored = call(db.get, "a")
    assert stored.n == 1
    for name in contents:
        wanted = {"a text": TEXT, "nothing": b""}.get(name, BYTES)
        stub = doc["_attachments"][name]
        assert (stub["stub"], stub["length"]) == (True, len(wanted))
        assert stub["content_type"] == stored._attachments[name].content_type
        assert call(db.get_attachment, doc, name) == wanted
    doc["n"] = 2
    call(db.save, doc)
    assert call(db.get_attachment, doc, "a path") == BYTES


def test_what_is_there_stays_and_what_is_new_comes_beside_it(call, db, path):
    doc = {"_id": "a", "_attachments": {"f": b"1", "g": path}}
    call(db.save, doc)
    doc["_attachments"]["f"] = io.BytesIO(BYTES)
    data = base64.b64encode(b"3").decode()
    doc["_attachments"]["h"] = {"data": data, "content_type": "text/plain"}
    call(db.save, doc)
    assert [call(db.get_attachment, doc, name) for name in "fgh"] == [BYTES, BYTES, b"3"]


def test_a_document_without_an_id_gets_one(call, db, path):
    doc = {"_attachments": {"f": path}}
    call(db.save, doc)
    assert call(db.get_attachment, doc["_id"], "f") == BYTES


def test_what_is_no_attachment_is_told_at_the_call(refused, db):
    for content, words in (
        (3, "must be bytes, a Path"),
        ({"data": iter([BYTES]), "length": "10"}, "'length'] must be an int"),
        (pieces(), "needs a 'length'"),
    ):
        doc = {"_id": "a", "_attachments": {"f": content}}
        refused(TypeError, rf"doc\['_attachments'\]\['f'\].*{words}", db.save, doc)


def test_what_nobody_knows_the_length_of_is_read_first(call, db, path):
    doc = {"_id": "a", "_attachments": {"f": iter([BYTES]), "g": Pipe(BYTES), "h": path}}
    call(db.save, doc)
    assert all(call(db.get_attachment, doc, name) == BYTES for name in "fgh")


@pytest.mark.parametrize("length", [len(LITTLE) - 1, len(LITTLE) + 1])
def test_an_attachment_must_be_as_long_as_it_says(call, db3, length):
    doc = {"_id": "a", "_attachments": {"f": {"data": iter([LITTLE]), "length": length}}}
    with pytest.raises(ValueError, match="its length"):
        call(db3.save, doc)
    assert "_rev" not in doc


def test_what_was_not_saved_stays_as_it_is(call, db, path):
    call(db.save, {"_id": "a"})
    file = io.BytesIO(BYTES)
    file.seek(5)
    attachments = {"f": file, "g": path}
    doc = {"_id": "a", "_attachments": attachments}
    with pytest.raises(Conflict) as caught:
        call(db.save, doc)
    assert doc == {"_id": "a", "_attachments": attachments}
    assert attachments == {"f": file, "g": path}
    assert file.tell() == 5
    call(caught.value.overwrite)
    assert call(db.get_attachment, doc, "f") == BYTES[5:]
    assert call(db.get_attachment, doc, "g") == BYTES


def test_what_cannot_be_read_again_is_overwritten_if_that_was_said_before(call, db):
    call(db.save, {"_id": "a"})
    doc = {"_id": "a", "_attachments": {"f": {"data": iter([BYTES]), "length": len(BYTES)}}}
    call(db.save, doc, force=True)
    assert call(db.get_attachment, doc, "f") == BYTES


def test_what_was_sent_in_vain_is_not_taken_for_nothing(call, db3):
    call(db3.save, {"_id": "a"})
    for content in (iter([LITTLE]), Pipe(LITTLE)):
        doc = {"_id": "a", "_attachments": {"f": {"data": content, "length": len(LITTLE)}}}
        with pytest.raises(Conflict) as caught:
            call(db3.save, doc)
        with pytest.raises(ValueError, match="cannot be read again"):
            call(caught.value.overwrite)


def test_all_goes_in_one_request_as_it_is(call, db3, tmp_path):
    """PouchDB Server takes it as base64."""
    path = tmp_path / "file.bin"
    path.write_bytes(LITTLE)
    doc = {"_id": "a", "_attachments": {"f": path, "g": [LITTLE], "h": b"at hand"}}
    call(db3.save, doc)
    assert doc["_rev"].startswith("1-")
    assert [call(db3.get_attachment, doc, name) for name in "fgh"] == [LITTLE, LITTLE, b"at hand"]


async def pieces():
    yield LITTLE[:10]
    yield LITTLE[10:]


async def test_an_async_iterable_is_saved_with_its_document(db3):
    doc = {"_id": "a", "_attachments": {"f": {"data": pieces(), "length": len(LITTLE)}}}
    await db3.save(doc)
    assert await db3.get_attachment(doc, "f") == LITTLE
