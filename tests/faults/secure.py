"""Servers that meet TLS as a test has them meet it, and the certificates that they show."""

from __future__ import annotations

import contextlib
import datetime
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HOST = "127.0.0.1"
PATIENCE = 20  # seconds after which a test hangs, as far as it is concerned
DAY = datetime.timedelta(days=1)

Greeting = Callable[[socket.socket], socket.socket | None]


def now() -> datetime.datetime:
    """The time, as certificates have it."""
    return datetime.datetime.now(datetime.UTC)


def contexts(authority: trustme.CA, *names: str, **options: datetime.datetime) -> ssl.SSLContext:
    """A server's TLS, with a certificate for some names."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*(names or (HOST,)), **options).configure_cert(context)
    return context


def self_signed(path: Path) -> ssl.SSLContext:
    """A server's TLS, with a certificate that nobody vouches for but itself; it is left in a file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - DAY)
        .not_valid_after(now() + DAY)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    form, open_to_all = serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    path.write_bytes(certificate.public_bytes(pem) + key.private_bytes(pem, form, open_to_all))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(path)
    return context


def handshake(context: ssl.SSLContext) -> Greeting:
    """Greet as a server of TLS does. Where the client is turned away, it is given time to read why."""

    def greet(sock: socket.socket) -> socket.socket | None:
        with sock.dup() as other:
            try:
                secure = context.wrap_socket(sock, server_side=True)
            except OSError:
                other.settimeout(PATIENCE)
                _wait_for_end(other)
                return None
            return secure

    return greet


def cut(sock: socket.socket) -> None:
    """Close the connection in the middle of the handshake."""
    sock.recv(5)
    sock.shutdown(socket.SHUT_RDWR)


def stall(sock: socket.socket) -> None:
    """Say nothing."""
    _wait_for_end(sock)


def in_plain(sock: socket.socket) -> None:
    """Take the handshake for a bad request."""
    sock.recv(5)
    sock.sendall(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
    _wait_for_end(sock)


def alarmed(sock: socket.socket) -> None:
    """Take a request for a bad handshake, as Erlang does, and thus CouchDB."""
    sock.recv(5)
    sock.sendall(b"\x15\x03\x03\x00\x02\x02\n")
    sock.shutdown(socket.SHUT_WR)
    _wait_for_end(sock)


def _wait_for_end(sock: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while sock.recv(65536):
            pass


class SecureServer:
    """Listens on loopback, greets each connection with the next greeting, and the last one again, and
    answers every request with ``{"ok":true}``.

    Args:
        greetings: what to do before HTTP begins; where one gives no socket, nothing begins.

    Attributes:
        met (int): how many connections there were.
        heard (bytes): what came in requests.
    """

    def __init__(self, *greetings: Greeting) -> None:
        self.met = 0
        self.heard = b""
        self._greetings = list(greetings)
        self._listener = socket.create_server((HOST, 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]
        self._threads[0].start()

    def url(self, scheme: str = "https", host: str = HOST) -> str:
        """Its address."""
        return f"{scheme}://{host}:{self.port}"

    def close(self) -> None:
        """End."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts
        self._threads[0].join(PATIENCE)
        self._listener.close()
        for sock in self._open:
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE)
            assert not thread.is_alive(), "a greeting does not end"
        for sock in self._open:
            sock.close()

    def _accept(self) -> None:
        while True:
            try:
                sock, _ = self._listener.accept()
            except OSError:  # closed
                return
            sock.settimeout(PATIENCE)
            self.met += 1
            greet = self._greetings[0] if len(self._greetings) == 1 else self._greetings.pop(0)
            thread = threading.Thread(target=self._serve, args=(sock, greet), daemon=True)
            self._threads.append(thread)
            thread.start()

    def _serve(self, sock: socket.socket, greet: Greeting) -> None:
        self._open.append(sock.dup())
        with contextlib.suppress(OSError), sock:
            secure = greet(sock)
            if secure is None:
                return
            with secure:
                head = b""
                while piece := secure.recv(65536):
                    head += piece
                    self.heard += piece
                    if head.endswith(b"\r\n\r\n"):
                        secure.sendall(b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"ok":true}')
                        head = b""
