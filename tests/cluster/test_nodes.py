"""Each node of a cluster has its own affairs, and each answers for all."""

from __future__ import annotations

import time

import pytest

from corduroy import NotFound
from tests.cluster.nodes import PORTS, wait_for_node

OTHER = "fresh2@127.0.0.1"


def test_another_node_is_asked_through_the_one_that_answers(call, cluster3):
    assert call(cluster3.node().info) == {"name": "fresh1@127.0.0.1"}
    node = cluster3.node(OTHER)
    assert call(node.info)["version"] == call(cluster3.version)
    assert call(node.system)["uptime"] >= 0
    assert call(node.versions)["erlang"]
    assert "couchdb_uptime_seconds" in call(node.prometheus)
    assert "channels" in call(node.smoosh)
    assert call(node.stats, "couchdb/httpd/requests")["type"] == "counter"


def test_each_node_has_its_own_configuration(call, cluster3):
    node = cluster3.node(OTHER)
    assert call(node.config, "music/tempo", 120) is None
    assert call(node.config, "music") == {"tempo": "120"}
    assert call(cluster3.config, "music") == {}
    assert call(node.config, "music/tempo", delete=True) == "120"
    with pytest.raises(NotFound):
        call(node.config, "music/tempo")


def test_a_configuration_edited_by_hand_is_reloaded(call, couch3, nodes):
    if nodes is not None:
        nodes.write_ini("\n[music]\ntempo = 60\n")
    assert call(couch3.config, "music") == {}
    assert call(couch3.node().reload_config) == {"ok": True}
    assert call(couch3.config, "music") == {"tempo": "60"}


def _uptime(couch):
    return couch.node().system()["uptime"]


def _wait_a_little(couch):
    while _uptime(couch) < 3:
        time.sleep(0.1)


@pytest.mark.parametrize("whole", [True, False], ids=["server", "node"])
def test_a_restarted_node_begins_anew(call, couch3, offstage, whole):
    offstage(_wait_a_little)
    before = call(couch3.node().system)["uptime"]
    assert call(couch3.restart if whole else couch3.node().restart) == {"ok": True}

    def wait(couch):
        while couch.up():
            time.sleep(0.02)
        wait_for_node(PORTS[0])

    offstage(wait)
    assert call(couch3.node().system)["uptime"] < before


def test_copies_of_shards_are_on_several_nodes(call, cluster3, fresh3):
    db = call(cluster3.create, fresh3("test"), q=2, n=2)
    assert call(db.info)["cluster"] == {"q": 2, "n": 2, "w": 2, "r": 2}
    shards = call(db.shards)["shards"]
    assert sorted(shards) == ["00000000-7fffffff", "80000000-ffffffff"]
    assert all(len(set(nodes)) == 2 for nodes in shards.values())
    found = call(db.shards, "_design/any?thing")
    assert shards[found["range"]] == found["nodes"]
    assert call(db.sync_shards) == {"ok": True}
