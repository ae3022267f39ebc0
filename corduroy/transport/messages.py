"""What an operation asks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Container, Generator, Mapping
from typing import Any

from .answer import Answer
from .pool import SAFE
from .sending import Producer

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
        anonymous (bool): whether it goes out without the session's credentials; one with ``headers``.
        sink: is called with each piece of a successful answer's body, instead of gathering it; what it
            returns is awaited before the next piece is read, if it is awaitable.

    Attributes:
        grant: what it went out with, of credentials that are renewed (`transport.renewal`).
        in_one_piece (bool): whether its body, and that of the answer, are sent and taken as a whole.
        raised (list of Exception | None): what the producer or the sink raised: an `OSError` of theirs
            is none of the exchange's.
    """

    __slots__ = (
        "accept",
        "anonymous",
        "body",
        "grant",
        "headers",
        "in_one_piece",
        "method",
        "raised",
        "safe",
        "sink",
        "target",
        "timeout",
    )

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
        anonymous: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.headers = headers
        self.safe = method in SAFE if safe is None else safe
        self.accept = accept
        self.timeout = timeout
        self.sink = sink
        self.anonymous = anonymous
        self.grant: object = None
        self.raised: list[Exception] | None = None
        self.in_one_piece = True
        if sink is not None or callable(body):
            self._in_pieces()

    @property
    def repeatable(self) -> bool:
        """Whether its body is at hand, and not made as it is sent."""
        return not callable(self.body)

    def _in_pieces(self) -> None:
        self.in_one_piece, self.raised = False, []
        if callable(self.body):
            self.body = _watched(self.body, self.raised)
        if self.sink is not None:
            self.sink = _watched(self.sink, self.raised)

    def __await__(self) -> Generator[Request, Answer, Answer]:
        return (yield self)


def _watched(
    call: Callable[[Any], Awaitable[None] | None], raised: list[Exception]
) -> Callable[[Any], Awaitable[None]]:
    """A producer or a sink whose exceptions are noted."""

    async def watched(given: Any) -> None:
        try:
            if (pending := call(given)) is not None:
                await pending
        except Exception as error:
            raised.append(error)
            raise

    return watched
