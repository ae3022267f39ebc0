"""What a call leaves behind when it is over: nothing, also when it has failed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from corduroy import ConnectionFailed, Couch, Database, HTTPError, NotFound, RequestTimeout, Status

Failure = weakref.ref[BaseException]


class Watched(Exception):
    def __init__(self, told: list[Failure]) -> None:
        told.append(weakref.ref(self))


@pytest.fixture
def without_collector() -> Iterator[None]:
    """Only what nobody refers to goes away."""
    gc.collect()
    gc.disable()
    yield
    gc.enable()


def failing(db: Database[Any]) -> Failure:
    try:
        db.get("nowhere")
    except NotFound as error:
        return weakref.ref(error)
    raise AssertionError


async def failing_future(db: Database[Any]) -> Failure:
    try:
        await db.get("nowhere")
    except NotFound as error:
        return weakref.ref(error)
    raise AssertionError


async def failing_callback(db: Database[Any]) -> Failure:
    told: list[Failure] = []

    def got(_data: Any, status: Status) -> None:
        assert status.exception is not None
        told.append(weakref.ref(status.exception))

    await db.get("nowhere", callback=got)
    return told[0]


async def raising_callback(db: Database[Any]) -> Failure:
    told: list[Failure] = []

    def got(_data: Any, _status: Status) -> None:
        raise Watched(told)

    with contextlib.suppress(Watched):
        await db.info(callback=got)
    return told[0]


@pytest.mark.usefixtures("without_collector")
def test_a_failure_in_a_script_is_forgotten_with_its_caller(db: Database[Any]) -> None:
    assert [failing(db)() for _ in range(3)] == [None] * 3


@pytest.mark.usefixtures("without_collector")
@pytest.mark.parametrize("fail", [failing_future, failing_callback, raising_callback])
def test_a_failure_on_a_loop_is_forgotten_with_its_caller(db: Database[Any], fail: Any) -> None:
    async def story() -> list[Failure]:
        failures = [await fail(db) for _ in range(3)]
        await asyncio.sleep(0)
        return failures

    assert [failure() for failure in asyncio.run(story())] == [None] * 3


@contextlib.contextmanager
def leaving_no_failure() -> Iterator[None]:
    """Assert that the collector finds no exception of ours."""
    yield
    gc.set_debug(gc.DEBUG_SAVEALL)
    gc.collect()
    found = [each for each in gc.garbage if isinstance(each, HTTPError)]
    gc.set_debug(0)
    gc.garbage.clear()
    assert found == []


@pytest.mark.usefixtures("without_collector")
def test_nor_does_it_keep_a_connection_that_is_refused() -> None:
    async def story() -> None:
        with contextlib.suppress(ConnectionFailed):
            await Couch("http://127.0.0.1:1", retries=0).info()

    with leaving_no_failure():
        asyncio.run(story())


@pytest.mark.usefixtures("without_collector")
def test_nor_one_that_nobody_takes(full_house: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("corduroy.defaults.connect_timeout", 0.1)

    async def story() -> None:
        with contextlib.suppress(RequestTimeout):
            await Couch(full_house, retries=0).info()

    with leaving_no_failure():
        asyncio.run(story())


@pytest.mark.usefixtures("without_collector")
def test_nor_one_that_is_closed_before_it_has_come_about(full_house: str) -> None:
    async def story() -> None:
        couch = Couch(full_house)
        call = couch.info()
        await asyncio.sleep(0.05)
        await couch.close()
        with contextlib.suppress(ConnectionFailed):
            await call
        del call

    with leaving_no_failure():
        asyncio.run(story())
