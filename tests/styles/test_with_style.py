"""Choosing a style for good."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from corduroy import Couch, Database, NotFound


async def test_blocking_blocks_under_a_running_loop_too(db: Database[Any]) -> None:
    blocking = db.with_style("blocking")
    blocking.save({"_id": "x", "n": 1})
    assert blocking.get("x")["n"] == 1
    assert "x" in blocking
    assert len(blocking) == 1
    assert bool(blocking)
    with pytest.raises(NotFound):
        blocking.get("nowhere")


async def test_blocking_raises_bad_arguments_under_a_running_loop_too(db: Database[Any]) -> None:
    with pytest.raises(ValueError, match="id"):
        db.with_style("blocking").get("")


async def test_blocking_under_a_running_loop_uses_one_helper_thread(db: Database[Any]) -> None:
    blocking = db.with_style("blocking")
    blocking.info()
    before = threading.active_count()
    for _ in range(5):
        blocking.info()
    assert threading.active_count() == before


def test_future_gives_a_future_before_the_loop_runs(db: Database[Any]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        future = db.with_style("future").info()
        assert isinstance(future, asyncio.Future)
        info = IOLoop.current().run_sync(lambda: future)
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert info["db_name"] == db.name


def test_future_never_blocks_for_an_expression(db: Database[Any]) -> None:
    with pytest.raises(RuntimeError, match=r"await database\.get"):
        db.with_style("future")["x"]
    assert bool(db.with_style("future"))


def test_a_database_takes_its_couchs_style(couchdb_url: str) -> None:
    async def under_a_loop() -> None:
        couch = Couch(couchdb_url, style="blocking")
        assert isinstance(couch.version(), str)
        name = couch.all_dbs()[0] if couch.all_dbs() else "x"
        assert isinstance(couch.database(name).exists(), bool)
        couch.close()

    asyncio.run(under_a_loop())


def test_with_style_gives_the_same_database(db: Database[Any]) -> None:
    db.with_style("blocking").save({"_id": "x"})
    assert db.get("x")["_id"] == "x"
    assert db.with_style("future").url == db.url


@pytest.mark.parametrize("wrong", ["eager", None, 3])
def test_a_style_that_does_not_exist_is_refused_by_name(wrong: Any) -> None:
    with pytest.raises(ValueError, match="style"):
        Couch("http://127.0.0.1:9", style=wrong)
    with pytest.raises(ValueError, match="style"):
        Couch("http://127.0.0.1:9").with_style(wrong)
    with pytest.raises(ValueError, match="style"):
        Database("http://127.0.0.1:9/x").with_style(wrong)
