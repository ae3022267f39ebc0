"""Futures: under way at once, yieldable, cancellable."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tornado import gen

from corduroy import Couch, Database, NotFound


async def test_is_under_way_even_if_nobody_awaits_it(db: Database[Any]) -> None:
    db.save({"_id": "x"})
    while await db.head("x", callback=lambda head, status: None) is None:
        try:
            assert (await db.get("x"))["_id"] == "x"
            break
        except NotFound:
            await asyncio.sleep(0.01)


async def test_can_be_yielded_in_a_tornado_coroutine(db: Database[Any]) -> None:
    @gen.coroutine
    def saved_and_fetched() -> Any:
        yield db.save({"_id": "x", "n": 1})
        docs = yield {"x": db.get("x"), "all": [db.get("x"), db.info()]}
        raise gen.Return(docs)

    docs = await saved_and_fetched()
    assert docs["x"]["n"] == 1
    assert docs["all"][1]["doc_count"] == 1


async def test_raises_what_went_wrong_where_it_is_awaited(db: Database[Any]) -> None:
    future = db.get("nowhere")
    with pytest.raises(NotFound) as caught:
        await future
    assert caught.value.status.code == 404


async def test_calls_run_side_by_side(db: Database[Any]) -> None:
    await db.save([{"_id": f"d{n}", "n": n} for n in range(100)])
    docs = await asyncio.gather(*(db.get(f"d{n}") for n in range(100)))
    assert [doc["n"] for doc in docs] == list(range(100))


async def test_cancelled_in_mid_response_frees_its_connection_at_once(mute: Any) -> None:
    couch = Couch(mute.url)
    future = couch.info()
    assert await asyncio.to_thread(mute.asked.wait, 10)
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert await asyncio.to_thread(mute.gone.wait, 10)


async def test_cancelled_leaves_no_half_read_response_to_the_next_call(
    db: Database[Any],
) -> None:
    await db.save([{"_id": f"d{n}", "text": "x" * 5000} for n in range(200)])
    cancelled = 0
    for turns in range(40):  # cancel at every stage of the exchange
        view = db.view("_all_docs", include_docs=True)
        for _ in range(turns):
            await asyncio.sleep(0)
        if view.cancel():  # it was still under way
            cancelled += 1
            with pytest.raises(asyncio.CancelledError):
                await view
        assert (await db.get("d7"))["_id"] == "d7"
    assert cancelled > 5


async def test_a_wait_for_that_runs_out_cancels_the_call(mute: Any) -> None:
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(Couch(mute.url).info(), 0.1)
    assert await asyncio.to_thread(mute.gone.wait, 10)
