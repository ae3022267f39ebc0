"""A thousand requests at once through ten connections: they begin in the order in which they were made,
each gets its own answer, whoever gives up is not waited for, and waiting costs little."""

from __future__ import annotations

import asyncio
import json
import queue
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from corduroy import ConnectionFailed, Couch, Database, HTTPError, RequestTimeout, defaults
from tests.faults import report, scale
from tests.faults.kinds import WEIGHTS
from tests.faults.leftovers import leaving_nothing
from tests.faults.proxy import FaultProxy, Silence, Stall, random_faults
from tests.faults.scripted import PATIENCE, End, Script, Upstream

COUNT = 1_000 * scale.SCALE
CONNECTIONS = 10

IDS = [f"{number:06}" for number in range(COUNT)]

Serve = Callable[[Script], Upstream]


@pytest.fixture(autouse=True)
def _ten_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "max_clients", CONNECTIONS)


class Visitor:
    """Somebody who has come through a `Turnstile`."""

    def __init__(self, id: str) -> None:
        self.id = id
        self.may_go = threading.Event()


class Turnstile:
    """A script: whoever comes in stays until they may go, with the document that they asked for.

    Attributes:
        inside (int): how many there are.
        most (int): how many there have been at once.
    """

    def __init__(self) -> None:
        self.inside = self.most = 0
        self._lock = threading.Lock()
        self._came: queue.SimpleQueue[Visitor] = queue.SimpleQueue()

    def __call__(self, peer: End) -> None:
        while head := peer.head():
            visitor = Visitor(head.split(b" ")[1].decode().rpartition("/")[2])
            with self._lock:
                self.inside += 1
                self.most = max(self.most, self.inside)
            self._came.put(visitor)
            assert visitor.may_go.wait(PATIENCE)
            with self._lock:
                self.inside -= 1
            body = json.dumps({"_id": visitor.id, "_rev": "1-x"})
            peer.send(f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode())

    async def next(self, count: int) -> list[Visitor]:
        """Those who come next."""
        return [await asyncio.to_thread(self._came.get, timeout=PATIENCE) for _ in range(count)]

    async def one_by_one(self, inside: list[Visitor], count: int) -> list[str]:
        """Have so many more come in, each when one of those inside has gone, whoever that is.

        Returns:
            list of str: the ids in the order in which they came. All may go now.
        """
        chance = random.Random(scale.seed(1))
        inside, came = list(inside), []
        while len(came) < count:
            assert self._came.empty()
            inside.pop(chance.randrange(len(inside))).may_go.set()
            inside += await self.next(1)
            came.append(inside[-1].id)
        _let_go(inside)
        return came


def _let_go(visitors: list[Visitor]) -> None:
    for visitor in visitors:
        visitor.may_go.set()


@pytest.fixture
def turnstile() -> Turnstile:
    return Turnstile()


# -- order ---------------------------------------------------------------------------------------


async def test_requests_begin_in_the_order_in_which_they_were_made(
    serve: Serve, turnstile: Turnstile
) -> None:
    server = serve(turnstile)
    async with leaving_nothing(), Couch(server.url) as couch:
        db = couch.database("db")
        calls = [db.get(id) for id in IDS]
        first = await turnstile.next(CONNECTIONS)
        assert sorted(visitor.id for visitor in first) == IDS[:CONNECTIONS]
        assert await turnstile.one_by_one(first, COUNT - CONNECTIONS) == IDS[CONNECTIONS:]
        assert [doc._id for doc in await asyncio.gather(*calls)] == IDS
    assert (turnstile.most, server.met) == (CONNECTIONS, CONNECTIONS)
    report.note("in order", requests=COUNT, connections=server.met, out_of_order=0)


async def test_who_gives_up_is_passed_over_and_makes_room(
    serve: Serve, turnstile: Turnstile
) -> None:
    server = serve(turnstile)
    async with leaving_nothing(), Couch(server.url) as couch:
        db = couch.database("db")
        calls = [db.get(id) for id in IDS]
        first = await turnstile.next(CONNECTIONS)  # half of these are going to be cancelled
        for call in calls[1::2]:
            call.cancel()
        second = await turnstile.next(CONNECTIONS // 2)
        assert sorted(visitor.id for visitor in second) == IDS[10:20:2]
        _let_go([visitor for visitor in first if visitor.id in IDS[1::2]])
        inside = second + [visitor for visitor in first if visitor.id in IDS[::2]]
        assert await turnstile.one_by_one(inside, COUNT // 2 - CONNECTIONS) == IDS[20::2]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert [doc._id for doc in ended[::2]] == IDS[::2]
        assert {type(error) for error in ended[1::2]} == {asyncio.CancelledError}
        await _all_slots_are_free(db, turnstile)


async def test_a_deadline_runs_out_in_the_queue_as_well(serve: Serve, turnstile: Turnstile) -> None:
    server = serve(turnstile)
    async with leaving_nothing(), Couch(server.url) as couch:
        db = couch.database("db")
        began = time.monotonic()
        patient = [db.get(id) for id in IDS[:CONNECTIONS]]
        hasty = [db.get(id, timeout=0.3) for id in IDS[CONNECTIONS:]]
        last = db.get("last")
        inside = await turnstile.next(CONNECTIONS)
        failed = await asyncio.gather(*hasty, return_exceptions=True)
        assert time.monotonic() - began < 0.3 + 2 * scale.SCALE
        assert {type(error) for error in failed} == {RequestTimeout}
        _let_go(inside)
        (visitor,) = await turnstile.next(1)
        assert visitor.id == "last"
        _let_go([visitor])
        assert (await last)._id == "last"
        assert [doc._id for doc in await asyncio.gather(*patient)] == IDS[:CONNECTIONS]
        await _all_slots_are_free(db, turnstile)


async def test_closing_ends_what_is_under_way_and_what_waits(
    serve: Serve, turnstile: Turnstile
) -> None:
    server = serve(turnstile)
    async with leaving_nothing():
        couch = Couch(server.url)
        db = couch.database("db")
        calls = [db.get(id) for id in IDS]
        inside = await turnstile.next(CONNECTIONS)
        await couch.close()
        failed = await asyncio.gather(*calls, return_exceptions=True)
        assert {type(error) for error in failed} == {ConnectionFailed}
        _let_go(inside)
    assert server.met == CONNECTIONS


async def _all_slots_are_free(db: Database[Any], turnstile: Turnstile) -> None:
    calls = [db.get(f"again-{number}") for number in range(CONNECTIONS)]
    _let_go(await turnstile.next(CONNECTIONS))
    await asyncio.gather(*calls)


# -- what each gets --------------------------------------------------------------------------------


async def by_future(method: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    return await asyncio.gather(*[method(argument) for argument in arguments])


async def by_callback(method: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    told: list[list[Any]] = [[] for _ in arguments]

    def call(argument: Any, to: list[Any]) -> Any:
        return method(argument, callback=lambda data, status: to.append((data, status.ok)))

    await asyncio.gather(*map(call, arguments, told))
    assert all(len(each) == 1 for each in told)  # exactly once
    assert all(ok for ((_, ok),) in told)
    return [data for ((data, _),) in told]


async def in_threads(method: Callable[..., Any], arguments: Sequence[Any]) -> list[Any]:
    """Each thread has a loop, and a connection, of its own."""

    def run() -> list[Any]:
        with ThreadPoolExecutor(CONNECTIONS) as threads:
            return list(threads.map(method, arguments))

    return await asyncio.to_thread(run)


@pytest.fixture
def full(db: Database[Any]) -> Database[Any]:
    """A database with a document for each id."""
    db.with_style("blocking").save([{"_id": id, "is": id} for id in IDS])
    return db


@pytest.mark.parametrize("way", [by_future, by_callback, in_threads])
async def test_each_gets_its_own_answer(
    couchdb_url: str, full: Database[Any], way: Callable[..., Awaitable[list[Any]]]
) -> None:
    wanted = random.Random(scale.seed(2)).sample(IDS, COUNT)
    async with leaving_nothing(), Couch(couchdb_url) as couch:
        got = await way(couch.database(full.name).get, wanted)
        assert [(doc._id, doc["is"]) for doc in got] == [(id, id) for id in wanted]


# -- the other half --------------------------------------------------------------------------------

AT_ONCE, ON_ITS_WAY, IN_THE_QUEUE = range(3)


def given_up(number: int) -> int | None:
    """When a call is given up; every second one is."""
    return number // 2 % 3 if number % 2 else None


def writes(number: int) -> bool:
    """Whether a call is a write, of a new document; the others read."""
    return number % 4 > 1


def half_given_up(db: Database[Any], hasty: float | None = None) -> list[asyncio.Future[Any]]:
    """Make all calls at once, and give up half of them.

    Args:
        db: a database with a document for each id.
        hasty (float | None): seconds that some of the others may take.
    """
    calls: list[asyncio.Future[Any]] = []
    for number, id in enumerate(IDS):
        timeout = hasty if number % 10 == 8 else None
        if writes(number):
            calls.append(db.save({"_id": f"new-{id}", "is": id}, timeout=timeout))
        else:
            calls.append(db.get(id, timeout=timeout))
    for number, call in enumerate(calls):
        when = given_up(number)
        if when == AT_ONCE:
            call.cancel()
        elif when is not None:
            ahead = 5 if when == ON_ITS_WAY else 4 * CONNECTIONS + 1
            calls[max(number - ahead, 0)].add_done_callback(lambda _, call=call: call.cancel())
    return calls


async def check(
    calls: list[asyncio.Future[Any]], db: Database[Any], *allowed: type[Exception]
) -> Counter[str]:
    """Assert that each call has given what it should, and that the database has what was written.

    Args:
        calls: those of `half_given_up`, all done.
        db: the database.
        *allowed: how calls that nobody has given up may fail.

    Returns:
        Counter: how often which has failed.
    """
    failed: Counter[str] = Counter()
    there = {doc._id: doc async for doc in db.docs()}
    assert all(id.endswith(doc["is"]) and doc._rev.startswith("1-") for id, doc in there.items())
    for number, (id, call) in enumerate(zip(IDS, calls, strict=True)):
        if call.cancelled():
            failed["CancelledError"] += 1
            assert number % 2
            assert given_up(number) != AT_ONCE or f"new-{id}" not in there
        elif (error := call.exception()) is not None:
            failed[type(error).__name__] += 1
            assert isinstance(error, allowed)
        elif writes(number):
            assert call.result().resolved == {f"new-{id}": there[f"new-{id}"]}
        else:
            assert (call.result()._id, call.result()["is"]) == (id, id)
    return failed


async def test_giving_up_every_second_leaves_the_others_right(
    couchdb_url: str, full: Database[Any]
) -> None:
    async with leaving_nothing(), Couch(couchdb_url) as couch:
        db = couch.database(full.name)
        calls = half_given_up(db)
        await asyncio.wait(calls)
        failed = await check(calls, db)
        assert COUNT // 3 < failed["CancelledError"] <= COUNT // 2
    report.note(
        "half of them given up", requests=COUNT, given_up=failed["CancelledError"], wrong=0, left=0
    )


async def test_so_it_does_where_much_fails_and_deadlines_run_out(
    couchdb_url: str, full: Database[Any]
) -> None:
    weights = {kind: weight for kind, weight in WEIGHTS.items() if kind not in (Silence, Stall)}
    seed = scale.seed(3)
    plan = random_faults(seed, weights=weights, spare=0.7)
    with FaultProxy(couchdb_url, plan) as proxy:
        async with leaving_nothing(), Couch(proxy.url) as couch:
            db = couch.database(full.name)
            calls = half_given_up(db, hasty=0.05)
            await asyncio.wait(calls)
            proxy.plan = None
            failed = await check(calls, db, HTTPError)
            assert failed["RequestTimeout"]
            others = failed.total() - failed["RequestTimeout"] - failed["CancelledError"]
            assert others < COUNT // 20
        assert proxy.injected.total() > COUNT // 20
    report.note(
        "amid faults and deadlines",
        requests=COUNT,
        given_up=failed["CancelledError"],
        faults=proxy.injected.total(),
        deadlines=failed["RequestTimeout"],
        failed_otherwise=others,
        wrong=0,
        left=0,
        seed=seed,
    )


# -- memory ---------------------------------------------------------------------------------------

_SCRIPT = """
import asyncio, sys
from pathlib import Path
from corduroy import ConnectionFailed, Couch, defaults

COUNT, ANSWER = int(sys.argv[1]), b'HTTP/1.1 200 OK\\r\\nContent-Length: 11\\r\\n\\r\\n{"ok":true}'
defaults.max_clients = 10

def held(name="VmRSS"):
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(name + ":"))

async def main():
    open_ = asyncio.Event()

    async def serve(reader, writer):
        while await reader.readline():
            await reader.readuntil(b"\\r\\n\\r\\n")
            await open_.wait()
            writer.write(ANSWER)
        writer.close()

    async def throng():
        open_.clear()
        before = held()
        calls = [couch.info() for _ in range(COUNT)]
        await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        each = (held() - before) / COUNT
        for call in calls[::2]:
            call.cancel()
        open_.set()
        await asyncio.wait(calls)
        return each, held("VmHWM")

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with Couch(f"http://127.0.0.1:{port}") as couch:
        each, peak = await throng()
        _, after = await throng()
    print(round(each), peak, after)

asyncio.run(main())
"""


@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured by Linux's /proc")
def test_waiting_costs_little() -> None:
    count = 10_000
    done = subprocess.run(
        [sys.executable, "-c", _SCRIPT, str(count)],
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    each, peak, after = map(int, done.stdout.split())
    assert 0 < each < 4 * 1024
    assert after - peak < count * 1024  # the second throng finds the place of the first
    report.note("queue", waiting=count, bytes_each=each)
