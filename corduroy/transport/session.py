"""Session: sends the requests of one server's operations, and turns what fails into exceptions.

An operation awaits a `Request`; whoever drives the operation gives that to `Session.send`, and the
`Answer` back. A session holds no loop: it finds, or makes, the HTTP client of the loop that it is
called on.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Awaitable, Callable, Container, Generator, Mapping
from typing import Any
from urllib.parse import SplitResult, unquote, urlsplit

from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest

from .. import defaults
from ..errors import ServerError, error_from_answer, error_from_failure
from .auth import Auth, BasicAuth
from .client import KeepAliveHTTPClient
from .connection import Producer, Reply
from .encoding import check_header, decode_json
from .gzip import gunzip, gunzipped
from .loops import close_with_loop, generation, keep_forever
from .pool import Origin, Outgoing, Pool

log = logging.getLogger("corduroy")

_SAFE = frozenset({"GET", "HEAD", "OPTIONS"})

Sink = Callable[[bytes], Awaitable[None] | None]


class Request:
    """One request of an operation. Awaiting it, inside an operation, gives the `Answer`.

    Args:
        method (str): the HTTP method.
        target (str): path and query below the server's root, encoded.
        body (bytes | Producer | None): the body, or what makes it as it is sent.
        headers (dict of str to str): headers beyond the session's own; they go before those.
        safe (bool | None): whether it may be sent twice; None: as HTTP has it for the method.
        accept (container of int): statuses ≥ 300 that are no error here.
        timeout (float | None): seconds for the whole exchange, 0: no limit; None: the session's.
        sink: is called with each piece of a successful answer's body, instead of gathering it.
    """

    __slots__ = ("accept", "body", "headers", "method", "safe", "sink", "target", "timeout")

    def __init__(
        self,
        method: str,
        target: str,
        *,
        body: bytes | Producer | None = None,
        headers: Mapping[str, str] | None = None,
        safe: bool | None = None,
        accept: Container[int] = (),
        timeout: float | None = None,
        sink: Sink | None = None,
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.headers = headers
        self.safe = method in _SAFE if safe is None else safe
        self.accept = accept
        self.timeout = timeout
        self.sink = sink

    def __await__(self) -> Generator[Request, Answer, Answer]:
        return (yield self)


class Answer:
    """A server's answer to a `Request`.

    Attributes:
        code (int): the status.
        body (bytes | bytearray): the body; empty where a sink took it.
    """

    __slots__ = ("_reply", "_request", "body", "code")

    def __init__(self, request: Request, reply: Reply) -> None:
        self._request = request
        self._reply = reply
        self.code = reply.code
        self.body = reply.body

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers, in order."""
        return self._reply.headers

    def header(self, name: str) -> str | None:
        """The value of the first header of a name (lower case); None where there is none."""
        found = self._reply.header(name.encode())
        return None if found is None else found.decode("latin-1")

    def json(self) -> Any:
        """The decoded body.

        Raises:
            ServerError: it is no JSON.
        """
        body, self.body = self.body, b""
        self._reply.body = b""  # the text is of no more use: let it go while its values are made
        try:
            return decode_json(body)
        except ValueError:
            said = " ".join(bytes(body[:200]).decode("utf-8", "replace").split())[:120]
            raise ServerError(
                self.code,
                "invalid_json",
                f"the answer is no JSON: {said or 'it is empty'}",
                method=self._request.method,
                url=self._request.target,
                headers=self.headers,
                response=said,
            ) from None


class Session:
    """The way to one server: its address, credentials and settings.

    Args:
        url (str): ``http://`` or ``https://``, with or without credentials and a path.
        auth (Auth | None): goes before credentials in the url.
        headers (dict of str to str): sent with every request.
        timeout (float | None): seconds for a whole exchange; 0: no limit; None: the default.
        ssl_context (ssl.SSLContext | None): for ``https``; None: verify as the system does.
        http_client: an `AsyncHTTPClient`, or a class of them; None: `KeepAliveHTTPClient`.
    """

    def __init__(
        self,
        url: str,
        *,
        auth: Auth | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        ssl_context: ssl.SSLContext | None = None,
        http_client: AsyncHTTPClient | type[AsyncHTTPClient] | None = None,
    ) -> None:
        parts = check_url(url)
        if auth is None and parts.username:
            auth = BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        netloc = parts.netloc.rpartition("@")[2]
        self.auth = auth
        self.prefix = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{netloc}{self.prefix}"
        self.timeout = timeout
        self.http_client = http_client
        tls = parts.scheme == "https"
        if tls and ssl_context is None:
            ssl_context = ssl.create_default_context()
        self._ssl_context = ssl_context if tls else None
        port = parts.port or (443 if tls else 80)
        self._origin = Origin(parts.hostname or "", port, self._ssl_context)
        self._headers = {
            "Host": netloc,
            "User-Agent": "corduroy",
            "Accept": "application/json",
            "Accept-Encoding": "gzip",
            **(headers or {}),
            **(auth.headers() if auth is not None else {}),
        }
        for name, value in self._headers.items():
            check_header(name, value)
        self._head = _render(self._headers)
        self._clients: dict[asyncio.AbstractEventLoop, AsyncHTTPClient] = {}
        self._generation = generation()

    async def send(self, request: Request) -> Answer:
        """Send a request and wait for its answer.

        Args:
            request (Request): the request.

        Returns:
            Answer: a success, or a status that the request accepts.

        Raises:
            HTTPError: the server refused, or no answer came.
        """
        client = self._client()
        try:
            if isinstance(client, KeepAliveHTTPClient):
                reply = await self._exchange(client.pool, request)
            else:
                reply = await self._fetch(client, request)
        except (OSError, HTTPClientError) as error:
            log.debug("%s %s failed: %s", request.method, request.target, error)
            raise error_from_failure(
                error, method=request.method, url=self.url + request.target
            ) from error
        log.debug("%s %s %d", request.method, request.target, reply.code)
        if reply.code < 300 or reply.code in request.accept:
            return Answer(request, reply)
        raise error_from_answer(
            reply.code,
            reply.phrase,
            _decoded(reply.body),
            method=request.method,
            url=self.url + request.target,
            headers=reply.headers,
        )

    async def close(self) -> None:
        """Close the connections of the running loop; those of other loops close when they run.

        Using the session again opens new ones.
        """
        self._check_generation()
        clients, self._clients = self._clients, {}
        for loop, client in clients.items():
            if client is self.http_client or loop.is_closed():
                continue
            with contextlib.suppress(RuntimeError):  # that loop was closed just now
                loop.call_soon_threadsafe(client.close)
        # One turn to close the clients here, and one for what they leave to the loop.
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    def __del__(self) -> None:
        for loop, client in getattr(self, "_clients", {}).items():
            if client is not self.http_client and not loop.is_closed():
                with contextlib.suppress(RuntimeError):  # the loop was closed just now
                    loop.call_soon_threadsafe(client.close)

    # -- which client -------------------------------------------------------------------------

    def _client(self) -> AsyncHTTPClient:
        loop = asyncio.get_running_loop()
        self._check_generation()
        client = self._clients.get(loop)
        return self._new_client(loop) if client is None else client

    def _new_client(self, loop: asyncio.AbstractEventLoop) -> AsyncHTTPClient:
        for other in [known for known in self._clients if known.is_closed()]:
            del self._clients[other]
        given = self.http_client
        client: AsyncHTTPClient
        if given is None:
            client = KeepAliveHTTPClient(force_instance=True, max_clients=defaults.max_clients)
        elif isinstance(given, type):
            client = given(force_instance=True)
        elif given.io_loop.asyncio_loop is loop:  # type: ignore[attr-defined]
            client = given
        else:  # one of the same kind, for a loop that the given one does not know
            client = type(given)(force_instance=True, defaults=given.defaults)
        if client is not given:
            close_with_loop(loop, client)
        self._clients[loop] = client
        return client

    def _check_generation(self) -> None:
        if self._generation != generation():
            keep_forever(self._clients)
            self._clients = {}
            self._generation = generation()

    # -- through the pool ---------------------------------------------------------------------

    async def _exchange(self, pool: Pool, request: Request) -> Reply:
        out = self._outgoing(pool, request)
        if request.sink is None:
            reply = await pool.request(out)
            if reply.header(b"content-encoding") == b"gzip" and reply.body:
                reply.body = gunzip(reply.body, None)
            return reply
        connection, reply = await pool.open(out)
        try:
            zipped = reply.header(b"content-encoding") == b"gzip"
            pieces = gunzipped(connection.read, None) if zipped else None
            while piece := await (anext(pieces, b"") if pieces else connection.read()):
                if reply.code >= 300:
                    reply.body += piece
                elif (taken := request.sink(piece)) is not None:
                    await taken
        finally:
            pool.release(connection)
        return reply

    def _outgoing(self, pool: Pool, request: Request) -> Outgoing:
        body, producer = b"", None
        if callable(request.body):
            producer = request.body
        elif request.body is not None:
            body = request.body
        head = f"{request.method} {self.prefix}{request.target} HTTP/1.1\r\n".encode("ascii")
        if request.headers:
            head += _render({**self._headers, **request.headers})
        else:
            head += self._head
        chunked = producer is not None and "Content-Length" not in (request.headers or {})
        if chunked:
            head += b"Transfer-Encoding: chunked\r\n"
        elif producer is None and (body or request.method in ("POST", "PUT")):
            head += b"Content-Length: %d\r\n" % len(body)
        now = pool.loop.time()
        connect, total = defaults.connect_timeout, self._timeout(request)
        connect = min(connect, total) or connect or total
        return Outgoing(
            self._origin,
            b"%b\r\n%b" % (head, body),
            safe=request.safe and producer is None,
            bodiless=request.method == "HEAD",
            connect_by=now + connect if connect else 0.0,
            done_by=now + total if total else 0.0,
            producer=producer,
            chunked=chunked,
        )

    def _timeout(self, request: Request) -> float:
        if request.timeout is not None:
            return request.timeout
        return defaults.request_timeout if self.timeout is None else self.timeout

    # -- through any other AsyncHTTPClient ----------------------------------------------------

    async def _fetch(self, client: AsyncHTTPClient, request: Request) -> Reply:
        body: Any = request.body
        if body is None and request.method in ("POST", "PUT"):
            body = b""
        headers = {**self._headers, **(request.headers or {})}
        del headers["Host"]  # each client has its own, and some would send both
        options: dict[str, Any] = {}
        if callable(body):
            options["body_producer"] = body
        elif body is not None:
            options["body"] = bytes(body)
        refused: list[bytes] = []
        if request.sink is not None:
            options.update(_divert(request.sink, refused))
        response = await client.fetch(
            HTTPRequest(
                self.url + request.target,
                method=request.method,
                headers=headers,
                connect_timeout=defaults.connect_timeout,
                request_timeout=self._timeout(request),
                follow_redirects=False,
                allow_nonstandard_methods=True,
                ssl_options=self._ssl_context,
                **options,
            ),
            raise_error=False,
        )
        if response.code == 599 and isinstance(response.error, Exception):
            raise response.error
        raw = [
            (name.encode("latin-1"), value.encode()) for name, value in response.headers.get_all()
        ]
        reply = Reply(response.code, response.reason, raw)
        reply.body = b"".join(refused) or response.body
        return reply


def _divert(sink: Sink, refused: list[bytes]) -> dict[str, Any]:
    """`HTTPRequest` arguments that give a success's body to a sink, and keep a refusal's."""
    code = 0

    def on_header(line: str) -> None:
        nonlocal code
        if line.startswith("HTTP/"):
            code = int(line.split(None, 2)[1])

    def on_piece(piece: bytes) -> Awaitable[None] | None:
        if code < 300:
            return sink(piece)
        refused.append(piece)
        return None

    return {"header_callback": on_header, "streaming_callback": on_piece}


def _render(headers: Mapping[str, str]) -> bytes:
    lines = [f"{name}: {value}\r\n" for name, value in headers.items()]
    return "".join(lines).encode("latin-1")


def _decoded(body: bytes | bytearray) -> Any:
    """A refusal's body: its JSON; its text where it is none; None where there is nothing."""
    try:
        return decode_json(body) if body else None
    except ValueError:
        return bytes(body).decode("utf-8", "replace")


def check_url(url: str) -> SplitResult:
    """Take an url apart.

    Args:
        url (str): the url of a server or database.

    Returns:
        SplitResult: its parts.

    Raises:
        TypeError: it is no str.
        ValueError: it is no http or https url, names no host, or carries a query; credentials in it
            are not shown.
    """
    if not isinstance(url, str):
        raise TypeError(f"url must be a str, not {type(url).__name__}")
    shown = url.rpartition("@")[2]
    if not url.isprintable() or " " in url:
        raise ValueError("url holds a space, a line break or a control character")
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (looked at for its error)
    except ValueError as error:
        raise ValueError(f"url {shown!r}: {error}") from None
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"url must start with http:// or https://, not {shown!r}")
    if not parts.hostname:
        raise ValueError(f"url {shown!r} names no host")
    if parts.query or parts.fragment:
        raise ValueError(f"url {shown!r} must not have a query or fragment")
    return parts
