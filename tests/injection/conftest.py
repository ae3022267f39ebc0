"""What the tests of injection share: the wire between a Couch and a recorder, on one loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import pytest
from tornado.httpclient import AsyncHTTPClient

from corduroy import Couch, HTTPError
from corduroy.transport.client import KeepAliveHTTPClient
from tests.injection.meaning import Meant
from tests.injection.recorder import Recorder


class Wire:
    """A Couch, and the recorder that it is meant to reach.

    Attributes:
        recorder (Recorder): the recorder.
        couch (Couch): the Couch.
        usual (dict): the headers that every request of it has.
        client (KeepAliveHTTPClient): what other Couches may share.
    """

    couch: Couch[Any]
    usual: dict[str, str]
    client: KeepAliveHTTPClient

    def __init__(self, http_client: type[AsyncHTTPClient] | None = None) -> None:
        self.recorder = Recorder()
        self._client = http_client
        self._runner = asyncio.Runner()
        self._runner.run(self._open())

    async def _open(self) -> None:
        await self.recorder.open()
        self.client = KeepAliveHTTPClient(force_instance=True)
        self.couch = Couch(self.recorder.url, http_client=self._client)
        await self.couch.exists("d")
        self.usual = dict(self.recorder.arrived[0].headers)
        await self.couch.database("d").delete_index("d", "i")  # it knows the server from now on

    def close(self) -> None:
        self._runner.run(self._close())
        self._runner.close()

    async def _close(self) -> None:
        await self.couch.close()
        self.client.close()
        await self.recorder.close()

    def hold(
        self,
        argument: str,
        call: Callable[[Couch[Any], Any], Any],
        meant: Callable[[Any], list[Meant] | None],
        given: Iterable[Any],
    ) -> None:
        """Hold a call to what it means.

        Args:
            argument (str): what it has to name where it refuses.
            call: is called with a Couch and an input.
            meant: the requests that an input means; None: it has to be refused.
            given (iterable): the inputs.
        """
        self._runner.run(self._hold(argument, call, meant, given))

    async def _hold(self, argument: str, call: Any, meant: Any, given: Iterable[Any]) -> None:
        arrived = self.recorder.arrived
        for one in given:
            arrived.clear()
            expected = meant(one)
            said = None
            try:
                await call(self.couch, one)
            except (ValueError, TypeError) as refusal:
                said = str(refusal)
            except HTTPError:
                pass  # by the answer, which fits no call in particular
            if expected is None:
                assert said is not None, f"{one!r} was taken, and made {arrived}"
                assert argument in said, f"of {one!r} it says: {said}"
                assert not arrived, f"{one!r} was refused when it had gone: {arrived}"
                continue
            assert said is None, f"{one!r} was refused: {said}"
            try:
                assert len(arrived) == len(expected)
                for request, wanted in zip(arrived, expected, strict=True):
                    wanted.check(request, self.usual)
            except (AssertionError, UnicodeDecodeError) as error:
                raise AssertionError(f"{one!r} made {arrived}, not {expected}") from error

    def run(self, coroutine: Any) -> Any:
        return self._runner.run(coroutine)


@pytest.fixture(scope="module")
def wire() -> Iterator[Wire]:
    """A Couch, and the recorder that it is meant to reach."""
    wire = Wire()
    yield wire
    wire.close()
