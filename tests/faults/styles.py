"""Tells stories of calls in each of the calling styles."""

from __future__ import annotations

import asyncio
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

from corduroy import Couch
from tests.faults.keeper import Call, Outcome, Story


class Teller:
    """Tells stories about one database.

    Args:
        url (str | list of str): the server's, through the faults.
        straight (str): the server's.
        name (str): the database's.
        options (dict): of the `Couch` that goes through the faults.
    """

    def __init__(self, url: str | list[str], straight: str, name: str, **options: Any) -> None:
        self._servers = {False: Couch(url, **options), True: Couch(straight)}
        self._dbs = {which: couch.database(name) for which, couch in self._servers.items()}

    def _method(self, call: Call) -> Any:
        return getattr(self._dbs[call.straight], call.method)

    def tell(self, stories: list[Story]) -> None:
        """Tell stories, all at once, a third of them in each style; afterwards no task and no timer is
        left on the loop."""
        by_future, by_callback, blocking = (stories[at::3] for at in range(3))
        with ThreadPoolExecutor(len(blocking)) as threads:
            told = [threads.submit(self._block, story) for story in blocking]
            asyncio.run(self._tell(by_future, by_callback, told))

    async def _tell(
        self, by_future: list[Story], by_callback: list[Story], elsewhere: list[Future[None]]
    ) -> None:
        await asyncio.gather(
            *[self._await(story) for story in by_future],
            *[self._call_back(story) for story in by_callback],
            *map(asyncio.wrap_future, elsewhere),  # whose calls closing would end, too
        )
        for couch in self._servers.values():
            await couch.close()
        assert asyncio.all_tasks() == {asyncio.current_task()}
        timers = asyncio.get_running_loop()._scheduled  # type: ignore[attr-defined]
        assert [timer for timer in timers if not timer.cancelled()] == []

    async def _await(self, story: Story) -> None:
        outcome = None
        while (call := _next(story, outcome)) is not None:
            try:
                outcome = Outcome(await self._method(call)(*call.args, **call.options), None)
            except Exception as error:
                outcome = Outcome(None, error)

    def _call_back(self, story: Story) -> asyncio.Future[None]:
        """Each callback makes the next call."""
        over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

        def go_on(outcome: Outcome | None) -> None:
            if (call := _next(story, outcome)) is None:
                over.set_result(None)
                return
            future = self._method(call)(*call.args, callback=told, **call.options)
            future.add_done_callback(lambda done: None if done.cancelled() else done.exception())

        def told(data: Any, status: Any) -> None:
            try:
                go_on(Outcome(None if status.exception else data, status.exception))
            except Exception as error:
                over.set_exception(error)

        go_on(None)
        return over

    def _block(self, story: Story) -> None:
        outcome = None
        while (call := _next(story, outcome)) is not None:
            try:
                outcome = Outcome(self._method(call)(*call.args, **call.options), None)
            except Exception as error:
                outcome = Outcome(None, error)


def _next(story: Story, outcome: Outcome | None) -> Call | None:
    try:
        return next(story) if outcome is None else story.send(outcome)
    except StopIteration:
        return None
