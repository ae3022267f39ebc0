"""Sending: batches under way, several at a time, until every document is accounted for."""

from __future__ import annotations

import asyncio
from typing import Any

from ..calls import Call, begun
from ..transport.loops import keep_forever, process
from .account import UNSENT
from .batches import Batches
from .delivery import Delivery, Terms


class Sending:
    """Sends the batches of one writer.

    Args:
        terms (Terms): what its deliveries have in common.
        count, size (int | None): bounds of a batch, as of `Batches`.
        in_flight (int): how many are under way at once.

    Attributes:
        batches (Batches): takes the documents.
        failure (BaseException | None): why it has given up.
    """

    def __init__(self, terms: Terms, count: int | None, size: int | None, in_flight: int) -> None:
        self.failure: BaseException | None = None
        self.batches = Batches(count, size, lambda: terms.most)
        self._terms = terms
        self._in_flight = in_flight
        self._loop: asyncio.AbstractEventLoop | None = None
        self._generation = process.generation
        self._flying: dict[Call, Delivery] = {}
        terms.fail = self._fail

    async def catch_up(self) -> None:
        """Wait until every batch that is full is under way."""
        self._launch()
        while self.batches.full:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            self._launch()

    async def drain(self) -> None:
        """Send what there is, and wait until every document is accounted for."""
        self.batches.cut()
        self._launch()
        while self.batches.full or self._flying:
            await asyncio.wait(self._flying, return_when=asyncio.FIRST_COMPLETED)
            self._launch()

    async def break_off(self, cancel: bool) -> None:
        """Send no more: the program has failed.

        Args:
            cancel (bool): have done with what is under way, too, instead of waiting for it.
        """
        self.close()
        if self._generation != process.generation:  # what is under way is the parent's
            keep_forever(dict(self._flying))
            self._flying.clear()
        self._end("the program left the block by an exception", cancel)
        while self._flying:
            await asyncio.wait(self._flying)
        self._terms.account.tell()

    def close(self) -> None:
        """Take no more documents."""
        self.batches.close(RuntimeError("this writer is closed"))

    def _launch(self) -> None:
        loop = asyncio.get_running_loop()
        if self._loop is not loop:
            if self._flying or self._generation != process.generation:
                raise RuntimeError(
                    "a writer belongs to the event loop, or in scripts to the thread, that it "
                    "began in, and to the process that made it"
                )
            self._loop = loop
        full = self.batches.full
        while full and len(self._flying) < self._in_flight:
            delivery = Delivery(self._terms, full.popleft())
            call = begun(loop, self._terms.place._session, delivery.run())
            self._flying[call] = delivery
            call.add_done_callback(self._landed)

    def _landed(self, call: asyncio.Future[Any]) -> None:
        del self._flying[call]  # type: ignore[arg-type]
        if not call.cancelled() and (error := call.exception()) is not None:
            self._fail(error)
        if self.batches.full:
            self._launch()

    def _fail(self, error: BaseException) -> None:
        """Give up."""
        if self.failure is None and not self._terms.ending:
            self.failure = error
            self.batches.close(error)
            self._end(str(error) or type(error).__name__, cancel=False)

    def _end(self, reason: str, cancel: bool) -> None:
        self._terms.ending = True
        for call, delivery in list(self._flying.items()):
            if cancel or delivery.pausing:
                call.cancel()
        while self.batches.full:
            self._terms.account.lose(self.batches.full.popleft().drafts(), UNSENT, reason)
