"""Follower: reads a feed to the end of time, over as many connections as it takes.

It reads when it is asked to, and holds no more than what one reading has brought. Whoever asks gets
every change once and in order; what becomes of the connections is not their business.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

from tornado.httpclient import HTTPClientError

from ..errors import (
    AnswerTooLarge,
    HTTPError,
    ServerError,
    error_from_failure,
    error_from_item,
    may_pass,
)
from ..transport.backoff import Backoff, retry_after
from ..transport.limits import most_bytes, too_large
from ..transport.stream import Stream
from ..transport.tls import is_distrust
from .lines import PARSERS, Parser
from .source import Source
from .values import FeedState, in_short

log = logging.getLogger("corduroy.feed")


class Follower:
    """Reads a feed from a seq on, on the running loop.

    Args:
        source (Source): what is read.
        find_start: gives the seq to begin after; is called until it succeeds.
        left (int | None): after how many changes it ends.
        max_retries (int | None): how many failures in a row are borne; None: any number.
        retry_for (float | None): for how many seconds without success it tries; None: for ever.
        tell: is called with each `FeedState`.

    Attributes:
        seq: the place that has been read up to; None: not known yet.
        pending (int | None): how many changes were still to come, when the server last told.
        size (int): the bytes that made the changes taken last.
        trouble (HTTPError | None): what stands between us and the server at the moment.
    """

    def __init__(
        self,
        source: Source,
        find_start: Callable[[], Awaitable[Any]],
        left: int | None,
        max_retries: int | None,
        retry_for: float | None,
        tell: Callable[[FeedState], None],
    ) -> None:
        self.seq: Any = None
        self.pending: int | None = None
        self.size = 0
        self.trouble: HTTPError | None = None
        self._source = source
        self._find_start = find_start
        self._left = left
        self._max_retries = max_retries
        self._retry_for = retry_for
        self._tell = tell
        self._loop = asyncio.get_running_loop()
        self._kind = source.feed
        self._pulling: asyncio.Task[list[Any]] | None = None
        self._ready: list[Any] = []  # what was to be had without pulling
        self._closed = False
        self._over = False
        self._owed: HTTPError | None = None  # to be raised once what came before it is taken
        # The connection, and what has been achieved with it.
        self._stream: Stream | None = None
        self._parser: Parser
        self._read_out = False  # the response has been read to its end
        self._connected = False  # as the program has been told
        self._level = False  # caught up, as the program has been told
        self._level_due = False
        self._held = 0  # bytes that have come, and are no whole change yet
        self._fruitful = False
        self._opened = 0.0
        # The attempts.
        self._backoff = Backoff()
        self._failures = 0
        self._success = self._loop.time()
        self._retry_at = 0.0
        self._ever_connected = False
        # With seq_interval some changes come without a seq: those that were given since the last one
        # that had it come again after a break, perhaps in another order.
        self._beyond: dict[Any, list[Any]] = {}
        self._given: dict[Any, list[Any]] = {}

    # -- what the consumer calls --------------------------------------------------------------

    async def wait(self, seconds: float | None = None) -> bool:
        """Wait until there are changes, or the end. Being cancelled loses nothing.

        Args:
            seconds (float | None): how long to wait; None: for ever.

        Returns:
            bool: whether there is something to `take`.
        """
        if (self._closed and self._pulling is None) or self.is_ready():
            return True
        if self._pulling is None:
            self._pulling = self._loop.create_task(self._pull())
        if not self._pulling.done():
            await asyncio.wait([self._pulling], timeout=seconds)
        return self._pulling.done()

    def is_ready(self) -> bool:
        """Whether there is something to `take` already, with no need to `wait`."""
        if self._pulling is None:
            while not self._ready and self._left != 0 and self._stream and self._parser.more:
                self._ready = self._changes()
        return bool(self._ready)

    @property
    def has_changes(self) -> bool:
        """Whether what there is to `take` are changes, and not the end."""
        if self._ready:
            return True
        task = self._pulling
        if task is None or task.cancelled() or task.exception() is not None:
            return False
        return bool(task.result())

    def take(self) -> list[Any]:
        """Take what `wait` has waited for.

        Returns:
            list: the next changes; none: it has ended.

        Raises:
            HTTPError: what cannot be healed, or has been borne long enough.
        """
        if self._ready:
            changes, self._ready = self._ready, []
            return changes
        task, self._pulling = self._pulling, None
        return [] if task is None or task.cancelled() else task.result()

    def close(self) -> None:
        """End at once. What has been read already can be taken still."""
        self._closed = True
        if self._pulling is not None:
            self._pulling.cancel()
        self._hang_up()

    async def closed(self) -> None:
        """Wait until nothing is under way, after `close`."""
        task = self._pulling
        if task is not None:
            await asyncio.wait([task])
            if not task.cancelled():
                task.exception()  # nobody wants it any more

    # -- reading ------------------------------------------------------------------------------

    async def _pull(self) -> list[Any]:
        """The next changes, at least one; none: the feed has ended."""
        if self._level_due:
            self._caught_up()
        while self._left != 0 and not self._over:
            if self._owed is not None:
                error, self._owed = self._owed, None
                self._broke(error)
            if self._stream is None:
                self._stream = await self._connect()
            if not self._parser.more:
                await self._read(self._stream)
            if changes := self._changes():
                return changes
        self._hang_up()
        return []

    async def _read(self, stream: Stream) -> None:
        """Read the next piece."""
        try:
            piece = await stream.read(self._source.silence)
            if piece:
                self._held += len(piece)
                if self._held > (most := most_bytes(self._source.session.max_body_size)):
                    raise too_large("a change", most)
                self._parser.feed(piece)
            else:
                self._read_out = True
                self._parser.finish()
        except (OSError, HTTPClientError) as error:
            self._broke(error_from_failure(error, method="GET", url=self._source.url))

    def _changes(self) -> list[Any]:
        """The next changes of what has been read; none where there are none in it."""
        return [] if self._stream is None else self._source.changes(self._rows())

    def _rows(self) -> list[dict[str, Any]]:
        parser = self._parser
        try:
            rows = parser.rows()
        except ValueError as error:
            self._owed = self._nonsense(str(error))
            self._hang_up()
            return []
        self.size = parser.size
        if rows or (parser.beat and self._kind != "longpoll"):
            self._held = 0
        if rows:
            rows = self._accept(rows)
        if parser.more:
            return rows
        if parser.error is not None:
            self._owed = error_from_item(parser.error)
        elif parser.last_seq is not None:
            self.seq, self.pending = parser.last_seq, parser.pending
            self._beyond = {}
            if not self.pending and not rows:
                self._caught_up()
            self._level_due = not self.pending  # they have to be handed out first
            self._response_over()
        elif self._read_out:
            self._response_over()
        elif parser.beat:
            self._caught_up()
        return rows

    def _accept(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        """Take note of how far rows have brought us."""
        if self._left is not None:  # not every server keeps to a limit
            del rows[self._left :]
        if self._source.sparse:
            rows = self._without_those_given(rows)
        elif (seq := rows[-1].get("seq")) is not None:
            self.seq = seq
        if rows:
            if self._left is not None:
                self._left -= len(rows)
            self._fruitful = True
            self._succeeded()
        return rows

    def _without_those_given(self, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        fresh = []
        for row in rows:
            key, leaves = row.get("id"), row.get("changes", [])
            if self._given.pop(key, None) != leaves:
                fresh.append(row)
            if (seq := row.get("seq")) is None:
                self._beyond[key] = leaves
            else:
                self.seq = seq
                self._beyond = {}
        return fresh

    def _caught_up(self) -> None:
        self._level_due = False
        if not self._level:
            self._level = True
            self._tell(FeedState("caught up"))

    # -- connections --------------------------------------------------------------------------

    async def _connect(self) -> Stream:
        """Open a response; try until there is one."""
        while True:
            await asyncio.sleep(self._retry_at - self._loop.time())
            try:
                with self._source.offering():
                    if self.seq is None:
                        self.seq = await self._find_start()
                    stream = await self._open()
            except HTTPError as error:
                self._broke(error)
                continue
            if stream is not None:
                return stream

    async def _open(self) -> Stream | None:
        source, kind = self._source, self._kind
        limit = source.page(self._left, kind)
        request = source.request(kind, self.seq, limit)
        stream = await source.session.stream(request, source.silence)
        said = (stream.answer.header("content-type") or "").partition(";")[0].strip().lower()
        if said == "text/html":
            stream.close()
            raise self._nonsense("a page of HTML")
        if kind == "eventsource" and said != "text/event-stream":
            stream.close()
            self._kind = "continuous"
            log.info("%s: the server has no eventsource: taking continuous", source.path)
            return None
        self._parser, self._read_out = PARSERS[kind](), False
        self._given.update(self._beyond)
        self._beyond = {}
        self._held = 0
        self._fruitful = False
        self._ever_connected = True
        self.trouble = None
        self._opened = self._loop.time()
        if not self._connected:
            self._connected, self._level = True, False
            self._tell(FeedState("connected"))
        return stream

    def _response_over(self) -> None:
        """The server has ended a response in an orderly way."""
        self._hang_up()
        if self._source.descending:
            self._over = True
            return
        if self._left == 0:
            return
        stood = self._stood()
        if self._kind != "longpoll":
            self._connected = False
            self._tell(FeedState("disconnected", "the server ended the response"))
        if stood:
            self._succeeded()
        else:  # one that gives nothing, again and again, must not be asked again and again
            delay = self._backoff.delay()
            self._retry_at = self._loop.time() + delay
            self._tell(FeedState("retrying", "the server ended the response", delay))

    def _broke(self, error: HTTPError) -> None:
        """Something has failed: set the time for the next attempt, or raise if there must be none."""
        stood = self._stream is not None and self._stood()
        self._hang_up()
        if stood:
            self._succeeded()
        if self._connected:
            self._connected = False
            self._tell(FeedState("disconnected", in_short(error)))
        self._failures += 1
        self.trouble = error
        now = self._loop.time()
        left = None if self._retry_for is None else self._success + self._retry_for - now
        if (
            self._source.descending
            or self._is_final(error)
            or (self._max_retries is not None and self._failures > self._max_retries)
            or (left is not None and left <= 0)
        ):
            raise error
        delay = self._backoff.delay(retry_after(error.status.headers.get("Retry-After")))
        if left is not None:
            delay = min(delay, left)
        self._retry_at = now + delay
        self._tell(FeedState("retrying", in_short(error), delay))

    def _is_final(self, error: HTTPError) -> bool:
        """Whether it would be of no use to try again."""
        if is_distrust(error.__cause__) or isinstance(error, AnswerTooLarge):
            return True
        if error.code >= 500 or error.code < 300:
            # A filter function that does not compile: no server heals that.
            return "compilation_error" in error.error or "{compilation_error" in error.reason
        if error.code == 404 and self._ever_connected and not isinstance(error.response, dict):
            return False  # a proxy's, while what is behind it starts
        return not may_pass(error)

    def _stood(self) -> bool:
        """Whether the connection was good for something."""
        return self._fruitful or self._loop.time() - self._opened > self._backoff.bound

    def _succeeded(self) -> None:
        self._backoff.start_over()
        self._failures = 0
        self._success = self._loop.time()
        self._retry_at = 0.0

    def _nonsense(self, said: str) -> ServerError:
        reason = f"the answer is no feed: {said}"
        return ServerError(200, "invalid_feed", reason, method="GET", url=self._source.url)

    def _hang_up(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()
