"""Documents with their attachments in one request: saved as bundles, and fetched with them."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import os

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from corduroy import Conflict, ConnectionFailed, NotFound
from corduroy.multipart import MultipartParser, closing, opening
from tests.api.conftest import Canned

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


# -- fetched --------------------------------------------------------------------------------------


@pytest.fixture
def kept(db):
    """A document with three attachments, one of which CouchDB keeps compressed."""
    doc = {
        "_id": "a",
        "n": 1,
        "_attachments": {
            "f.bin": BYTES,
            "texts/t.txt": {"data": TEXT, "content_type": "text/plain"},
            "nothing": b"",
        },
    }
    db.with_style("blocking").save(doc)
    return doc


CONTENTS = {"f.bin": BYTES, "texts/t.txt": TEXT, "nothing": b""}


def test_a_document_comes_with_what_is_attached_to_it(call, db, kept):
    for of in ("a", kept):
        doc = call(db.get_with_attachments, of)
        assert (doc._id, doc._rev, doc.n) == ("a", kept["_rev"], 1)
        assert {name: each.data for name, each in doc._attachments.items()} == CONTENTS
        assert doc._attachments["texts/t.txt"].content_type == "text/plain"


def test_it_can_be_saved_elsewhere_as_it_came(call, couch, db, kept):
    other = couch.database(f"{db.name}-copy")
    call(couch.create, other.name)
    try:
        doc = call(db.get_with_attachments, "a")
        del doc["_rev"]
        call(other.save, doc)
        copied = call(other.get_with_attachments, "a")
        assert {name: each.data for name, each in copied._attachments.items()} == CONTENTS
    finally:
        call(couch.delete, other.name)


def test_attachments_go_to_a_directory(call, db, kept, tmp_path):
    for to in (tmp_path / "new", str(tmp_path / "new")):
        doc = call(db.get_with_attachments, "a", to=to)
        assert doc == call(db.get, "a")
        found = {name: (tmp_path / "new" / name).read_bytes() for name in CONTENTS}
        assert found == CONTENTS
    assert sorted(os.listdir(tmp_path / "new")) == ["f.bin", "nothing", "texts"]


def test_attachments_go_where_a_function_says(call, db, kept, tmp_path):
    taken = io.BytesIO()
    to = {"f.bin": taken, "nothing": tmp_path / "nothing"}
    assert call(db.get_with_attachments, "a", to=to.get) == call(db.get, "a")
    assert taken.getvalue() == BYTES
    assert (tmp_path / "nothing").read_bytes() == b""


def test_progress_is_that_of_the_attachments(call, db, kept):
    counts = []
    call(db.get_with_attachments, "a", progress=counts.append)
    assert sum(counts) == len(BYTES) + len(TEXT)


def test_an_old_revision_comes_with_what_it_had(call, db, kept):
    doc = dict(kept)
    call(db.put_attachment, doc, b"new", "f.bin")
    assert call(db.get_with_attachments, "a")._attachments["f.bin"].data == b"new"
    old = call(db.get_with_attachments, "a", rev=kept["_rev"])
    assert old._attachments["f.bin"].data == BYTES


def test_a_document_without_attachments_comes_alone(call, db, tmp_path):
    call(db.save, {"_id": "b", "n": 1})
    for to in (None, tmp_path / "new"):
        assert call(db.get_with_attachments, "b", to=to) == call(db.get, "b")
    assert not (tmp_path / "new").exists()
    with pytest.raises(NotFound):
        call(db.get_with_attachments, "c")


@pytest.mark.parametrize(
    "name", ["../f", "/etc/f", "a/../../f", "a//f", ".", "link/f", "a/", "f\0"]
)
def test_no_name_leads_out_of_the_directory(call, db, name, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "inside").mkdir()
    (tmp_path / "inside" / "link").symlink_to(tmp_path / "outside")
    call(db.save, {"_id": "a", "_attachments": {"first": BYTES, name: b"2"}})
    with pytest.raises(ValueError, match="has no place in a directory"):
        call(db.get_with_attachments, "a", to=tmp_path / "inside")
    assert os.listdir(tmp_path / "inside") == ["link"]
    assert os.listdir(tmp_path / "outside") == []
    taken = {"first": io.BytesIO(), name: io.BytesIO()}
    call(db.get_with_attachments, "a", to=taken.get)
    assert taken[name].getvalue() == b"2"


def test_bad_input_is_told_at_the_call(refused, db, tmp_path):
    (tmp_path / "file").touch()
    get = db.get_with_attachments
    refused(NotADirectoryError, "to is no directory", get, "a", to=tmp_path / "file")
    refused(TypeError, "to must be a directory or callable", get, "a", to=3)
    refused(TypeError, "progress must be callable", get, "a", progress=3)
    refused(TypeError, "rev must be a str", get, "a", rev=3)
    refused(ValueError, "doc has no '_id'", get, {})


def test_all_comes_in_one_request(call, db3, offstage, tmp_path):
    """From PouchDB Server it comes in several."""
    attachments = {"a.bin": LITTLE, "b.txt": {"data": b"a\n" * 100, "content_type": "text/plain"}}
    offstage(lambda couch: couch.database(db3.name).save({"_id": "a", "_attachments": attachments}))
    doc = call(db3.get_with_attachments, "a", to=tmp_path / "new")
    assert doc._attachments["b.txt"].stub
    assert (tmp_path / "new" / "a.bin").read_bytes() == LITTLE
    assert (tmp_path / "new" / "b.txt").read_bytes() == b"a\n" * 100


# -- as no server should send it ------------------------------------------------------------------

DIGEST = f"md5-{base64.b64encode(hashlib.md5(b'world').digest()).decode()}"
SAID = {"content_type": "text/plain", "length": 5, "follows": True}
DOC = {"_id": "a", "_rev": "1-a", "_attachments": {"f": SAID, "g": {**SAID, "digest": DIGEST}}}
WHOLE = (
    b"--x\r\nContent-Type: application/json\r\n\r\n" + json.dumps(DOC).encode() + b"\r\n--x\r\n"
    b'Content-Disposition: attachment; filename="f"\r\nContent-Length: 5\r\n\r\nhello\r\n--x\r\n\r\n'
    b"world\r\n--x--"
)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (WHOLE.replace(b"\r\n--x--", b""), "ended before its last part"),
        (WHOLE.replace(b": 5", b": 6"), "a part of 6 bytes has 5"),
        (WHOLE.replace(b": 5", b": -5"), "no number"),
        (WHOLE.replace(b"--x--", b"--x\r\n\r\nmore\r\n--x--"), "more parts than attachments"),
        (WHOLE.replace(b'{"_id"', b'["_id"'), "JSON"),
        (b"--x\r\n\r\n[]\r\n--x--", "does not begin with a document"),
        (WHOLE.replace(b"\r\n--x\r\n\r\nworld", b""), "fewer parts than attachments"),
        (WHOLE.replace(b"Content-Disposition", b"A" * 20_000), "longer than 16384 bytes"),
        (WHOLE.replace(b"\r\n\r\nhello", b"\r\nnone\r\n\r\nhello"), "has a header that is none"),
        (WHOLE.replace(b"--x\r\n\r\nworld", b"--xy\r\n\r\nworld"), "something else than a part"),
        (WHOLE.replace(b"--x\r\n\r\nworld", b"--x" + b" " * 300), "a line without end"),
        (WHOLE.replace(b"world", b"w\0rld"), "and the server says"),
    ],
)
def test_an_answer_that_is_not_what_it_should_be_is_told_of(
    call, canned, canned_db, tmp_path, body, words
):
    bundle = Canned(200, body, (("Content-Type", 'multipart/related; boundary="x"'),))
    couchdb = {"couchdb": "Welcome", "version": "3.5.0"}
    canned.answer = lambda request: couchdb if request.path == "/" else bundle
    for to in (None, tmp_path / "new"):
        with pytest.raises(ConnectionFailed, match=words):
            call(canned_db.get_with_attachments, "a", to=to)
    left = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert left in ([], [b"hello"], [b"hello", b"world"], [b"world", b"hello"])


@given(
    parts=st.lists(
        st.lists(st.sampled_from([b"\r\n", b"--", b"x", b"\r", b"-", b"\0"])), min_size=1
    ),
    step=st.integers(1, 40),
)
def test_parts_are_the_same_however_the_bytes_come(parts, step):
    contents = [b"".join(pieces) for pieces in parts]
    assume(not any(b"\r\n--xyz" in b"\r\n" + content for content in contents))
    body = b"before" + b"".join(opening("xyz", {"N": "1"}) + content for content in contents)
    body += closing("xyz") + b"\r\nafter"
    parser, found = MultipartParser("xyz"), []
    for at in range(0, len(body), step):
        for event in parser.feed(body[at : at + step]):
            if isinstance(event, dict):
                assert event == {"n": "1"}
                found.append(b"")
            elif event is not None:
                found[-1] += event
    parser.finish()
    assert found == contents
