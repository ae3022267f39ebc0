"""Servers that do what a test tells them, byte by byte, and the client that meets them."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import pytest

from corduroy import Couch, NotFound
from corduroy.transport import KeepAliveHTTPClient
from tests.replay.grounds import Live

PATIENCE = 20  # seconds after which a test hangs, as far as it is concerned


class Gone(Exception):
    """The client has closed the connection."""


class Request(NamedTuple):
    """A request, as the server got it."""

    method: str
    target: str
    headers: dict[str, str]  # names in lower case
    body: bytes


class Peer:
    """One accepted connection, in the hands of a behaviour."""

    def __init__(self, server: Server, sock: socket.socket) -> None:
        self.server = server
        self.socket = sock
        self._file = sock.makefile("rb")

    def head(self) -> Request:
        """Wait for a request's head, and leave its body where it is."""
        line = self._line()
        method, target, _ = line.split(" ")
        headers = {}
        while line := self._line():
            name, _, value = line.partition(":")
            headers[name.lower()] = value.strip()
        return Request(method, target, headers, b"")

    def request(self) -> Request:
        """Wait for a request; `Gone` if the connection ends instead."""
        request = self.head()
        request = request._replace(body=self.body(request))
        self.server.requests.append(request)
        return request

    def body(self, request: Request) -> bytes:
        """Wait for the body of a request whose head is known."""
        return b"".join(self.pieces(request))

    def pieces(self, request: Request) -> Iterator[bytes]:
        """Wait for a body piece by piece."""
        if request.headers.get("transfer-encoding") == "chunked":
            while size := int(self._line(), 16):
                yield from self._read(size)
                self._line()
            self._line()
        else:
            yield from self._read(int(request.headers.get("content-length", 0)))

    def send(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def answer(self, body: bytes = b"ok", *headers: str, status: str = "200 OK") -> None:
        """Answer as a server does."""
        lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
        self.send("\r\n".join(lines).encode() + body)

    def close(self) -> None:
        """End the connection."""
        self._file.close()
        self.socket.close()

    def reset(self) -> None:
        """End the connection by a TCP reset."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close()

    def hang_up(self) -> None:
        """End the connection, from any thread; the behaviour meets its end at the next step."""
        with contextlib.suppress(OSError):  # it is at its end already
            self.socket.shutdown(socket.SHUT_RDWR)

    def wait_for_end(self) -> None:
        """Return when the client has closed its side, or has reset the connection."""
        with contextlib.suppress(ConnectionError):
            while self.socket.recv(65536):
                pass

    def _read(self, left: int) -> Iterator[bytes]:
        while left:
            piece = self._file.read(min(left, 65536))
            if not piece:
                raise Gone
            left -= len(piece)
            yield piece

    def _line(self) -> str:
        line = self._file.readline()
        if not line.endswith(b"\r\n"):
            raise Gone
        return line[:-2].decode("latin-1")


Behaviour = Callable[[Peer], None]


def answer_all(peer: Peer) -> None:
    """What a server does: answer every request."""
    while True:
        peer.request()
        peer.answer()


class Server:
    """Listens on loopback; each connection has the next behaviour, the last one all that follow.

    A behaviour is a function of a `Peer`, which runs in a thread of its own, or bytes: these are
    sent after one request, and the connection is closed.
    """

    def __init__(
        self,
        *behaviours: Behaviour | bytes,
        tls: ssl.SSLContext | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.requests: list[Request] = []
        self.peers: list[Peer] = []
        self.errors: list[Exception] = []
        self._behaviours = list(behaviours) or [answer_all]
        self._tls = tls
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.create_server((host, 0), family=family)
        self.port = self._listener.getsockname()[1]
        self.url = (
            f"{'https' if tls else 'http'}://{f'[{host}]' if ':' in host else host}:{self.port}"
        )
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    @property
    def connections(self) -> int:
        """How many connections have been accepted."""
        return len(self.peers)

    def close(self) -> None:
        """End; what a behaviour has raised is raised here."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._threads[0].join(PATIENCE)
        self._listener.close()
        for peer in self.peers:
            peer.hang_up()
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a behaviour does not end"
        if self.errors:
            raise self.errors[0]

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed
                return
            sock.settimeout(PATIENCE)
            behaviour = self._behaviours[0]
            if len(self._behaviours) > 1:
                del self._behaviours[0]
            thread = threading.Thread(target=self._serve, args=(sock, behaviour), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, behaviour: Behaviour | bytes) -> None:
        with sock:
            try:
                if self._tls is not None:
                    sock = self._tls.wrap_socket(sock, server_side=True)
            except OSError:  # the client does not like the certificate
                return
            peer = Peer(self, sock)
            self.peers.append(peer)
            try:
                if isinstance(behaviour, bytes):
                    peer.request()
                    peer.send(behaviour)
                else:
                    behaviour(peer)
            except (Gone, OSError):
                pass
            except Exception as error:
                self.errors.append(error)
            finally:
                peer.close()


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """``serve(behaviour, …)`` starts a `Server`; without behaviours it answers every request."""
    with contextlib.ExitStack() as stack:

        def start(*behaviours: Behaviour | bytes, **options: Any) -> Server:
            server = Server(*behaviours, **options)
            stack.callback(server.close)
            return server

        yield start


@pytest.fixture
def runner() -> Iterator[asyncio.Runner]:
    """The loop of tests that are coroutines."""
    with asyncio.Runner() as runner:
        yield runner


@pytest.fixture
def new_client(
    serve: Callable[..., Server], runner: asyncio.Runner
) -> Iterator[Callable[..., KeepAliveHTTPClient]]:
    """``new_client(max_clients=…)``: a client on the test's loop."""
    with contextlib.ExitStack() as stack:

        async def make(**options: Any) -> KeepAliveHTTPClient:
            return KeepAliveHTTPClient(force_instance=True, **options)

        def start(**options: Any) -> KeepAliveHTTPClient:
            if asyncio._get_running_loop() is None:
                client = runner.run(make(**options))
            else:
                client = KeepAliveHTTPClient(force_instance=True, **options)
            stack.callback(client.close)
            return client

        yield start


@pytest.fixture
def client(new_client: Callable[..., KeepAliveHTTPClient]) -> KeepAliveHTTPClient:
    """A client with its default settings."""
    return new_client()


@pytest.hookimpl(tryfirst=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> bool | None:
    """Run a test that is a coroutine; it fails if it hangs."""
    if not inspect.iscoroutinefunction(pyfuncitem.obj):
        return None
    names = inspect.signature(pyfuncitem.obj).parameters
    arguments = {name: pyfuncitem.funcargs[name] for name in names}

    async def run() -> None:
        async with asyncio.timeout(PATIENCE):
            await pyfuncitem.obj(**arguments)

    pyfuncitem.funcargs["runner"].run(run())
    return True


@pytest.fixture
def configured3(ground3: Live) -> Iterator[Callable[[str, Any], None]]:
    """``configured3("section/key", value)``: the real CouchDB 3 is configured so during the test."""
    with contextlib.ExitStack() as stack:

        def set_back(name: str, value: str | None) -> None:
            ground3.offstage(lambda couch: couch.config(name, value, delete=value is None))

        def configure(name: str, value: Any) -> None:
            def act(couch: Couch[Any]) -> None:
                try:
                    old = couch.config(name)
                except NotFound:
                    old = None
                couch.config(name, value)
                stack.callback(set_back, name, old)

            ground3.offstage(act)

        yield configure


@pytest.fixture(autouse=True)
def _once(once):
    """These tests are about single exchanges."""
