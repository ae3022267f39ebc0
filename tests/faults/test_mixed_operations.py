"""Ten thousand operations through random faults, fifty at once, in all styles: the database is in the
end what those who wrote to it know that it must be."""

from __future__ import annotations

import uuid
from collections import Counter
from random import Random

import pytest

from corduroy import Couch
from tests.faults import report
from tests.faults.keeper import Keeper, check
from tests.faults.proxy import FaultProxy, random_faults
from tests.faults.scale import SCALE, seed
from tests.faults.styles import Teller

AT_ONCE = 50
OPERATIONS = 10_000 * SCALE


@pytest.fixture
def db(couchdb_url):
    """The database, without faults between."""
    with Couch(couchdb_url, style="blocking") as couch:
        name = f"mixed-{uuid.uuid4().hex}"
        yield couch.create(name)
        couch.delete(name)


def test_no_write_is_lost_and_none_doubled(couchdb_url, db):
    chance = seed(20261125)
    keepers = [Keeper(f"{n:02}", Random(chance + n), OPERATIONS // AT_ONCE) for n in range(AT_ONCE)]
    stories = [keeper.story() for keeper in keepers]
    with FaultProxy(couchdb_url) as proxy:
        proxy.plan = random_faults(chance, within=600)
        teller = Teller(proxy.url, couchdb_url, db.name, timeout=10)
        teller.tell(stories)
        proxy.wait_until(lambda: not proxy.connections)  # no socket is left
        injected = Counter(proxy.injected)
    check(db, keepers)
    outcomes = sum((keeper.told for keeper in keepers), Counter())
    assert outcomes.total() >= OPERATIONS
    assert injected.total() > OPERATIONS / 20
    assert outcomes["done"] > 0.97 * outcomes.total(), outcomes
    report.note(
        "mixed operations",
        operations=outcomes.total(),
        at_once=AT_ONCE,
        faults=injected.total(),
        got_over=outcomes["done"],
        told_as_failed=outcomes.total() - outcomes["done"],
        lost=0,
        doubled=0,
        left=0,
        seed=chance,
    )
