"""A feed is the same through whichever `AsyncHTTPClient` the Couch has."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import trustme
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import ConnectionFailed, Couch, Database
from corduroy.transport import KeepAliveHTTPClient
from tests.faults.proxy import FaultProxy
from tests.feeds.conftest import Consumer, answer, until
from tests.feeds.test_resuming import row

KINDS = [KeepAliveHTTPClient, SimpleAsyncHTTPClient, CurlAsyncHTTPClient]
each_kind = pytest.mark.parametrize("kind", KINDS)

CHANGES = 64_000
SIZE = 1000  # bytes of each change, about
MANY = 16_000_000  # more than the sockets of both ends hold


class Flood:
    """A server that answers with more changes than anybody can hold, as fast as they are taken.

    Args:
        tls (ssl.SSLContext | None): how it proves who it is, if it does.

    Attributes:
        url (str): its address.
        sent (int): the bytes that it has got rid of.
        met (int): how many clients have come.
    """

    def __init__(self, tls: ssl.SSLContext | None = None) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._tls = tls
        scheme = "http" if tls is None else "https"
        self.url = f"{scheme}://127.0.0.1:{self._listener.getsockname()[1]}"
        self.sent = self.met = 0
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # it is over
            while True:
                connection, _ = self._listener.accept()
                self.met += 1
                with connection, contextlib.suppress(OSError):  # the client has gone
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        if self._tls is not None:
            connection = self._tls.wrap_socket(connection, server_side=True)
        with connection:
            connection.recv(65536)
            connection.sendall(answer(b""))
            for start in range(1, CHANGES + 1, 100):
                piece = b"".join(row(seq, "x" * SIZE) for seq in range(start, start + 100))
                connection.sendall(piece)
                self.sent += len(piece)

    def close(self) -> None:
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # which wakes the thread
        self._listener.close()
        self._thread.join()

    async def held_up(self) -> int:
        """Wait until it gets rid of no more; how much that was."""
        before = -1
        while before < self.sent:
            before = self.sent
            await asyncio.sleep(0.3)
        return before


@each_kind
async def test_a_change_comes_when_it_happens(
    couchdb_url: str, db: Database[Any], kind: type[AsyncHTTPClient]
) -> None:
    # Also from a server that would compress what is asked for so, and hold it back.
    async with Couch(couchdb_url, http_client=kind) as couch, asyncio.timeout(5):
        target = couch.database(db.name)
        heard = []
        await target.save({"_id": "0"})
        async for change in target.changes(feed="continuous"):
            heard.append(change.id)
            if len(heard) == 3:
                break
            await target.save({"_id": f"{len(heard)}"})
    assert heard == ["0", "1", "2"]


@each_kind
async def test_a_server_waits_for_who_is_slow(kind: type[AsyncHTTPClient]) -> None:
    with contextlib.closing(Flood()) as flood:
        async with Couch(flood.url, http_client=kind) as couch, asyncio.timeout(60):
            seqs = []
            async for change in couch.database("db").changes(feed="continuous", limit=CHANGES):
                seqs.append(change.seq)
                if change.seq in (1, 30_000):
                    # What was handed out was sent, and what the sockets hold; the rest was not.
                    assert await flood.held_up() < change.seq * SIZE * 1.1 + MANY
        assert seqs == list(range(1, CHANGES + 1))


@each_kind
async def test_stopped_at_any_moment_it_leaves_no_connection(
    proxy: FaultProxy, db: Database[Any], kind: type[AsyncHTTPClient]
) -> None:
    async with Couch(proxy.url, http_client=kind) as couch:
        for tenths in range(40):  # of a millisecond: it resolves, connects, asks, listens
            feed = couch.database(db.name).changes(callback=print, feed="continuous")
            await asyncio.sleep(tenths / 10_000)
            await feed.stop()
        await until(lambda: proxy.connections == 0)


# -- with TLS -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_certs(authority: trustme.CA, tmp_path: Path) -> Path:
    """The file of the authority that the servers' certificates are from."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(path)
    return path


@pytest.fixture(params=["127.0.0.1"])
def secure(authority: trustme.CA, request: pytest.FixtureRequest) -> Iterator[Flood]:
    """A server with a certificate for some name, and more changes than are wanted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(request.param).configure_cert(context)
    with contextlib.closing(Flood(context)) as server:
        yield server


@each_kind
def test_a_server_that_is_vouched_for_is_listened_to(
    follow: Consumer, secure: Flood, ca_certs: Path, kind: type[AsyncHTTPClient]
) -> None:
    with Couch(secure.url, ca_certs=ca_certs, http_client=kind) as couch:
        assert [change.seq for change in follow(couch.database("db"), 3)] == [1, 2, 3]


@each_kind
def test_one_that_nobody_vouches_for_ends_the_feed(
    follow: Consumer, secure: Flood, kind: type[AsyncHTTPClient]
) -> None:
    couch = Couch(secure.url, http_client=kind)
    with couch, pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
        follow(couch.database("db"), 1)
    assert secure.met == 1
    assert isinstance(follow.feed.exception, ConnectionFailed)


@each_kind
@pytest.mark.parametrize("secure", ["couch.example"], indirect=True)
def test_a_certificate_for_another_host_ends_the_feed(
    follow: Consumer, secure: Flood, ca_certs: Path, kind: type[AsyncHTTPClient]
) -> None:
    couch = Couch(secure.url, ca_certs=ca_certs, http_client=kind)
    with couch, pytest.raises(ConnectionFailed, match=r"(?i)certificate|127\.0\.0\.1"):
        follow(couch.database("db"), 1, checkpoint="mine")
    assert secure.met == 1
