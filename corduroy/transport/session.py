"""Session: sends the requests of one server's operations, and turns what fails into exceptions.

An operation awaits a `Request`; whoever drives the operation gives that to `Session.send`, and the
`Answer` back. A session holds no loop: it finds, or makes, the HTTP client of the loop that it is
called on.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import ssl
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from tornado.httpclient import AsyncHTTPClient, HTTPClientError

from .. import defaults
from ..errors import Unauthorized, error_from_answer, error_from_failure
from .answer import Answer, ConnectionBroken
from .auth import Auth, BasicAuth
from .carrying import Carrying
from .client import KeepAliveHTTPClient
from .connection import Connection
from .encoding import check_url, decode_json, render_headers
from .foreign import fetch
from .gzip import gunzip
from .loops import close_now, close_with_loop, keep_forever, process
from .messages import Request
from .pending import Waiting, in_task
from .pool import Origin, Outgoing, Pool
from .stream import Stream, open_foreign, open_in_pool, take_whole
from .tls import explained, trust, warn_if_unchecked

log = logging.getLogger("corduroy")


class Session(Carrying):
    """The way to one server: its address, credentials and settings.

    Args:
        url (str): ``http://`` or ``https://``, with or without credentials and a path.
        auth (Auth | None): goes before credentials in the url.
        headers (dict of str to str): sent with every request.
        timeout (float | None): seconds for a whole exchange; 0: no limit; None: the default.
        max_body_size (int | None): bytes of an answer that is held whole; 0: no limit; None: the
            default.
        verify (bool): False accepts any certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        client_cert, client_key (str | Path): files that say who is asking.
        ssl_context (ssl.SSLContext | None): instead of all of these.
        http_client: an `AsyncHTTPClient`, or a class of them; None: `KeepAliveHTTPClient`.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        max_body_size: int | None = None,
        verify: bool = True,
        ca_certs: str | os.PathLike[str] | None = None,
        client_cert: str | os.PathLike[str] | None = None,
        client_key: str | os.PathLike[str] | None = None,
        ssl_context: ssl.SSLContext | None = None,
        http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None = None,
    ) -> None:
        parts = check_url(url)
        if auth is None and parts.username:
            auth = BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        netloc = parts.netloc.rpartition("@")[2]
        self.prefix = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{netloc}{self.prefix}"
        self.timeout = timeout
        self.max_body_size = max_body_size
        self.http_client = http_client
        self._trust = None
        if parts.scheme == "https":
            self._trust = trust(verify, ca_certs, client_cert, client_key, ssl_context)
            warn_if_unchecked(self._trust, netloc)
        port = parts.port or (443 if self._trust else 80)
        context = self._trust.context if self._trust else None
        self._origin = Origin(parts.hostname or "", port, context)
        sent = {
            "Host": netloc,
            "User-Agent": "corduroy",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
        }
        super().__init__({**sent, **(headers or {})}, auth)
        self._clients: dict[asyncio.AbstractEventLoop, AsyncHTTPClient] = {}
        self._generation = process.generation

    def begin(self, loop: asyncio.AbstractEventLoop, request: Request, waiting: Waiting) -> None:
        """Send a request, and tell of its answer instead of waiting for it.

        Where a connection is at hand no Task is needed, which is half of what a small request costs.

        Args:
            loop: the running loop, or the one that will run.
            request (Request): the request.
            waiting (Waiting): gets what `send` gives, or raises.
        """
        if self._generation != process.generation:
            self._forget_inherited()
        client = self._clients.get(loop)
        if (
            request.repeatable
            and isinstance(client, KeepAliveHTTPClient)
            and (self._renewal is None or self._renewal.covers(request))
        ):
            pool = client.pool
            waiting.pending = pool.begin(
                self._origin,
                self._message(request),
                self.timeout_of(request),
                request.safe,
                request.method == "HEAD",
                functools.partial(self._over, pool, request, waiting),
            )
            if waiting.pending is not None:
                return
        in_task(loop, self.send(request), waiting)

    def _over(self, pool: Pool, request: Request, waiting: Waiting, connection: Connection) -> None:
        """An exchange that nobody awaits is over."""
        answer = failure = None
        try:
            answer = connection.result()
            if answer.gzipped:
                _unzip(answer, request, self.max_body_size)
            self._judge(request, answer)
        except BaseException as error:
            # Our frames say nothing to the caller, and lead back to what is going to hold the error.
            failure = error.with_traceback(None)
        pool.release(connection)
        if failure is None:
            waiting.resume(answer, None)
        else:
            self._failed(pool, request, waiting, answer, failure)
        del waiting, failure  # see Call._advance

    def _failed(
        self,
        pool: Pool,
        request: Request,
        waiting: Waiting,
        answer: Answer | None,
        failure: BaseException,
    ) -> None:
        """Send a request again, if there is a point in it; else tell of the failure."""
        if isinstance(failure, ConnectionBroken) and pool.may_repeat(
            self._origin, request.safe, failure
        ):
            in_task(pool.loop, self.send(request), waiting)
            return
        if isinstance(failure, Unauthorized) and answer is not None:
            renewal = self._renewal
            if renewal is not None and renewal.spent(self, request, answer, 0.0):
                in_task(pool.loop, self.send(request, again=False), waiting)
                return
        if isinstance(failure, OSError):
            cause, failure = failure, self._failure(request, failure)
            failure.__cause__ = cause
        waiting.resume(answer, failure)
        del waiting, failure  # see Call._advance

    async def send(self, request: Request, again: bool = True) -> Answer:
        """Send a request and wait for its answer.

        Args:
            request (Request): the request.
            again (bool): whether it may go out once more, if its credentials are refused and can be
                renewed.

        Returns:
            Answer: a success, or a status that the request accepts.

        Raises:
            HTTPError: the server refused, or no answer came.
            Exception: what the request's own producer raised.
        """
        renewal = self._renewal
        sent = 0.0 if renewal is None else await renewal.prepare(self, request)
        client = self._client()
        try:
            if isinstance(client, KeepAliveHTTPClient):
                answer = await self._exchange(client.pool, request)
            else:
                answer = await fetch(
                    client,
                    request,
                    url=self.url + request.target,
                    headers=self._headers_of(request),
                    timeout=self.timeout_of(request),
                    trust=self._trust,
                )
        except (OSError, HTTPClientError) as error:
            raise self._failure(request, error) from error
        if again and renewal is not None and renewal.spent(self, request, answer, sent):
            return await self.send(request, again=False)
        self._judge(request, answer)
        return answer

    async def stream(
        self, request: Request, within: float, again: bool = True, apart: bool = True
    ) -> Stream:
        """Send a request whose answer is read piece by piece; wait for its headers.

        Args:
            request (Request): the request, its body at hand.
            within (float): seconds until the headers must be there, once there is a connection; 0: no
                limit.
            apart (bool): whether the answer takes no part in ``max_clients``, so that no ordinary
                request waits for it however long it is read.
            again (bool): as of `send`.

        Returns:
            Stream: a success.

        Raises:
            HTTPError: as of `send`.
        """
        renewal = self._renewal
        sent = 0.0 if renewal is None else await renewal.prepare(self, request)
        client = self._client()
        stream: Stream
        try:
            if isinstance(client, KeepAliveHTTPClient):
                out = self._outgoing(client.pool, request, 0.0)
                stream = await open_in_pool(client.pool, out, within, apart, request.raw)
            else:
                headers, url = self._headers_of(request), self.url + request.target
                stream = await open_foreign(client, request, url, headers, self._trust, within)
            if stream.answer.code >= 300:
                await take_whole(stream, within, self.max_body_size)
        except (OSError, HTTPClientError) as error:
            raise self._failure(request, error) from error
        if again and renewal is not None and renewal.spent(self, request, stream.answer, sent):
            return await self.stream(request, within, False, apart)
        self._judge(request, stream.answer)
        return stream

    def _failure(self, request: Request, error: Exception) -> Exception:
        """What an exchange that failed is raised as."""
        if any(error is own for own in request.raised):
            return error
        log.debug("%s %s failed: %s", request.method, request.target, error)
        url = self.url + request.target
        return error_from_failure(
            error, method=request.method, url=url, reason=explained(error, self._trust)
        )

    def _judge(self, request: Request, answer: Answer) -> None:
        """Raise what says so if an answer is a refusal; else let it know what it answers."""
        code, method = answer.code, request.method
        if log.isEnabledFor(logging.DEBUG):
            log.debug("%s %s %d", method, request.target, code)
        answer.method = method
        answer.url = url = self.url + request.target
        if code >= 300 and code not in request.accept:
            raise error_from_answer(
                code,
                answer.phrase,
                _decoded(answer.body),
                method=method,
                url=url,
                headers=answer.told_headers,
            )

    async def close(self) -> None:
        """Close the connections of the running loop; those of other loops close when they run.

        Using the session again opens new ones.
        """
        if self._generation != process.generation:
            self._forget_inherited()
        clients, self._clients = self._clients, {}
        for loop, client in clients.items():
            if client is self.http_client or loop.is_closed():
                continue
            with contextlib.suppress(RuntimeError):  # that loop was closed just now
                loop.call_soon_threadsafe(close_now, loop, client)
        # One turn to close the clients here, and one for what they leave to the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def __del__(self) -> None:
        for loop, client in getattr(self, "_clients", {}).items():
            if client is not self.http_client and not loop.is_closed():
                with contextlib.suppress(RuntimeError):  # the loop was closed just now
                    loop.call_soon_threadsafe(close_now, loop, client)

    # -- which client -------------------------------------------------------------------------

    def _client(self) -> AsyncHTTPClient:
        loop = asyncio.get_running_loop()
        if self._generation != process.generation:
            self._forget_inherited()
        client = self._clients.get(loop)
        return self._new_client(loop) if client is None else client

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> AsyncHTTPClient:
        for other in list(self._clients):  # other threads may change it at the same time
            if other.is_closed():
                self._clients.pop(other, None)
        given = self.http_client
        client: AsyncHTTPClient
        if given is None:
            client = KeepAliveHTTPClient(
                force_instance=True, max_clients=None, max_body_size=self.max_body_size
            )
        elif isinstance(given, type):
            client = given(force_instance=True, max_clients=defaults.max_clients)
        elif given.io_loop.asyncio_loop is loop:  # type: ignore[attr-defined]
            client = given
        else:  # one of the same kind, for a loop that the given one does not know
            client = type(given)(force_instance=True, defaults=given.defaults)
        if client is not given:
            close_with_loop(loop, client)
        self._clients[loop] = client
        return client

    def _forget_inherited(self) -> None:
        """Leave the clients alone that a forked child has from its parent."""
        keep_forever(self._clients)
        self._clients = {}
        self._generation = process.generation

    # -- through the pool ---------------------------------------------------------------------

    async def _exchange(self, pool: Pool, request: Request) -> Answer:
        timeout = self.timeout_of(request)
        made = not request.repeatable
        out = self._outgoing(pool, request, 0.0 if made else timeout)
        out.pace = timeout if made else 0.0
        answer = await pool.request(out)
        _unzip(answer, request, self.max_body_size)
        return answer

    def _outgoing(self, pool: Pool, request: Request, total: float) -> Outgoing:
        producer = request.body if callable(request.body) else None
        announced = (request.headers or {}).get("Content-Length")
        return Outgoing(
            self._origin,
            self._message(request),
            pool.loop.time(),
            defaults.connect_timeout,
            total,
            request.safe and producer is None,
            request.method == "HEAD",
            producer,
            None if producer is None or announced is None else int(announced),
        )

    def _message(self, request: Request) -> bytes:
        """What is sent: request line, headers, the empty line, and the body if it is at hand."""
        method, lines, body = request.method, self._head, request.body
        if request.headers:
            lines = render_headers(self._headers_of(request))
        if body is None:
            if method in ("POST", "PUT"):
                lines += "Content-Length: 0\r\n"
        elif not callable(body):
            lines += f"Content-Length: {len(body)}\r\n"
        elif "Content-Length" not in (request.headers or {}):
            lines += "Transfer-Encoding: chunked\r\n"
        head = f"{method} {self.prefix}{request.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        return head if body is None or callable(body) else head + body

    def timeout_of(self, request: Request) -> float:
        """Seconds that a request may take; 0: no limit."""
        if request.timeout is not None:
            return request.timeout
        return defaults.request_timeout if self.timeout is None else self.timeout


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
