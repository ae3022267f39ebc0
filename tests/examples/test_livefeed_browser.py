"""The live feed as a viewer sees it, in headless Chromium. Its pictures are in build/."""

from __future__ import annotations

import asyncio
import json
import struct
from pathlib import Path

import pytest

from corduroy import Couch
from corduroy.testing import Server
from examples.livefeed.demo import Outage
from tests.examples.chromium import PROGRAM, Chromium
from tests.examples.livefeed import serving

PICTURES = Path(__file__).parents[2] / "build" / "livefeed"
FIRST = "document.querySelector('#changes li')"

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="this machine has no Chromium")


def text(selector):
    return f"document.querySelector({selector!r}).textContent.trim()"


def shows(selector, what):
    return f"{text(selector)} == {what!r}"


def first_is(kind, id):
    return (
        f"{FIRST}?.querySelector('.kind').textContent == {kind!r} && {FIRST}.dataset.id == {id!r}"
    )


def keep(name, picture):
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / f"{name}.png").write_bytes(picture)
    return struct.unpack(">II", picture[16:24])


async def test_the_page_shows_what_happens_and_what_is_tried_on_it(db, tmp_path):
    async with serving(db) as site, Chromium(tmp_path) as viewer:
        await viewer.open(f"http://127.0.0.1:{site.port}/")
        await viewer.until(shows("#db", db.name))
        await viewer.until(f"{text('#feed')}.startsWith('Database: Live')")
        await viewer.until(shows("#link", "Page: connected"))
        await viewer.until("!document.querySelector('#empty').hidden")

        await viewer.type("#text", "A wren in the hedge")
        await viewer.click("#send")
        await viewer.until(
            f"{FIRST}?.querySelector('.preview').textContent == 'A wren in the hedge'"
        )
        id = await viewer.see(f"{FIRST}.dataset.id")
        assert await viewer.see(first_is("created", id))
        assert await viewer.see(shows("#total", "1"))
        assert await viewer.see("document.querySelector('#empty').hidden")
        assert await viewer.see("document.querySelector('#text').value") == ""

        await viewer.click("#changes li summary")
        await viewer.until(
            f"{FIRST}.querySelector('pre').textContent.includes('\"type\": \"note\"')"
        )
        await viewer.click("#changes li .edit")
        assert await viewer.see("document.querySelector('#text').value") == "A wren in the hedge"
        await viewer.type("#text", "Two wrens")
        await viewer.click("#send")
        await viewer.until(first_is("updated", id))
        await viewer.until(shows("#send", "Write"))
        assert (await site.db.get(id)).text == "Two wrens"
        # What is no more cannot be edited.
        assert await viewer.see(
            "document.querySelector('#changes li:nth-child(2) .actions').hidden"
        )

        await viewer.click("#changes li summary")
        await viewer.until(f"{FIRST}.querySelector('pre').hasChildNodes()")
        await viewer.click("#changes li .delete")
        await viewer.until(first_is("deleted", id))
        assert await viewer.see("document.querySelectorAll('#changes li').length") == 3
        assert viewer.complaints == []


async def test_nothing_in_a_document_becomes_part_of_the_page(db, tmp_path):
    evil = "<img src=x onerror='document.title = 1'><script>document.title = 2</script>"
    async with serving(db) as site, Chromium(tmp_path) as viewer:
        await viewer.open(f"http://127.0.0.1:{site.port}/")
        await viewer.until(shows("#link", "Page: connected"))
        await site.db.save({"_id": evil, "type": "note", "text": evil, evil: [evil, None, -1.5e3]})
        await viewer.until(f"{FIRST}?.querySelector('.id').textContent == {json.dumps(evil)}")
        await viewer.click("#changes li summary")
        await viewer.until(f"{FIRST}.querySelector('pre').hasChildNodes()")
        assert await viewer.see("document.querySelector('#changes img, #changes script')") is None
        shown = json.loads(await viewer.see(f"{FIRST}.querySelector('pre').textContent"))
        assert shown[evil] == [evil, None, -1500]
        # Even what got into the page would not run.
        await viewer.see(
            "document.body.insertAdjacentHTML('beforeend', '<p onclick=\"document.title = 1\" id=x>')"
        )
        await viewer.see("document.getElementById('x').click()")
        assert await viewer.see("document.title") == f"{db.name}: livefeed"
        assert any("Content Security Policy" in told for told in viewer.complaints)


async def test_a_database_that_dies_is_seen_to_and_the_page_lives_on(tmp_path, monkeypatch):
    monkeypatch.setattr("examples.livefeed.demo.OUTAGE", 3.0)
    with Server(tmp_path / "data") as server:
        outage = Outage(server)
        async with (
            Couch(server.url, style="future") as couch,
            serving(await couch.create("aviary"), outage) as site,
            Chromium(tmp_path / "profile") as viewer,
        ):
            await viewer.open(f"http://127.0.0.1:{site.port}/")
            await viewer.until(f"{text('#feed')}.startsWith('Database: Live')")
            await site.db.save({"_id": "before"})
            await viewer.until(first_is("created", "before"))
            await viewer.click("#outage")
            await viewer.until(f"{text('#feed')}.startsWith('Database: Reconnecting')")
            await viewer.until("!document.querySelector('#reason').hidden")
            assert await viewer.see(shows("#link", "Page: connected"))
            await viewer.type("#text", "Into the void")
            await viewer.click("#send")
            await viewer.until(shows("#refusal", "The database does not answer"))
            keep("outage", await viewer.screenshot())
            await viewer.until(f"{text('#feed')}.startsWith('Database: Live')", seconds=60)
            await viewer.until("document.querySelector('#reason').hidden")
            await site.db.save({"_id": "after"})
            await viewer.until(first_is("created", "after"))
            assert await viewer.see("document.querySelectorAll('#changes li').length") == 2


async def test_a_page_whose_server_went_away_finds_back_and_misses_nothing(db, tmp_path):
    async with Chromium(tmp_path) as viewer:
        async with serving(db) as site:
            port = site.port
            await viewer.open(f"http://127.0.0.1:{port}/")
            await viewer.until(f"{text('#feed')}.startsWith('Database: Live')")
            await site.db.save({"_id": "before"})
            await viewer.until(first_is("created", "before"))
        await viewer.until(shows("#link", "Page: reconnecting…"))
        assert await viewer.see(shows("#feed", "Database: Unknown"))
        keep("away", await viewer.screenshot())
        await asyncio.gather(*(db.save({"_id": f"missed-{at}"}) for at in range(5)))
        async with serving(db, port=port):
            await viewer.until(shows("#link", "Page: connected"))
            await viewer.until("document.querySelectorAll('#changes li').length == 6")
            assert await viewer.see(
                "document.querySelector('#changes li:last-child').dataset.id"
            ) == ("before")


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [900, 390, 320])
async def test_the_page_fits_its_window(db, tmp_path, width, dark):
    async with serving(db) as site, Chromium(tmp_path) as viewer:
        for at in range(4):
            await site.db.save({"_id": f"early-{at}", "name": "Robin", "eggs": at})
        await viewer.open(f"http://127.0.0.1:{site.port}/", width, 850, dark)
        await viewer.until("document.querySelectorAll('#changes li').length == 4")
        await site.db.save(
            {"_id": "w" * 90, "type": "note", "text": "A wren " * 60, "deep": [{"a": 1}]}
        )
        owl = {"_id": "owl", "type": "note", "text": "An owl in the old oak"}
        await site.db.save(owl)
        await site.db.delete(await site.db.get("early-2"))
        await site.db.save(owl)
        await viewer.until("document.querySelectorAll('#changes li').length == 8")
        await viewer.click("#changes li summary")
        await viewer.until(f"{FIRST}.querySelector('pre').hasChildNodes()")
        await viewer.until("document.getAnimations().every((one) => one.animationName != 'arrive')")
        assert keep(f"{width}-{'dark' if dark else 'light'}", await viewer.screenshot()) == (
            width * 2,
            1700,
        )
        assert await viewer.see("document.documentElement.scrollWidth <= innerWidth")
        assert viewer.complaints == []
