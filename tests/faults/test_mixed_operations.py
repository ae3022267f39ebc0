"""Ten thousand operations through random faults, fifty at once, in all styles: the database is in the
end what those who wrote to it know that it must be."""

from __future__ import annotations

import asyncio
import threading
import uuid
from collections import Counter
from random import Random

import pytest

from corduroy import Couch
from tests.faults.keeper import Keeper, generation_of
from tests.faults.proxy import FaultProxy, random_faults
from tests.faults.styles import Teller

AT_ONCE = 50
OPERATIONS = 10_000
SEED = 20261125


@pytest.fixture
def db(couchdb_url):
    """The database, without faults between."""
    with Couch(couchdb_url, style="blocking") as couch:
        name = f"mixed-{uuid.uuid4().hex}"
        yield couch.create(name)
        couch.delete(name)


def test_no_write_is_lost_and_none_doubled(couchdb_url, db):
    keepers = [Keeper(f"{n:02}", Random(SEED + n), OPERATIONS // AT_ONCE) for n in range(AT_ONCE)]
    stories = [keeper.story() for keeper in keepers]
    with FaultProxy(couchdb_url) as proxy:
        proxy.plan = random_faults(SEED, within=600)
        teller = Teller(proxy.url, couchdb_url, db.name, timeout=10)
        threads = threading.Thread(target=teller.tell_in_threads, args=(stories[34:],))
        threads.start()
        asyncio.run(told(teller, stories[:17], stories[17:34]))
        threads.join()
        proxy.wait_until(lambda: not proxy.connections)  # no socket is left
        injected = Counter(proxy.injected)
    assert [wrong for keeper in keepers for wrong in keeper.wrong] == []
    check_documents(db, keepers)
    check_posts(db, keepers)
    outcomes = sum((keeper.told for keeper in keepers), Counter())
    assert sum(outcomes.values()) >= OPERATIONS * 0.9
    assert injected.total() > OPERATIONS / 20
    assert outcomes["done"] > 0.97 * sum(outcomes.values()), outcomes


async def told(teller, by_future, by_callback):
    await teller.tell(by_future, by_callback)
    assert asyncio.all_tasks() == {asyncio.current_task()}
    loop = asyncio.get_running_loop()
    assert [timer for timer in loop._scheduled if not timer.cancelled()] == []


def check_documents(db, keepers):
    rows = {row.id: row for row in db.view("_all_docs", include_docs=True, conflicts=True)}
    for keeper in keepers:
        for id, known in keeper.known.items():
            row = rows.pop(id, None)
            if known.doc is None:
                assert row is None, f"{id} is deleted"
                continue
            assert row.doc == known.doc
            assert generation_of(row.doc["_rev"]) == known.generation
            for name, content in known.files.items():
                assert db.get_attachment(id, name) == content
    assert all("tag" in row.doc for row in rows.values()), "and nothing else is there"


def check_posts(db, keepers):
    found = Counter(
        row.doc["tag"] for row in db.view("_all_docs", include_docs=True) if "tag" in row.doc
    )
    posted = set().union(*[keeper.posted for keeper in keepers])
    unsure = set().union(*[keeper.unsure for keeper in keepers])
    assert set(found) >= posted
    assert set(found) <= posted | unsure
    assert set(found.values()) <= {1}
