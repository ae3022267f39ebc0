"""What breaks on the way: nothing is written twice, and no document is lost from the account."""

from __future__ import annotations

import itertools
import json
import threading

import pytest

from corduroy import (
    ConnectionFailed,
    Couch,
    RequestTimeout,
)
from corduroy.testing import Server
from tests.api.conftest import Canned
from tests.faults.proxy import (
    Answer,
    Cut,
    FaultProxy,
    Lost,
    Refuse,
    Request,
    Reset,
    Silence,
    bad_gateway,
    error_500,
    random_faults,
    too_many,
    unavailable,
)


def numbered(count, **fields):
    return [{"_id": f"{n:05}", "n": n, **fields} for n in range(count)]


def account(writer):
    names = ("written", "conflicts", "refused", "unsent", "unknown")
    return {name: number for name in names if (number := getattr(writer, name))}


FAULTS = [
    Lost(),
    Refuse(),
    Refuse(reset=True),
    Reset(after=40),
    Cut(after=300),
    error_500(),
    bad_gateway(),
    unavailable(),
    too_many(0),
]


@pytest.mark.parametrize("fault", FAULTS, ids=repr)
def test_what_breaks_is_written_all_the_same_and_once(write, proxied, proxy, other, strike, fault):
    strike(fault, times=2)
    docs = numbered(30, x=[1.5, {"y": None}])
    writer = write(proxied, docs, count=10)
    assert sum(proxy.injected.values()) == 2
    assert account(writer) == {"written": 30}
    assert all(doc["_rev"].startswith("1-") for doc in docs)
    assert other.get([doc["_id"] for doc in docs]) == docs


@pytest.mark.parametrize("fault", [Lost(), Refuse()])
def test_what_is_sent_again_is_what_was_put(write, proxied, other, strike, fault):
    strike(fault)
    docs = [*numbered(3), {"n": "nameless"}, {"_id": "att", "_attachments": {"f": b"some text"}}]

    def changing():
        for doc in docs:
            yield doc
            doc["n"] = "changed since"

    assert account(write(proxied, changing())) == {"written": 5}
    found = other.get([doc["_id"] for doc in docs])
    assert [doc.get("n") for doc in found] == [0, 1, 2, "nameless", None]
    assert [doc._rev for doc in found] == [doc["_rev"] for doc in docs]


def test_documents_without_an_id_are_there_once(write, proxied, other, strike):
    strike(Lost(), times=2)
    writer = write(proxied, [{"n": n} for n in range(30)], count=10)
    assert account(writer) == {"written": 30}
    assert sorted(doc.n for doc in other.docs()) == list(range(30))


def test_changed_documents_are_changed_once(write, proxied, other, strike):
    docs = numbered(20)
    other.save(docs)
    for doc in docs:
        doc["changed"] = True
    strike(Lost(), times=2)
    assert account(write(proxied, docs, count=10)) == {"written": 20}
    assert {doc["_rev"][:2] for doc in docs} == {"2-"}
    assert other.get([doc["_id"] for doc in docs]) == docs


def test_a_change_that_changes_nothing_is_written(write, proxied, other, strike):
    doc = {"_id": "a", "n": 1}
    other.save(doc)
    strike(Refuse())
    assert account(write(proxied, [doc])) == {"written": 1}
    assert doc["_rev"].startswith("2-")


def test_deletions_are_ours(write, proxied, other, strike):
    docs = numbered(10)
    other.save(docs)
    strike(Lost())
    writer = write(proxied, [(doc,) for doc in docs[:5]] + [(doc["_id"],) for doc in docs[5:]])
    assert account(writer) == {"written": 10}
    assert len(other) == 0


def test_attachments_are_ours(write, proxied, other, strike):
    strike(Lost())
    doc = {"_id": "a", "_attachments": {"f.txt": b"some text", "g.bin": bytes(300)}}
    assert account(write(proxied, [doc])) == {"written": 1}
    assert doc["_attachments"]["g.bin"]["length"] == 300


def test_conflicts_with_somebody_else_stay_conflicts(write, proxied, other, strike):
    other.save([{"_id": "00001", "n": "theirs"}, {"_id": "00002", "n": 2.5}])
    strike(Lost())
    writer = write(proxied, numbered(5))
    assert account(writer) == {"written": 3, "conflicts": 2}
    assert {entry["doc"]["_id"] for entry in writer.failures} == {"00001", "00002"}
    assert writer.resolution.pending["00001"]["server_doc"].n == "theirs"


def test_what_is_refused_is_refused_after_a_break_as_well(write, guarded, proxied, strike):
    strike(Lost())
    docs = numbered(5)
    docs[2]["bad"] = True
    assert account(write(proxied, docs)) == {"written": 4, "refused": 1}


class Interfering:
    """A plan: the first batch is written and its answer lost; then somebody else acts."""

    def __init__(self, act):
        self._act = act
        self._lost = False
        self._acted = False

    def __call__(self, request: Request):
        if "/_bulk_docs" in request.target and not self._lost:
            self._lost = True
            return Lost()
        if self._lost and not self._acted:
            self._acted = True
            self._act()
        return None


def test_what_somebody_has_changed_since_is_not_written_again(write, proxied, proxy, other):
    docs = numbered(5)
    other.save(docs[3:])
    docs[4]["changed"] = True

    def change():
        other.save({**other.get("00001"), "theirs": True})
        other.save({**other.get("00004"), "theirs": True})

    proxy.plan = Interfering(change)
    writer = write(proxied, [*docs[:3], docs[4]], force=True)
    assert account(writer) == {"written": 4}
    assert other.get("00001").theirs is True
    assert (other.get("00004").theirs, other.get("00004").changed) == (True, True)
    assert other.get("00004")._rev.startswith("3-")
    assert docs[1]["_rev"].startswith("1-")


def test_what_somebody_has_deleted_since_stays_deleted(write, proxied, proxy, other):
    docs = numbered(3)
    proxy.plan = Interfering(lambda: other.delete("00001"))
    assert account(write(proxied, docs)) == {"written": 3}
    assert list(other) == ["00000", "00002"]


@pytest.mark.parametrize("fault", [Refuse(), Lost()])
def test_what_was_deleted_long_ago_is_there_again(write, proxied, strike, other, fault):
    other.save(numbered(3))
    for doc in list(other.docs()):
        other.delete(doc)
    strike(fault)
    docs = numbered(3)
    assert account(write(proxied, docs)) == {"written": 3}
    assert {doc["_rev"][:2] for doc in docs} == {"3-"}
    assert other.get([doc["_id"] for doc in docs]) == docs


def test_what_is_the_same_since_long_is_still_in_conflict(write, proxied, strike, other):
    other.save(numbered(3))
    strike(Refuse())
    assert account(write(proxied, numbered(5))) == {"written": 2, "conflicts": 3}


def test_what_was_the_same_long_ago_is_still_in_conflict(write, proxied, strike, other):
    other.save(numbered(3))
    other.save([{**doc, "theirs": True} for doc in other.docs()])
    strike(Refuse(), times=2)
    assert account(write(proxied, numbered(3))) == {"conflicts": 3}
    assert account(write(proxied, numbered(3), force=True)) == {"written": 3}
    assert [doc.get("theirs") for doc in other.docs()] == [None] * 3


def test_what_was_deleted_and_written_anew_and_deleted_again_stays_so(write, proxied, proxy, other):
    other.save({"_id": "00001", "old": True})
    other.delete("00001")
    proxy.plan = Interfering(lambda: other.delete("00001"))
    assert account(write(proxied, numbered(3))) == {"written": 3}
    assert list(other) == ["00000", "00002"]


def test_what_is_merged_is_merged_once(write, proxied, proxy, other):
    other.save([{"_id": f"{n:05}", "n": 100} for n in range(5)])
    batches = itertools.count()

    def plan(request: Request):
        return Lost() if "/_bulk_docs" in request.target and next(batches) == 1 else None

    proxy.plan = plan

    def add_up(local, server):
        return {**server, "n": server["n"] + local["n"]}

    docs = numbered(8)
    assert account(write(proxied, docs, merge=add_up)) == {"written": 8}
    assert [doc.n for doc in other.docs()] == [100, 101, 102, 103, 104, 5, 6, 7]
    assert docs[2]["n"] == 102


@pytest.mark.parametrize("path", ["/_uuids", "/_all_docs"])
def test_what_else_is_asked_is_asked_again(write, proxied, other, strike, proxy, path):
    other.save(numbered(2))
    strike(Cut(after=10), times=2, path=path)
    writer = write(proxied, [*numbered(3), {"x": 1}, ("00001",)])
    assert proxy.injected == {"Cut": 2}
    assert writer.written + writer.conflicts == 5


def test_a_request_that_takes_too_long_is_sent_again(write, proxy, db, strike, http_client):
    strike(Silence())
    with Couch(proxy.url, timeout=0.3, http_client=http_client) as couch:
        writer = write(couch.database(db.name), numbered(10))
    assert account(writer) == {"written": 10}


# -- too large ------------------------------------------------------------------------------------


def limited(most):
    """A server that takes so many bytes at once."""

    def answer(request):
        if not request.body:
            return {"update_seq": 0}
        if len(request.body) > most:
            return Canned(413, b'{"error":"too_large","reason":"the request entity is too large"}')
        docs = json.loads(request.body)["docs"]
        return [{"ok": True, "id": doc["_id"], "rev": "1-x"} for doc in docs]

    return answer


def test_what_is_too_large_at_once_is_sent_in_parts(write, canned, canned_db):
    canned.answer = limited(2000)
    docs = numbered(100, text="x" * 80)
    docs.insert(20, {"_id": "large", "text": "x" * 3000})
    writer = write(canned_db, docs, count=40)
    assert account(writer) == {"written": 100, "refused": 1}
    (failure,) = writer.failures
    assert failure["doc"]["_id"] == "large"
    assert failure["error"] == "too_large"
    assert failure["reason"] == "the request entity is too large"


def test_a_server_s_limit_is_learned(write, canned, canned_db):
    canned.answer = limited(2000)
    write(canned_db, numbered(400, text="x" * 80), count=40, in_flight=1)
    refusals = sum(len(request.body) > 2000 for request in canned.asked)
    assert refusals <= 12  # of ten batches, and twenty halves of them


# -- a storm --------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(3))
def test_in_a_storm_every_document_is_written_once(write, proxied, proxy, other, seed):
    weights = {Answer: 1, Cut: 1, Lost: 2, Refuse: 1, Reset: 1}
    proxy.plan = random_faults(seed, weights=weights, within=2000, spare=0.6)
    docs = [{"n": n} if n % 3 else {"_id": f"{n:05}", "n": n} for n in range(600)]
    writer = write(proxied, docs, count=20, max_retries=None)
    assert account(writer) == {"written": 600}
    assert sorted(doc.n for doc in other.docs()) == list(range(600))
    assert sum(proxy.injected.values()) > 10


@pytest.fixture
def mortal(tmp_path):
    """An embedded server on disk, and a blocking database on it."""
    with Server(tmp_path) as server, Couch(server.url, style="blocking") as couch:
        couch.create("mortal")
        yield server, server.url


def test_a_server_that_is_killed_again_and_again_gets_each_document_once(write, mortal):
    server, url = mortal
    accounted = itertools.count(1)

    def kill_now_and_then(count):
        if next(accounted) % 12 == 0:
            server.kill()
            server.start()

    with Couch(url) as couch:
        docs = [{"n": n, "text": "x" * 50} for n in range(3000)]
        writer = write(couch.database("mortal"), docs, count=50, progress=kill_now_and_then)
    assert account(writer) == {"written": 3000}
    assert next(accounted) > 36
    with Couch(url, style="blocking") as couch:
        assert sorted(doc.n for doc in couch.database("mortal").docs()) == list(range(3000))


def test_a_connection_that_has_died_between_two_puts_is_no_matter(db, proxy, proxied):
    blocking = proxied.with_style("blocking")
    with blocking.writer(count=2, in_flight=2) as writer:
        for doc in numbered(20):
            writer.put(doc)
            proxy.cut_all(reset=True)
    assert account(writer) == {"written": 20}


def test_an_answer_that_was_due_while_the_script_did_other_things_is_no_matter(
    db, proxy, http_client
):
    with (
        Couch(proxy.url, style="blocking", timeout=0.3, http_client=http_client) as couch,
        couch.database(db.name).writer(count=2) as writer,
    ):
        for n, doc in enumerate(numbered(9)):
            writer.put(doc)
            if n == 5:
                threading.Event().wait(0.5)
    assert account(writer) == {"written": 9}


def test_a_writer_that_reaches_nobody_keeps_its_documents(proxy: FaultProxy):
    proxy.refusing = True
    with Couch(proxy.url, style="blocking") as couch:
        writer = couch.database("x").writer(max_retries=1)
        writer.put({"_id": "a"})
        with pytest.raises((ConnectionFailed, RequestTimeout)):
            writer.close()
    assert writer.failures[0]["doc"] == {"_id": "a"}
