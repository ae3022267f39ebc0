"""What tests that need a server of their own share: three nodes, as they are or as a cluster."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from corduroy import Couch
from tests.cluster.nodes import Nodes, join
from tests.replay.grounds import Live
from tests.replay.plugin import is_recorded


@pytest.fixture
def nodes(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Nodes | None]:
    """Three fresh nodes; None: what was recorded of some is replayed."""
    release = os.environ.get("COUCHDB_RELEASE")
    if not release or is_recorded(request):
        yield None
        return
    with Nodes(Path(release), tmp_path) as fresh:
        yield fresh


@pytest.fixture
def couchdb3(nodes: Nodes | None) -> tuple[str, str] | None:
    """The first of them is the server of these tests, instead of ``COUCHDB_URL``."""
    if nodes is None:
        return None
    with Couch(nodes.url, style="blocking") as couch:
        return nodes.url, couch.version()


@pytest.fixture
def password(ground3: Live) -> str:
    """The administrator's, on all nodes."""
    return urlsplit(ground3.url).password or ""


@pytest.fixture
def cluster3(
    couch3: Couch[Any], offstage: Callable[[Callable[[Couch[Any]], object]], None], password: str
) -> Couch[Any]:
    """The three nodes as a cluster."""

    offstage(lambda couch: join(couch, password))
    return couch3
