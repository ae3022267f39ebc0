"""Callbacks: called once, on the loop, after the call has returned, whatever happens."""

from __future__ import annotations

import asyncio
import contextvars
import threading
from typing import Any

import pytest
from tornado.ioloop import IOLoop

from corduroy import ConnectionFailed, Couch, Database, NotFound, Status


async def test_is_called_once_with_data_and_status_when_it_went_well(db: Database[Any]) -> None:
    await db.save({"_id": "x", "n": 1})
    told: list[tuple[Any, Status]] = []
    await db.get("x", callback=lambda *said: told.append(said))
    ((data, status),) = told
    assert data["n"] == 1
    assert (status.ok, status.code, status.exception, status.error) == (True, 200, None, None)
    assert status.headers["CONTENT-TYPE"].startswith("application/json")


async def test_is_told_of_a_failure_by_the_status(db: Database[Any]) -> None:
    told: list[tuple[Any, Status]] = []
    await db.get("nowhere", callback=lambda *said: told.append(said))
    ((data, status),) = told
    assert data["error"] == "not_found"
    assert isinstance(status.exception, NotFound)
    assert status.error is NotFound
    assert not status.ok


async def test_may_let_the_status_raise(db: Database[Any]) -> None:
    with pytest.raises(NotFound):
        await db.get("nowhere", callback=lambda data, status: status.check())
    await db.info(callback=lambda data, status: status.check())


async def test_gets_no_data_where_no_answer_came() -> None:
    told: list[tuple[Any, Status]] = []
    couch = Couch("http://127.0.0.1:9")
    await couch.info(callback=lambda *said: told.append(said))
    ((data, status),) = told
    assert data is None
    assert status.code == 599
    assert status.error is ConnectionFailed


async def test_is_never_called_before_the_call_has_returned(db: Database[Any]) -> None:
    order: list[str] = []
    future = db.info(callback=lambda data, status: order.append("called back"))
    order.append("returned")
    await future
    assert order == ["returned", "called back"]


async def test_is_called_on_the_event_loop(db: Database[Any]) -> None:
    places: list[Any] = []
    await db.info(
        callback=lambda *_: places.append((asyncio.get_running_loop(), threading.get_ident()))
    )
    assert places == [(asyncio.get_running_loop(), threading.get_ident())]


def test_works_before_the_loop_runs(db: Database[Any]) -> None:
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    told: list[Any] = []

    def got(info: Any, status: Status) -> None:
        told.append(info)
        IOLoop.current().stop()

    try:
        future = db.info(callback=got)
        assert isinstance(future, asyncio.Future)
        assert told == []
        IOLoop.current().start()
    finally:
        asyncio.set_event_loop(None)
        loop.close()
    assert told[0]["db_name"] == db.name


async def test_that_raises_is_heard_of_in_the_future_and_not_called_again(
    db: Database[Any],
) -> None:
    calls: list[Status] = []

    def broken(data: Any, status: Status) -> None:
        calls.append(status)
        raise ZeroDivisionError("in the callback")

    with pytest.raises(ZeroDivisionError, match="in the callback"):
        await db.info(callback=broken)
    assert [status.ok for status in calls] == [True]


async def test_that_raises_a_database_error_is_not_called_again_with_it(db: Database[Any]) -> None:
    calls: list[Status] = []

    def broken(data: Any, status: Status) -> None:
        calls.append(status)
        raise NotFound(404, "not_found", "my own")

    with pytest.raises(NotFound, match="my own"):
        await db.info(callback=broken)
    assert len(calls) == 1


async def test_that_raises_reaches_the_loops_exception_handler_where_nobody_awaits(
    db: Database[Any],
) -> None:
    heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

    def on_exception(_loop: Any, context: dict[str, Any]) -> None:
        if not heard.done():
            heard.set_result(context["exception"])

    asyncio.get_running_loop().set_exception_handler(on_exception)

    def broken(data: Any, status: Status) -> None:
        raise ZeroDivisionError

    db.info(callback=broken)
    assert isinstance(await asyncio.wait_for(heard, 10), ZeroDivisionError)


async def test_that_returns_an_awaitable_is_waited_for_to_the_end_of_the_chain(
    db: Database[Any],
) -> None:
    seen: list[str] = []

    def saved(resolution: Any, status: Status) -> Any:
        seen.append("saved")
        return db.get("x", callback=got)

    async def got(doc: Any, status: Status) -> str:
        await asyncio.sleep(0)
        seen.append(doc["_id"])
        return "the end"

    assert await db.save({"_id": "x"}, callback=saved) == "the end"
    assert seen == ["saved", "x"]


@pytest.mark.parametrize("wrong", [3, "f", ["f"]])
async def test_that_is_not_callable_is_refused_by_name_before_anything_is_sent(wrong: Any) -> None:
    nobody_listens = Couch("http://127.0.0.1:9")
    with pytest.raises(TypeError, match="callback"):
        nobody_listens.info(callback=wrong)


def test_that_is_not_callable_is_refused_in_a_script_too() -> None:
    with pytest.raises(TypeError, match="callback"):
        Couch("http://127.0.0.1:9").info(callback=3)


def test_is_refused_by_an_object_chosen_to_block() -> None:
    blocking = Couch("http://127.0.0.1:9", style="blocking")
    with pytest.raises(TypeError, match=r"callback.*with_style"):
        blocking.with_style("auto").with_style("blocking").info(callback=print)


async def test_cancelled_at_any_moment_is_not_called_any_more(db: Database[Any]) -> None:
    cancelled = 0
    for turns in range(40):
        told: list[Any] = []
        future = db.info(callback=lambda *said, told=told: told.append(said))
        for _ in range(turns):
            await asyncio.sleep(0)
        if future.cancel():
            cancelled += 1
            with pytest.raises(asyncio.CancelledError):
                await future
            assert (await db.info())["doc_count"] == 0
            assert told == []
    assert cancelled > 2


async def test_sees_the_context_that_its_call_was_made_in(db: Database[Any]) -> None:
    asked_by: contextvars.ContextVar[str] = contextvars.ContextVar("asked_by")
    seen: list[str] = []

    async def ask(name: str) -> None:
        asked_by.set(name)
        await db.info(callback=lambda data, status: seen.append(asked_by.get()))

    await asyncio.gather(ask("Ann"), ask("Bob"))
    await asyncio.gather(ask("Cy"), ask("Dee"))  # on connections that Ann and Bob have opened
    assert sorted(seen) == ["Ann", "Bob", "Cy", "Dee"]
