"""The manual's table of what happens, by operation and fault, is held to what does happen."""

from __future__ import annotations

import contextlib
import io
import json
import re
import uuid
from itertools import cycle, islice, product
from pathlib import Path
from random import Random

import pytest

from corduroy import Couch, HTTPError, RequestTimeout
from corduroy.testing import Server
from tests.faults.proxy import (
    Answer,
    Cut,
    FaultProxy,
    Lost,
    Refuse,
    Reset,
    Silence,
    Stall,
    bad_gateway,
    error_500,
    too_many,
    unavailable,
)

PAGE = Path(__file__).parents[2] / "docs/guide/deadlines.md"
LARGE = Random(0).randbytes(100_000)
SOON = 0.3  # seconds in which an answer need not come
SOMETIME = 1.5  # seconds in which it must


def answer(status):
    body = json.dumps({"error": "told", "reason": "told"}).encode()
    return Answer(status, body, (("Content-Type", "application/json"),))


NOBODY = object()
AMID = [Cut(after=3000), Reset(after=3000)]
FAULTS = {
    "no connection": [NOBODY],
    "connection cut, or no whole answer": [Refuse(), Lost(), Reset(after=10)],
    "429": [too_many(0.05)],
    "502, 503, 504": [bad_gateway(), unavailable(), answer(504)],
    "500": [error_500()],
    "401": [answer(401)],
    "other refusals": [answer(400), answer(403), answer(410)],
    "time is up": [Silence()],
}


def table():
    """The table's cells: ``{row: {column: claim}}``, rows by what they begin with."""
    lines = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    start = next(at for at, line in enumerate(lines) if "no connection" in line)
    head, *rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[start:]]
    found = {}
    for name, *cells in rows:
        if len(cells) == len(FAULTS):
            found[re.sub(r"[`\[\]]", "", name)] = dict(zip(head[1:], cells, strict=True))
    return found


TABLE = table()


def fresh(**content):
    return {"_id": uuid.uuid4().hex, **content}


class Ground:
    """A database, and the way to it past a fault.

    Attributes:
        straight (Database): without faults.
        db (Database): through the proxy.
    """

    def __init__(self, straight, couch):
        self.straight = straight
        self.couch = couch
        self.db = couch.database(straight.name)

    def saved(self, **content):
        doc = fresh(**content)
        self.straight.save(doc)
        return doc

    def once(self, doc, generation):
        """A document has been written, and once."""
        assert self.straight.get(doc["_id"])["_rev"].startswith(f"{generation}-")


def save_new(on):
    doc = fresh()
    on.db.save(doc)
    on.once(doc, 1)


def save_again(on):
    doc = on.saved()
    on.db.save(doc)
    on.once(doc, 2)


def save_list(on):
    docs = [fresh() for _ in range(3)]
    assert on.db.save(docs).saved == 3
    for doc in docs:
        on.once(doc, 1)


def delete(on):
    assert on.db.delete(on.saved())["rev"].startswith("2-")


def copy(on):
    made = on.db.copy(on.saved(), uuid.uuid4().hex)
    assert made["rev"].startswith("1-")


def attach(on):
    doc = on.saved()
    on.db.put_attachment(doc, b"content", "a.txt")
    on.once(doc, 2)


def attach_file(on):
    doc = on.saved()
    on.db.put_attachment(doc, io.BytesIO(LARGE), "a.bin")
    on.once(doc, 2)


def save_attached(on):
    doc = fresh(_attachments={"a.bin": LARGE})
    on.db.save(doc)
    on.once(doc, 1)


def detach(on):
    doc = on.saved()
    on.straight.put_attachment(doc, b"content", "a.txt")
    on.db.delete_attachment(doc, "a.txt")
    on.once(doc, 3)


def stream_on(on):
    ids = [doc["_id"] for doc in on.db.docs(resume=True).all()]
    assert ids == sorted(set(ids))
    assert len(ids) == on.straight.info()["doc_count"]


def write(on):
    docs = [fresh() for _ in range(3)]
    with on.db.writer(max_retries=2) as writer:
        for doc in docs:
            writer.put(doc)
    for doc in docs:
        on.once(doc, 1)


USER = "org.couchdb.user:ada"

# What stands for a row: what it does, and of which requests of the operation the fault befalls one.
ROWS = {
    "Whatever only asks": [
        lambda on: on.db.get("a0"),
        lambda on: on.db.view("_all_docs", keys=["a0"]),
        lambda on: on.db.find({"_id": "a0"}),
        lambda on: on.db.revs_diff({"a0": ["9-a"]}),
        lambda on: on.db.changes(),
        lambda on: on.db.get_attachment("with", "large"),
    ],
    "save of a document or of a list": [
        *(save_new, save_again, save_list, delete, copy),
        *(attach, attach_file, save_attached, detach),
    ],
    "post, update": [
        lambda on: on.db.post({}),
        lambda on: on.db.update("d/u"),
        lambda on: on.db.update("d/u", "a0"),
        lambda on: on.db.show("d/s", body={"a": 1}),
    ],
    "save with batch": [lambda on: on.db.save(fresh(), batch=True)],
    "Users and replications": [
        lambda on: on.couch.database("_users").save(
            {"_id": USER, "name": "ada", "type": "user", "roles": [], "password": "x"}, force=True
        ),
        lambda on: on.couch.database("_replicator").save(
            fresh(source="http://127.0.0.1:9/a", target="http://127.0.0.1:9/b")
        ),
        lambda on: on.couch.replicate("http://127.0.0.1:9/a", "b", _id=uuid.uuid4().hex),
    ],
    "Databases and their upkeep": [
        lambda on: on.couch.create(f"made-{uuid.uuid4().hex}"),
        lambda on: on.db.compact(),
        lambda on: on.db.security({"members": {"roles": []}}),
        lambda on: on.db.create_index([uuid.uuid4().hex]),
        lambda on: on.db.deploy({"_id": f"_design/{uuid.uuid4().hex}", "language": "javascript"}),
    ],
    "A body that cannot be made": [
        lambda on: on.db.put_attachment(on.saved(), iter([LARGE]), "a.bin"),
    ],
    "stream, docs, ids": [
        lambda on: on.db.docs().all(),
        lambda on: on.db.get_attachment("with", "large", to=lambda piece: None),
        lambda on: on.db.stream_attachment("with", "large").all(),
    ],
    "the same, amid": [
        lambda on: on.db.docs().all(),
        lambda on: on.db.get_attachment("with", "large", to=lambda piece: None),
    ],
    "the same rows with resume": [stream_on],
    "writer": [write],
    "feeds": [
        lambda on: list(
            on.db.changes(feed="continuous", limit=3, heartbeat=SOMETIME / 2, max_retries=2)
        ),
    ],
}
STREAMED = "the same, amid", "the same rows with resume"


def named(row):
    (found,) = [name for name in ROWS if row.startswith(name)]
    return found


CELLS = [
    (row, column, claim) for row, cells in TABLE.items() for column, claim in cells.items() if claim
]


def test_each_row_of_the_table_is_known():
    assert [named(row) for row in TABLE] == list(ROWS)
    assert all(list(cells) == list(FAULTS) for cells in TABLE.values())


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


@pytest.fixture(scope="module")
def straight(server):
    with Couch(server.url, style="blocking") as couch:
        db = couch.create("table")
        random = Random(1)
        db.save([{"_id": f"a{n}", "text": random.randbytes(200).hex()} for n in range(299)])
        ddoc = {
            "_id": "_design/d",
            "updates": {"u": "function (doc, req) { return [null, 'ok']; }"},
            "shows": {"s": "function (doc, req) { return 'ok'; }"},
        }
        db.save(ddoc)
        db.save({"_id": "with", "_attachments": {"large": LARGE}})
        yield db


def known(couch, name):
    """Have a server's kind known, and uuids at hand, so that a call is one request."""
    couch.all_dbs(limit=1, timeout=20)
    couch.database(name).save({}, timeout=20)


def outcome(operation, on):
    """What an operation comes to; None: it has succeeded."""
    try:
        operation(on)
    except HTTPError as error:
        return error
    return None


def strikes(row, fault):
    """A plan by which a fault befalls one request: the write of those that read first."""
    left = [fault]
    writes = named(row) in (
        "save of a document or of a list",
        "Users and replications",
        "Databases and their upkeep",
        "writer",
    )

    def plan(request):
        if not left or (writes and request.method in ("GET", "HEAD")):
            return None
        return left.pop()

    return plan, left


@pytest.mark.parametrize(("row", "column", "claim"), CELLS, ids=lambda text: text[:25])
def test_a_cell_is_true(row, column, claim, server, straight):
    faults = FAULTS[column]
    if named(row) in STREAMED:
        if column == "connection cut, or no whole answer":
            faults = AMID
        elif column == "time is up":
            faults = [Stall(after=3000)]
        else:  # the second answer is never reached by one that does not break off
            faults = [(AMID[0], Refuse() if fault is NOBODY else fault) for fault in faults]
    operations = ROWS[named(row)]
    pairs = list(product(operations, faults))
    if "cut" not in column:  # each operation, and each fault
        count = max(len(operations), len(faults))
        pairs = list(zip(islice(cycle(operations), count), cycle(faults), strict=False))
    for operation, fault in pairs:
        if fault is NOBODY:
            _check_nobody(operation, straight, claim)
        else:
            _check(row, column, claim, operation, server, straight, fault)


def _check(row, column, claim, operation, server, straight, fault):
    events = []
    with contextlib.ExitStack() as stack:
        proxy = stack.enter_context(FaultProxy(server.url))
        timeout = 20.0
        if column == "time is up":
            timeout = SOON if claim == "raised" else SOMETIME
        couch = stack.enter_context(
            Couch(proxy.url, style="blocking", timeout=timeout, retries=2, on_request=events.append)
        )
        known(couch, straight.name)
        if isinstance(fault, tuple):
            proxy.next(*fault)
            left = []
        else:
            proxy.plan, left = strikes(row, fault)
        said = outcome(operation, Ground(straight, couch))
        assert not left, "the fault did not strike"
        if claim.startswith(("again", "goes on")):
            assert said is None, f"{fault} is {said!r}"
        else:
            assert claim == "raised"
            assert said is not None, f"{fault} was got over"
            assert isinstance(said, RequestTimeout) is (column == "time is up")


def _check_nobody(operation, straight, claim):
    """Nobody listens; how often it has been tried tells."""
    events = []
    url = "http://127.0.0.1:9"
    with Couch(url, style="blocking", retries=2, on_request=events.append) as couch:
        assert claim.startswith(("again", "goes on"))
        assert outcome(operation, Ground(straight, couch)) is not None
        assert len(events) >= 2
