"""Ways: the addresses at which a server, or the nodes of a cluster, can be asked.

Requests go round those that live, past one that has more to do than the others: one that has fallen
silent is found out late, and must not gather them all till then. One that fails is left alone, each
time for longer; when its rest is over, one request looks in with a light probe before others come back.
"""

from __future__ import annotations

import logging
import random
from collections.abc import Container, Mapping, Sequence
from time import monotonic
from urllib.parse import SplitResult, unquote
from weakref import WeakSet

from .answer import Answer
from .auth import Auth, BasicAuth
from .backoff import Backoff
from .carrying import Carrying
from .encoding import check_url, render_headers
from .idle import Origin
from .messages import Request
from .tls import Trust

log = logging.getLogger("corduroy.cluster")

# Seconds for which an address is left alone after its first failure, and at most.
_REST = 1.0
_LONGEST_REST = 60.0

# Seconds that a probe may take at most; the prober's own request waits as long.
PROBING = 1.0


class Way(Carrying):
    """One address: where it leads, what requests to it carry, and how it has fared.

    Args:
        url (str): ``http://`` or ``https://``, with or without credentials and a path.
        auth (Auth | None): goes before credentials in the url.
        headers (dict of str to str): what requests carry beside credentials.
        trust (Trust | None): for ``https``.

    Attributes:
        url (str): without credentials.
        netloc (str): its host and port.
        origin (Origin): where its connections lead.
        resting_until (float): by the monotonic clock.
        probing (bool): whether somebody is looking in.
        asked (WeakSet of Request): what it has still to answer. Of a loop that was dropped nobody says
            that it is over.
    """

    def __init__(
        self, url: str, auth: Auth | None, headers: Mapping[str, str], trust: Trust | None
    ) -> None:
        parts = check_url(url)
        if auth is None and parts.username:
            auth = BasicAuth(unquote(parts.username), unquote(parts.password or ""))
        self.netloc = netloc = parts.netloc.rpartition("@")[2]
        self._prefix = parts.path.rstrip("/")
        self.url = f"{parts.scheme}://{netloc}{self._prefix}"
        self.trust = trust if parts.scheme == "https" else None
        self.origin = _origin(parts, self.trust)
        self._backoff = Backoff(_REST, _LONGEST_REST)
        self.resting_until = 0.0
        self.probing = False
        self.asked: WeakSet[Request] = WeakSet()
        super().__init__({"Host": netloc, **headers}, auth)

    def message(self, request: Request) -> bytes:
        """What is sent: request line, headers, the empty line, and the body if it is at hand."""
        method, lines, body = request.method, self._head, request.body
        if request.headers or request.anonymous:
            lines = render_headers(self.headers_of(request))
        if body is None:
            if method in ("POST", "PUT"):
                lines += "Content-Length: 0\r\n"
        elif not callable(body):
            lines += f"Content-Length: {len(body)}\r\n"
        elif "Content-Length" not in (request.headers or {}):
            lines += "Transfer-Encoding: chunked\r\n"
        head = f"{method} {self._prefix}{request.target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        return head if body is None or callable(body) else head + body

    @property
    def failures(self) -> int:
        """How often in a row it has failed."""
        return self._backoff.failures

    def failed(self, why: object) -> None:
        """Leave it alone for a while; those who were on their way there do not make that longer."""
        if monotonic() < self.resting_until:
            return
        seconds = random.uniform(0.5, 1.0) * self._backoff.bound
        self._backoff.failures += 1
        self.resting_until = monotonic() + seconds
        log.warning("%s is left alone for %.1f s: %s", self.url, seconds, why)

    def wants_probe(self, now: float) -> bool:
        """Whether its rest is over, and somebody should look in."""
        return self.failures > 0 and self.resting_until <= now and not self.probing

    def succeeded(self) -> None:
        """It lives."""
        if self.failures:
            log.info("%s is back", self.url)
            self._backoff.start_over()
            self.resting_until = 0.0


class Ways:
    """The addresses of one server.

    Args:
        ways (list of Way): at least one.

    Attributes:
        all (list of Way): these.
        only (Way | None): the only one, if there are no others.
    """

    def __init__(self, ways: Sequence[Way]) -> None:
        self.all = list(ways)
        self.only = ways[0] if len(ways) == 1 else None
        self._turn = random.randrange(len(ways))  # whose it is, of all

    def living(self) -> Way | None:
        """Of those that live the one with the least to do, the next one in turn among equals; None if
        there is none, or one wants to be probed."""
        if self.only is not None:
            return self.only
        now, found = monotonic(), None
        for way in self._in_turn():
            if way.failures:
                if way.wants_probe(now):
                    return None
            elif found is None or len(way.asked) < len(found.asked):
                found = way
        return found

    def to_probe(self) -> Way | None:
        """One whose rest is over. Whoever gets it must probe it, and say so when that is done: nobody
        else gets it meanwhile."""
        now = monotonic()
        for way in self._in_turn():
            if self.only is None and way.wants_probe(now):
                way.probing = True
                return way
        return None

    def choose(self, tried: Container[Way]) -> Way:
        """The one that an attempt should go to: of those not tried yet, one that lives and has the
        least to do; or else the one whose rest is over first."""
        if self.only is not None:
            return self.only
        ways = self._in_turn()
        fresh = [way for way in ways if way not in tried] or ways
        return min(
            fresh, key=lambda way: (way.resting_until if way.failures else 0.0, len(way.asked))
        )

    def took(self, way: Way, request: Request) -> None:
        """A request goes there, until it is `done`: it is the next one's turn."""
        if self.only is None:
            self._turn = (self.all.index(way) + 1) % len(self.all)
            way.asked.add(request)

    def done(self, way: Way, request: Request) -> None:
        """An attempt is over, however it has ended."""
        if self.only is None:
            way.asked.discard(request)

    def _in_turn(self) -> list[Way]:
        return self.all[self._turn :] + self.all[: self._turn]


def probe(seconds: float) -> Request:
    """What asks, for so long, whether a server takes requests. It names nobody."""
    return Request("GET", "/_up", accept=range(300, 600), timeout=seconds, anonymous=True)


def lives(answer: Answer) -> bool:
    """Whether the answer to a probe is that of a server that takes requests.

    One that is in maintenance says so with 404; so does one that has no ``_up``, in other words.
    """
    if answer.code == 404:
        return b"maintenance" not in answer.body
    return answer.code < 500


def _origin(parts: SplitResult, trust: Trust | None) -> Origin:
    port = parts.port or (443 if trust else 80)
    return Origin(parts.hostname or "", port, trust.context if trust else None)
