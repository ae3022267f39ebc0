"""What is attached goes out again as any other write does, if it can be made again."""

from __future__ import annotations

import io
import json
import time
from random import Random

import pytest

from corduroy import Conflict, Couch, DigestMismatch, HTTPError, RequestTimeout
from corduroy.transport import backoff
from tests.faults.proxy import (
    FaultProxy,
    Lost,
    Refuse,
    Reset,
    Silence,
    bad_gateway,
    too_many,
    unavailable,
)

BYTES = Random(0).randbytes(300_000)
LITTLE = bytes(range(256))  # of what is recorded
FAULTS = {
    "cut": Refuse(),
    "reset": Refuse(reset=True),
    "reset amid the answer": Reset(after=10),
    "lost": Lost(),
    "429": too_many(0.05),
    "502": bad_gateway(),
    "503": unavailable(),
}


class Once:
    """An iterable that has nothing the second time, and does not say so."""

    def __init__(self, content):
        self._pieces = iter([content])

    def __iter__(self):
        return self._pieces


class Pipe(io.BytesIO):
    """A file that cannot be put back."""

    def seekable(self):
        return False

    def seek(self, *to):
        raise OSError("Illegal seek")


def standing_at(place, content):
    file = io.BytesIO(b"x" * place + content)
    file.seek(place)
    return file


AGAIN = {
    "bytes": lambda path: BYTES,
    "a path": lambda path: path,
    "a file that has been read from": lambda path: standing_at(7, BYTES),
    "a list": lambda path: [BYTES[:10], BYTES[10:]],
}
ONCE = {
    "an iterator": lambda: iter([BYTES]),
    "an iterable": lambda: Once(BYTES),
    "a pipe": lambda: Pipe(BYTES),
}


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(BYTES)
    return path


@pytest.fixture
def db(proxy, straight, monkeypatch):
    """The same, through the proxy; failures are tried again soon."""
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: min(high, 0.02))
    with Couch(proxy.url, retries=2) as couch:
        db = couch.database(straight.name)
        db.with_style("blocking").save({"_id": "known", "_attachments": {"f": LITTLE}})
        yield db


def puts(proxy, fault, *more):
    """Have faults befall the next PUTs."""
    left = [fault, *more]
    seen = []

    def plan(request):
        if request.method != "PUT":
            return None
        seen.append(request)
        return left.pop(0) if left else None

    proxy.plan = plan
    return seen


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_open_file_is_put_once_whatever_befell_it(call, db, straight, proxy, path, fault):
    doc = {"_id": "a"}
    straight.save(doc)
    seen, counts = puts(proxy, fault, fault), []
    with path.open("rb") as file:
        call(db.put_attachment, doc, file, progress=counts.append)
    assert len(seen) == 3
    assert doc["_rev"].startswith("2-")
    assert doc == straight.get("a")
    assert straight.get_attachment("a", "f") == BYTES
    assert sum(counts) == len(BYTES)


@pytest.mark.parametrize("made", AGAIN.values(), ids=AGAIN)
def test_so_is_whatever_can_be_made_again(call, db, straight, proxy, path, made):
    doc = {"_id": "a"}
    for generation, fault in enumerate((Refuse(), Lost(), too_many(0.05)), 1):
        seen, counts = puts(proxy, fault), []
        call(db.put_attachment, doc, made(path), "f.bin", progress=counts.append)
        assert len(seen) == 2
        assert doc["_rev"].startswith(f"{generation}-")
        assert straight.get_attachment("a", "f.bin") == BYTES
        assert sum(counts) == len(BYTES)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_document_is_saved_once_with_all_that_it_brings(call, db, straight, proxy, path, fault):
    new = {name: made(path) for name, made in AGAIN.items()}
    doc = {"_id": "b", "n": 1, "_attachments": new}
    puts(proxy, fault)
    call(db.save, doc)
    assert doc["_rev"].startswith("1-")
    assert straight.get("b")["_rev"] == doc["_rev"]
    for name in AGAIN:
        assert doc["_attachments"][name]["length"] == len(BYTES)
        assert straight.get_attachment("b", name) == BYTES


@pytest.mark.parametrize("name", ["cut", "lost", "429"])
def test_in_one_request_it_is_saved_once_as_well(call, ground3, db3, offstage, path, name):
    """PouchDB Server takes it as base64."""
    path.write_bytes(LITTLE)
    doc = {"_id": "b", "_attachments": {"f": path, "g": [LITTLE], "h": io.BytesIO(LITTLE)}}
    with FaultProxy(ground3.url) as proxy, Couch(proxy.url, retries=1) as couch:
        seen = puts(proxy, FAULTS[name])
        call(couch.database(db3.name).save, doc)
    assert len(seen) == 2
    assert seen[0].headers["content-type"].startswith("multipart/related")
    assert doc["_rev"].startswith("1-")
    assert [doc["_attachments"][name]["length"] for name in "fgh"] == [len(LITTLE)] * 3
    offstage(lambda couch: _holds(couch.database(db3.name), doc))


def _holds(db, doc):
    """All that is attached to a document is there."""
    assert db.get("b")["_rev"] == doc["_rev"]
    assert {db.get_attachment("b", name) for name in "fgh"} == {LITTLE}


@pytest.mark.parametrize("made", ONCE.values(), ids=ONCE)
def test_what_cannot_be_made_again_goes_out_once(call, db, straight, proxy, made):
    doc = {"_id": "c"}
    straight.save(doc)
    for fault in (Refuse(), Lost(), too_many(0.05), unavailable()):
        seen = puts(proxy, fault)
        with pytest.raises(HTTPError) as caught:
            call(db.put_attachment, doc, made(), "f.bin")
        assert not isinstance(caught.value, Conflict | DigestMismatch)
        assert len(seen) == 1
        doc = straight.get("c")


def test_a_silent_server_is_not_sent_it_all_again(call, straight, proxy):
    doc = {"_id": "d"}
    straight.save(doc)
    seen = puts(proxy, Silence())
    with Couch(proxy.url, retries=2, timeout=0.5) as couch, pytest.raises(RequestTimeout):
        call(couch.database(straight.name).put_attachment, doc, io.BytesIO(BYTES), "f.bin")
    assert len(seen) == 1


def test_what_was_written_is_recognised_though_it_is_refused_early(call, serve):
    """The second one is refused at its first bytes; what was sent is still known as a whole."""
    content = bytes(8_000_000)
    stored = {"length": len(content), "revpos": 1, "stub": True, "content_type": "x/y"}
    doc = {"_id": "e", "_rev": "1-a", "_attachments": {"f": stored}}
    found = {"rows": [{"id": "e", "key": "e", "value": {"rev": "1-a"}, "doc": doc}]}
    met = []

    def script(end):
        while head := end.head():
            method = head.partition(b" ")[0].decode()
            met.append(method)
            if method != "PUT":
                end.swallow(len(b'{"keys":["e"]}') if method == "POST" else 0)
                end.send(answer("200 OK", found if method == "POST" else None))
            elif met.count("PUT") == 1:
                end.swallow(len(content))
                return
            else:
                end.send(answer("409 Conflict", {"error": "conflict", "reason": "is there"}))
                time.sleep(0.1)  # what is on its way fills up
                met.append(end.swallow(len(content)))  # it breaks off

    def answer(status, value):
        body = b"" if value is None else json.dumps(value).encode()
        return b"HTTP/1.1 %b\r\nContent-Length: %d\r\n\r\n%b" % (status.encode(), len(body), body)

    given, counts = {"_id": "e"}, []
    with Couch(serve(script).url, retries=2) as couch:
        db = couch.database("x")
        call(db.put_attachment, given, io.BytesIO(content), "f", progress=counts.append)
    assert met == ["PUT", "PUT", "POST", "HEAD"]
    assert given["_rev"] == "1-a"
    assert given["_attachments"]["f"]["length"] == sum(counts) == len(content)
