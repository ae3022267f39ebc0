"""KeepAliveHTTPClient: the pool as the `AsyncHTTPClient` that any Tornado program can select.

Tornado's simple client opens a connection per request; this one keeps them. What it gives and raises is
what Tornado's documentation of `AsyncHTTPClient.fetch` says. corduroy's own session does not go
through `fetch`, but straight to `pool`: a short cut around objects that it has no use for.
"""

from __future__ import annotations

import asyncio
import base64
import copy
import socket
import ssl
import time
import urllib.parse
from collections.abc import Callable
from io import BytesIO
from typing import Any, cast

from tornado import httputil, version
from tornado.escape import native_str
from tornado.httpclient import AsyncHTTPClient, HTTPRequest, HTTPResponse, _RequestProxy
from tornado.netutil import is_valid_ip, ssl_options_to_context
from tornado.simple_httpclient import HTTPStreamClosedError, HTTPTimeoutError

from ..status import tornados
from .answer import Answer, BodyTooLarge, ConnectionBroken, DeadlineMissed
from .connection import Connection
from .encoding import check_header, check_target
from .gzip import Read, gunzip, limited_reader, plain_reader
from .idle import Origin
from .limits import Allowance
from .loops import close_with_loop
from .pool import SAFE, Outgoing, Pool
from .sending import Producer
from .tls import client_context

_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})
_UNOFFERED = {
    "proxy_host": "a proxy",
    "proxy_port": "a proxy",
    "proxy_username": "a proxy",
    "proxy_password": "a proxy",
    "proxy_auth_mode": "a proxy",
    "prepare_curl_callback": "prepare_curl_callback",
}

Fetched = Callable[[HTTPResponse], None]


class KeepAliveHTTPClient(AsyncHTTPClient):
    """An `AsyncHTTPClient` that keeps its connections.

    Select it for a whole program with
    ``AsyncHTTPClient.configure("corduroy.transport.KeepAliveHTTPClient", max_clients=100)``.
    It takes every argument of `HTTPRequest` but those of proxies and of curl.
    """

    def initialize(  # type: ignore[override]
        self,
        max_clients: int | None = 10,
        defaults: dict[str, Any] | None = None,
        max_body_size: int | None = None,
        idle_timeout: float = 120.0,
    ) -> None:
        """Set up the client; called with the arguments of ``configure`` and of the constructor.

        Args:
            max_clients (int | None): how many requests may be under way at once; others wait their
                turn. None: as many as `corduroy.defaults` say at the time.
            defaults (dict): default values of `HTTPRequest` attributes.
            max_body_size (int | None): the largest response body that is taken, in bytes, before and
                after decompression; 0: no limit. None: as `corduroy.defaults` say at the time, and no
                limit to what a streaming_callback takes.
            idle_timeout (float): seconds after which an unused connection is closed.
        """
        super().initialize(defaults=defaults)
        loop = self.io_loop.asyncio_loop  # type: ignore[attr-defined]
        self.pool = Pool(loop, max_clients, idle_timeout, max_body_size)
        close_with_loop(loop, self.pool)
        self._contexts: dict[tuple[Any, ...], ssl.SSLContext] = {}
        self._fetching: set[asyncio.Task[None]] = set()
        self._latest: asyncio.Task[None]

    def close(self) -> None:
        """Close every connection; requests under way fail."""
        self.pool.close()
        super().close()

    def fetch(
        self, request: str | HTTPRequest, raise_error: bool = True, **kwargs: Any
    ) -> asyncio.Future[HTTPResponse]:
        """Execute a request; see `tornado.httpclient.AsyncHTTPClient.fetch`.

        Cancelling the Future ends the exchange and closes its connection at once.
        """
        future = super().fetch(request, raise_error, **kwargs)
        task = self._latest  # which that has just started

        def end(done: asyncio.Future[HTTPResponse]) -> None:
            if done.cancelled():
                task.cancel()

        future.add_done_callback(end)
        return future

    def fetch_impl(self, request: HTTPRequest, callback: Fetched) -> None:
        """Start one exchange; what Tornado's ``fetch`` calls."""
        task = asyncio.ensure_future(self._fetch(request, callback), loop=self.pool.loop)
        self._latest = task
        self._fetching.add(task)
        task.add_done_callback(self._fetching.discard)

    async def _fetch(self, request: HTTPRequest, callback: Fetched) -> None:
        loop = self.pool.loop
        started, wall = loop.time(), time.time()
        try:
            response = await self._follow(request)
        except asyncio.CancelledError:
            if cast("asyncio.Task[None]", asyncio.current_task()).cancelling():
                raise
            error = HTTPStreamClosedError(
                "what a callback or body_producer waited for was cancelled"
            )
            response = HTTPResponse(request, 599, error=error)
        except Exception as error:
            response = HTTPResponse(request, 599, error=_tornado_error(error))
        response.request_time = loop.time() - started
        response.start_time = wall
        callback(response)

    async def _follow(self, request: HTTPRequest) -> HTTPResponse:
        """Exchange, and exchange again as long as the server points elsewhere."""
        original = request
        while True:
            response = await self._exchange(request)
            target = response.headers.get("Location")
            if not (_redirects(request, response.code) and target):
                response.request = _bare(original)
                return response
            request = _redirected(request, response.code, target, self.defaults)

    async def _exchange(self, request: HTTPRequest) -> HTTPResponse:
        out, url = self._outgoing(request)
        streamed = request.streaming_callback or request.header_callback
        chunks: list[bytes | bytearray] = []
        if not streamed:
            answer = await self.pool.request(out)
            if answer.body:
                chunks.append(self._decoded(request, answer))
        else:
            connection, answer = await self.pool.open(out)
            try:
                await self._stream(request, connection, answer, chunks)
            finally:
                self.pool.release(connection)
        headers = tornados(answer.headers)
        if request.decompress_response and answer.gzipped:
            headers["X-Consumed-Content-Encoding"] = headers.pop("Content-Encoding")
        return HTTPResponse(
            request,
            answer.code,
            reason=answer.phrase,
            headers=headers,
            buffer=BytesIO(b"".join(chunks)),
            effective_url=url,
        )

    async def _stream(
        self,
        request: HTTPRequest,
        connection: Connection,
        answer: Answer,
        chunks: list[bytes | bytearray],
    ) -> None:
        """Hand headers and body out as they come; a callback's awaitable holds the next piece."""
        redirects = _redirects(request, answer.code) and answer.header("location")
        if request.header_callback is not None and not redirects:
            request.header_callback(f"HTTP/1.1 {answer.code} {answer.phrase}\r\n")
            for name, value in answer.headers:
                request.header_callback(f"{name}: {value}\r\n")
            request.header_callback("\r\n")
        zipped = bool(request.decompress_response) and answer.gzipped
        read: Read = connection.read
        limit = self.pool.max_body_size or 0
        for unzip in (False, zipped):  # it counts as it comes, and as it is
            read = limited_reader(plain_reader(read, unzip), Allowance("the body", limit))
        while piece := await read():
            if request.streaming_callback is None or redirects:
                chunks.append(piece)
            else:
                handed = request.streaming_callback(piece)
                if handed is not None:
                    await handed

    def _decoded(self, request: HTTPRequest, answer: Answer) -> bytes | bytearray:
        if request.decompress_response and answer.gzipped:
            return gunzip(answer.body, self.pool.max_body_size)
        return answer.body

    # -- from an HTTPRequest to bytes ---------------------------------------------------------

    def _outgoing(self, request: HTTPRequest) -> tuple[Outgoing, str]:
        """What goes over the wire for a request, and the address without credentials."""
        for option, what in _UNOFFERED.items():
            if getattr(request, option, None):
                raise NotImplementedError(
                    f"KeepAliveHTTPClient does not offer {what}: "
                    "use tornado.curl_httpclient.CurlAsyncHTTPClient instead"
                )
        url = urllib.parse.urlsplit(request.url)
        if url.scheme not in ("http", "https"):
            raise ValueError(f"Unsupported url scheme: {url.scheme!r}")
        if not url.hostname:
            raise ValueError("the url names no host")
        _check_body(request)
        target = (url.path or "/") + (f"?{url.query}" if url.query else "")
        check_target(target)
        netloc = url.netloc.rpartition("@")[2]
        headers = _request_headers(request, url, netloc)
        body = _body(request) or b""
        head, producer = _render(request.method, target, headers), request.body_producer
        if request.expect_100_continue and body:
            producer = _at_hand(body)
        else:
            head += body
        out = Outgoing(
            self._origin(request, url),
            head,
            self.pool.loop.time(),
            request.connect_timeout or 0.0,
            request.request_timeout or 0.0,
            safe=request.method in SAFE and request.body_producer is None,
            bodiless=request.method == "HEAD",
            producer=cast(Producer | None, producer),
            length=None if "Transfer-Encoding" in headers else _length(headers),
            go_ahead=request.expect_100_continue,
        )
        return out, url._replace(netloc=netloc).geturl()

    def _origin(self, request: HTTPRequest, url: urllib.parse.SplitResult) -> Origin:
        return Origin(
            cast(str, url.hostname),
            url.port or (443 if url.scheme == "https" else 80),
            self._context(request) if url.scheme == "https" else None,
            socket.AF_INET if request.allow_ipv6 is False else socket.AF_UNSPEC,
            _address(request.network_interface),
        )

    def _context(self, request: HTTPRequest) -> ssl.SSLContext:
        """The TLS settings of a request; the same ones for equal options, as their connections are."""
        options = request.ssl_options
        if isinstance(options, ssl.SSLContext):
            return options
        key: tuple[Any, ...]
        if options is not None:
            key = tuple(sorted(options.items()))
        else:
            key = (request.validate_cert, request.ca_certs, request.client_cert, request.client_key)
        if key not in self._contexts:
            self._contexts[key] = _new_context(request)
        return self._contexts[key]


def _new_context(request: HTTPRequest) -> ssl.SSLContext:
    if request.ssl_options is not None:
        return ssl_options_to_context(request.ssl_options, server_side=False)
    checked = request.validate_cert is not False
    return client_context(checked, request.ca_certs, request.client_cert, request.client_key)


def _address(interface: str | None) -> str | None:
    if interface and not is_valid_ip(interface):
        raise ValueError(f"network_interface must be an IP address, not {interface!r}")
    return interface


def _length(headers: httputil.HTTPHeaders) -> int | None:
    """What the caller says that a body_producer makes; None where there is none."""
    given = headers.get("Content-Length")
    if given is not None and not (given.isascii() and given.isdigit()):
        raise ValueError(f"headers: Content-Length must be a number, not {given!r:.80}")
    return None if given is None else int(given)


def _body(request: HTTPRequest) -> bytes | None:
    return cast("bytes | None", request.body)  # None, whatever Tornado's annotation says


def _check_body(request: HTTPRequest) -> None:
    if request.allow_nonstandard_methods:
        return
    if request.method not in _METHODS:
        raise KeyError(f"unknown method {request.method}")
    present = _body(request) is not None or request.body_producer is not None
    if present != (request.method in _WITH_BODY):
        raise ValueError(
            f"Body must {'' if present else 'not '}be None for method {request.method} "
            "(unless allow_nonstandard_methods is true)"
        )


def _request_headers(
    request: HTTPRequest, url: urllib.parse.SplitResult, netloc: str
) -> httputil.HTTPHeaders:
    try:
        headers = httputil.HTTPHeaders(request.headers)
    except httputil.HTTPInputError as error:
        raise ValueError(f"headers: {error}") from None
    headers.setdefault("Host", netloc)
    if request.user_agent:
        headers["User-Agent"] = request.user_agent
    headers.setdefault("User-Agent", f"Tornado/{version}")
    username, password = request.auth_username, request.auth_password or ""
    if url.username is not None:
        username = urllib.parse.unquote(url.username)
        password = urllib.parse.unquote(url.password or "")
    if username is not None:
        if request.auth_mode not in (None, "basic"):
            raise ValueError(f"unsupported auth_mode {request.auth_mode}")
        pair = httputil.encode_username_password(username, password)
        headers["Authorization"] = "Basic " + base64.b64encode(pair).decode()
    if (body := _body(request)) is not None:
        headers["Content-Length"] = str(len(body))
    elif request.body_producer is not None and "Content-Length" not in headers:
        headers["Transfer-Encoding"] = "chunked"
    if request.method == "POST":
        headers.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if request.decompress_response:
        headers["Accept-Encoding"] = "gzip"
    if request.expect_100_continue:
        headers["Expect"] = "100-continue"
    return headers


def _render(method: str, target: str, headers: httputil.HTTPHeaders) -> bytes:
    lines = [f"{method} {target} HTTP/1.1"]
    for name, given in headers.get_all():
        value = native_str(given)
        if any(ord(letter) > 255 for letter in value):
            value = value.encode().decode("latin-1")
        check_header(name, value)
        lines.append(f"{name}: {value}")
    lines.append("\r\n")
    return "\r\n".join(lines).encode("latin-1")


def _at_hand(body: bytes) -> Callable[[Callable[[bytes], Any]], Any]:
    """A producer for a body that is known, but waits for 100 Continue."""

    async def produce(write: Callable[[bytes], Any]) -> None:
        await write(body)

    return produce


def _redirects(request: HTTPRequest, code: int) -> bool:
    follow = request.follow_redirects and (request.max_redirects or 0) > 0
    return bool(follow) and code in (301, 302, 303, 307, 308)


def _bare(request: HTTPRequest) -> HTTPRequest:
    """The request itself, where Tornado wrapped it up with the client's defaults."""
    return getattr(request, "request", request)


def _redirected(
    request: HTTPRequest, code: int, location: str, defaults: dict[str, Any]
) -> HTTPRequest:
    """The request that a redirect asks for: to another address, perhaps as GET, and without
    credentials where it leads to another origin."""
    new = copy.copy(_bare(request))
    new.url = urllib.parse.urljoin(request.url, location)
    new.headers = new.headers.copy()
    new.max_redirects = cast(int, request.max_redirects) - 1
    new.headers.pop("Host", None)
    old_url, new_url = urllib.parse.urlsplit(request.url), urllib.parse.urlsplit(new.url)
    if (old_url.scheme, old_url.netloc) != (new_url.scheme, new_url.netloc):
        new.auth_username = new.auth_password = None
        new.url = new_url._replace(netloc=new_url.netloc.rpartition("@")[2]).geturl()
        for name in ("Authorization", "Cookie"):
            new.headers.pop(name, None)
    if (code == 303 and request.method != "HEAD") or (
        code in (301, 302) and request.method == "POST"
    ):
        new.method = "GET"
        new._body = new.body_producer = None  # type: ignore[assignment]
        for name in ("Content-Length", "Content-Type", "Content-Encoding", "Transfer-Encoding"):
            new.headers.pop(name, None)
    return cast(HTTPRequest, _RequestProxy(new, defaults))


def _tornado_error(error: Exception) -> Exception:
    """A failure as Tornado's clients report it."""
    if isinstance(error, DeadlineMissed):
        return HTTPTimeoutError(str(error))
    if isinstance(error, BodyTooLarge | ConnectionBroken):
        return HTTPStreamClosedError(str(error))
    return error
