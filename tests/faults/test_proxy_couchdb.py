"""The proxy in front of a real server."""

from __future__ import annotations

import asyncio
import base64
import re
from urllib.parse import unquote, urlsplit

import pytest

from corduroy import ConnectionFailed, Couch, HTTPError
from tests.faults.kinds import WEIGHTS
from tests.faults.proxy import CutInLine, Lost, Silence, Stall, random_faults


@pytest.fixture
def far(proxy, db):
    """The database of this test, through the proxy."""
    with Couch(proxy.url, style="blocking") as couch:
        yield couch.database(db.name)


def credentials(url):
    parts = urlsplit(url)
    pair = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return base64.b64encode(pair.encode()).decode()


def test_a_continuous_feed_breaks_off_in_a_row(db, proxy, far, connect):
    for number in range(5):
        far.save({"_id": str(number)})
    proxy.next(CutInLine(skip=3))
    client = connect(proxy)
    auth = f"Authorization: Basic {credentials(proxy.url)}\r\n" if "@" in proxy.url else ""
    target = f"/{db.name}/_changes?feed=continuous"
    client.send(f"GET {target} HTTP/1.1\r\nHost: here\r\n{auth}\r\n".encode())
    raw = client.rest()
    assert len(re.findall(rb'^\{.*"seq".*\}\r?$', raw, re.MULTILINE)) == 3
    assert raw.rpartition(b"\n")[2].startswith(b"{")


@pytest.mark.usefixtures("once")
def test_a_write_that_is_lost_has_been_done(db, proxy, far):
    proxy.next(Lost())
    with pytest.raises(ConnectionFailed):
        far.save({"_id": "lost"})
    assert proxy.injected == {"Lost": 1}
    assert "lost" in db.with_style("blocking")


def test_clients_on_a_loop_of_the_same_process_get_through(db, proxy):
    async def save_and_list():
        async with Couch(proxy.url, style="future") as couch:
            far = couch.database(db.name)
            await asyncio.gather(*(far.save({"_id": str(number)}) for number in range(20)))
            return await far.changes()

    assert len(asyncio.run(save_and_list())["results"]) == 20
    assert proxy.requests == 21


def test_what_is_acknowledged_among_random_faults_is_there(db, proxy, far):
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind not in (Silence, Stall)}
    proxy.plan = random_faults(3, spare=0.5, weights=weights, within=600)
    saved = set()
    for number in range(100):
        try:
            far.save({"_id": str(number)})
            saved.add(str(number))
        except HTTPError:
            pass
    assert saved
    assert proxy.injected.total() > 20
    assert saved <= set(db.with_style("blocking"))
