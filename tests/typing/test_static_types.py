"""What type checkers conclude: run by mypy (make lint) and by pyright (below)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_type

import pytest

from corduroy import (
    ChangesFeed,
    ConflictResolution,
    Couch,
    Database,
    Document,
    FindResult,
    Hit,
    LocalDocument,
    Node,
    Page,
    Partition,
    Resharding,
    SearchResult,
    ViewResult,
    Writer,
)
from corduroy.documents import AttrDict
from corduroy.editing import Edit
from corduroy.hits import Group
from corduroy.streams import RowStream, Stream
from corduroy.styles import Auto, Blocking, Deferred
from corduroy.views import Row

if TYPE_CHECKING:
    from pandas import DataFrame

    def blocking() -> None:
        couch = Couch("http://db", style="blocking")
        assert_type(couch, Couch[Blocking])
        db = couch.create("x")
        assert_type(db, Database[Blocking])
        assert_type(couch.database("x"), Database[Blocking])
        assert_type(couch["x"], Database[Blocking])
        assert_type(couch.version(), str)
        assert_type(couch.node("x"), Node[Blocking])
        assert_type(couch.node().prometheus(), str)
        assert_type(couch.reshard.with_style("future"), Resharding[Deferred])
        assert_type(couch.reshard.jobs(), list[dict[str, Any]])
        assert_type(db.get("x"), Document)
        assert_type(db.get("x", rev="1-a", conflicts=True), Document)
        assert_type(db.get(["x", "y"]), list[Document | None])
        assert_type(db.get(), list[Document | None])
        assert_type(db.save({"a": 1}), ConflictResolution[Blocking])
        assert_type(db.save({"a": 1}).overwrite(), ConflictResolution[Blocking])
        assert_type(db.writer(), Writer[Blocking])
        assert_type(db.writer().close(), ConflictResolution[Blocking])
        assert_type(db.writer().written, int)
        assert_type(db.view("a/b", limit=3), ViewResult)
        assert_type(db.view("a/b", queries=[{"key": 1}]), list[ViewResult])
        assert_type(db.find({"a": 1}, limit=3), FindResult)
        assert_type(db.find({})[0], Document)
        assert_type(db.find_all({}), Stream[Document, Blocking])
        assert_type(next(iter(db.find_all({}))), Document)
        assert_type(db.find_all({}).all(), list[Document])
        assert_type(db.page("a/b", 5, cursor="x", descending=True), Page)
        assert_type(db.page("a/b").next, str | None)
        assert_type(db.pages("a/b", per_page=5), Stream[Page, Blocking])
        assert_type(db.find({}).to_dicts(), list[dict[str, Any]])
        assert_type(db.view("a/b").to_dataframe(), DataFrame)
        assert_type(db.partition("p"), Partition[Blocking])
        assert_type(db.partition("p").find({}), FindResult)
        assert_type(db.partition("p").all_docs(), ViewResult)
        assert_type(db.exists(), bool)
        db.get(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
        db.exists(3)  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]

    def documents() -> None:
        db = Couch("http://db", style="blocking").database("x")
        with db.edit("x") as doc:
            assert_type(doc, Document)
        assert_type(db.edit("x"), Edit[Blocking])
        assert_type(db.patch("x", {"a": 1}), Document)
        assert_type(db.reload(doc), Document)
        assert_type(db.post({"a": 1}), dict[str, Any])
        assert_type(db.ids(), RowStream[str, Blocking])
        assert_type(db.docs(), RowStream[Document, Blocking])
        assert_type(next(iter(db.stream("a/b", limit=3))), Row)
        assert_type(db.conflicted().all(), list[Document])
        assert_type(db.local("x"), LocalDocument[Blocking])
        assert_type(db.local("x").get(), Document)
        assert_type(db.local("x").save({}), ConflictResolution[Blocking])
        assert_type(db.head_attachment("x", "y"), AttrDict)
        assert_type(db.deploy([{"_id": "_design/x"}], wait=True), list[str])
        assert_type(db.search("a/b", "c", limit=1), SearchResult)
        assert_type(db.nouveau("a/b", "c")[0], Hit)
        assert_type(db.search("a/b", "c").groups, list[Group])
        assert_type(Document.load(db, "x"), Any)
        assert_type(doc.store(), Any)

    async def documents_later() -> None:
        db = Couch("http://db", style="future").database("x")
        async with db.edit("x") as doc:
            assert_type(doc, Document)
        assert_type(await db.patch("x", {"a": 1}), Document)
        assert_type(await db.ids(), list[str])
        assert_type(await db.local("x").get(), Document)
        assert_type(await db.docs().all(), list[Document])
        assert_type(await db.search("a/b", "c"), SearchResult)

    async def future() -> None:
        couch = Couch("http://db", style="future")
        assert_type(couch, Couch[Deferred])
        db = await couch.create("x")
        assert_type(db, Database[Deferred])
        assert_type(db.get("x"), asyncio.Future[Document])
        assert_type(await db.get("x"), Document)
        assert_type(await db.get(["x"]), list[Document | None])
        assert_type(await db.save({"a": 1}), ConflictResolution[Deferred])
        assert_type(await db.view("a/b"), ViewResult)
        assert_type(await db.find({}), FindResult)
        assert_type(await db.page("a/b"), Page)
        assert_type(db.find_all({}).all(), asyncio.Future[list[Document]])
        async for doc in db.find_all({}):
            assert_type(doc, Document)
        assert_type(db.partition("p").with_style("blocking"), Partition[Blocking])

    def auto() -> None:
        couch = Couch("http://db")
        assert_type(couch, Couch[Auto])
        db = couch.database("x")
        assert_type(db, Database[Auto])
        assert_type(Database("x"), Database[Auto])
        assert_type(db.get("x"), Any)
        assert_type(db.get("x", callback=print), Any)
        plain: Database = db
        assert_type(plain, Database[Auto])
        assert_type(db.with_style("blocking"), Database[Blocking])
        assert_type(db.with_style("future"), Database[Deferred])
        assert_type(db.with_style("blocking").get("x"), Document)

    def blocking_feeds() -> None:
        couch = Couch("http://db", style="blocking")
        assert_type(couch.db_updates(), dict[str, Any])
        assert_type(couch.db_updates(feed="continuous"), ChangesFeed)
        db = couch.database("x")
        assert_type(db.changes(), dict[str, Any])
        assert_type(db.changes(feed="longpoll", since="now", timeout=3), dict[str, Any])
        assert_type(db.changes(feed="continuous", include_docs=True), ChangesFeed)
        assert_type(db.changes(feed="eventsource"), ChangesFeed)
        db.changes(feed="perpetual")  # type: ignore[call-overload]  # pyright: ignore[reportCallIssue, reportArgumentType]
        for change in db.changes(feed="continuous"):
            assert_type(change, Any)

    async def future_feeds() -> None:
        couch = Couch("http://db", style="future")
        assert_type(couch.db_updates(), asyncio.Future[dict[str, Any]])
        assert_type(couch.db_updates(feed="continuous"), ChangesFeed)
        db = couch.database("x")
        assert_type(db.changes(), asyncio.Future[dict[str, Any]])
        assert_type(await db.changes(feed="longpoll"), dict[str, Any])
        assert_type(db.changes(feed="continuous"), ChangesFeed)
        assert_type(db.changes(feed="eventsource", callback=lambda seq, changes: None), ChangesFeed)
        async for change in db.changes(feed="continuous"):
            assert_type(change, Any)
        async with db.changes(feed="continuous") as feed:
            assert_type(feed, ChangesFeed)
            assert_type(await feed.stop(drain=True), None)

    async def auto_feeds() -> None:
        couch = Couch("http://db")
        assert_type(couch.db_updates(), Any)
        assert_type(couch.db_updates(feed="continuous"), ChangesFeed)
        db = couch.database("x")
        assert_type(db.changes(), Any)
        assert_type(await db.changes(), Any)
        assert_type(db.changes(callback=print), Any)
        assert_type(db.changes(feed="continuous"), ChangesFeed)
        assert_type(db.changes(feed="continuous", callback=lambda *told: None), ChangesFeed)
        assert_type(ChangesFeed(db, feed="longpoll").listen(), ChangesFeed)


def test_pyright_agrees() -> None:
    pyright = shutil.which("pyright", path=Path(sys.executable).parent)
    assert pyright is not None, "pyright is part of corduroy[lint]"
    done = subprocess.run(
        [pyright, "--pythonpath", sys.executable, __file__], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("style", ["blocking", "future"])
def test_the_styles_that_types_are_made_for_exist(style: Any) -> None:
    assert Couch("http://db", style=style).database("x").with_style("auto").name == "x"
