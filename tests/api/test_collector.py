"""The garbage collector, which pauses while a large body is decoded, is left as it was found."""

from __future__ import annotations

import gc
import weakref
from collections.abc import Iterator
from typing import Any

import pytest

from corduroy import Database

HUGE = "x" * 3_000


@pytest.fixture
def large(db: Database[Any]) -> Database[Any]:
    db.with_style("blocking").save([{"_id": f"d{n}", "text": HUGE} for n in range(500)])
    return db


@pytest.fixture(autouse=True)
def restore() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_runs_again_after_a_large_answer(large: Database[Any]) -> None:
    assert len(large.view("_all_docs", include_docs=True)) == 500
    assert gc.isenabled()


def test_stays_off_where_the_program_has_turned_it_off(large: Database[Any]) -> None:
    gc.disable()
    large.view("_all_docs", include_docs=True)
    assert not gc.isenabled()


def test_what_the_program_has_frozen_stays_frozen(large: Database[Any]) -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    large.view("_all_docs", include_docs=True)
    # What is let go of meanwhile is frozen no more; nothing else may be missing.
    assert gc.get_freeze_count() > frozen / 2


def test_garbage_is_still_found_after_a_large_answer(large: Database[Any]) -> None:
    found: list[int] = []

    class Cycle:
        def __init__(self) -> None:
            self.self = self

        def __del__(self) -> None:
            found.append(1)

    Cycle()
    large.view("_all_docs", include_docs=True)
    gc.collect(1)
    assert found == [1]


def test_garbage_that_holds_large_answers_does_not_pile_up(large: Database[Any]) -> None:
    alive: weakref.WeakSet[Any] = weakref.WeakSet()

    class Page:
        def __init__(self) -> None:
            self.self = self  # only the collector can find it
            self.rows = large.view("_all_docs", include_docs=True)
            alive.add(self)

    for _ in range(40):
        Page()
    assert len(alive) < 20
