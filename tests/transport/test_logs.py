"""Each room tells, in a logger of its own, what it has got over."""

import logging

import pytest

from corduroy import Couch
from corduroy.testing import Server
from tests.faults.proxy import Cut, FaultProxy, unavailable


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture
def proxy(server):
    with FaultProxy(server.url) as proxy:
        yield proxy


@pytest.fixture
def db(server, proxy):
    with Couch(server.url, style="blocking") as straight:
        straight.create("told").save([{"_id": f"{n:04}", "text": "x" * 100} for n in range(500)])
        with Couch(proxy.url) as couch:
            yield couch.database("told")
        straight.delete("told")


def test_a_batch_that_waits(db, proxy, call, caplog):
    caplog.set_level(logging.INFO)
    strikes = [unavailable()]
    proxy.plan = lambda request: (
        strikes.pop() if "_bulk_docs" in request.target and strikes else None
    )
    assert call(db.save, iter([{"_id": "new"}])).saved == 1
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("corduroy.bulk", "INFO")
    assert "503" in record.message
    assert "/told" in record.message


def test_a_stream_that_breaks_off(db, proxy, call, caplog):
    caplog.set_level(logging.INFO)
    proxy.next(Cut(after=2000))
    assert len(call(db.docs(resume=True).all)) == 500
    (record,) = caplog.records
    assert (record.name, record.levelname) == ("corduroy.stream", "INFO")
    assert "connection_failed" in record.message
    assert "/told/_all_docs" in record.message
