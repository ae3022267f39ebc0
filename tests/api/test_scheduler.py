"""CouchDB 3's scheduler: what it says of replications, and waiting for those by its word."""

from __future__ import annotations

import time

import pytest

from corduroy import Couch, NotFound, ReplicationFailed


@pytest.fixture
def poll(ground3):
    """Seconds between two looks; what is replayed needs no patience."""
    return 0.01 if ground3.name == "replayed" else 1.0


@pytest.fixture
def source(db3, offstage):
    """A database of two documents."""
    offstage(lambda couch: couch.database(db3.name).save([{"_id": "a"}, {"_id": "b", "bad": 1}]))
    return db3


@pytest.fixture
def target(couch3, fresh3, offstage):
    """A database that takes no bad documents."""
    name = fresh3("target")
    code = "function (doc) { if (doc.bad) throw({forbidden: 'no bad documents'}); }"
    guard = {"_id": "_design/guard", "validate_doc_update": code}
    offstage(lambda couch: couch.create(name).save(guard))
    return couch3.database(name)


@pytest.fixture
def id(fresh3, offstage):
    """The id of a replication, whose document is gone after the test."""

    def remove(couch):
        if id in couch.replicator:
            couch.cancel_replication(id)

    id = fresh3("replication")
    yield id
    offstage(remove)


@pytest.fixture
def jobs(fresh3, offstage):
    """A replicator database of its own."""
    name = f"{fresh3('jobs')}/_replicator"
    offstage(lambda couch: couch.create(name))
    yield name
    offstage(lambda couch: couch.delete(name))


def _when_running(id):
    """Waits until the scheduler has taken a document up."""

    def wait(couch):
        while couch.scheduler_docs(docid=id)["state"] != "running":
            time.sleep(0.05)

    return wait


def test_a_replication_is_waited_for(call, couch3, source, target, id, poll):
    started = call(source.push, target, _id=id)
    done = call(couch3.wait_for_replication, started, poll=poll)
    assert (done["state"], done["doc_id"], done["database"]) == ("completed", id, "_replicator")
    # What the target refuses is no failure, but counted.
    assert done["info"]["docs_written"] == 1
    assert done["info"]["doc_write_failures"] == 1
    assert call(couch3.scheduler_docs, docid=id) == done
    assert call(couch3.wait_for_replication, done) == done


def test_a_source_that_is_not_there_is_a_failure_at_once(call, couch3, fresh3, target, id, poll):
    call(couch3.replicate, fresh3("nothing"), target, _id=id)
    with pytest.raises(ReplicationFailed, match="db_not_found: could not open") as caught:
        call(couch3.wait_for_replication, id, poll=poll)
    assert (caught.value.code, caught.value.error) == (500, "crashing")
    assert caught.value.response["error_count"] == 1


def test_a_filter_that_cannot_be_fetched_is_tried_again(call, couch3, source, target, id, poll):
    call(source.push, target, _id=id, filter="no/such")
    with pytest.raises(ReplicationFailed, match="_design/no") as caught:
        call(couch3.wait_for_replication, id, poll=poll, attempts=1)
    assert caught.value.error == "error"


def test_a_second_document_of_the_same_replication_fails(
    call, couch3, source, target, id, fresh3, offstage, poll
):
    call(source.push, target, _id=id, continuous=True)
    offstage(_when_running(id))
    second = fresh3("second")
    call(source.push, target, _id=second, continuous=True)
    try:
        with pytest.raises(ReplicationFailed, match=f"triggered by document `{id}`") as caught:
            call(couch3.wait_for_replication, second, poll=poll)
        assert caught.value.error == "failed"
    finally:
        offstage(lambda couch: couch.cancel_replication(second))


def test_what_cannot_be_a_replication_is_refused_at_once(call, couch3, source, target, id):
    with pytest.raises(ValueError, match="proxy must be"):
        call(source.push, target, _id=id, proxy="gopher://x")


def test_documents_are_listed_by_their_database_and_state(
    call, couch3, source, target, jobs, id, poll
):
    call(source.push, target, _id=id, db=jobs)
    call(source.push, target, _id="goes-on", db=jobs, continuous=True)
    call(couch3.wait_for_replication, id, db=jobs, poll=poll)

    def listed(**options):
        return [doc["doc_id"] for doc in call(couch3.scheduler_docs, jobs, **options)["docs"]]

    assert listed() == ["goes-on", id]
    assert listed(limit=1) == ["goes-on"]
    assert listed(skip=1) == [id]
    assert listed(states=["completed", "failed"]) == [id]
    assert listed(states=["failed"]) == []
    (row,) = call(couch3.scheduler_docs, jobs, states=["completed"])["docs"]
    assert row == call(couch3.scheduler_docs, jobs, id)
    assert call(couch3.wait_for_replication, row) == row
    call(couch3.cancel_replication, row)
    assert listed() == ["goes-on"]


def test_documents_of_the_replicator_database_are_listed(
    call, couch3, source, target, id, offstage
):
    call(source.push, target, _id=id, continuous=True)
    offstage(_when_running(id))
    assert id in [doc["doc_id"] for doc in call(couch3.scheduler_docs)["docs"]]


def test_a_document_can_be_replaced(call, couch3, source, target, id):
    call(source.push, target, _id=id, continuous=True)
    rev = couch3.replicator.with_style("blocking").head(id)["rev"]
    call(source.push, target, _id=id, _rev=rev, continuous=True, winning_revs_only=True)
    assert couch3.replicator.with_style("blocking")[id]["winning_revs_only"] is True


def test_jobs_are_listed_and_cancelled(call, couch3, source, target):
    started = call(source.push, target, continuous=True)

    def listed():
        jobs = call(couch3.scheduler_jobs, limit=1000)["jobs"]
        return [job for job in jobs if job["id"] == started["_local_id"]]

    (job,) = listed()
    assert job["doc_id"] is None
    assert job["source"].endswith(f"/{source.name}/")
    assert call(couch3.cancel_replication, job)["_local_id"] == started["_local_id"]
    assert listed() == []
    with pytest.raises(NotFound):
        call(couch3.cancel_replication, started)


def test_one_without_a_document_is_cancelled_by_its_own_arguments(call, source, target):
    started = call(source.push, target, continuous=True)
    gone = call(source.push, target, continuous=True, cancel=True)
    assert gone == {"ok": True, "_local_id": started["_local_id"]}


def test_what_is_not_there_is_not_found(call, couch3):
    with pytest.raises(NotFound):
        call(couch3.scheduler_docs, docid="nothing")
    with pytest.raises(NotFound):
        call(couch3.wait_for_replication, "nothing")


def test_where_there_is_no_scheduler_the_error_tells_where_to_look(call, canned, canned_couch):
    canned.answer = lambda request: {"express-pouchdb": "Welcome!", "version": "4.2.0"}
    for method in (canned_couch.scheduler_jobs, canned_couch.scheduler_docs):
        with pytest.raises(NotFound, match="no scheduler: the documents in _replicator"):
            call(method)
    assert [asked.path for asked in canned.asked] == ["/"]


@pytest.mark.parametrize(
    ("kind", "words", "args", "options"),
    [
        (ValueError, "'music' is no replicator database", ["music"], {}),
        (TypeError, "^db must be a str, not 5", [5], {}),
        (ValueError, "limit is for lists", [], {"docid": "x", "limit": 1}),
        (ValueError, "docid must not be empty", [], {"docid": ""}),
        (ValueError, "states must be one of initializing", [], {"states": ["done"]}),
        (TypeError, "states must be a list", [], {"states": "failed"}),
        (TypeError, "limit must be an int", [], {"limit": "1"}),
        (ValueError, "skip must not be negative", [], {"skip": -1}),
    ],
)
def test_what_makes_no_sense_is_refused(refused, nobody, kind, words, args, options):
    refused(kind, words, Couch(nobody).scheduler_docs, *args, **options)
