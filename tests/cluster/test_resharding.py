"""Shards are split, by jobs that can be stopped, all of them or one."""

from __future__ import annotations

import time

import pytest

from corduroy import BadRequest, NotFound

RANGES = ["00000000-7fffffff", "80000000-ffffffff"]


@pytest.fixture
def halves(cluster3, fresh3, offstage):
    """A database of two shards, each on two nodes."""
    name = fresh3("test")
    offstage(lambda couch: couch.create(name, q=2, n=2))
    return cluster3.database(name)


def _wait_for_jobs(couch):
    while couch.reshard.info()["running"]:
        time.sleep(0.1)


def test_all_copies_of_all_shards_are_split(call, cluster3, halves, offstage):
    jobs = call(cluster3.reshard.split, halves.name)
    assert [job["ok"] for job in jobs] == [True] * 4
    offstage(_wait_for_jobs)
    assert call(cluster3.reshard.info)["completed"] == 4
    assert {job["id"] for job in call(cluster3.reshard.jobs)} == {job["id"] for job in jobs}
    assert call(cluster3.reshard.job_state, jobs[0]["id"]) == {"state": "completed", "reason": None}
    assert len(call(halves.shards)["shards"]) == 4


def test_only_the_copy_on_a_node_is_split_if_told(call, cluster3, halves):
    call(cluster3.reshard.stop)
    node = call(halves.shards)["shards"][RANGES[0]][0]
    (job,) = call(cluster3.reshard.split, halves.name, range=RANGES[0], node=node)
    assert job["node"] == node
    assert f"/{RANGES[0]}/" in job["shard"]
    other = call(halves.shards)["shards"][RANGES[0]][1]
    (job,) = call(cluster3.reshard.split, shard=job["shard"], node=other)
    assert job["node"] == other


def test_jobs_wait_while_resharding_is_stopped(call, cluster3, halves, offstage):
    reshard = cluster3.reshard
    assert call(reshard.stop, "too busy") == {"ok": True}
    assert call(reshard.state) == {"state": "stopped", "reason": "too busy"}
    first, *_ = call(reshard.split, halves.name)
    assert call(reshard.job_state, first["id"])["state"] == "stopped"
    assert call(reshard.start) == {"ok": True}
    offstage(_wait_for_jobs)
    assert call(reshard.state) == {"state": "running", "reason": None}
    assert call(reshard.job, first["id"])["job_state"] == "completed"


def test_one_job_stops_and_goes_on_and_is_forgotten(call, cluster3, halves, offstage):
    reshard = cluster3.reshard
    call(reshard.stop)
    first, *others = call(reshard.split, halves.name)
    assert call(reshard.stop_job, first["id"], "this one later") == {"ok": True}
    call(reshard.start)
    offstage(_wait_for_jobs)
    assert call(reshard.job_state, first["id"]) == {"state": "stopped", "reason": "this one later"}
    assert call(reshard.job_state, others[0]["id"])["state"] == "completed"
    assert call(reshard.start_job, first["id"]) == {"ok": True}
    offstage(_wait_for_jobs)
    assert call(reshard.job, first["id"])["split_state"] == "completed"
    assert call(reshard.delete_job, first["id"]) == {"ok": True}
    with pytest.raises(NotFound):
        call(reshard.job, first["id"])


def test_what_is_not_there_is_not_split(call, couch3):
    with pytest.raises(BadRequest, match="db"):
        call(couch3.reshard.split, "no-such-database")
    for method in (
        couch3.reshard.job,
        couch3.reshard.job_state,
        couch3.reshard.start_job,
        couch3.reshard.stop_job,
        couch3.reshard.delete_job,
    ):
        with pytest.raises(NotFound) as caught:
            call(method, "001-no/such-job")
        assert "offer" not in caught.value.reason
