"""Retrying: whether a request that has failed goes out again, when, and to whom.

What may have been carried out is sent again only if a second time does no harm: a `Request` that is
``safe``, or ``guarded`` by the revision or the id that it carries. What was certainly not may go again
whatever it is.
"""

from __future__ import annotations

import logging

from tornado.httpclient import HTTPClientError

from .. import defaults
from ..errors import HTTPError, RequestTimeout, lacks_a_part
from .answer import BodyTooLarge, ClientClosed, ConnectionBroken, DeadlineMissed, NoTurn
from .backoff import Backoff, retry_after
from .messages import Request
from .tls import is_distrust
from .way import Way, Ways

log = logging.getLogger("corduroy.retry")

_FIRST = 0.2  # seconds, of the first delay, at most
_LONGEST = 10.0

PASSING = frozenset({429, 502, 503, 504, 599})
"""What may be no more when the request comes again."""

# What one success gives back of a retry.
_EARNED = 0.2

# libcurl's CURLE_COULDNT_RESOLVE_HOST and CURLE_COULDNT_CONNECT, as Tornado's CurlError carries them
_CURL_NOT_SENT = (6, 7)


class Budget:
    """How many retries a session has left: a server that is ill is not to be hammered by all who wait.

    Each takes one, and each success gives a part of one back.
    """

    def __init__(self) -> None:
        self.spent = 0.0

    def spend(self) -> bool:
        """Take one, if there is one."""
        if self.spent + 1.0 > defaults.retry_budget:
            return False
        self.spent += 1.0
        return True

    def earn(self) -> None:
        """Take note of a success."""
        self.spent = max(0.0, self.spent - _EARNED)


class Attempts:
    """The attempts at one request.

    Args:
        request (Request): the request.
        ways (Ways): where it can go.
        budget (Budget): the session's.
        retries (int): how often it may go out again.
        closings (int | None): as of `Limits`.

    Attributes:
        ways, closings: as above.
        number (int): which attempt this is, from 1 on.
        sent (bool): whether it has got as far as to send the request; before that credentials may have
            to be granted.
        tried (list of Way): where it has been since all were tried last.
    """

    __slots__ = (
        "_backoff", "_budget", "_request", "_retries", "closings", "number", "sent", "tried", "ways",
    )  # fmt: skip

    def __init__(
        self, request: Request, ways: Ways, budget: Budget, retries: int, closings: int | None
    ) -> None:
        self.number = 1
        self.sent = True
        self.tried: list[Way] = []
        self._request = request
        self.ways = ways
        self.closings = closings
        self._budget = budget
        self._retries = retries
        self._backoff = Backoff(_FIRST, _LONGEST)

    def share(self, left: float) -> float:
        """Which part of the time that is left this attempt may take: others may have to follow it."""
        untried = len(self.ways.all) - len(self.tried)
        return left / untried if untried > 1 and self._harmless else left

    @property
    def _harmless(self) -> bool:
        request = self._request
        return request.repeatable and (request.safe or request.guarded)

    def after(self, error: HTTPError, way: Way, left: float) -> float | None:
        """Take note of a failure.

        Args:
            error (HTTPError): the failure.
            way (Way): where it happened.
            left (float): seconds until the call's deadline.

        Returns:
            float | None: seconds until the next attempt; None: there is none.
        """
        if error.code not in PASSING or lacks_a_part(error):
            return None
        cause = error.__cause__
        if isinstance(cause, ClientClosed | BodyTooLarge):
            return None
        if error.code != 429 and self.ways.only is None and not isinstance(cause, NoTurn):
            way.failed(error.reason or error.error)
        sent = self.sent and (went_out(cause) if error.code == 599 else error.code != 429)
        if self._request.spent or (sent and not self._harmless):
            return None
        # Where the silence is what is limited, and not the whole, there is nothing left of it.
        over = sent and not self._request.at_hand and isinstance(error, RequestTimeout)
        delay = self._delay(error, way, over)
        if delay is None or delay >= left:
            return None
        self._request.doubted = self._request.doubted or sent
        self.number += 1
        log.info(
            "%s %s: attempt %d in %.1f s: %s",
            self._request.method, self._request.target, self.number, delay, error.reason,
        )  # fmt: skip
        return delay

    def _delay(self, error: HTTPError, way: Way, over: bool) -> float | None:
        if way not in self.tried:
            self.tried.append(way)
        if len(self.tried) < len(self.ways.all) and error.code != 429:
            return 0.0  # to another one
        if over or is_distrust(error.__cause__):
            return None
        if self._backoff.failures >= self._retries or not self._budget.spend():
            return None
        self.tried.clear()
        return self._backoff.delay(retry_after(error.status.headers.get("Retry-After")))


def went_out(failure: BaseException | None) -> bool:
    """Whether a request that has failed may have reached the server.

    Args:
        failure (BaseException | None): what the client met.

    Returns:
        bool: False only if no connection has come about.
    """
    if isinstance(failure, DeadlineMissed):
        return failure.sent
    if isinstance(failure, HTTPClientError):
        return getattr(failure, "errno", None) not in _CURL_NOT_SENT
    return isinstance(failure, ConnectionBroken) or not isinstance(failure, OSError)
