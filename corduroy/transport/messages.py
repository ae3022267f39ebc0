"""What an operation asks."""

from __future__ import annotations

from collections.abc import Container, Generator, Mapping
from typing import Any

from .answer import Answer
from .pool import SAFE
from .sending import Producer


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
        raw (bool): whether the answer's body is wanted as it comes, compressed perhaps.

    Attributes:
        grant: what it went out with, of credentials that are renewed (`transport.renewal`).
        raised (list of Exception): what the producer raised: an `OSError` of its own is none of the
            exchange's.
    """

    __slots__ = (
        "accept",
        "anonymous",
        "body",
        "grant",
        "headers",
        "method",
        "raised",
        "raw",
        "safe",
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
        anonymous: bool = False,
        raw: bool = False,
    ) -> None:
        self.method = method
        self.target = target
        self.body = body
        self.headers = headers
        self.safe = method in SAFE if safe is None else safe
        self.accept = accept
        self.timeout = timeout
        self.anonymous = anonymous
        self.raw = raw
        self.grant: object = None
        self.raised: list[Exception] | tuple[()] = ()
        if callable(body):
            raised: list[Exception] = []
            self.body, self.raised = _watched(body, raised), raised

    @property
    def repeatable(self) -> bool:
        """Whether its body is at hand, and not made as it is sent."""
        return not callable(self.body)

    def __await__(self) -> Generator[Request, Answer, Answer]:
        return (yield self)


def _watched(produce: Producer, raised: list[Exception]) -> Producer:
    """A producer whose exceptions are noted."""

    async def watched(write: Any) -> None:
        try:
            await produce(write)
        except Exception as error:
            raised.append(error)
            raise

    return watched
