"""relax: on generators, on plain verb methods of handlers, on coroutines, in scripts."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.testing import bind_unused_port
from tornado.web import Application, HTTPError, RequestHandler

from corduroy import Database, NotFound, Status, relax

# -- generators -------------------------------------------------------------------------------


def a_generator(db: Database[Any]) -> Callable[[], Any]:
    @relax
    def saved_and_fetched() -> Iterator[Any]:
        yield db.save([{"_id": "x", "n": 1}, {"_id": "y", "n": 2}])
        doc = yield db.get("x")
        both = yield [db.get("x"), db.get("y")]
        named = yield {"x": db.get("x"), "info": db.info()}
        return doc.n, [each.n for each in both], named["x"].n, named["info"]["doc_count"]

    return saved_and_fetched


async def test_a_generators_yields_are_awaited_where_a_loop_runs(db: Database[Any]) -> None:
    future = a_generator(db)()
    assert isinstance(future, asyncio.Future)
    assert await future == (1, [1, 2], 1, 2)


def test_a_generator_blocks_in_a_script(db: Database[Any]) -> None:
    assert a_generator(db)() == (1, [1, 2], 1, 2)


async def test_a_list_of_calls_runs_at_once(db: Database[Any]) -> None:
    together = asyncio.Barrier(3)

    async def one() -> int:
        await together.wait()  # would hang if one were awaited after the other
        return 1

    @relax
    def all_at_once() -> Iterator[Any]:
        return sum((yield [one(), one(), one()]))

    assert await asyncio.wait_for(all_at_once(), 10) == 3


async def test_what_fails_is_raised_at_the_yield_and_can_be_caught(db: Database[Any]) -> None:
    @relax
    def careful() -> Iterator[Any]:
        try:
            yield db.get("nowhere")
        except NotFound as error:
            yield db.save({"_id": "nowhere"})
            return error.reason, (yield db.get("nowhere"))["_id"]

    reason, id = await careful()
    assert (reason, id) == ("missing", "nowhere")


async def test_what_a_generator_does_not_catch_is_raised_to_its_caller(db: Database[Any]) -> None:
    @relax
    def careless() -> Iterator[Any]:
        yield [db.info(), db.get("nowhere")]

    with pytest.raises(NotFound):
        await careless()


async def test_cancelling_a_generator_cancels_what_it_waits_for(db: Database[Any]) -> None:
    waiting = [asyncio.get_running_loop().create_future() for _ in range(2)]

    @relax
    def patient() -> Iterator[Any]:
        yield waiting

    future = patient()
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    future.cancel()
    with pytest.raises(asyncio.CancelledError):
        await future
    assert [one.cancelled() for one in waiting] == [True, True]


async def test_a_generator_that_yields_nothing_gives_what_it_returns() -> None:
    @relax
    def idle() -> Iterator[Any]:
        return 7
        yield

    assert await idle() == 7


def test_a_generator_keeps_its_name_and_docstring() -> None:
    @relax
    def documented() -> Iterator[Any]:
        """What it says."""
        yield

    assert (documented.__name__, documented.__doc__) == ("documented", "What it says.")


def test_a_coroutine_function_passes_through() -> None:
    async def page() -> None: ...

    assert relax(page) is page


def test_any_other_function_gives_what_it_gives() -> None:
    assert relax(lambda one, two=2: (one, two))(1) == (1, 2)


# -- handlers ---------------------------------------------------------------------------------


class Page(RequestHandler):
    """What the handlers below share: the database, and the server's silence about errors."""

    @property
    def db(self) -> Database[Any]:
        database: Database[Any] = self.settings["db"]
        return database

    def log_exception(self, *_: Any) -> None: ...


class Chained(Page):
    @relax
    def get(self) -> None:
        self.db.save({"_id": "x", "n": 1}, callback=self.saved)

    def saved(self, resolution: Any, status: Status) -> None:
        self.db.get("x", callback=self.got)

    def got(self, doc: Any, status: Status) -> None:
        self.finish({"n": doc.n})


class ReturnedChain(Page):
    """The same without relax: the Future that a call returns holds the request open."""

    def get(self) -> Any:
        return self.db.save({"_id": "x", "n": 1}, callback=self.saved)

    def saved(self, resolution: Any, status: Status) -> Any:
        return self.db.get("x", callback=self.got)

    def got(self, doc: Any, status: Status) -> None:
        self.write({"n": doc.n})


class Generator(Page):
    @relax
    def get(self) -> Iterator[Any]:
        yield self.db.save({"_id": "x", "n": 1})
        self.write({"n": (yield self.db.get("x")).n})


class Native(Page):
    @relax
    async def get(self) -> None:
        await self.db.save({"_id": "x", "n": 1})
        self.write({"n": (await self.db.get("x")).n})


class BrokenAtOnce(Page):
    @relax
    def get(self) -> None:
        raise ZeroDivisionError


class BrokenInItsCallback(Page):
    @relax
    def get(self) -> None:
        self.db.info(callback=self.broken)

    def broken(self, info: Any, status: Status) -> None:
        raise ZeroDivisionError


class BrokenAtTheEndOfAChain(Page):
    @relax
    def get(self) -> None:
        self.db.info(callback=self.next)

    def next(self, info: Any, status: Status) -> None:
        self.db.info(callback=self.broken)

    def broken(self, info: Any, status: Status) -> None:
        raise HTTPError(404)


class Cancelled(Page):
    @relax
    def get(self) -> None:
        self.db.info(callback=lambda *_: self.finish()).cancel()


class BrokenAfterTheEnd(Page):
    @relax
    def get(self) -> None:
        self.db.info(callback=self.broken)

    def broken(self, info: Any, status: Status) -> None:
        self.finish({"n": 1})
        raise ZeroDivisionError("after the end")


@asynccontextmanager
async def serving(db: Database[Any], **settings: Any) -> AsyncIterator[int]:
    """Serve every page above, each under its class's name; gives the port."""
    pages = [(f"/{page.__name__}", page) for page in Page.__subclasses__()]
    server = HTTPServer(Application(pages, db=db, **settings))
    socket, port = bind_unused_port()
    server.add_socket(socket)
    try:
        yield port
    finally:
        server.stop()
        await server.close_all_connections()


async def fetch(port: int, page: type[Page]) -> HTTPResponse:
    url = f"http://127.0.0.1:{port}/{page.__name__}"
    return await AsyncHTTPClient().fetch(url, raise_error=False, request_timeout=10)


@pytest.fixture(autouse=True)
def quiet_access_log() -> Iterator[None]:
    access = logging.getLogger("tornado.access")
    level = access.level
    access.setLevel(logging.CRITICAL)
    yield
    access.setLevel(level)


@pytest.mark.parametrize("page", [Chained, ReturnedChain, Generator, Native])
async def test_a_handler_answers_when_its_chain_is_done(
    db: Database[Any], page: type[Page]
) -> None:
    async with serving(db) as port:
        response = await fetch(port, page)
    assert (response.code, json.loads(response.body)) == (200, {"n": 1})


@pytest.mark.parametrize(
    ("page", "code"),
    [
        (BrokenAtOnce, 500),
        (BrokenInItsCallback, 500),
        (BrokenAtTheEndOfAChain, 404),
        (Cancelled, 500),
    ],
)
async def test_what_a_handler_or_its_callback_raises_is_answered_and_does_not_hang(
    db: Database[Any], page: type[Page], code: int
) -> None:
    async with serving(db) as port:
        assert (await fetch(port, page)).code == code


async def test_what_a_callback_raises_after_the_answer_is_not_swallowed(
    db: Database[Any],
) -> None:
    heard: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    asyncio.get_running_loop().set_exception_handler(
        lambda _, context: heard.done() or heard.set_result(context["exception"])
    )
    async with serving(db) as port:
        assert (await fetch(port, BrokenAfterTheEnd)).code == 200
        assert str(await asyncio.wait_for(heard, 10)) == "after the end"


class Abandoned(Page):
    @relax
    def get(self) -> None:
        self.settings["opened"].set()

    def on_connection_close(self) -> None:
        self.settings["closed"].set()


async def test_a_handler_whose_client_has_gone_is_let_go(db: Database[Any]) -> None:
    opened, closed = asyncio.Event(), asyncio.Event()
    async with serving(db, opened=opened, closed=closed) as port:
        _, client = await asyncio.open_connection("127.0.0.1", port)
        client.write(b"GET /Abandoned HTTP/1.1\r\nHost: here\r\n\r\n")
        await asyncio.wait_for(opened.wait(), 10)
        (waiting,) = (task for task in asyncio.all_tasks() if "_execute" in repr(task))
        client.close()
        await asyncio.wait_for(closed.wait(), 10)
        await asyncio.wait_for(waiting, 10)
