"""A node, and what of it servers without nodes have; those of tests/cluster have nodes of their own."""

from __future__ import annotations

import uuid

import pytest

from corduroy import Couch, NotFound


def test_the_node_that_answers_tells_of_itself(call, couch3):
    node = couch3.node()
    assert "@" in call(node.info)["name"]
    assert call(node.versions)["erlang"]
    assert call(node.system)["memory"]["processes"] > 0
    assert call(node.smoosh)["channels"]
    assert "# TYPE couchdb_httpd_requests_total counter\n" in call(node.prometheus)


def test_a_node_that_is_not_there_is_not_found(call, couch3):
    node = couch3.node("no/such@node")
    for method in (node.info, node.config, node.stats, node.system, node.restart):
        with pytest.raises(NotFound, match="no such node: no/such@node"):
            call(method)


def test_statistics_are_read_at_any_depth(call, couch3):
    for stats in (couch3.stats, couch3.node().stats):
        assert call(stats, "couchdb/httpd/requests")["type"] == "counter"
        assert "requests" in call(stats, "/couchdb/httpd/")
        with pytest.raises(NotFound, match="there are no statistics 'couchdb/httpd/nothing'"):
            call(stats, "couchdb/httpd/nothing")


def test_naming_a_node_sends_nothing_and_keeps_the_style(nobody):
    node = Couch(nobody, style="blocking").node("couchdb@10.0.0.7")
    assert node.name == "couchdb@10.0.0.7"
    assert node.with_style("future").with_style("blocking").name == node.name
    assert repr(node) == f"<Node {nobody}/_node/couchdb%4010.0.0.7>"
    assert repr(Couch(nobody).node()) == f"<Node {nobody}/_node/_local>"
    with pytest.raises(ValueError, match="name must not be empty"):
        Couch(nobody).node("")
    with pytest.raises(TypeError, match="name must be a str"):
        Couch(nobody).node(None)


# -- on any server --------------------------------------------------------------------------------


def test_the_local_node_s_configuration_is_the_server_s(call, couch):
    key = f"test_{uuid.uuid4().hex}/tempo"
    assert call(couch.node().config, key, 120) is None
    assert call(couch.config, key) == "120"
    assert call(couch.node().config, key, delete=True) == "120"
    assert call(couch.node().stats) is not None


@pytest.fixture
def nodeless(couch, classic):
    """A server without nodes."""
    if not classic:
        pytest.skip("this server has nodes")
    return couch


def test_a_server_without_nodes_says_so(call, nodeless):
    node = nodeless.node()
    for method in (node.info, node.system, node.versions, node.prometheus, node.smoosh):
        with pytest.raises(NotFound, match="this server does not offer _node/_local"):
            call(method)
    with pytest.raises(NotFound, match="this server does not offer _node/_local/_config/_reload"):
        call(node.reload_config)
    with pytest.raises(NotFound, match="this server does not offer _node/a%40b/_config"):
        call(nodeless.node("a@b").config)


def test_pouchdb_server_says_that_it_does_not_restart(call, nodeless):
    for method in (nodeless.restart, nodeless.node().restart):
        with pytest.raises(NotFound, match="this server does not offer _restart"):
            call(method)


def test_couchdb_1_restarts_at_its_root(call, canned, canned_couch):
    canned.answer = lambda request: {"couchdb": "Welcome", "version": "1.7.2", "ok": True}
    assert call(canned_couch.restart)["ok"] is True
    (asked,) = [request for request in canned.asked if request.path != "/"]
    assert (asked.method, asked.path) == ("POST", "/_restart")
    assert asked.headers["Content-Type"] == "application/json"  # without it, CouchDB refuses


# -- the log --------------------------------------------------------------------------------------


def test_the_end_of_the_log_is_read_where_the_server_gives_it(call, nodeless):
    mark = f"no-such-database-{uuid.uuid4().hex}"
    assert call(nodeless.exists, mark) is False
    log = call(nodeless.log, 5000)
    assert isinstance(log, str)
    assert mark in log
    end = call(nodeless.log, bytes=100)
    assert len(end) == 100
    assert call(nodeless.log, bytes=10, offset=10) != end[-10:]


def test_couchdb_3_gives_no_log_but_tells_where_it_is(call, couch3):
    with pytest.raises(NotFound, match=r"read what config\('log'\) names") as caught:
        call(couch3.log)
    assert caught.value.error == "not_offered"


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"bytes": "many"}, TypeError, "bytes must be an int"),
        ({"offset": -1}, ValueError, "offset must not be negative"),
    ],
)
def test_the_log_is_asked_in_bytes(refused, nobody, options, kind, words):
    refused(kind, words, Couch(nobody).log, **options)
