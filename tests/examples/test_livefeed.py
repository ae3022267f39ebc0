"""The live feed over real HTTP: what a browser is told, while servers die and browsers come back."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import uuid
from pathlib import Path
from urllib.request import urlopen

import pytest

from corduroy import Couch
from corduroy.testing import Server
from examples.livefeed import hub as hub_module
from examples.livefeed.demo import write_one
from examples.livefeed.hub import LARGEST, SHOWN
from tests.examples.livefeed import Told, serving

ROOT = Path(__file__).parents[2]


# -- the stream -----------------------------------------------------------------------------------


async def test_a_browser_is_told_what_happens(db):
    async with serving(db) as site:
        stream = await site.stream()
        assert (await stream.next("snapshot")).data == []
        wren = {"_id": "wren", "name": "Wren"}
        await site.db.save(wren)
        (created,) = (await stream.next("changes")).data
        assert created["doc"] == wren
        assert (created["id"], created["kind"], created["generation"]) == ("wren", "created", 1)
        assert created["at"]
        await site.db.save(wren)
        (updated,) = (await stream.next("changes")).data
        assert (updated["kind"], updated["generation"]) == ("updated", 2)
        await site.db.delete(wren)
        (deleted,) = (await stream.next("changes")).data
        assert (deleted["kind"], deleted["generation"]) == ("deleted", 3)
        stream.close()


async def test_who_comes_first_sees_what_happened_last(db):
    blocking = db.with_style("future")
    for at in range(SHOWN + 2):
        await blocking.save({"_id": f"{at:03}"})
    async with serving(db) as site:
        stream = await site.stream()
        shown = (await stream.next("snapshot")).data
        assert [change["id"] for change in shown] == [f"{at:03}" for at in range(2, SHOWN + 2)]
        assert {change["at"] for change in shown} == {None}
        stream.close()


async def test_every_browser_is_told_by_one_feed(db):
    async with serving(db) as site:
        streams = [await site.stream() for _ in range(20)]
        for stream in streams:
            await stream.next("snapshot")
        for at in range(10):
            await site.db.save({"_id": f"{at}"})
        told = [await stream.ids_until("9") for stream in streams]
        assert told == [[str(at) for at in range(10)]] * 20
        for stream in streams:
            stream.close()


async def test_a_browser_that_comes_back_is_told_what_it_has_missed_and_nothing_else(db):
    async with serving(db) as site:
        stream = await site.stream()
        await stream.next("snapshot")
        await site.db.save({"_id": "seen"})
        last = (await stream.next("changes")).id
        stream.close()
        for id in ("missed", "missed-too"):
            await site.db.save({"_id": id})
        for again in (await site.stream(last), await site.stream(after=last)):
            assert await again.ids_until("missed-too") == ["missed", "missed-too"]
            again.close()


async def test_a_browser_that_saw_nothing_happen_can_come_back(db):
    async with serving(db) as site:
        stream = await site.stream()
        last = (await stream.next("snapshot")).id
        stream.close()
        await site.db.save({"_id": "missed"})
        stream = await site.stream(last)
        assert await stream.ids_until("missed") == ["missed"]
        stream.close()


async def test_what_is_older_than_what_is_kept_comes_from_the_database(db, monkeypatch):
    monkeypatch.setattr(hub_module, "PAGE", 7)
    async with serving(db) as site:
        stream = await site.stream()
        await stream.next("snapshot")
        await site.db.save({"_id": "seen"})
        last = (await stream.next("changes")).id
        stream.close()
    for at in range(20):
        await db.save({"_id": f"{at:03}"})
    async with serving(db) as site:  # a new process, which remembers nothing
        stream = await site.stream(last)
        assert await stream.ids_until("019") == [f"{at:03}" for at in range(20)]
        await site.db.save({"_id": "live"})
        assert await stream.ids_until("live") == ["live"]
        stream.close()


async def test_a_browser_that_is_too_slow_is_let_go_of_and_comes_back(db, monkeypatch):
    monkeypatch.setattr(hub_module, "KEPT", 3)
    async with serving(db) as site:
        texts = site.hub.follow(None)
        first = [await anext(texts), await anext(texts)]
        watching = await site.stream()
        for at in range(6):
            await site.db.save({"_id": f"{at}"})
            await watching.ids_until(f"{at}")
        watching.close()
        stream = await site.stream()
        assert [change["id"] for change in (await stream.next("snapshot")).data][-1:] == ["5"]
        stream.close()
        async with asyncio.timeout(30):
            async for _ in texts:
                pass
        last = Told(first[1]).id
        stream = await site.stream(last)
        assert sorted(await stream.ids_until("5")) == [str(at) for at in range(6)]
        stream.close()


async def test_a_stream_that_says_nothing_gives_signs_of_life(db, monkeypatch):
    monkeypatch.setattr(hub_module, "PING", 0.05)
    async with serving(db) as site:
        texts = site.hub.follow(None)
        async with asyncio.timeout(30):
            while await anext(texts) != ":\n\n":
                pass
        await texts.aclose()


async def test_nothing_is_left_of_a_browser_that_has_gone(db):
    async with serving(db) as site:
        streams = [await site.stream() for _ in range(5)]
        for stream in streams:
            await stream.next("snapshot")
        assert len(telling()) == 5
        for stream in streams:
            stream.close()
        for _ in range(1000):
            if not telling():
                break
            await asyncio.sleep(0.01)
        assert not telling()


def telling():
    """The tasks that write streams."""
    return [task for task in asyncio.all_tasks() if task.get_coro().__name__ == "tell"]


async def test_a_document_that_is_too_large_is_told_of_and_not_shown(db):
    async with serving(db) as site:
        stream = await site.stream()
        await site.db.save({"_id": "whale", "song": "o" * LARGEST})
        (change,) = (await stream.next("changes")).data
        assert change["size"] > LARGEST
        assert "doc" not in change
        stream.close()


async def test_a_stream_ends_quietly_with_the_program(db, caplog):
    async with serving(db) as site:
        stream = await site.stream()
        await stream.next("snapshot")
    assert await stream.next("changes") is None
    stream.close()
    assert caplog.text == ""


# -- servers that die -----------------------------------------------------------------------------


async def test_a_database_server_that_dies_is_seen_to_and_nothing_is_lost(tmp_path):
    with Server(tmp_path) as server:
        async with (
            Couch(server.url, style="future") as couch,
            serving(await couch.create("aviary")) as site,
        ):
            stream = await site.stream()
            await stream.next("snapshot")
            await site.db.save({"_id": "before"})
            assert await stream.ids_until("before") == ["before"]
            server.kill()
            state = await stream.until_state("retrying")
            assert state["reason"]
            assert server.url not in state["reason"]
            assert state["seconds"] >= 0
            refused = await site.ask("POST", "/notes", {"text": "A wren"})
            assert refused.code == 503
            assert json.loads(refused.body)["error"] == "The database does not answer"
            server.start()
            await site.db.save([{"_id": f"{at}"} for at in range(50)])
            await stream.until_state("connected", "caught up")
            told = []
            while len(told) < 50:
                told += [change["id"] for change in (await stream.next("changes")).data]
            assert sorted(told, key=int) == [str(at) for at in range(50)]
            stream.close()


async def test_a_database_that_is_deleted_ends_the_feed_and_the_page_says_so(
    couch, caplog, classic
):
    if classic:
        pytest.skip("PouchDB Server never ends the feed of a database that was deleted")
    name = f"test-{uuid.uuid4().hex}"
    async with serving(await couch.create(name)) as site:
        stream = await site.stream()
        await stream.until_state("connected", "caught up")
        await couch.delete(name)
        state = await stream.until_state("stopped")
        assert "404" in state["reason"]
        stream.close()
    assert "the feed has ended" in caplog.text


# -- the page -------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/page.js", "/style.css", "/icon.svg"])
async def test_what_the_page_is_made_of_is_served_under_a_strict_policy(db, path):
    async with serving(db) as site:
        answer = await site.ask("GET", path)
    assert answer.code == 200
    assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
    assert "unsafe" not in answer.headers["Content-Security-Policy"]
    assert not re.search(rb"(src|href|url|@import)[=( ]+[\"']?(https?:)?//", answer.body)


async def test_a_note_is_written_edited_and_deleted(db):
    async with serving(db) as site:
        assert (await site.ask("POST", "/notes", {"text": " A wren "})).code == 204
        (row,) = await site.db.view("_all_docs", include_docs=True)
        assert (row.doc.type, row.doc.text) == ("note", "A wren")
        assert (await site.ask("PUT", f"/notes/{row.id}", {"text": "Two wrens"})).code == 204
        assert (await site.db.get(row.id)).text == "Two wrens"
        assert (await site.ask("DELETE", f"/notes/{row.id}")).code == 204
        assert len(await site.db.view("_all_docs")) == 0
        assert (await site.ask("PUT", f"/notes/{row.id}", {"text": "None"})).code == 404


@pytest.mark.parametrize("body", ["", "[]", "{}", "nonsense", '{"text": " "}', {"text": "o" * 501}])
async def test_what_is_no_note_is_refused(db, body):
    async with serving(db) as site:
        assert (await site.ask("POST", "/notes", body)).code == 400


async def test_only_notes_are_changed_and_only_by_this_page(db):
    async with serving(db) as site:
        await site.db.save({"_id": "treasure", "gold": 7})
        assert (await site.ask("PUT", "/notes/treasure", {"text": "Mine"})).code == 403
        assert (await site.ask("DELETE", "/notes/treasure")).code == 403
        assert (await site.ask("POST", "/notes", {"text": "Hi"}, kind="text/plain")).code == 415
        assert (await site.ask("POST", "/outage")).code == 404
        assert [row.id for row in await site.db.view("_all_docs")] == ["treasure"]


async def test_the_demo_writes_edits_and_deletes(db):
    random.seed(5984)
    db, notes = db.with_style("future"), []
    for _ in range(60):
        await write_one(db, notes)
    changes = (await db.changes())["results"]
    assert any(change.get("deleted") for change in changes)
    assert any(change["changes"][0]["rev"].startswith("2-") for change in changes)
    assert 4 <= len(notes) <= 12


# -- the program ----------------------------------------------------------------------------------


@contextlib.contextmanager
def program(*arguments, url):
    """The program; gives its process and the page's url, and ends it with Ctrl-C."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    started = subprocess.Popen(
        [sys.executable, "-X", "dev", "-W", "error", "-m", "examples.livefeed", *arguments],
        cwd=ROOT,
        env={**os.environ, "COUCHDB_URL": url, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # so that Ctrl-C can be sent to all of it, as a terminal does
    )
    try:
        yield started, re.findall(r"http://127\.0\.0\.1:\d+/", started.stdout.readline())[0]
    finally:
        os.killpg(started.pid, signal.SIGINT)
        _, log = started.communicate(timeout=60)
    assert started.returncode == 0, log
    for bad in ("Warning", "Traceback", "never", "pending"):
        assert bad not in log


def test_the_program_serves_until_ctrl_c(couchdb_url, couch):
    name = f"test-{uuid.uuid4().hex}"
    try:
        with program("--port", "0", "--db", name, "--demo", url=couchdb_url) as (_, url):
            with urlopen(url, timeout=10) as page:
                assert b"<title>livefeed</title>" in page.read()
            with urlopen(url + "about", timeout=10) as about:
                assert json.load(about) == {"db": name, "outage": False}
            with urlopen(url + "events", timeout=30) as events:  # open still when Ctrl-C comes
                lines = (events.readline() for _ in range(50))
                assert any(b'"kind": "created"' in line for line in lines)
    finally:
        couch.delete(name)


def test_the_program_brings_its_own_server_where_there_is_none(couchdb_url):
    with program("--port", "0", url="") as (_, url):
        with urlopen(url + "about", timeout=10) as about:
            assert json.load(about) == {"db": "livefeed", "outage": True}
        events = urlopen(url + "events", timeout=30)
        assert events.readline() == b"retry: 1000\n"
    events.close()
