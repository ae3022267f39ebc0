"""Replications that are documents: waiting for their end, and ending them."""

from __future__ import annotations

import asyncio
import json
import signal
import threading
import time
import uuid
from itertools import count

import pytest

from corduroy import Couch, NotFound, ReplicationFailed, RequestTimeout
from tests.api.conftest import Canned

NOWHERE = "http://127.0.0.1:1/nothing"


@pytest.fixture
def target(couch):
    """A database to replicate to."""
    couch = couch.with_style("blocking")
    database = couch.create(f"target-{uuid.uuid4().hex}")
    yield database
    couch.delete(database.name)


@pytest.fixture
def id(couch):
    """An id for a replication, which is gone after the test."""
    id = f"replication-{uuid.uuid4().hex}"
    yield id
    couch = couch.with_style("blocking")
    if id in couch.replicator:
        couch.cancel_replication(id)


def test_a_replication_is_waited_for(call, couch, db, target, id):
    call(db.save, [{"_id": "a"}, {"_id": "b"}])
    started = call(couch.replicate, db, target, _id=id)
    assert (started["id"], started["ok"]) == (id, True)
    done = call(couch.wait_for_replication, started, timeout=60)
    assert (done["state"], done["doc_id"], done["database"]) == ("completed", id, "_replicator")
    assert (done["info"]["docs_written"], done["info"]["doc_write_failures"]) == (2, 0)
    assert list(target) == ["a", "b"]


def test_of_one_that_has_ended_everything_is_told_at_once(couch, db, target, id):
    couch = couch.with_style("blocking")
    db.with_style("blocking").push(target, _id=id)
    done = couch.wait_for_replication(id, timeout=60)
    assert couch.wait_for_replication(id, timeout=0) == done
    assert couch.wait_for_replication(couch.replicator[id]) == done


@pytest.mark.parametrize("timeout", [0, 0.3])
def test_one_that_does_not_end_in_time_is_a_timeout(call, couch, target, id, timeout):
    call(couch.replicate, NOWHERE, target, _id=id)
    begun = time.monotonic()
    with pytest.raises(RequestTimeout, match=rf"{id}' is .* after {timeout} s") as caught:
        call(couch.wait_for_replication, id, timeout=timeout)
    assert timeout <= time.monotonic() - begun < 5
    assert isinstance(caught.value, TimeoutError)
    assert caught.value.response["doc_id"] == id
    assert id in couch.replicator.with_style("blocking")


def test_one_that_is_refused_has_failed(call, canned, couch, target, id):
    said = json.dumps({"error": "unauthorized", "reason": "Not with this password."}).encode()
    canned.answer = Canned(401, said)
    source = canned.url.replace("://", "://me:secret@") + "/db"
    call(couch.replicate, source, target, _id=id)
    with pytest.raises(ReplicationFailed) as caught:
        call(couch.wait_for_replication, id, timeout=60)
    assert caught.value.error in ("crashing", "error")
    assert caught.value.reason
    assert caught.value.response["doc_id"] == id
    assert "secret" not in repr(caught.value) + str(caught.value.response)
    assert canned.asked


def test_one_that_is_continuous_has_no_end(call, couch, db, target, id):
    call(db.push, target, _id=id, continuous=True)
    with pytest.raises(ValueError, match="continuous"):
        call(couch.wait_for_replication, id, timeout=60)


def test_what_is_not_there_is_not_waited_for(call, couch):
    with pytest.raises(NotFound):
        call(couch.wait_for_replication, "nothing", timeout=60)


async def test_one_that_is_cancelled_meanwhile_is_not_there_any_more(couch, target, id):
    await couch.replicate(NOWHERE, target, _id=id)
    waiting = couch.wait_for_replication(id, poll=0.05)
    await asyncio.sleep(0.3)
    await couch.cancel_replication(id)
    with pytest.raises(NotFound):
        await asyncio.wait_for(waiting, 30)


def test_ctrl_c_ends_waiting(couch, target, id):
    couch = couch.with_style("blocking")
    couch.replicate(NOWHERE, target, _id=id)
    interrupt = threading.Timer(
        0.5, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]
    )
    interrupt.start()
    with pytest.raises(KeyboardInterrupt):
        couch.wait_for_replication(id, timeout=30)
    assert couch.version()


async def test_waiting_can_be_given_up(couch, target, id):
    await couch.replicate(NOWHERE, target, _id=id)
    waiting = couch.wait_for_replication(id, poll=60)
    await asyncio.sleep(0.5)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(waiting, 1)
    assert await couch.version()


# -- ending ---------------------------------------------------------------------------------------


def test_a_replication_is_cancelled_with_its_document(call, couch, db, target, id):
    started = call(db.push, target, _id=id, continuous=True)
    gone = call(couch.cancel_replication, started)
    assert (gone["ok"], gone["id"]) == (True, id)
    assert id not in couch.replicator.with_style("blocking")
    with pytest.raises(NotFound):
        call(couch.cancel_replication, id)


def test_cancel_is_an_option_too(call, couch, db, target, id):
    call(db.push, target, _id=id, continuous=True)
    assert call(db.push, target, _id=id, continuous=True, cancel=True)["id"] == id
    assert id not in couch.replicator.with_style("blocking")


def test_cancelling_copes_with_what_the_replicator_writes_meanwhile(call, canned, canned_couch):
    revs, refused = count(1), iter([True, True, False])

    def answer(request):
        if request.method == "HEAD":
            return Canned(200, b"", (("ETag", f'"{next(revs)}-a"'),))
        if next(refused):
            return Canned(409, b'{"error":"conflict","reason":"Document update conflict."}')
        return {"ok": True, "id": "x", "rev": "4-a"}

    canned.answer = answer
    assert call(canned_couch.cancel_replication, "x")["ok"] is True
    deleted = [asked.uri for asked in canned.asked if asked.method == "DELETE"]
    assert deleted == [f"/_replicator/x?rev={at}-a" for at in (1, 2, 3)]


@pytest.mark.parametrize(
    "replication", [{"_local_id": "0a+continuous"}, {"id": "0a+continuous", "doc_id": None}]
)
def test_one_without_a_document_is_cancelled_by_its_id(call, canned, canned_couch, replication):
    canned.answer = lambda request: {"couchdb": "Welcome", "version": "3.5.0"}
    call(canned_couch.cancel_replication, replication)
    asked = canned.asked[-1]
    assert (asked.method, asked.path) == ("POST", "/_replicate")
    assert json.loads(asked.body) == {"cancel": True, "replication_id": "0a+continuous"}


def test_pouchdb_server_would_start_it_again_instead(call, canned, canned_couch):
    canned.answer = lambda request: {"express-pouchdb": "Welcome!", "version": "4.2.0"}
    with pytest.raises(NotFound, match="start it with an '_id'"):
        call(canned_couch.replicate, "a", "b", continuous=True, cancel=True)
    with pytest.raises(NotFound, match="start it with an '_id'"):
        call(canned_couch.cancel_replication, {"_local_id": "x"})
    with pytest.raises(NotFound, match="give it an '_id'"):
        call(canned_couch.replicate, "a", "b", continuous=True, doc_ids=["x"])
    assert {asked.path for asked in canned.asked} == {"/"}


# -- what the scheduler tells, in its own time ------------------------------------------------------


def _telling(canned, *states):
    """Let the canned server be a CouchDB 3 that tells these states, one after another."""
    left = iter(states)

    def answer(request):
        if request.path == "/":
            return {"couchdb": "Welcome", "version": "3.5.0"}
        return {"doc_id": "x", "id": None, "info": None, "error_count": 0, **next(left)}

    canned.answer = answer


def _crashing(count, reason="econnrefused"):
    return {"state": "crashing", "error_count": count, "info": {"error": reason}}


def test_crashes_are_tolerated_as_long_as_there_are_few(call, canned, canned_couch):
    begun = {"state": None}, {"state": "initializing"}, {"state": "running"}
    _telling(canned, *begun, _crashing(1), _crashing(2), {"state": "completed"})
    done = call(canned_couch.wait_for_replication, "x", poll=0.01)
    assert done["state"] == "completed"


def test_a_few_crashes_in_a_row_are_enough(call, canned, canned_couch):
    _telling(canned, _crashing(1), _crashing(2), _crashing(3, "{error,\n   econnrefused}"))
    with pytest.raises(ReplicationFailed) as caught:
        call(canned_couch.wait_for_replication, "x", poll=0.01)
    assert str(caught.value) == "500 crashing: {error, econnrefused}"
    _telling(canned, _crashing(1))
    with pytest.raises(ReplicationFailed):
        call(canned_couch.wait_for_replication, "x", attempts=1)


def test_a_timeout_tells_what_is_wrong(call, canned, canned_couch):
    _telling(canned, _crashing(1))
    with pytest.raises(RequestTimeout, match="'x' is crashing after 0 s: econnrefused"):
        call(canned_couch.wait_for_replication, "x", timeout=0)


def test_couchdb_2_gives_a_reason_as_a_text(call, canned, canned_couch):
    reason = "db_not_found: could not open http://me:secret@a/b/"
    _telling(canned, {**_crashing(1), "info": reason})
    with pytest.raises(ReplicationFailed) as caught:
        call(canned_couch.wait_for_replication, "x")
    assert caught.value.reason == "db_not_found: could not open http://a/b/"


def test_the_server_is_not_asked_all_the_time(canned, canned_couch):
    _telling(canned, *[{"state": "running"}] * 100)
    with pytest.raises(RequestTimeout):
        canned_couch.with_style("blocking").wait_for_replication("x", timeout=0.5, poll=0.1)
    assert len(canned.asked) <= 10


# -- bad arguments ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "replication", "options"),
    [
        (TypeError, "replication must be a str or a dict", 5, {}),
        (ValueError, "'id', a 'doc_id' or a '_local_id'", {"ok": True}, {}),
        (ValueError, "must not be empty", "", {}),
        (ValueError, "no document", {"ok": True, "_local_id": "x"}, {}),
        (TypeError, "timeout", "x", {"timeout": "1"}),
        (ValueError, "timeout", "x", {"timeout": -1}),
        (ValueError, "poll", "x", {"poll": -1}),
        (ValueError, "poll must be above 0", "x", {"poll": 0}),
        (ValueError, "attempts", "x", {"attempts": 0}),
        (ValueError, "is no replicator database", "x", {"db": "music"}),
        (ValueError, "^db 'A' is no database name", "x", {"db": "A"}),
    ],
)
def test_what_makes_no_sense_is_refused(refused, nobody, kind, words, replication, options):
    refused(kind, words, Couch(nobody).wait_for_replication, replication, **options)
