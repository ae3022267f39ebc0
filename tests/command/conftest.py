"""What the tests of the command line share: the command, run as a program, and what databases hold."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from corduroy import Couch, Database
from tests.faults.connection import PATIENCE
from tests.faults.proxy import FaultProxy
from tests.faults.wire import Request

ROOT = Path(__file__).parents[2]
CORDUROY = [sys.executable, "-W", "error", "-m", "corduroy"]


@pytest.fixture
def environment(couchdb_url: str) -> dict[str, str]:
    """What the command finds in its environment: the server of this run."""
    return {**os.environ, "COUCHDB_URL": couchdb_url, "PYTHONPATH": str(ROOT)}


@pytest.fixture
def corduroy(
    environment: dict[str, str], tmp_path: Path
) -> Callable[..., subprocess.CompletedProcess[Any]]:
    """``corduroy("info", …)``: runs the command to its end, in a folder of its own."""

    def run(*arguments: Any, text: bool = True, input: Any = None, **variables: str) -> Any:
        return subprocess.run(
            [*CORDUROY, *map(str, arguments)],
            env={**environment, **variables},
            cwd=tmp_path,
            input=input,
            capture_output=True,
            text=text,
            timeout=120,
        )

    return run


@pytest.fixture
def start(
    environment: dict[str, str], tmp_path: Path
) -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """``start("changes", …)``: starts the command, in the same folder."""
    started: list[subprocess.Popen[str]] = []

    def start(*arguments: Any, **variables: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*CORDUROY, *map(str, arguments)],
            env={**environment, **variables},
            cwd=tmp_path,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        process.kill()
        process.communicate()


@pytest.fixture
def source(db: Database[Any]) -> Database[Any]:
    """A fresh database, blocking."""
    return db.with_style("blocking")


@pytest.fixture
def target(couch: Couch[Any]) -> Iterator[Database[Any]]:
    """A database that is not there yet, blocking."""
    blocking = couch.with_style("blocking")
    name = f"test-{uuid.uuid4().hex}"
    yield blocking.database(name)
    if blocking.exists(name):
        blocking.delete(name)


Leaf = tuple[str, str]


def leaves(db: Any) -> dict[Leaf, Any]:
    """All leaf revisions of a database, by id and revision, with histories and what is attached."""
    found: dict[Leaf, Any] = {}
    for row in db.changes(style="all_docs")["results"]:
        for leaf in db.get(row["id"], open_revs="all", revs=True):
            doc = dict(leaf["ok"])
            for name in doc.pop("_attachments", {}):
                content = db.get_attachment(doc["_id"], name, rev=doc["_rev"])
                doc.setdefault("_attachments", {})[name] = bytes(content)
            found[doc["_id"], doc["_rev"]] = doc
    return found


def revisions(db: Any) -> dict[str, str]:
    """The current revisions of a database, by id."""
    return {row.id: row.value["rev"] for row in db.view("_all_docs")}


class Midway:
    """A proxy before the server that holds everything up when a dump is in the middle of its documents.

    Attributes:
        url (str): the server's, through the proxy.
    """

    def __init__(self, proxy: FaultProxy) -> None:
        self.url = proxy.url
        self._reached = threading.Event()
        self._go = threading.Event()
        self._left = 3  # portions; the first one is marked by then
        proxy.plan = self._hold

    def _hold(self, request: Request) -> None:
        if "_bulk_get" in request.target:
            self._left -= 1
            if self._left < 0:
                self._reached.set()
                self._go.wait(PATIENCE)

    def wait(self) -> None:
        """Wait until it is there."""
        assert self._reached.wait(PATIENCE)

    def go_on(self) -> None:
        """Let everything pass."""
        self._go.set()


@pytest.fixture
def midway(couchdb_url: str) -> Iterator[Midway]:
    """Where dumps are held up."""
    with FaultProxy(couchdb_url) as proxy:
        held = Midway(proxy)
        yield held
        held.go_on()


@pytest.fixture
def many(source: Database[Any]) -> Database[Any]:
    """A database whose dump takes several portions."""
    source.save([{"_id": f"doc-{n:04}", "n": n, "text": "so many words " * 9} for n in range(1000)])
    return source


def documents(path: Path) -> list[dict[str, Any]]:
    """The documents in a file, packed or not."""
    opened = gzip.open if path.suffix == ".gz" else open
    with opened(path, "rt", encoding="utf-8", newline="\n") as file:
        return [json.loads(line) for line in file if line.startswith('{"_id"')]
