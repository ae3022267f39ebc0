"""The guide's functions that make a cluster of new nodes do so."""

from __future__ import annotations

import asyncio
import secrets
from pathlib import Path

import pytest

from corduroy import Couch, ServerError
from tests.cluster.nodes import PORTS, USER, other
from tests.docs.pages import NODES, Page

PAGE = Path(__file__).parents[2] / "docs/guide/clusters.md"
HOSTS = {"second.example": 2, "third.example": 3}


class First(Couch):
    """The first node, for which the other hosts are ports of this machine."""

    def enable_cluster(self, username, password, *, remote_node=None, **options):
        if remote_node:
            options |= other(HOSTS[remote_node], password)
        return super().enable_cluster(username, password, **options)

    def add_node(self, host, username, password):
        there = {"port": PORTS[HOSTS[host] - 1], "name": f"fresh{HOSTS[host]}"}
        return super().add_node("127.0.0.1", username, password, **there)


def test_the_guide_makes_a_cluster_of_new_nodes(ground3, password, monkeypatch):
    monkeypatch.setattr(secrets, "token_hex", lambda count: "0123456789abcdef" * (count // 8))
    with asyncio.Runner() as runner, First(ground3.url) as first:
        page = Page("clusters.md", PAGE.read_text(), runner)
        page.run(NODES)
        with pytest.raises(ServerError, match=r"no config\('chttpd_auth/secret'\)"):
            page.namespace["set_up"](first, HOSTS, USER, password)
        page.namespace["give_secret"](first)
        assert first.finish_cluster() == {"ok": True}
        assert first.cluster_setup() == {"state": "cluster_finished"}
        assert len(first.membership()["all_nodes"]) == 3
