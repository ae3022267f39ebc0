"""Events: what a program may be told of each request, for its metrics and traces."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from ..errors import HTTPError
from .answer import Answer
from .messages import Request
from .stream import Stream
from .way import Way

log = logging.getLogger("corduroy.http")


@dataclass(frozen=True, slots=True)
class RequestEvent:
    """One attempt at a request, when it is over: answered as a whole, failed or cancelled; of an answer
    that is streamed, when it is read out or let go of.

    Attributes:
        method (str): the HTTP method.
        url (str): the address, without credentials.
        status (int): the HTTP status; 599: no answer came, or not as a whole.
        seconds (float): how long it took, the wait for a connection included, to the answer's end.
        sent (int): bytes of the request's body, where it was at hand.
        received (int): bytes of the answer's body, as they came.
        attempt (int): 1, or more for those that were sent again after a failure.
        reused (bool | None): whether it went over a connection that had served before; None: another
            HTTP client did not tell.
        error (str): why no answer came, in short; ``"cancelled"`` if the program has given it up. Empty
            where one came, whatever its status.
    """

    method: str
    url: str
    status: int
    seconds: float
    sent: int
    received: int
    attempt: int
    reused: bool | None
    error: str = ""


OnRequest = Callable[[RequestEvent], object]


class Observer:
    """Tells a program of each attempt at a request.

    Args:
        listener: what it has given; what that raises is logged, and does no harm.
    """

    now = staticmethod(monotonic)

    def __init__(self, listener: OnRequest) -> None:
        self._listener = listener

    def answered(
        self,
        way: Way,
        request: Request,
        answer: Answer,
        began: float,
        attempt: int,
        reused: bool | None,
    ) -> None:
        """Tell of an answer that is whole, its body as it came."""
        self._tell(way, request, answer.code, began, len(answer.body), attempt, reused, "")

    def failed(
        self,
        way: Way,
        request: Request,
        failure: BaseException,
        began: float,
        attempt: int,
        reused: bool | None,
    ) -> None:
        """Tell of an answer that did not come."""
        said = failure.reason if isinstance(failure, HTTPError) else type(failure).__name__
        if isinstance(failure, asyncio.CancelledError):
            said = "cancelled"
        self._tell(way, request, 599, began, 0, attempt, reused, said)

    def watched(
        self,
        stream: Stream,
        way: Way,
        request: Request,
        began: float,
        attempt: int,
        reused: bool | None,
    ) -> Stream:
        """A stream that tells of itself when it is over."""

        def over(received: int, failure: Exception | None) -> None:
            code = stream.answer.code if failure is None else 599
            said = "" if failure is None else str(failure) or type(failure).__name__
            self._tell(way, request, code, began, received, attempt, reused, said)

        return _Watched(stream, over)

    def _tell(
        self,
        way: Way,
        request: Request,
        status: int,
        began: float,
        received: int,
        attempt: int,
        reused: bool | None,
        error: str,
    ) -> None:
        body = request.body
        event = RequestEvent(
            method=request.method,
            url=way.url + request.target,
            status=status,
            seconds=monotonic() - began,
            sent=0 if body is None or callable(body) else len(body),
            received=received,
            attempt=attempt,
            reused=reused,
            error=error,
        )
        try:
            self._listener(event)
        except (Exception, asyncio.CancelledError):  # the latter would end the call that is told of
            log.exception("on_request has failed")


class _Watched:
    """A stream of which is told when it is over.

    Args:
        stream (Stream): the stream.
        over: is called once with the bytes that came and what went wrong.
    """

    def __init__(self, stream: Stream, over: Callable[[int, Exception | None], None]) -> None:
        self.answer = stream.answer
        self._stream = stream
        self._over: Callable[[int, Exception | None], None] | None = over
        self._received = 0

    async def read(self, within: float = 0.0) -> bytes:
        """See `Stream.read`."""
        try:
            piece = await self._stream.read(within)
        except Exception as error:
            self._tell(error)
            raise
        if piece:
            self._received += len(piece)
        else:
            self._tell(None)
        return piece

    def close(self) -> None:
        """See `Stream.close`."""
        self._stream.close()
        self._tell(None)

    def _tell(self, error: Exception | None) -> None:
        over, self._over = self._over, None
        if over is not None:
            over(self._received, error)
