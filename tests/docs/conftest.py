"""How the tests run the pages' samples."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator

import pytest

from tests.docs.pages import Page


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The loop of a page's awaiting samples; Tornado finds it as the current one, too."""
    with asyncio.Runner() as found:
        asyncio.set_event_loop(found.get_loop())
        yield found


@pytest.fixture
def open_page(runner: asyncio.Runner) -> Callable[[str, str], Page]:
    """``open_page(name, text)``: a page whose samples can be run."""
    return lambda name, text: Page(name, text, runner)
