"""Session: sends the requests of one server's operations, and turns what fails into exceptions.

An operation awaits a `Request`; whoever drives the operation gives that to `Session.begin`, and the
`Answer` back. A session holds no loop: it finds, or makes, the HTTP client of the loop that it is
called on. What fails goes out again as `retrying` has it, over the addresses that `way` knows.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import logging
import math
import os
import ssl
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from .. import defaults
from ..errors import HTTPError, Unauthorized, error_from_answer, error_from_failure
from .answer import Answer, ConnectionBroken
from .auth import Auth, Grant
from .client import KeepAliveHTTPClient
from .clients import Clients
from .connection import Connection
from .encoding import decode_json
from .events import Observer, OnRequest
from .foreign import fetch
from .gzip import gunzip
from .messages import Request
from .pending import Limits, Waiting, in_task
from .pool import Outgoing, Pool
from .retrying import PASSING, Attempts, Budget
from .stream import Stream, open_foreign, open_in_pool, take_whole
from .tls import explained, trust, warn_if_unchecked
from .way import Way, Ways, lives, probe

log = logging.getLogger("corduroy.http")

T = TypeVar("T")

Attempt = Callable[[Way, Request, Attempts, float], Awaitable[T]]
"""Makes one attempt at a request, until some time of the loop's; 0: no limit."""


class Session:
    """The way to one server: its addresses, credentials and settings.

    Args:
        urls (list of str): ``http://`` or ``https://``, with or without credentials and a path; more
            than one: the nodes of a cluster.
        auth (Auth | None): goes before credentials in the urls.
        headers (dict of str to str): sent with every request.
        timeout (float | None): seconds for a whole call; 0: no limit; None: the default.
        retries (int | None): how often a request that failed is tried again; None: the default.
        max_body_size (int | None): bytes of an answer that is held whole; 0: no limit; None: the
            default.
        verify (bool): False accepts any certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        client_cert, client_key (str | Path): files that say who is asking.
        ssl_context (ssl.SSLContext | None): instead of all of these.
        http_client: an `AsyncHTTPClient`, or a class of them; None: `KeepAliveHTTPClient`.
        on_request: is told of each request.
    """

    def __init__(
        self,
        urls: Sequence[str],
        *,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        retries: int | None = None,
        max_body_size: int | None = None,
        verify: bool = True,
        ca_certs: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None = None,
        on_request: OnRequest | None = None,
    ) -> None:
        self.timeout = timeout
        self.max_body_size = max_body_size
        self.http_client = http_client
        trusted = None
        if any(url.lower().startswith("https:") for url in urls):
            trusted = trust(verify, ca_certs, client_cert, client_key, ssl_context)
        usual = {
            "User-Agent": "corduroy",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        sent = {**usual, **(headers or {})}
        self._ways = Ways([Way(url, auth, sent, trusted) for url in urls])
        for way in self._ways.all:
            if way.trust is not None:
                warn_if_unchecked(way.trust, way.netloc)
        self._retries = retries
        self._budget = Budget()
        self._observer = None if on_request is None else Observer(on_request)
        self._clients = Clients(http_client, max_body_size)

    # -- who it leads to, and who is asking ---------------------------------------------------

    @property
    def url(self) -> str:
        """The server's address, the first one if it has several, without credentials."""
        return self._ways.all[0].url

    @property
    def urls(self) -> list[str]:
        """All of its addresses, without credentials."""
        return [way.url for way in self._ways.all]

    def authenticate(
        self, auth: Auth | None, grant: Grant | None = None, since: float = 0.0
    ) -> None:
        """Prove in this way who is asking, wherever; see `Carrying.authenticate`."""
        for way in self._ways.all:
            way.authenticate(auth, grant, since)

    @property
    def names_somebody(self) -> bool:
        """Whether the requests say who is asking."""
        return self._ways.all[0].names_somebody

    def proof(self) -> dict[str, str]:
        """See `Carrying.proof`."""
        return self._ways.all[0].proof()

    async def close(self) -> None:
        """Close the connections of the running loop; those of other loops close when they run.

        Using the session again opens new ones.
        """
        await self._clients.close()

    # -- sending ------------------------------------------------------------------------------

    def begin(self, loop: asyncio.AbstractEventLoop, request: Request, waiting: Waiting) -> None:
        """Send a request, and tell of its answer instead of waiting for it.

        Where a connection is at hand no Task is needed, which is half of what a small request costs.

        Args:
            loop: the running loop, or the one that will run.
            request (Request): the request.
            waiting (Waiting): gets what `send` gives, or raises.
        """
        ways = self._ways
        way = ways.only or ways.living()
        client = self._clients.known(loop)
        if (
            way is not None
            and request.repeatable
            and isinstance(client, KeepAliveHTTPClient)
            and (way.renewal is None or way.renewal.covers(request))
        ):
            pool = client.pool
            due = share = self._due(loop, request, waiting)
            if way is not ways.only and due:
                now = loop.time()
                share = now + self._attempts(request, waiting).share(due - now)
            began = 0.0 if self._observer is None else self._observer.now()
            over = functools.partial(self._over, pool, way, request, waiting, due, began)
            if self._observer is not None:  # a connection knows the context of whoever opened it
                over = functools.partial(contextvars.copy_context().run, over)
            waiting.pending = pool.begin(
                way.origin,
                way.message(request),
                share,
                request.safe,
                request.method == "HEAD",
                over,
            )
            if waiting.pending is not None:
                if way is not ways.only:
                    ways.took(way)
                return
        in_task(loop, self.send(request, waiting), waiting)

    def _over(
        self,
        pool: Pool,
        way: Way,
        request: Request,
        waiting: Waiting,
        due: float,
        began: float,
        connection: Connection,
    ) -> None:
        """An exchange that nobody awaits is over."""
        answer = failure = None
        observer = self._observer
        try:
            answer = connection.result()
            if observer is not None:
                observer.answered(way, request, answer, began, 1, connection.served > 0)
            if answer.gzipped:
                _unzip(answer, request, self.max_body_size)
            self._judge(way, request, answer)
        except BaseException as error:
            # Our frames say nothing to the caller, and lead back to what is going to hold the error.
            failure = error.with_traceback(None)
            if isinstance(error, OSError) and not isinstance(error, HTTPError):
                failure = self._failure(way, request, error)
                failure.__cause__ = error
            if observer is not None and answer is None:
                observer.failed(way, request, failure, began, 1, connection.served > 0)
        pool.release(connection)
        if failure is None:
            if self._budget.spent:
                self._budget.earn()
            waiting.resume(answer, None)
        else:
            self._failed(pool, way, request, waiting, due, answer, failure)
        del waiting, failure  # see Call._advance

    def _failed(
        self,
        pool: Pool,
        way: Way,
        request: Request,
        waiting: Waiting,
        due: float,
        answer: Answer | None,
        failure: BaseException,
    ) -> None:
        """Send a request again, if there is a point in it; else tell of the failure."""
        cause = failure.__cause__
        if isinstance(cause, ConnectionBroken) and pool.may_repeat(way.origin, request.safe, cause):
            in_task(pool.loop, self.send(request, waiting), waiting)
            return
        if isinstance(failure, Unauthorized) and answer is not None:
            renewal = way.renewal
            if renewal is not None and renewal.spent(way.carry, request, answer, 0.0):
                once = functools.partial(self._send, again=False)
                attempts = self._attempts(request, waiting)
                in_task(pool.loop, self._persist(once, request, attempts, due), waiting)
                return
        if isinstance(failure, HTTPError) and failure.code in PASSING:
            attempts = self._attempts(request, waiting)
            delay = attempts.after(failure, way, due - pool.loop.time() if due else math.inf)
            if delay is not None:
                again = self._persist(self._send, request, attempts, due, delay)
                in_task(pool.loop, again, waiting)
                return
        waiting.resume(answer, failure)
        del waiting, failure, cause  # see Call._advance

    async def send(self, request: Request, limits: Limits | Waiting | None = None) -> Answer:
        """Send a request and wait for its answer.

        Args:
            request (Request): the request.
            limits (Limits | None): how long that may take, and how often it may be tried; None: as the
                request and the session have it.

        Returns:
            Answer: a success, or a status that the request accepts.

        Raises:
            HTTPError: the server refused, or no answer came.
            Exception: what the request's own producer raised.
        """
        limits = limits or Limits()
        due = self._due(asyncio.get_running_loop(), request, limits)
        if not (request.repeatable or limits.strict):
            due, limits.deadline = 0.0, None  # its pace is limited instead
        attempts = self._attempts(request, limits)
        del limits  # a call, as a rule: see Call._advance
        return await self._persist(self._send, request, attempts, due)

    async def stream(self, request: Request, within: float, apart: bool = True) -> Stream:
        """Send a request whose answer is read piece by piece; wait for its headers.

        Args:
            request (Request): the request, its body at hand.
            within (float): seconds until the headers must be there, once there is a connection; 0: no
                limit.
            apart (bool): whether the answer takes no part in ``max_clients``, so that no ordinary
                request waits for it however long it is read.

        Returns:
            Stream: a success.

        Raises:
            HTTPError: as of `send`.
        """
        attempt = functools.partial(self._stream, within=within, apart=apart)
        attempts = self._attempts(request, Limits())
        return await self._persist(attempt, request, attempts, 0.0)

    async def _persist(
        self,
        attempt: Attempt[T],
        request: Request,
        attempts: Attempts,
        due: float,
        delay: float = 0.0,
    ) -> T:
        """Attempt, and attempt again what may be."""
        loop = asyncio.get_running_loop()
        while True:
            if delay:
                await asyncio.sleep(delay)
            way = await self._choose(attempts)
            attempts.ways.took(way)
            left = due - loop.time() if due else math.inf
            share = attempts.share(left)
            try:
                result = await attempt(
                    way, request, attempts, loop.time() + share if share < math.inf else 0.0
                )
            except HTTPError as error:
                left = due - loop.time() if due else math.inf
                again = attempts.after(error, way, left)
                if again is None:
                    raise
                delay = again
            else:
                if attempts.ways is self._ways:  # a probe's answer may be a refusal
                    way.succeeded()
                self._budget.earn()
                return result

    async def _choose(self, attempts: Attempts) -> Way:
        """The address that an attempt goes to; looks in at one whose rest is over."""
        if attempts.number == 1 and (way := attempts.ways.to_probe()) is not None:
            try:
                answer = await self.send_to(way, probe())
            except HTTPError as error:
                way.failed(error.reason)
            else:
                if lives(answer):
                    way.succeeded()
                    return way
                way.failed(f"it answers its probe with {answer.code}")
            finally:
                way.probing = False
        return attempts.ways.choose(attempts.tried)

    async def send_to(self, way: Way, request: Request) -> Answer:
        """Send a request to one address, and no other; arguments and result as of `send`."""
        due = self._due(asyncio.get_running_loop(), request, Limits())
        attempts = Attempts(request, Ways([way]), self._budget, self._retries_of(request))
        return await self._persist(self._send, request, attempts, due)

    async def _send(
        self, way: Way, request: Request, attempts: Attempts, due: float, again: bool = True
    ) -> Answer:
        """One attempt; ``again``: the request may go out once more, if its credentials are refused and
        can be renewed."""
        renewal, observer = way.renewal, self._observer
        sent = 0.0
        if renewal is not None:
            sent = await renewal.prepare(functools.partial(self.send_to, way), way.carry, request)
        began = 0.0 if observer is None else observer.now()
        told = False
        try:
            answer, reused = await self._exchange(way, request, due)
            if observer is not None:
                observer.answered(way, request, answer, began, attempts.number, reused)
                told = True
            if reused is not None:  # else another client has done so
                _unzip(answer, request, self.max_body_size)
        except (OSError, HTTPClientError) as error:
            failure = self._failure(way, request, error)
            if observer is not None and not told:
                observer.failed(way, request, failure, began, attempts.number, None)
            raise failure from error
        except BaseException as error:
            if observer is not None:
                observer.failed(way, request, error, began, attempts.number, None)
            raise
        if again and renewal is not None and renewal.spent(way.carry, request, answer, sent):
            return await self._send(way, request, attempts, due, again=False)
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
            timeout=due or (0.0 if request.repeatable else self.timeout_of(request)),
            trust=way.trust,
        )
        return answer, None

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
        """One attempt at a stream; arguments as of `_send` and `stream`."""
        renewal, observer = way.renewal, self._observer
        sent = 0.0
        if renewal is not None:
            sent = await renewal.prepare(functools.partial(self.send_to, way), way.carry, request)
        began = 0.0 if observer is None else observer.now()
        try:
            stream, reused = await self._open(way, request, within, apart)
        except (OSError, HTTPClientError) as error:
            failure = self._failure(way, request, error)
            if observer is not None:
                observer.failed(way, request, failure, began, attempts.number, None)
            raise failure from error
        except BaseException as error:
            if observer is not None:
                observer.failed(way, request, error, began, attempts.number, None)
            raise
        if observer is not None:
            stream = observer.watched(stream, way, request, began, attempts.number, reused)
        answer = stream.answer
        if answer.code >= 300:
            try:
                await take_whole(stream, within, self.max_body_size)
            except (OSError, HTTPClientError) as error:
                raise self._failure(way, request, error) from error
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

    # -- limits -------------------------------------------------------------------------------

    def timeout_of(self, request: Request) -> float:
        """Seconds that a request may take by itself; 0: no limit."""
        return self.usual_timeout if request.timeout is None else request.timeout

    @property
    def usual_timeout(self) -> float:
        """Seconds that a call may take, if it does not say; 0: no limit."""
        return defaults.request_timeout if self.timeout is None else self.timeout

    def _due(
        self, loop: asyncio.AbstractEventLoop, request: Request, limits: Limits | Waiting
    ) -> float:
        """The loop's time by which an answer must be whole; 0: no limit."""
        if request.timeout is not None and not limits.strict:
            return loop.time() + request.timeout if request.timeout else 0.0
        due = limits.deadline
        if due is None:
            seconds = self.usual_timeout
            due = limits.deadline = loop.time() + seconds if seconds else 0.0
        return due

    def _attempts(self, request: Request, limits: Limits | Waiting) -> Attempts:
        retries = self._retries_of(request) if limits.retries is None else limits.retries
        return Attempts(request, self._ways, self._budget, retries)

    def _retries_of(self, request: Request) -> int:
        if request.retries is not None:
            return request.retries
        return defaults.retries if self._retries is None else self._retries


def _unzip(answer: Answer, request: Request, limit: int | None) -> None:
    """Decompress an answer's body; but for those that are wanted as they come."""
    if answer.body and answer.gzipped and not (request.raw and answer.code < 300):
        answer.body = gunzip(answer.body, limit)


def _decoded(body: bytes | bytearray) -> Any:
    """A refusal's body: its JSON; its text where it is none; None where there is nothing."""
    try:
        return decode_json(body) if body else None
    except ValueError:
        return bytes(body).decode("utf-8", "replace")
