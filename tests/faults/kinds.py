"""The kinds of faults that a `tests.faults.proxy.FaultProxy` injects, and random ones of them."""

from __future__ import annotations

import json
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from random import Random
from typing import ClassVar

from tests.faults.wire import Piece, Request

Finder = Callable[[Piece], int | None]
"""Gets an answer piece by piece, and tells before which byte of one its fault is to strike."""


class Fault:
    """Something that goes wrong with one request."""


@dataclass(frozen=True)
class Answer(Fault):
    """The proxy answers by itself, and the server never hears of the request."""

    status: int = 500
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()

    def render(self, method: str) -> bytes:
        """Write the answer to a request of a method."""
        headers = (*self.headers, ("Content-Length", str(len(self.body))))
        lines = [f"HTTP/1.1 {self.status} {HTTPStatus(self.status).phrase}"]
        lines += [f"{name}: {value}" for name, value in headers]
        head = "\r\n".join([*lines, "", ""]).encode("latin-1")
        return head if method == "HEAD" else head + self.body


@dataclass(frozen=True)
class Refuse(Fault):
    """The connection is closed before anything of the request goes to the server."""

    reset: bool = False


@dataclass(frozen=True)
class Silence(Fault):
    """The request is swallowed, and nothing comes back, on a connection that stays open."""


@dataclass(frozen=True)
class Lost(Fault):
    """The server has done the work and answered in full, but the client gets a reset instead.

    An answer without end keeps it from striking.
    """


@dataclass(frozen=True)
class Trickle(Fault):
    """The first bytes of the answer come in tiny segments, the others as the server sends them."""

    size: int = 1
    first: int = 1000
    pause: float = 0.0  # seconds after each of them


def _find_after(count: int) -> Finder:
    left = count

    def find(piece: Piece) -> int | None:
        nonlocal left
        if left <= len(piece.data):
            return left
        left -= len(piece.data)
        return None

    return find


class Interruption(Fault, ABC):
    """Strikes once at a place in the answer; one without that place passes unharmed."""

    @abstractmethod
    def finder(self) -> Finder:
        """Make what finds the place in one answer."""


@dataclass(frozen=True)
class _After(Interruption):
    """After so many bytes of the answer: its head, and 1xx answers before it, are counted."""

    after: int = 0

    def finder(self) -> Finder:
        return _find_after(self.after)


@dataclass(frozen=True)
class Cut(_After):
    """The connection is closed in an orderly way (FIN)."""

    reset: ClassVar[bool] = False


@dataclass(frozen=True)
class Reset(_After):
    """The connection is reset (RST); what has not reached the client's system by then is lost."""

    reset: ClassVar[bool] = True


@dataclass(frozen=True)
class Stall(_After):
    """Nothing more comes, on a connection that stays open."""


@dataclass(frozen=True)
class Delay(Interruption):
    """Nothing more comes for a while."""

    seconds: float
    after: int = 0

    def finder(self) -> Finder:
        return _find_after(self.after)


@dataclass(frozen=True)
class CutInLine(Interruption):
    """Cut in the middle of a line of the body, after so many others; empty lines do not count."""

    skip: int = 0
    reset: bool = False

    def finder(self) -> Finder:
        left = self.skip
        begun = False  # something of this line has come

        def find(piece: Piece) -> int | None:
            nonlocal left, begun
            for start, part in piece.parts():
                at = start
                for line in part.splitlines(keepends=True):
                    begun = begun or bool(line.strip())
                    if begun and not left:
                        return at + max(1, len(line.rstrip()) // 2)
                    if begun and line.endswith(b"\n"):
                        left -= 1
                        begun = False
                    at += len(line)
            return None

        return find


@dataclass(frozen=True)
class CutInCharacter(Interruption):
    """Cut after the first byte of a multi-byte character of the body, after so many others."""

    skip: int = 0
    reset: bool = False

    def finder(self) -> Finder:
        left = self.skip

        def find(piece: Piece) -> int | None:
            nonlocal left
            for at, part in piece.parts():
                for lead in re.finditer(rb"[\xc0-\xff]", part):
                    if not left:
                        return at + lead.end()
                    left -= 1
            return None

        return find


def _json_error(status: int, error: str, reason: str, *headers: tuple[str, str]) -> Answer:
    body = json.dumps({"error": error, "reason": reason}).encode() + b"\n"
    return Answer(status, body, (("Content-Type", "application/json"), *headers))


def error_500() -> Answer:
    """What CouchDB answers when something of its own has failed."""
    return _json_error(500, "internal_server_error", "No DB shards could be opened.")


def bad_gateway() -> Answer:
    """What a proxy in front of CouchDB answers, in HTML."""
    body = b"<html><body><h1>502 Bad Gateway</h1></body></html>\r\n"
    return Answer(502, body, (("Content-Type", "text/html"),))


def too_many(retry_after: float | str = 1) -> Answer:
    """What a service that counts requests answers; `retry_after` are seconds, or a date."""
    after = ("Retry-After", str(retry_after))
    return _json_error(429, "too_many_requests", "Too many requests.", after)


def unavailable() -> Answer:
    """What CouchDB answers in maintenance mode, or when overloaded."""
    return _json_error(503, "service_unavailable", "Nodes are unable to service this request.")


Plan = Callable[[Request], Fault | None]

WEIGHTS: Mapping[type[Fault], float] = {
    Answer: 10,
    Cut: 10,
    CutInCharacter: 10,
    CutInLine: 10,
    Delay: 10,
    Lost: 10,
    Refuse: 10,
    Reset: 10,
    Trickle: 10,
    Silence: 1,  # these two cost the client a whole timeout
    Stall: 1,
}


def random_faults(
    seed: int,
    *,
    weights: Mapping[type[Fault], float] = WEIGHTS,
    within: int = 20_000,
    spare: float = 0.9,
    only: Callable[[Request], bool] = lambda request: True,
) -> Plan:
    """Make a plan of random faults, the same ones in the same order for a seed.

    Args:
        seed: what to begin with.
        weights: how often each kind is to come, in proportion.
        within: the bytes of an answer in which faults may strike. The smaller the place, the
            likelier: each power of ten gets its share, because most answers are short.
        spare: the share of requests that pass unharmed.
        only: tells the requests that may be hit; others do not count at all.
    """
    random = Random(seed)
    kinds, shares = list(weights), list(weights.values())

    def plan(request: Request) -> Fault | None:
        if not only(request) or random.random() < spare:
            return None
        return _draw(random.choices(kinds, shares)[0], random, within)

    return plan


def _draw(kind: type[Fault], random: Random, within: int) -> Fault:
    def place(bound: int) -> int:
        return int((bound + 1) ** random.random()) - 1

    if kind is Delay:
        return Delay(random.uniform(0, 0.05), place(within))
    if issubclass(kind, _After):
        return kind(place(within))
    if issubclass(kind, CutInLine | CutInCharacter):
        return kind(place(within // 100), reset=random.random() < 0.5)
    if kind is Trickle:
        return Trickle(random.randint(1, 7), place(within))
    if kind is Refuse:
        return Refuse(reset=random.random() < 0.5)
    if kind is Answer:
        return random.choice([error_500(), bad_gateway(), too_many(), unavailable()])
    return kind()
