"""Three nodes, cut off one after another: reads never fail while one of them answers, and nothing
that is written is lost.

The nodes are a cluster of CouchDB where there is a release of it (``COUCHDB_RELEASE``); else three
servers of the same content stand in for them, and three ways to one server where something is written.
"""

from __future__ import annotations

import contextlib
import os
import socket
import threading
import uuid
from collections import Counter
from pathlib import Path
from random import Random

import pytest

from corduroy import Couch
from corduroy.testing import Server
from tests.cluster.nodes import PASSWORD, USER, Nodes, join
from tests.faults import report
from tests.faults.keeper import Call, Keeper, check
from tests.faults.proxy import FaultProxy, Silence, unavailable
from tests.faults.scale import SCALE, seed
from tests.faults.styles import Teller

AT_ONCE = 50
# Seconds for a read, a third of them for each node: machines stand still for a moment.
READING = 6.0
CUTS = 5 * SCALE  # through which the readers read
WRITES = 40 * SCALE  # operations of each who writes, too, at least
FAST_CUTS = 12 * SCALE  # through which they write, at least


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """The addresses of three nodes; None: there are none."""
    release = os.environ.get("COUCHDB_RELEASE")
    if not release:
        yield None
        return
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(3)]
        first, second, third = (one.getsockname()[1] for one in taken)
    ports = first, second, third
    with Nodes(Path(release), tmp_path_factory.mktemp("nodes"), ports) as nodes:
        with Couch(nodes.url, style="blocking") as couch:
            join(couch, PASSWORD, ports)
        yield [f"http://{USER}:{PASSWORD}@127.0.0.1:{port}" for port in ports]


@pytest.fixture
def behind():
    """``behind(urls)``: a proxy in front of each."""
    with contextlib.ExitStack() as stack:
        yield lambda urls: [stack.enter_context(FaultProxy(url)) for url in urls]


class Trouble(threading.Thread):
    """Cuts nodes off, one after another and each in its way; one of them always answers, and goes on to
    for some seconds when another has come back."""

    def __init__(self, proxies, random, seconds=0.3):
        super().__init__()
        self.cuts = 0
        self._proxies = proxies
        self._random = random
        self._seconds = seconds
        self._over = threading.Event()

    def run(self):
        for turn in range(1_000_000):
            at = turn % len(self._proxies)
            self._proxies[at - 2].plan = None  # it was cut off longest
            self._proxies[at - 2].refusing = False
            if self._over.wait(self._seconds):
                break
            self._cut(self._proxies[at])
            self.cuts += 1
            if self._over.wait(self._seconds):
                break

    def _cut(self, proxy):
        way = self._random.choice(["gone", "ill", "silent"])
        if way == "gone":
            proxy.refusing = True
            proxy.cut_all(reset=True)
        else:
            fault = unavailable() if way == "ill" else Silence()
            proxy.plan = lambda request: fault

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self._over.set()
        self.join()


def told(what, cluster, trouble, chance, **figures):
    """Note the figures."""
    server = cluster and f"{report.of_this_run()}, a cluster of three"
    report.note(what, server=server, **figures, cuts=trouble.cuts, seed=chance)


def reading(trouble, random, read, failures):
    """The story of one who reads as long as there are to be cuts."""
    while trouble.cuts < CUTS:
        id = f"{random.randrange(100)}"
        outcome = yield Call("get", (id,))
        read.append(id)
        if outcome.error is not None or outcome.value["n"] != int(id):
            failures.append(outcome)


def test_reads_never_fail(cluster, behind):
    name = f"three-{uuid.uuid4().hex}"
    chance = seed(3)
    docs = [{"_id": f"{n}", "n": n} for n in range(100)]
    with contextlib.ExitStack() as stack:
        urls = cluster or [stack.enter_context(Server()).url for _ in range(3)]
        for url in urls if cluster is None else urls[:1]:
            with Couch(url, style="blocking") as couch:
                couch.create(name).save([dict(doc) for doc in docs])
        proxies = behind(urls)
        read: list = []
        failures: list = []
        # Within the time of a read no more than two are cut off.
        with Trouble(proxies, Random(chance), seconds=0.9 * READING) as trouble:
            stories = [reading(trouble, Random(chance + n), read, failures) for n in range(AT_ONCE)]
            teller = Teller([proxy.url for proxy in proxies], urls[0], name, timeout=READING)
            teller.tell(stories)
        assert failures == []
        told("reads", cluster, trouble, chance, reads=len(read), failed=0)
        if cluster is not None:
            with Couch(urls[0], style="blocking") as couch:
                couch.delete(name)


def test_nothing_that_is_written_is_lost_or_doubled(cluster, behind, couchdb_url):
    chance = seed(4)
    urls = cluster or [couchdb_url] * 3
    proxies = behind(urls)
    with Couch(urls[0], style="blocking") as couch:
        db = couch.create(f"three-{uuid.uuid4().hex}")
        trouble = Trouble(proxies, Random(chance))
        keepers = [
            Keeper(f"{n:02}", Random(chance + n), WRITES, lambda: trouble.cuts >= FAST_CUTS)
            for n in range(AT_ONCE)
        ]
        for keeper in keepers:  # PouchDB Server keeps what it got of an upload that broke
            keeper.attaches = "couchdb" in couch.info()
        stories = [keeper.story() for keeper in keepers]
        with trouble:
            teller = Teller([proxy.url for proxy in proxies], urls[0], db.name, timeout=6)
            teller.tell(stories)
        check(db, keepers)
        outcomes = sum((keeper.told for keeper in keepers), Counter())
        told(
            "reads and writes", cluster, trouble, chance,
            operations=outcomes.total(), told_as_failed=outcomes.total() - outcomes["done"],
            lost=0, doubled=0,
        )  # fmt: skip
        couch.delete(db.name)
