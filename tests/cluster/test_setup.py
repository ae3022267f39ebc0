"""Nodes become a cluster, or stay alone."""

from __future__ import annotations

import pytest

from corduroy import BadRequest, Conflict, ServerError
from tests.cluster.nodes import PORTS, USER, other

ALL = ["fresh1@127.0.0.1", "fresh2@127.0.0.1", "fresh3@127.0.0.1"]


@pytest.fixture
def secret(offstage):
    """Without one, CouchDB 3.5 cannot finish a cluster."""
    offstage(lambda couch: couch.config("chttpd_auth/secret", "not-so-secret"))


@pytest.mark.usefixtures("secret")
def test_three_nodes_become_a_cluster(call, couch3, password):
    assert call(couch3.cluster_setup) == {"state": "cluster_disabled"}
    assert call(couch3.enable_cluster, USER, password) == {"ok": True}
    assert call(couch3.cluster_setup) == {"state": "cluster_enabled"}
    for number in (2, 3):
        assert call(couch3.enable_cluster, USER, password, **other(number, password)) == {
            "ok": True
        }
        there = {"port": PORTS[number - 1], "name": f"fresh{number}"}
        assert call(couch3.add_node, "127.0.0.1", USER, password, **there) == {"ok": True}
    assert call(couch3.finish_cluster) == {"ok": True}
    assert call(couch3.cluster_setup) == {"state": "cluster_finished"}
    members = call(couch3.membership)
    assert sorted(members["all_nodes"]) == sorted(members["cluster_nodes"]) == ALL
    with pytest.raises(BadRequest, match="already finished"):
        call(couch3.finish_cluster)


def test_a_cluster_that_cannot_be_finished_says_what_is_missing(call, couch3, password):
    call(couch3.enable_cluster, USER, password)
    call(couch3.add_node, "127.0.0.1", USER, password, port=PORTS[1], name="fresh2")
    with pytest.raises(ServerError, match=r"no config\('chttpd_auth/secret'\), set one"):
        call(couch3.finish_cluster)


def test_a_node_that_refuses_is_not_added_and_the_error_says_so(call, couch3, password):
    call(couch3.enable_cluster, USER, password)
    there = {"port": PORTS[1], "name": "fresh2"}
    with pytest.raises(BadRequest, match=r"'fresh2@127\.0\.0\.1' was not added") as caught:
        call(couch3.add_node, "127.0.0.1", USER, "not the password", **there)
    assert "not the password" not in str(caught.value)
    assert call(couch3.membership)["cluster_nodes"] == ALL[:1]


def test_steps_out_of_turn_are_refused(call, couch3, password):
    there = {"port": PORTS[1], "name": "fresh2"}
    with pytest.raises(BadRequest, match="not enabled"):
        call(couch3.add_node, "127.0.0.1", USER, password, **there)
    call(couch3.enable_cluster, node_count=2)  # the administrator is there already
    with pytest.raises(BadRequest, match="already enabled"):
        call(couch3.enable_cluster, USER, password)
    call(couch3.add_node, "127.0.0.1", USER, password, **there)
    with pytest.raises(Conflict):
        call(couch3.add_node, "127.0.0.1", USER, password, **there)
    with pytest.raises(BadRequest, match="Invalid Host and/or Port"):
        call(couch3.add_node, "127.0.0.1", USER, password, port=9)


def test_a_single_node_is_set_up(call, couch3, password):
    dbs = ["_users", "_replicator", "_global_changes"]
    done = call(couch3.enable_single_node, USER, password, port=PORTS[0], ensure_dbs_exist=dbs)
    assert done == {"ok": True}
    assert call(couch3.all_dbs) == sorted(dbs)
    state = {"state": "single_node_enabled"}
    assert call(couch3.cluster_setup, dbs) == state
    assert call(couch3.cluster_setup, ["no-such-database"]) != state
