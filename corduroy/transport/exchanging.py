"""Exchanging: one attempt at a request, at one address.

What fails is raised as what callers know, what is refused as the error that says so, and a program that
wants to know is told. Credentials that are refused and can be renewed are, once.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from .. import defaults
from ..errors import error_from_answer, error_from_failure
from .answer import Answer, DeadlineMissed
from .client import KeepAliveHTTPClient
from .clients import Clients
from .deadline import until
from .encoding import decode_json
from .events import Observer, OnRequest
from .foreign import fetch
from .gzip import gunzip
from .messages import Request
from .pool import Outgoing, Pool
from .renewal import Renewal
from .retrying import Attempts
from .stream import Stream, open_foreign, open_in_pool, take_whole
from .tls import explained
from .way import Way

log = logging.getLogger("corduroy.http")


class Exchanging(ABC):
    """The part of a `Session` that makes single attempts.

    Args:
        http_client, timeout, max_body_size, on_request: as of `Session`.
    """

    def __init__(
        self,
        http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None,
        timeout: float | None,
        max_body_size: int | None,
        on_request: OnRequest | None,
    ) -> None:
        self.http_client = http_client
        self.timeout = timeout
        self.max_body_size = max_body_size
        self._clients = Clients(http_client, max_body_size)
        self._observer = None if on_request is None else Observer(on_request)

    @abstractmethod
    async def send_to(self, way: Way, request: Request) -> Answer:
        """Send a request to one address, once; arguments and result as of `Session.send`."""

    def timeout_of(self, request: Request) -> float:
        """Seconds that a request may take by itself; 0: no limit."""
        return self.usual_timeout if request.timeout is None else request.timeout

    @property
    def usual_timeout(self) -> float:
        """Seconds that a call may take, if it does not say; 0: no limit."""
        return defaults.request_timeout if self.timeout is None else self.timeout

    async def _prepare(
        self, renewal: Renewal, way: Way, request: Request, attempts: Attempts, due: float
    ) -> float:
        """See `Renewal.prepare`; it is a part of the attempt that it is for."""
        send = functools.partial(self.send_to, way)
        attempts.sent = False
        try:
            async with until(due, "no credentials in time"):
                since = await renewal.prepare(send, way.carry, request)
        except DeadlineMissed as error:
            raise self._failure(way, request, error) from error
        attempts.sent = True
        return since

    # -- whole answers ------------------------------------------------------------------------

    async def _send(
        self,
        way: Way,
        request: Request,
        attempts: Attempts,
        due: float,
        renewed: Way | None = None,
    ) -> Answer:
        """One attempt. If its credentials are refused, and can be renewed, the request goes out once
        more; unless they were for this request already, at ``renewed``."""
        renewal, observer = way.renewal, self._observer
        sent = 0.0
        if renewal is not None:
            sent = await self._prepare(renewal, way, request, attempts, due)
        began = 0.0 if observer is None else observer.now()
        with self._failing(way, request, observer, began, attempts.number):
            answer, reused = await self._exchange(way, request, due)
        if observer is not None:
            observer.answered(way, request, answer, began, attempts.number, reused)
        if reused is not None:  # else another client has done so
            with self._failing(way, request):
                unzip(answer, request, self.max_body_size)
        if (
            renewal is not None
            and renewed is not way
            and renewal.spent(way.carry, request, answer, sent)
        ):
            return await self._send(way, request, attempts, due, renewed=way)
        self._judge(way, request, answer)
        return answer

    async def _exchange(self, way: Way, request: Request, due: float) -> tuple[Answer, bool | None]:
        """What came, and whether the connection had served before."""
        client = self._clients.here()
        if isinstance(client, KeepAliveHTTPClient):
            out = self._outgoing(client.pool, way, request, due)
            return await client.pool.request(out), out.reused
        if due:
            due = max(0.001, due - asyncio.get_running_loop().time())
        answer = await fetch(
            client,
            request,
            url=way.url + request.target,
            headers=way.headers_of(request),
            timeout=due or (0.0 if request.at_hand else self.timeout_of(request)),
            trust=way.trust,
        )
        return answer, None

    # -- answers that are read piece by piece -------------------------------------------------

    async def _stream(
        self,
        way: Way,
        request: Request,
        attempts: Attempts,
        due: float,
        again: bool = True,
        *,
        within: float,
        apart: bool,
    ) -> Stream:
        """One attempt at a stream; arguments as of `_send` and `Session.stream`."""
        renewal, observer = way.renewal, self._observer
        sent = 0.0
        if renewal is not None:
            by = asyncio.get_running_loop().time() + within if within else 0.0
            sent = await self._prepare(renewal, way, request, attempts, by)
        began = 0.0 if observer is None else observer.now()
        with self._failing(way, request, observer, began, attempts.number):
            stream, reused = await self._open(way, request, within, apart)
        if observer is not None:
            stream = observer.watched(stream, way, request, began, attempts.number, reused)
        answer = stream.answer
        if answer.code >= 300:
            with self._failing(way, request):
                await take_whole(stream, within, self.max_body_size)
        if again and renewal is not None and renewal.spent(way.carry, request, answer, sent):
            return await self._stream(
                way, request, attempts, due, again=False, within=within, apart=apart
            )
        self._judge(way, request, answer)
        return stream

    async def _open(
        self, way: Way, request: Request, within: float, apart: bool
    ) -> tuple[Stream, bool | None]:
        client = self._clients.here()
        if isinstance(client, KeepAliveHTTPClient):
            out = self._outgoing(client.pool, way, request, 0.0)
            stream: Stream = await open_in_pool(client.pool, out, within, apart, request.raw)
            return stream, out.reused
        headers, url = way.headers_of(request), way.url + request.target
        return await open_foreign(client, request, url, headers, way.trust, within), None

    def _outgoing(self, pool: Pool, way: Way, request: Request, due: float) -> Outgoing:
        producer = request.body if callable(request.body) else None
        announced = (request.headers or {}).get("Content-Length")
        now = pool.loop.time()
        return Outgoing(
            way.origin,
            way.message(request),
            now,
            defaults.connect_timeout,
            max(0.001, due - now) if due else 0.0,
            request.safe and producer is None,
            request.method == "HEAD",
            producer,
            None if producer is None or announced is None else int(announced),
            pace=0.0 if producer is None else self.timeout_of(request),
        )

    # -- what came of it ----------------------------------------------------------------------

    @contextlib.contextmanager
    def _failing(
        self,
        way: Way,
        request: Request,
        observer: Observer | None = None,
        began: float = 0.0,
        attempt: int = 1,
    ) -> Iterator[None]:
        """Raise what the block fails of as what callers know; an observer is told of that."""
        try:
            yield
        except (OSError, HTTPClientError) as error:
            failure = self._failure(way, request, error)
            if observer is not None:
                observer.failed(way, request, failure, began, attempt, None)
            raise failure from error
        except BaseException as error:
            if observer is not None:
                observer.failed(way, request, error, began, attempt, None)
            raise

    def _failure(self, way: Way, request: Request, error: Exception) -> Exception:
        """What an exchange that failed is raised as."""
        if request.has_raised(error):
            return error
        log.debug("%s %s failed: %s", request.method, request.target, error)
        return error_from_failure(
            error,
            method=request.method,
            url=way.url + request.target,
            reason=explained(error, way.trust),
        )

    def _judge(self, way: Way, request: Request, answer: Answer) -> None:
        """Raise what says so if an answer is a refusal; else let it know what it answers."""
        code, method = answer.code, request.method
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s %d", method, request.target, code)
        answer.method = method
        answer.url = url = way.url + request.target
        if code >= 300 and code not in request.accept:
            raise error_from_answer(
                code,
                answer.phrase,
                _decoded(answer.body),
                method=method,
                url=url,
                headers=answer.told_headers,
            )


def unzip(answer: Answer, request: Request, limit: int | None) -> None:
    """Decompress an answer's body; but for those that are wanted as they come."""
    if answer.body and answer.gzipped and not (request.raw and answer.code < 300):
        answer.body = gunzip(answer.body, limit)


def _decoded(body: bytes | bytearray) -> Any:
    """A refusal's body: its JSON; its text where it is none; None where there is nothing."""
    try:
        return decode_json(body) if body else None
    except ValueError:
        return bytes(body).decode("utf-8", "replace")
