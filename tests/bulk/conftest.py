"""What the tests of bulk writing share: a writer in the three styles, and a proxy that does harm."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest

from corduroy import Couch, Database, Status
from corduroy.transport import backoff
from tests.api.conftest import canned, canned_couch, canned_db, guarded, refused
from tests.faults.proxy import Delay, FaultProxy, Request

__all__ = ["canned", "canned_couch", "canned_db", "guarded", "refused"]

PATIENCE = 60.0


class Writing:
    """Writes with a writer in one of the three styles.

    Attributes:
        style (str): ``"blocking"``, ``"future"`` or ``"callback"``.
        writer (Writer): the latest one, also when it has raised.
    """

    writer: Any

    def __init__(self, style: str) -> None:
        self.style = style

    def __call__(self, db: Database[Any], docs: Iterable[Any], **options: Any) -> Any:
        """Put documents, and delete those given as ``(doc or id, rev)``; return the closed writer, or
        raise what ends it."""
        self.writer = db.writer(**options)
        how = {"blocking": self._block, "future": self._await, "callback": self._call_back}
        how[self.style](docs)
        return self.writer

    def _block(self, docs: Iterable[Any]) -> None:
        with self.writer as writer:
            for doc in docs:
                if isinstance(doc, tuple):
                    assert writer.delete(*doc) is None
                else:
                    assert writer.put(doc) is None

    def _await(self, docs: Iterable[Any]) -> None:
        async def write() -> None:
            async with self.writer as writer:
                for doc in docs:
                    taken = writer.delete(*doc) if isinstance(doc, tuple) else writer.put(doc)
                    assert isinstance(taken, asyncio.Future)
                    await taken

        asyncio.run(asyncio.wait_for(write(), PATIENCE))

    def _call_back(self, docs: Iterable[Any]) -> None:
        async def write() -> None:
            over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            left = iter(docs)

            def next_one(data: Any, status: Status) -> None:
                if status.exception is not None:
                    self.writer.close(callback=closed)
                    return
                try:
                    doc = next(left, None)
                except Exception as error:
                    over.set_exception(error)
                    return
                if doc is None:
                    self.writer.close(callback=closed)
                elif isinstance(doc, tuple):
                    self.writer.delete(*doc, callback=next_one)
                else:
                    self.writer.put(doc, callback=next_one)

            def closed(resolution: Any, status: Status) -> None:
                if status.exception is not None:
                    over.set_exception(status.exception)
                else:
                    assert resolution is self.writer.resolution
                    over.set_result(None)

            next_one(None, Status(200))
            await over

        asyncio.run(asyncio.wait_for(write(), PATIENCE))


@pytest.fixture(params=["blocking", "future", "callback"])
def write(request: pytest.FixtureRequest) -> Writing:
    """``write(db, docs)``: with a writer, in each of the three styles, one test run each."""
    return Writing(request.param)


@pytest.fixture(params=["blocking", "future"])
def write_in_block(request: pytest.FixtureRequest) -> Writing:
    """``write`` in those styles that have a block to leave."""
    return Writing(request.param)


@pytest.fixture
def other(db: Database[Any]) -> Database[Any]:
    """The database as another client uses it: blocking, and not through the proxy."""
    return db.with_style("blocking")


@pytest.fixture
def proxied(
    proxy: FaultProxy, db: Database[Any], http_client: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Database[Any]]:
    """The database, through the proxy; failures are tried again soon."""
    monkeypatch.setattr(backoff.random, "uniform", lambda low, high: min(high, 0.02))
    with Couch(proxy.url, http_client=http_client) as couch:
        yield couch.database(db.name)


@pytest.fixture
def strike(proxy: FaultProxy) -> Callable[..., None]:
    """``strike(fault, times, path)``: let a fault strike the next requests for such a path."""

    def prepare(fault: Any, times: int = 1, path: str = "/_bulk_docs") -> None:
        left = [fault] * times

        def plan(request: Request) -> Any:
            return left.pop() if left and path in request.target else None

        proxy.plan = plan

    return prepare


@pytest.fixture
def gated(proxy: FaultProxy, proxied: Database[Any]) -> tuple[Database[Any], list[int]]:
    """A database that takes its time for each batch, and a list of how many connections there were."""
    most: list[int] = []

    def plan(request: Request) -> Any:
        if "/_bulk_docs" not in request.target:
            return None
        most.append(proxy.connections)
        return Delay(0.05)

    proxy.plan = plan
    return proxied, most
