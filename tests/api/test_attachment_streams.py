"""Attachments as streams: to paths, files and functions, in pieces, in parts, with progress."""

from __future__ import annotations

import asyncio
import base64
import errno
import gzip
import hashlib
import io
import os

import pytest
from tqdm import tqdm

from corduroy import ConnectionFailed, Couch, DigestMismatch, NotFound
from tests.api.conftest import Canned
from tests.faults.proxy import Cut, FaultProxy

BYTES = os.urandom(300_000)
TEXT = b"a line of text\n" * 20_000
parts = pytest.mark.parametrize(
    ("wanted", "part"),
    [
        pytest.param(None, BYTES, id="all"),
        pytest.param((0, 9), BYTES[:10], id="the beginning"),
        pytest.param((150_000, 250_000), BYTES[150_000:250_001], id="the middle"),
        pytest.param((299_999, None), BYTES[-1:], id="the end"),
    ],
)


@pytest.fixture
def attached(db):
    """A database with a document that has ``f.bin`` and ``f.txt`` attached."""
    blocking = db.with_style("blocking")
    doc = {"_id": "a"}
    blocking.put_attachment(doc, BYTES, "f.bin", "application/octet-stream")
    blocking.put_attachment(doc, TEXT, "f.txt")
    return db


# -- as a stream ----------------------------------------------------------------------------------


@parts
def test_an_attachment_is_gone_through_in_pieces(gone_through, attached, wanted, part):
    pieces = gone_through(attached.stream_attachment, "a", "f.bin", range=wanted)
    assert b"".join(pieces) == part
    assert all(type(piece) is bytes for piece in pieces)


def test_a_text_comes_as_it_was_attached(gone_through, attached):
    assert b"".join(gone_through(attached.stream_attachment, "a", "f.txt")) == TEXT
    part = gone_through(attached.stream_attachment, "a", "f.txt", range=(5, 70_000))
    assert b"".join(part) == TEXT[5:70_001]


def test_a_stream_begins_anew_each_time_and_may_be_left(attached):
    stream = attached.stream_attachment("a", "f.bin")
    for _ in range(3):
        for piece in stream:
            assert BYTES.startswith(piece)
            break
    assert b"".join(stream) == BYTES
    assert b"".join(stream.all()) == BYTES


async def test_a_stream_may_be_left_under_a_loop(attached):
    stream = attached.stream_attachment("a", "f.bin")
    async for piece in stream:
        assert BYTES.startswith(piece)
        break
    assert b"".join(await stream) == BYTES


async def test_waiting_for_a_piece_can_be_given_up_and_taken_up_again(attached):
    pieces = aiter(attached.stream_attachment("a", "f.txt"))
    found = await anext(pieces)
    while True:
        try:
            async with asyncio.timeout(0.0001):
                found += await anext(pieces)
        except TimeoutError:
            continue
        except StopAsyncIteration:
            break
    assert found == TEXT


def test_a_stream_of_what_is_not_there_is_not_found(gone_through, attached):
    with pytest.raises(NotFound):
        gone_through(attached.stream_attachment, "a", "g.bin")


def test_bad_input_is_told_at_the_call(refused, db, tmp_path):
    for method in (db.get_attachment, db.stream_attachment):
        refused(ValueError, "filename must not be empty", method, "a", "")
        refused(ValueError, "range ends before", method, "a", "f", range=(5, 4))
        refused(TypeError, r"range must be \(first, last\)", method, "a", "f", range=5)
        refused(TypeError, "progress must be callable", method, "a", "f", progress=5)
        refused(TypeError, "rev must be a str", method, "a", "f", rev=5)
    refused(TypeError, "progress must be callable", db.put_attachment, "a", b"", "f", progress=5)
    refused(TypeError, "to must be a path", db.get_attachment, "a", "f", to=5)
    refused(IsADirectoryError, "name a file in it", db.get_attachment, "a", "f", to=tmp_path)


# -- to somewhere ---------------------------------------------------------------------------------


@parts
def test_a_part_goes_to_a_path_a_file_or_a_function(call, attached, tmp_path, wanted, part):
    path, memory, pieces = tmp_path / "copy", io.BytesIO(), []
    with open(tmp_path / "raw", "wb", buffering=0) as raw:
        for to in (path, str(path), memory, raw, pieces.append):
            size = call(attached.get_attachment, "a", "f.bin", range=wanted, to=to)
            assert size == len(part)
    assert path.read_bytes() == (tmp_path / "raw").read_bytes() == memory.getvalue() == part
    assert b"".join(pieces) == part
    assert sorted(os.listdir(tmp_path)) == ["copy", "raw"]


def test_a_download_goes_on_where_it_broke_off(attached, tmp_path):
    path = tmp_path / "copy"
    path.write_bytes(BYTES[:100_000])
    with path.open("ab") as file:
        attached.get_attachment("a", "f.bin", range=(file.tell(), None), to=file)
    assert path.read_bytes() == BYTES


def test_what_is_no_file_stays_what_it_is(call, attached, tmp_path):
    assert call(attached.get_attachment, "a", "f.bin", to=os.devnull) == len(BYTES)
    assert not os.path.isfile(os.devnull)
    (tmp_path / "link").symlink_to(tmp_path / "target")
    call(attached.get_attachment, "a", "f.txt", to=tmp_path / "link")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "target").read_bytes() == TEXT


@pytest.fixture
def cut_off(attached, couchdb_url, http_client):
    """The same database behind a proxy that cuts every attachment off."""

    def plan(request):
        return Cut(after=100_000) if request.target.endswith("/f.bin") else None

    with (
        FaultProxy(couchdb_url, plan) as proxy,
        Couch(proxy.url, http_client=http_client) as couch,
    ):
        yield couch.database(attached.name)


def test_what_is_cut_off_does_not_look_whole(call, cut_off, tmp_path):
    path = tmp_path / "copy"
    path.write_bytes(b"before")
    taken = []
    for options in ({}, {"to": path}, {"to": taken.append}, {"progress": taken.append}):
        with pytest.raises(ConnectionFailed) as caught:
            call(cut_off.get_attachment, "a", "f.bin", **options)
        assert not isinstance(caught.value, DigestMismatch)
    assert path.read_bytes() == b"before"
    assert os.listdir(tmp_path) == ["copy"]


def test_a_stream_that_is_cut_off_says_so_after_what_has_come(cut_off):
    found = []
    with pytest.raises(ConnectionFailed):
        found.extend(cut_off.stream_attachment("a", "f.bin"))
    assert BYTES.startswith(b"".join(found))
    assert sum(map(len, found)) > 10_000


def test_what_cannot_be_written_is_no_failure_of_the_server(call, attached, tmp_path):
    with pytest.raises(FileNotFoundError):
        call(attached.get_attachment, "a", "f.bin", to=tmp_path / "no" / "copy")
    with pytest.raises(OSError, match="No space") as caught, open("/dev/full", "wb") as full:
        call(attached.get_attachment, "a", "f.bin", to=full)
    assert caught.value.errno == errno.ENOSPC
    assert call(attached.get_attachment, "a", "f.bin") == BYTES


# -- the digest -----------------------------------------------------------------------------------


def md5(content):
    return base64.b64encode(hashlib.md5(content).digest()).decode()


ZIPPED = gzip.compress(TEXT)
SENT = {  # as the servers send them: body, digest, other headers, and whether the digest tells
    "plain": (BYTES, md5(BYTES), {"Accept-Ranges": "bytes"}, True),
    "kept as gzip": (
        ZIPPED,
        md5(ZIPPED),
        {"Accept-Ranges": "none", "Content-Encoding": "gzip"},
        True,
    ),
    "compressed on the way": (ZIPPED, md5(TEXT), {"Content-Encoding": "gzip"}, True),
    "decompressed": (TEXT, md5(ZIPPED), {"Accept-Ranges": "none"}, False),
    "another tag": (BYTES, "1-abc", {}, False),
}


@pytest.mark.parametrize("form", SENT)
def test_what_comes_is_compared_with_the_digest(call, canned_db, answering, form, tmp_path):
    body, digest, headers, tells = SENT[form]
    ways = [{}, {"to": tmp_path / "copy"}, {"progress": lambda count: None}]
    answering(200, body, (("ETag", f'"{digest}"'), *headers.items()))
    for options in ways:
        assert call(canned_db.get_attachment, "a", "f", **options)
    (tmp_path / "copy").unlink()
    answering(200, body, (("ETag", f'"{md5(b"other")}"'), *headers.items()))
    for options in ways if tells else []:
        with pytest.raises(DigestMismatch, match="and the server says") as caught:
            call(canned_db.get_attachment, "a", "f", **options)
        assert isinstance(caught.value, ConnectionFailed)
        assert os.listdir(tmp_path) == []


def test_a_gzip_that_ends_early_is_noticed(call, canned_db, answering, tmp_path):
    answering(200, ZIPPED[:100], (("Content-Encoding", "gzip"),))
    for options in ({}, {"to": tmp_path / "copy"}):
        with pytest.raises(ConnectionFailed, match="truncated gzip"):
            call(canned_db.get_attachment, "a", "f.txt", **options)
    assert os.listdir(tmp_path) == []


def test_what_is_stored_is_compared_with_what_was_sent(call, canned_db, canned):
    stored = BYTES

    def answer(request):
        if request.method == "PUT":
            return {"ok": True, "id": "a", "rev": "1-a"}
        assert request.arguments["rev"] == [b"1-a"]
        return Canned(206, b"x", (("ETag", f'"{md5(stored)}"'), ("Accept-Ranges", "bytes")))

    canned.answer = answer
    doc = {"_id": "a"}
    call(canned_db.put_attachment, doc, io.BytesIO(BYTES), "f")
    stored = b"something else"
    with pytest.raises(DigestMismatch, match="what is stored"):
        call(canned_db.put_attachment, doc, io.BytesIO(BYTES), "f")
    assert doc["_rev"] == "1-a"


def test_the_server_is_told_the_digest_of_what_is_at_hand(call, canned_db, canned):
    canned.answer = lambda request: {"ok": True, "id": "a", "rev": "1-a"}
    call(canned_db.put_attachment, {"_id": "a"}, BYTES, "f")
    (request,) = canned.asked
    assert request.headers["Content-MD5"] == md5(BYTES)


# -- progress -------------------------------------------------------------------------------------


def test_the_progress_of_what_goes_fits_a_bar(call, db, tmp_path):
    path = tmp_path / "file"
    path.write_bytes(BYTES)
    doc = {"_id": "a"}
    for content in (BYTES, io.BytesIO(BYTES), path, [BYTES[:10], BYTES[10:]]):
        with tqdm(total=len(BYTES), file=io.StringIO()) as bar:
            call(db.put_attachment, doc, content, "f.bin", progress=bar.update)
            assert bar.n == len(BYTES)
    assert call(db.get_attachment, doc, "f.bin") == BYTES


def test_the_progress_of_what_comes_is_that_of_its_content(call, attached, tmp_path):
    for name, content in (("f.bin", BYTES), ("f.txt", TEXT)):
        for to in (None, tmp_path / "copy"):
            counts = []
            call(attached.get_attachment, "a", name, to=to, progress=counts.append)
            assert sum(counts) == len(content)
    counts = []
    assert sum(map(len, attached.stream_attachment("a", "f.bin", progress=counts.append)))
    assert sum(counts) == len(BYTES)
    call(attached.get_attachment, "a", "f.bin", range=(1, 5), progress=counts.append)
    assert counts[-1] == 5


def test_who_raises_while_told_of_progress_ends_it(call, attached):
    def stop(count):
        raise TimeoutError("enough")

    for method, args in (
        (attached.get_attachment, ("a", "f.bin")),
        (attached.put_attachment, ({"_id": "b"}, BYTES, "f.bin")),
    ):
        with pytest.raises(TimeoutError, match="enough") as caught:
            call(method, *args, progress=stop)
        assert type(caught.value) is TimeoutError
