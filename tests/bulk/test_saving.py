"""`save` takes what an iterator gives, bit by bit; what is at hand as before."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from types import MappingProxyType

import pytest

from corduroy import ConflictResolution, Database, Document, HTTPError, defaults


def numbered(count, **fields):
    return [{"_id": f"{n:05}", "n": n, **fields} for n in range(count)]


async def as_they_come(docs):
    for doc in docs:
        await asyncio.sleep(0)
        yield doc


@pytest.fixture(params=["an iterator", "an async generator"])
def source(request, monkeypatch):
    """``source(docs)``: something that gives the documents one by one; requests are small."""
    monkeypatch.setattr(defaults, "bulk_count", 7)
    return iter if request.param == "an iterator" else as_they_come


def test_what_an_iterator_gives_is_saved(call, db, other, source):
    docs = numbered(40)
    saved = call(db.save, source(docs))
    assert type(saved) is ConflictResolution
    assert repr(saved) == "<Success: 40 docs updated>"
    assert (saved.saved, saved.resolved, saved.pending) == (40, {}, {})
    assert other.get([doc["_id"] for doc in docs]) == docs


def test_documents_without_an_id_get_one(call, db, other, source):
    docs = [{"n": n} for n in range(20)]
    call(db.save, source(docs))
    assert len({doc["_id"] for doc in docs}) == 20
    assert len(other) == 20


def test_an_iterator_gives_documents_of_any_kind(call, db, other, source):
    docs = [
        {"_id": "a", "n": 0},
        MappingProxyType({"_id": "b", "n": 1}),
        Document(_id="c", n=2),
        {"_id": "d", "n": 3, "_attachments": {"f.txt": b"some text"}},
        {"n": 4},
        {"n": 5, "_attachments": {"f.txt": b"other text"}},
        Document(n=6),
        {"_id": "_local/g", "n": 7},
        {"_id": "_design/h", "n": 8},
        *({"_id": f"z{n}", "n": n} for n in range(9, 20)),
    ]
    assert call(db.save, source(docs)).saved == 20
    ids = [doc["_id"] for doc in docs]
    assert [other.get(id).n for id in ids] == list(range(20))
    assert other.get_attachment("d", "f.txt") == b"some text"
    assert other.get_attachment(ids[5], "f.txt") == b"other text"
    docs[2].n = "changed"
    other.save(docs[2])
    assert other.get("c").n == "changed"


def test_one_dict_for_all_documents_is_saved_as_it_was_each_time(call, db, other, source):
    def same_again():
        doc = {}
        for n in range(20):
            doc.clear()
            doc.update(_id=f"{n:05}", n=n)
            yield doc

    assert call(db.save, source(same_again())).saved == 20
    assert [doc.n for doc in other.docs()] == list(range(20))


@pytest.mark.parametrize("named", [True, False], ids=["with ids", "without"])
def test_also_if_an_answer_comes_between_its_next_change_and_its_next_turn(
    call, db, other, named, monkeypatch
):
    monkeypatch.setattr(defaults, "bulk_count", 7)

    async def same_again():
        doc = {}
        for n in range(20):
            doc.clear()
            doc.update({"_id": f"{n:05}", "n": n} if named else {"n": n})
            await asyncio.sleep(0.1 if n % 7 == 1 else 0)
            yield doc

    assert call(db.save, same_again()).saved == 20
    assert sorted(doc.n for doc in other.docs()) == list(range(20))


def test_what_json_cannot_say_is_named(call, db, other, source):
    for stray in (float("nan"), {1}, b"bytes"):
        docs = [*numbered(9), {"_id": "stray", "x": [1, stray]}]
        with pytest.raises((TypeError, ValueError), match=r"docs\[9\]\['x'\]\[1\] is"):
            call(db.save, source(docs))
    assert len(other) <= 7


def test_what_is_not_saved_is_pending_and_can_be_settled(call, guarded, other, source):
    other.save(numbered(3, old=True))
    docs = numbered(10)
    docs[5]["bad"] = True
    saved = call(guarded.save, source(docs))
    assert saved.saved == 6
    assert sorted(saved.pending) == ["00000", "00001", "00002", "00005"]
    assert saved.pending["00001"]["doc"] is docs[1]
    assert type(saved.pending["00001"]["server_doc"]) is Document
    assert saved.pending["00001"]["server_doc"].old is True
    assert saved.pending["00005"]["reason"] == "no bad documents"
    call(saved.resolve, lambda local, server: {**server, **local})
    assert (saved.saved, list(saved.pending)) == (9, ["00005"])
    assert list(saved.resolved) == ["00000", "00001", "00002"]
    assert other.get("00002").old is True


def test_conflicts_are_forced_or_merged_as_they_come(call, db, other, source):
    other.save(numbered(10, old=True))
    assert call(db.save, source(numbered(12)), force=True).saved == 12
    assert "old" not in other.get("00003")
    saved = call(db.save, source(numbered(12)), merge=lambda local, server: {**server, "m": 1})
    assert (saved.saved, saved.pending) == (12, {})
    assert other.get("00011").m == 1


def test_revisions_are_saved_as_they_are(call, db, other, source):
    revs = [f"2-{n:032x}" for n in range(10)]
    docs = [{"_id": str(n), "_rev": rev} for n, rev in enumerate(revs)]
    assert call(db.save, source(docs), new_edits=False).saved == 10
    assert [doc._rev for doc in other.get([str(n) for n in range(10)])] == revs


def test_what_is_no_document_ends_it_and_is_named(call, db, other, source):
    with pytest.raises(TypeError, match=r"docs\[9\] must be a dict") as raised:
        call(db.save, source([*numbered(9), "no document"]))
    written = len(other)
    assert written <= 7
    note = f"<Writer {db.name}: {written} written, {9 - written} not sent>"
    assert raised.value.__notes__ == [note]


def test_what_an_iterator_raises_comes_through(call, db, other):
    def broken():
        yield from numbered(3)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        call(db.save, broken())
    assert len(other) == 0


def test_an_async_generator_is_closed(call, db):
    closed = []

    async def docs():
        try:
            yield {"_id": "a"}
            yield "no document"
        finally:
            await asyncio.sleep(0)
            closed.append(True)

    with pytest.raises(TypeError):
        call(db.save, docs())
    assert closed == [True]


def test_all_or_nothing_is_one_request_of_what_an_iterator_gives(call, canned, canned_db):
    def answer(request):
        if request.path == "/":
            return {"couchdb": "Welcome", "version": "1.7.2"}
        docs = json.loads(request.body)["docs"]
        return [{"ok": True, "id": doc["_id"], "rev": "1-x"} for doc in docs]

    canned.answer = answer
    assert call(canned_db.save, iter(numbered(9)), all_or_nothing=True).saved == 9
    assert len(canned.asked) == 2


def test_a_batch_option_is_for_one_document(refused, db):
    refused(ValueError, "single document", db.save, iter([{}]), batch=True)


def test_what_is_at_hand_is_checked_before_anything_is_sent(call, db, other, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 2)
    for docs in ([*numbered(5), 1], (*numbered(5), 1)):
        with pytest.raises(TypeError, match=r"docs\[5\]"):
            call(db.save, docs)
    assert len(other) == 0


@pytest.fixture
def copied(couch):
    """Another database."""
    blocking = couch.with_style("blocking")
    name = couch.with_style("blocking").uuids(1)[0].replace("-", "")
    blocking.create(f"copy-{name}")
    yield couch.database(f"copy-{name}")
    blocking.delete(f"copy-{name}")


def test_one_database_is_saved_to_another(call, db, other, copied, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 7)
    other.save(numbered(50))
    saved = call(copied.save, db.docs(), new_edits=False)
    assert saved.saved == 50
    names = [doc._id for doc in other.get(sorted(other))]
    assert copied.with_style("blocking").get(names) == other.get(names)


def test_an_iterator_may_ask_the_database_itself(db, other, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 2)
    other.save(numbered(5))
    assert other.save({**other.get(id), "again": True} for id in list(other)).saved == 5
    assert other.get("00004").again is True


def test_an_iterator_that_a_request_fails_for_tells_what_became_of_its_documents(call, couch):
    missing: Database = couch.database("nowhere-at-all")
    with pytest.raises(HTTPError) as raised:
        call(missing.save, iter(numbered(3)))
    assert raised.value.code == 404
    assert raised.value.__notes__ == ["<Writer nowhere-at-all: 0 written, 3 not sent>"]


_SCRIPT = """
import sys
from pathlib import Path
from corduroy import Couch
db = Couch(sys.argv[1], style="blocking").database(sys.argv[2])
db.save({"_id": "first"})
def docs(count):
    for n in range(count):
        yield {"_id": f"{n:06}", "n": n, "text": "some words of it"}
def peak():
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
saved = db.save(docs(6_000))
before = peak()
with db.writer(on_result=lambda doc, status: status.check()) as writer:
    for doc in docs(18_000):
        del doc["_id"]
        writer.put(doc)
assert (saved.saved, writer.written) == (6_000, 18_000)
print(before, peak())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by Linux's /proc")
def test_memory_is_flat(couchdb_url, db):
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, couchdb_url, db.name],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    before, after = map(float, done.stdout.split())
    assert after <= 60
    assert after - before <= 6
