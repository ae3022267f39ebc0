"""Session: sends the requests of one server's operations, as often and to whom it takes.

An operation awaits a `Request`; whoever drives the operation gives that to `Session.begin`, and the
`Answer` back. A session holds no loop: it finds, or makes, the HTTP client of the loop that it is
called on. What fails goes out again as `retrying` has it, over the addresses that `way` knows.
"""

from __future__ import annotations

import asyncio
import contextvars
import functools
import math
import os
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, TypeVar

from tornado.httpclient import AsyncHTTPClient

from .. import defaults
from ..errors import HTTPError, Unauthorized
from .answer import Answer, ClientClosed, ConnectionBroken
from .auth import Auth, Grant
from .client import KeepAliveHTTPClient
from .events import OnRequest
from .exchanging import Exchanging, unzip
from .loops import process
from .messages import Request
from .pending import Limits, Waiting, in_task
from .pool import Pool
from .retrying import PASSING, Attempts, Budget
from .stream import Stream
from .tls import trust, warn_if_unchecked
from .upcoming import Exchange
from .way import PROBING, Way, Ways, lives, probe

T = TypeVar("T")

Attempt = Callable[[Way, Request, Attempts, float], Awaitable[T]]
"""Makes one attempt at a request, until some time of the loop's; 0: no limit."""


class Session(Exchanging):
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
        super().__init__(http_client, timeout, max_body_size, on_request)
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
        clients = self._clients
        if waiting.closings is None:
            waiting.closings = clients.closings
        if clients.generation != process.generation:
            clients.forget_inherited()
        client = clients.of.get(loop)
        if client is None and asyncio._get_running_loop() is loop:
            client = clients.here()
        if (
            way is not None
            and request.at_hand
            and waiting.closings == clients.closings
            and isinstance(client, KeepAliveHTTPClient)
            and (way.renewal is None or way.renewal.covers(request))
        ):
            pool, now = client.pool, loop.time()
            due = share = self._due(now, request, waiting)
            if way is not ways.only and due:
                share = now + self._attempts(request, waiting).share(due - now)
            began = 0.0 if self._observer is None else self._observer.now()
            over = functools.partial(self._over, pool, way, request, waiting, due, began)
            if self._observer is not None:  # a connection knows the context of whoever opened it
                over = functools.partial(contextvars.copy_context().run, over)
            message = way.message(request)
            if way is not ways.only:
                ways.took(way, request)
            waiting.pending = pool.begin(
                way.origin, message, share, request.safe, request.method == "HEAD", over, now
            )
            if waiting.pending is not None:
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
        connection: Exchange,
    ) -> None:
        """An exchange that nobody awaits is over."""
        answer = failure = again = None
        observer, anew = self._observer, False
        wanted = waiting.closings == self._clients.closings
        try:
            answer = connection.result()
            if observer is not None:
                observer.answered(way, request, answer, began, 1, connection.served > 0)
            if answer.gzipped:
                unzip(answer, request, self.max_body_size)
            self._judge(way, request, answer)
        except BaseException as error:
            # Our frames say nothing to the caller, and lead back to what is going to hold the error.
            failure = error.with_traceback(None)
            if isinstance(error, OSError) and not isinstance(error, HTTPError):
                failure = self._failure(way, request, error)
                failure.__cause__ = error
            anew = wanted and _goes_anew(failure, pool, way, request)
            if observer is not None and answer is None and not anew:
                observer.failed(way, request, failure, began, 1, connection.served > 0)
        pool.release(connection)
        if way is not self._ways.only:
            self._ways.done(way, request)
        if failure is None:
            if self._budget.spent:
                self._budget.earn()
            waiting.resume(answer, None)
            return
        try:
            if anew:
                again = self.send(request, waiting)
            elif wanted:
                again = self._again(pool, way, request, waiting, due, answer, failure)
        except Exception as error:  # nobody would hear of it
            failure = error
        if again is None:
            waiting.resume(answer, failure)
        else:
            in_task(pool.loop, again, waiting)
        del waiting, failure  # see Call._advance

    def _again(
        self,
        pool: Pool,
        way: Way,
        request: Request,
        waiting: Waiting,
        due: float,
        answer: Answer | None,
        failure: BaseException,
    ) -> Coroutine[Any, Any, Answer] | None:
        """What sends a request that has failed again; None where there is no point in it."""
        if isinstance(failure, Unauthorized) and answer is not None:
            renewal = way.renewal
            if renewal is not None and renewal.spent(way.carry, request, answer, 0.0):
                renewed = functools.partial(self._send, renewed=way)
                attempts = self._attempts(request, waiting)
                return self._persist(renewed, request, attempts, due, to=way)
        if isinstance(failure, HTTPError) and failure.code in PASSING:
            attempts = self._attempts(request, waiting)
            delay = attempts.after(failure, way, due - pool.loop.time() if due else math.inf)
            if delay is not None:
                return self._persist(self._send, request, attempts, due, delay)
        return None

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
        due = self._due(asyncio.get_running_loop().time(), request, limits)
        if not (request.at_hand or limits.strict):
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
        return await self._persist(attempt, request, attempts, 0.0, patience=within or math.inf)

    async def _persist(
        self,
        attempt: Attempt[T],
        request: Request,
        attempts: Attempts,
        due: float,
        delay: float = 0.0,
        to: Way | None = None,
        patience: float = math.inf,
    ) -> T:
        """Attempt, first at an address that is given, and attempt again what may be; where nothing is
        due, after pauses that are no longer than patience lasts."""
        loop = asyncio.get_running_loop()
        while True:
            if delay:
                await self._clients.pause(delay, attempts.closings)
            if self._clients.closings != attempts.closings:
                gone = ClientClosed()
                raise self._failure(attempts.ways.all[0], request, gone) from gone
            left = due - loop.time() if due else patience
            way = to or await self._choose(attempts, left)
            to = None
            attempts.ways.took(way, request)
            left = due - loop.time() if due else patience
            share = attempts.share(left)
            try:
                result = await attempt(
                    way, request, attempts, loop.time() + share if share < math.inf else 0.0
                )
            except HTTPError as error:
                left = due - loop.time() if due else patience
                again = attempts.after(error, way, left)
                if again is None:
                    raise
                delay = again
            else:
                if attempts.ways is self._ways:  # a probe's answer may be a refusal
                    way.succeeded()
                self._budget.earn()
                return result
            finally:
                attempts.ways.done(way, request)

    async def _choose(self, attempts: Attempts, left: float) -> Way:
        """The address that an attempt goes to; looks in at one whose rest is over, which takes no more
        than a part of the seconds that are left."""
        if attempts.number == 1 and (way := attempts.ways.to_probe()) is not None:
            seconds = max(0.001, min(PROBING, left / len(attempts.ways.all)))
            try:
                answer = await self.send_to(way, probe(seconds))
            except HTTPError as error:
                way.failed(error.reason)
            except asyncio.CancelledError:  # else each of many who do not wait would ask it first
                way.failed("nobody has waited for its answer to a probe")
                raise
            else:
                if lives(answer):
                    way.succeeded()
                    return way
                way.failed(f"it answers its probe with {answer.code}")
            finally:
                way.probing = False
        return attempts.ways.choose(attempts.tried)

    async def send_to(self, way: Way, request: Request) -> Answer:
        """Send a request to one address, once; arguments and result as of `send`."""
        due = self._due(asyncio.get_running_loop().time(), request, Limits())
        attempts = Attempts(request, Ways([way]), self._budget, 0, self._clients.closings)
        return await self._persist(self._send, request, attempts, due)

    # -- limits -------------------------------------------------------------------------------

    def _due(self, now: float, request: Request, limits: Limits | Waiting) -> float:
        """The loop's time by which an answer must be whole; 0: no limit."""
        if request.timeout is not None and not limits.strict:
            return now + request.timeout if request.timeout else 0.0
        due = limits.deadline
        if due is None:
            seconds = defaults.request_timeout if self.timeout is None else self.timeout
            due = limits.deadline = now + seconds if seconds else 0.0
        return due

    def _attempts(self, request: Request, limits: Limits | Waiting) -> Attempts:
        retries = request.retries if limits.retries is None else limits.retries
        if retries is None:
            retries = defaults.retries if self._retries is None else self._retries
        if limits.closings is None:
            limits.closings = self._clients.closings
        return Attempts(request, self._ways, self._budget, retries, limits.closings)


def _goes_anew(failure: BaseException, pool: Pool, way: Way, request: Request) -> bool:
    """Whether a request has met no more than a kept connection's end, and is sent on a fresh one, of
    which nobody is told: see `Pool.may_repeat`."""
    cause = failure.__cause__
    return isinstance(cause, ConnectionBroken) and pool.may_repeat(way.origin, request.safe, cause)
