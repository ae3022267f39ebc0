"""A writer: batches, bounds, back-pressure, the account of every document."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

from corduroy import Conflict, Document, Forbidden, defaults


def numbered(count, **fields):
    return [{"_id": f"{n:05}", "n": n, **fields} for n in range(count)]


def account(writer):
    """What became of the documents, in numbers; those that are zero left out."""
    names = ("written", "conflicts", "refused", "unsent", "unknown")
    return {name: number for name in names if (number := getattr(writer, name))}


# -- writing --------------------------------------------------------------------------------------


def test_documents_are_written_and_get_their_revisions(write, db, other):
    docs = [*numbered(25), Document(n=1), {"n": 2}]
    writer = write(db, docs, count=10)
    assert account(writer) == {"written": 27}
    assert all(re.match("1-", doc["_rev"]) for doc in docs)
    assert other.get([doc["_id"] for doc in docs]) == docs
    assert repr(writer) == f"<Writer {db.name}: 27 written>"
    assert (writer.failures, writer.resolution.pending) == ([], {})
    assert repr(writer.resolution) == "<Success: 27 docs updated>"


def test_a_written_document_knows_its_database(write, db, other):
    doc = Document(_id="a", n=1)
    write(db, [doc])
    doc.n = 2
    other.save(doc)
    assert other.get("a").n == 2


def test_a_document_is_taken_as_it_is_when_it_is_put(write, db, other):
    doc = {"_id": "a", "n": 1}

    def docs():
        yield doc
        doc["n"] = 2
        yield {"_id": "b"}

    write(db, docs(), count=10)
    assert other.get("a").n == 1
    assert doc["n"] == 2
    assert doc["_rev"].startswith("1-")


def test_nothing_to_write_sends_nothing(write, canned, canned_db):
    write(canned_db, [])
    assert canned.asked == []


def test_documents_are_deleted_by_document_by_id_and_by_revision(write, db, other):
    docs = numbered(5)
    other.save(docs)
    first, second = dict(docs[0]), dict(docs[1])
    deleted = [(first,), (docs[1]["_id"],), (docs[2]["_id"], docs[2]["_rev"]), ("nowhere",)]
    writer = write(db, [*deleted, ("00003", "1-" + "0" * 32), {"_id": "new"}])
    assert account(writer) == {"written": 4, "conflicts": 1, "refused": 1}
    assert first == docs[0]
    assert second == docs[1]
    assert list(other) == ["00003", "00004", "new"]
    errors = {entry["doc"]["_id"]: entry["error"] for entry in writer.failures}
    assert errors == {"nowhere": "not_found", "00003": "conflict"}


def test_new_attachments_are_written(write, db, other):
    doc = {"_id": "a", "_attachments": {"f.txt": b"some text"}}
    write(db, [doc])
    assert doc["_attachments"]["f.txt"]["stub"] is True
    assert other.get("a", attachments=True)._attachments["f.txt"].data == "c29tZSB0ZXh0"


def test_without_new_edits_revisions_are_written_as_they_are(write, db, other):
    rev = "3-" + "a" * 32
    writer = write(db, [{"_id": "a", "_rev": rev, "n": 1}], new_edits=False)
    assert account(writer) == {"written": 1}
    assert other.get("a")._rev == rev


# -- bounds ---------------------------------------------------------------------------------------


def sizes(canned):
    return [len(body) for body in bodies(canned)]


def bodies(canned):
    return [
        json.loads(request.body)["docs"]
        for request in canned.asked
        if request.path.endswith("/_bulk_docs")
    ]


def save_all(request):
    if not request.body:
        return {"update_seq": 0}
    docs = json.loads(request.body)["docs"]
    return [{"ok": True, "id": doc["_id"], "rev": "1-x"} for doc in docs]


def test_a_request_has_so_many_documents_at_most(write, canned, canned_db):
    canned.answer = save_all
    write(canned_db, numbered(25), count=10)
    assert sorted(sizes(canned)) == [5, 10, 10]


def test_the_usual_bounds_are_those_of_the_program(write, canned, canned_db, monkeypatch):
    monkeypatch.setattr(defaults, "bulk_count", 4)
    monkeypatch.setattr(defaults, "bulk_bytes", 1000)
    canned.answer = save_all
    write(canned_db, [*numbered(8), *numbered(2, text="x" * 600)])
    assert sorted(sizes(canned)) == [1, 1, 4, 4]


def test_a_request_has_so_many_bytes_at_most_or_one_document(write, canned, canned_db):
    canned.answer = save_all
    docs = [*numbered(4, text="x" * 400), {"_id": "large", "text": "x" * 5000}, {"_id": "small"}]
    write(canned_db, docs, size=1000)
    assert sorted(sizes(canned)) == [1, 1, 2, 2]


def test_so_many_requests_are_under_way_at_once(write, gated):
    db, most = gated
    write(db, numbered(60), count=2, in_flight=3)
    assert max(most) == 3


def test_putting_waits_while_enough_is_under_way(gated):
    db, _ = gated
    put = 0

    async def fill(writer):
        nonlocal put
        for doc in numbered(100):
            await writer.put(doc)
            put += 1

    async def main():
        async with db.writer(count=5, in_flight=2) as writer:
            gate_closed = asyncio.create_task(fill(writer))
            await asyncio.sleep(0)
            # Two batches at most are under way and one waits: its last document is still being put.
            assert put <= 14
            await gate_closed
        assert writer.written == 100

    asyncio.run(main())


def test_documents_that_nobody_waits_for_are_written_all_the_same(db):
    async def main():
        async with db.writer(count=3) as writer:
            for doc in numbered(50):
                writer.put(doc)
        return writer

    assert account(asyncio.run(main())) == {"written": 50}


def test_several_tasks_write_with_one_writer(db):
    async def main():
        async with db.writer(count=7) as writer:

            async def task(name):
                for n in range(40):
                    await writer.put({"_id": f"{name}{n}"})

            await asyncio.gather(*map(task, "abc"))
        return writer

    assert account(asyncio.run(main())) == {"written": 120}


# -- the account ----------------------------------------------------------------------------------


def test_every_document_is_accounted_for(write, guarded, other):
    other.save([{"_id": "00003", "x": 1}, {"_id": "00017", "x": 1}])
    docs = numbered(20)
    docs[5]["bad"] = True
    writer = write(guarded, docs, count=6)
    assert account(writer) == {"written": 17, "conflicts": 2, "refused": 1}
    found = {entry["doc"]["_id"]: entry for entry in writer.failures}
    assert sorted(found) == ["00003", "00005", "00017"]
    assert found["00003"]["error"] == "conflict"
    assert found["00003"]["server_doc"].x == 1
    assert found["00005"]["doc"] is docs[5]
    assert (found["00005"]["error"], found["00005"]["reason"]) == ("forbidden", "no bad documents")
    assert "_rev" not in docs[3]
    words = "17 written, 2 in conflict, 1 refused"
    assert repr(writer) == f"<Writer {guarded.name}: {words}>"


def test_conflicts_can_be_settled_afterwards(write, call, db, other):
    other.save(numbered(4, old=True))
    docs = numbered(6)
    writer = write(db, docs, count=3)
    resolution = writer.resolution
    assert (resolution.saved, len(resolution.pending)) == (2, 4)
    call(resolution.overwrite)
    assert (resolution.saved, resolution.pending) == (6, {})
    assert other.get([doc["_id"] for doc in docs]) == docs


def test_the_same_id_twice_is_accounted_for_twice(write, db):
    writer = write(db, [{"_id": "a", "n": 1}, {"_id": "a", "n": 2}, {"_id": "a", "n": 3}])
    assert account(writer) == {"written": 1, "conflicts": 2}
    assert [entry["doc"]["n"] for entry in writer.failures] == [2, 3]


def test_force_writes_over_what_the_server_has(write, db, other):
    other.save(numbered(4, old=True))
    docs = numbered(6)
    assert account(write(db, docs, count=3, force=True)) == {"written": 6}
    assert other.get([doc["_id"] for doc in docs]) == docs


def test_a_merge_is_asked_until_nothing_moves(write, db, other):
    other.save([{"_id": "a", "n": 1}, {"_id": "b", "n": 1}])
    asked = []

    def merge(local, server):
        if local._id == "b":
            return None
        asked.append(server.n)
        if len(asked) == 1:
            other.save({**server, "n": 5})
        return {**server, "n": server.n + local.n}

    docs = [Document(_id="a", n=10), Document(_id="b", n=10)]
    writer = write(db, docs, merge=merge)
    assert asked == [1, 5]
    assert account(writer) == {"written": 1, "conflicts": 1}
    assert (other.get("a").n, docs[0].n, other.get("b").n) == (15, 15, 1)


def test_a_merge_that_raises_ends_the_writer_and_nothing_is_lost(write, db, other):
    other.save(numbered(2))

    def merge(local, server):
        raise ZeroDivisionError("no merge")

    with pytest.raises(ZeroDivisionError) as raised:
        write(db, numbered(3), merge=merge)
    assert account(write.writer) == {"written": 1, "conflicts": 2}
    assert raised.value.__notes__[-1] == repr(write.writer)


def test_progress_is_told_how_many_more_are_accounted_for(write, guarded, other):
    other.save({"_id": "00003"})
    told = []
    docs = numbered(20)
    docs[5]["bad"] = True
    write(guarded, docs, count=6, progress=told.append)
    assert sum(told) == 20
    assert 4 <= len(told) <= 6
    assert min(told) > 0


def test_a_progress_bar_fits_in_one_line(write, db):
    tqdm = pytest.importorskip("tqdm").tqdm
    with tqdm(total=20, disable=True) as bar:
        write(db, numbered(20), progress=bar.update)


def test_results_are_told_as_they_come(write, guarded, other):
    other.save({"_id": "00001"})
    told = {}
    docs = numbered(6)
    docs[2]["bad"] = True

    def on_result(doc, status):
        assert doc["_id"] not in told
        told[doc["_id"]] = doc, status

    write(guarded, docs, count=2, on_result=on_result)
    assert sorted(told) == [doc["_id"] for doc in docs]
    assert [told[doc["_id"]][0] is doc for doc in docs] == [True] * 6
    assert told["00000"][1].ok
    assert docs[0]["_rev"] == told["00000"][1].response["rev"]
    assert told["00001"][1].error is Conflict
    assert told["00002"][1].error is Forbidden
    assert told["00002"][1].exception.reason == "no bad documents"


@pytest.mark.parametrize("name", ["progress", "on_result"])
def test_what_is_told_raises_and_ends_the_writer(write, db, name):
    def told(*args):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write(db, numbered(30), count=3, in_flight=1, **{name: told})
    writer = write.writer
    assert writer.written >= 3
    assert writer.unsent + writer.written >= 6


def test_flushing_accounts_for_what_has_been_put(call, db, other):
    writer = db.writer()
    docs = numbered(3)
    for doc in docs[:2]:
        call(writer.put, doc)
    assert writer.written == 0
    assert call(writer.flush) is writer.resolution
    assert writer.written == 2
    call(writer.put, docs[2])
    call(writer.close)
    assert writer.written == 3
    assert len(other) == 3
