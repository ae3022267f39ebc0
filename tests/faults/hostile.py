"""Servers that misbehave once, and then do as they should."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable, Iterator
from typing import Any

from corduroy import Couch
from tests.faults.scripted import End, Script, Upstream

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
CHUNKED = OK + b"Transfer-Encoding: chunked\r\n\r\n"

RIGHT = {"_id": "right", "_rev": "1-a", "is": "this"}
_RIGHT = b'{"_id":"right","_rev":"1-a","is":"this"}'


def told(body: bytes, *headers: str, status: str = "200 OK") -> bytes:
    """An answer as it should be framed."""
    lines = [f"HTTP/1.1 {status}", *headers, f"Content-Length: {len(body)}", "", ""]
    return "\r\n".join(lines).encode() + body


def chunk(data: bytes) -> bytes:
    """A chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def answer_right(peer: End) -> None:
    """Answer as a server should, whatever is asked."""
    while peer.head():
        peer.send(told(_RIGHT))


def sends(*pieces: bytes) -> Script:
    """Make a script: answer the first requests with these bytes, and all others right."""

    def script(peer: End) -> None:
        for piece in pieces:
            if peer.head():
                peer.send(piece)
        answer_right(peer)

    return script


def cuts(*pieces: bytes) -> Script:
    """Make a script: answer one request with bytes, and hang up."""

    def script(peer: End) -> None:
        peer.head()
        peer.send(*pieces)

    return script


def never_ends(*pieces: bytes, again: bytes) -> Script:
    """Make a script: answer one request with bytes, and then with others, again and again."""

    def script(peer: End) -> None:
        peer.head()
        peer.send(*pieces)
        while True:
            peer.send(again)

    return script


def drips(*pieces: bytes, again: bytes) -> Script:
    """Make a script: as `never_ends`, but slowly."""

    def script(peer: End) -> None:
        peer.head()
        peer.send(*pieces)
        while True:
            peer.send(again)
            time.sleep(0.02)

    return script


def once(misbehave: Script) -> Script:
    """Make a script: misbehave on the first connection, and do right on all others."""
    scripts: Iterator[Script] = iter([misbehave])

    def script(peer: End) -> None:
        next(scripts, answer_right)(peer)

    return script


def bomb(gigabytes: int) -> bytes:
    """So much of nothing, in as many megabytes of gzip."""
    return gzip.compress(bytes(64 * 1024 * 1024)) * (16 * gigabytes)


Serve = Callable[[Script], Upstream]


class Ordeal:
    """A `Couch` whose server misbehaves once.

    Args:
        server (Upstream): the server.
        **options: of the Couch.
    """

    def __init__(self, server: Upstream, **options: Any) -> None:
        self.server = server
        self.couch = Couch(server.url, **{"timeout": 5, "retries": 0, **options})
        self.db = self.couch.database("db")
        self._began = time.monotonic()

    def passed(self, call: Any, within: float = 4.0) -> None:
        """It took no longer than it may, and the next answer is that of the next question."""
        assert time.monotonic() - self._began < within, "nobody noticed in time"
        assert call(self.db.get, "right") == RIGHT
        assert call(self.db.get, "right") == RIGHT


def zipped(data: bytes) -> bytes:
    """An answer that is compressed, and says so."""
    return told(gzip.compress(data), "Content-Encoding: gzip")
