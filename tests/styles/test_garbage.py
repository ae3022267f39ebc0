"""What a call leaves behind when it is over: nothing, also when it has failed."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from corduroy import Database, NotFound, Status

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
