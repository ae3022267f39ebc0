"""Readers: go through what a stream gives, once, on one loop, a portion at a time."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Iterable
from typing import Any, Generic, Protocol, TypeVar

import msgspec
from tornado.httpclient import HTTPClientError

from ..asking import offering
from ..calls import begun
from ..errors import (
    BadRequest,
    ConnectionFailed,
    HTTPError,
    NotFound,
    ServerError,
    error_from_failure,
    error_from_item,
    may_pass,
)
from ..server import Served
from ..transport.answer import Answer
from ..transport.backoff import Backoff, retry_after
from ..transport.limits import Allowance
from ..transport.session import Session
from ..transport.stream import Stream as Body
from ..transport.tls import is_distrust
from .asked import Asked
from .parsing import BrokenOff, Row, RowParser

log = logging.getLogger("corduroy.stream")

T = TypeVar("T")

Fetch = Callable[[Any], Coroutine[Any, Any, tuple[Iterable[T], Any]]]
"""Fetches a page: is called with its place, None for the first one, and gives what is on it and the
place of the next one, None after the last one. It awaits nothing but steps, as an `operation` does."""

# So many failures in a row, without a row between them, are enough.
_ATTEMPTS = 8
_FIRST_DELAY = 0.1  # seconds, of the first attempt, at most
_BROKEN = "invalid_json"  # not every client tells an answer that was cut from a whole one


class Reader(Protocol[T]):
    """Goes through what a stream gives, once.

    Attributes:
        about (dict): what the server has said beside it, so far.
        answer (Answer | None): the answer that is being read.
        loop: where it reads; None before it has begun.
        retries (int | None): how often a request is tried again; None: as the session has it.
    """

    about: dict[str, Any]
    answer: Answer | None
    loop: asyncio.AbstractEventLoop | None
    retries: int | None

    def ready(self) -> list[T]:
        """The next portion, if it is at hand; none: `more` has to be awaited."""

    async def more(self) -> list[T]:
        """Wait for the next portion. Being cancelled loses nothing.

        Returns:
            list: the portion; none: this is the end.
        """

    def close(self) -> None:
        """Let go of the connection; on the loop."""


class _Endurance:
    """Gets over failures, if it is meant to."""

    def __init__(self, resume: bool) -> None:
        self._resume = resume
        self._begun = False
        self._failures = 0
        self._backoff = Backoff(_FIRST_DELAY)

    def succeeded(self) -> None:
        """Take note that something has come."""
        self._begun = True
        self._failures = 0
        self._backoff.start_over()

    def answered(self) -> None:
        """Take note that the server is there: there is something to go on with."""
        self._begun = True

    @property
    def active(self) -> bool:
        """Whether it is at work, and nobody else needs to be."""
        return self._resume and self._begun

    async def bear(self, error: HTTPError) -> None:
        """Wait for the next attempt; raise the error if there is to be none."""
        self._failures += 1
        if (
            not self.active
            or self._failures >= _ATTEMPTS
            or is_distrust(error.__cause__)
            or not (may_pass(error) or error.error == _BROKEN)
        ):
            raise error
        delay = self._backoff.delay(retry_after(error.status.headers.get("Retry-After")))
        log.info("the stream goes on in %.1f s: %s", delay, error)
        await asyncio.sleep(delay)


class PageReader(Generic[T]):
    """Goes through what comes a page at a time; between two pages nothing is under way.

    Args:
        session (Session): the way to the server.
        fetch: fetches a page.
        resume (bool): whether it goes on after a break.
    """

    def __init__(self, session: Session, fetch: Fetch[T], resume: bool = False) -> None:
        self.about: dict[str, Any] = {}
        self.answer: Answer | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.retries: int | None = None
        self._session = session
        self._fetch = fetch
        self._endurance = _Endurance(resume)
        self._place: Any = None
        self._last = False

    def ready(self) -> list[T]:
        """See `Reader.ready`."""
        return []

    async def more(self) -> list[T]:
        """See `Reader.more`."""
        self.loop = asyncio.get_running_loop()
        while not self._last:
            try:
                retries = 0 if self._endurance.active else self.retries
                fetching = self._fetch(self._place)
                page, place = await begun(self.loop, self._session, fetching, retries)
            except HTTPError as error:
                await self._endurance.bear(error)
                continue
            self._endurance.succeeded()
            self._place, self._last = place, place is None
            if items := list(page):
                return items
        return []

    def close(self) -> None:
        """See `Reader.close`."""


class RowReader(Generic[T]):
    """Goes through rows as the server sends them.

    Args:
        of (Served): where the rows are.
        asked (Asked): what is asked for.
        make: makes what the stream gives of some rows.
        resume (bool): whether it goes on after a break.
        docs_only (bool): as of `RowParser`; only without ``resume``.
        lacking (str): what servers that speak as CouchDB 1.x does lack, if they refuse.
    """

    def __init__(
        self,
        of: Served[Any],
        asked: Asked,
        make: Callable[[list[Row]], list[T]],
        resume: bool = False,
        docs_only: bool = False,
        lacking: str = "",
    ) -> None:
        self.about: dict[str, Any] = {}
        self.answer: Answer | None = None
        self.loop: asyncio.AbstractEventLoop | None = None
        self.retries: int | None = None
        self._session = of._session
        self._server = of._server
        self._asked = asked
        self._make = make
        self._endurance = _Endurance(resume)
        self._docs_only = docs_only
        self._lacking = lacking
        self._body: Body | None = None
        self._parser = RowParser()
        self._within = 0.0
        self._held = Allowance("a row", 0)  # what has come since the last one
        self._owed: Exception | None = None  # to be raised by whoever awaits

    def ready(self) -> list[T]:
        """See `Reader.ready`."""
        if self._body is None or self._asked.over or self._owed is not None:
            return []
        try:
            return self._made()
        except (ValueError, HTTPError) as error:
            self._owed = error
            return []

    async def more(self) -> list[T]:
        """See `Reader.more`."""
        self.loop = asyncio.get_running_loop()
        while self._owed is not None or not self._asked.over:
            try:
                if items := await self._next():
                    return items
            except HTTPError as error:
                self.close()
                await self._go_on(error)
        self.close()
        await asyncio.sleep(0)  # a connection is closed in the loop's next turn
        return []

    async def _next(self) -> list[T]:
        """The next portion; none where it is the turn of the next answer, or of none."""
        if self._owed is not None:
            error, self._owed = self._owed, None
            raise self._failure(error)
        if self._body is None:
            self._body = await self._open()
            self._parser = RowParser(self._docs_only)
        try:
            while not (items := self._made()) and not (self._parser.over or self._asked.over):
                await self._read(self._body)
        except (OSError, ValueError, HTTPClientError) as error:
            raise self._failure(error) from error
        if not items:
            self._asked.answered()
            self.close()
        return items

    def _made(self) -> list[T]:
        """The next portion of what has been read; none where there is none in it."""
        while rows := self._rows():
            if items := self._make(rows):
                return items
        return []

    def _rows(self) -> list[Row]:
        """The next rows of what has been read; none where there are none in it."""
        parser = self._parser
        while rows := parser.rows():
            self._held = Allowance("a row", self._session.max_body_size)
            self._check(rows)
            if rows := self._asked.accept(rows):
                self._endurance.succeeded()
                break
            if self._asked.over:
                return []
        self.about = {**parser.about, **self.about}
        if parser.error is not None:
            raise error_from_item(parser.error)
        return rows

    def _check(self, rows: list[Any]) -> None:
        """Raise an error that one of the rows is."""
        if self._docs_only:
            for row in rows:
                if row.error is not None and row.error != "not_found":
                    raise error_from_item({"error": row.error, "reason": row.reason})
        else:
            for row in rows:
                if "error" in row and row["error"] != "not_found":
                    raise error_from_item(row)

    async def _read(self, body: Body) -> None:
        if piece := await body.read(self._within):
            self._held.use(len(piece))
            self._parser.feed(piece)
        else:
            self._parser.finish()

    async def _open(self) -> Body:
        request = self._asked.request()
        request.retries = 0 if self._endurance.active else self.retries
        self._within = self._session.timeout_of(request)
        try:
            body = await self._session.stream(request, self._within)
        except (BadRequest, NotFound) as error:
            if not self._lacking or not await self._is_classic():
                raise
            if not self._asked.ask_for_all():
                with offering(self._lacking):
                    raise error
            return await self._open()
        self.answer = body.answer
        self._held = Allowance("a row", self._session.max_body_size)
        self._endurance.answered()
        return body

    async def _is_classic(self) -> bool:
        loop = asyncio.get_running_loop()
        return bool(await begun(loop, self._session, self._server.is_classic(), self.retries))

    def _failure(self, error: Exception) -> Exception:
        if isinstance(error, HTTPError):
            return error
        url = self._session.url + self._asked.path
        if isinstance(error, BrokenOff):
            return ConnectionFailed(None, "broken_off", str(error), method="GET", url=url)
        if isinstance(error, msgspec.ValidationError):
            said = f"the answer is odd: {error}"
            return ServerError(200, "odd_answer", said, method="GET", url=url)
        if isinstance(error, ValueError):
            return ServerError(200, "invalid_json", str(error), method="GET", url=url)
        return error_from_failure(error, method="GET", url=url)

    async def _go_on(self, error: HTTPError) -> None:
        """Go on after a failure, if that may be; else raise it."""
        try:
            await self._endurance.bear(error)
        except HTTPError:
            self._asked.over = True
            raise
        self._asked.go_on()

    def close(self) -> None:
        """See `Reader.close`."""
        body, self._body = self._body, None
        if body is not None:
            body.close()
