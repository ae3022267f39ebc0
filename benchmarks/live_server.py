"""Writes a change every now and then: ``python -m benchmarks.live_server`` prints its port.

A change is called after the moment when it was written, on a clock that all processes share.
"""

from __future__ import annotations

import asyncio
from time import perf_counter_ns

from .asyncio_server import Canned, head, main, responses
from .canned import ANSWERS, FEED, HEADERS, change_line, chunk, seq

CHANGES = 220
INTERVAL = 0.005
"""Seconds: longer than a change takes to anybody, so that each finds its reader waiting."""


class Live(Canned):
    """Answers a feed itself, for as long as there are changes to come."""

    _writing: asyncio.Task[None] | None = None

    def answer(self, request: bytes) -> None:
        if request.split(b" ", 2)[1].startswith(FEED.encode()):
            self._writing = asyncio.ensure_future(self._write())
        else:
            super().answer(request)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._writing is not None:
            self._writing.cancel()

    async def _write(self) -> None:
        self.transport.write(head("200 OK", "Transfer-Encoding: chunked", HEADERS))
        for n in range(1, CHANGES + 1):
            await asyncio.sleep(INTERVAL)
            self.transport.write(chunk(change_line(seq(n), str(perf_counter_ns()))))
        self.transport.write(chunk(b""))


if __name__ == "__main__":
    small = responses(answer for answer in ANSWERS if not answer.chunked)
    main(lambda: Live(small))
