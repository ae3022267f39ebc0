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
        anew (bool): whether what makes its body makes it anew, from its beginning, each time.
        guarded (bool): whether the revision or the id that it carries keeps a second one from doing
            anything; whoever asks then looks at ``doubted``.
        retries (int | None): how often it is tried again; None: as often as the call or the session
            says.

    Attributes:
        doubted (bool): whether an attempt before the one that was answered may have been carried out.
        grant: what it went out with, of credentials that are renewed (`transport.renewal`).
    """

    __slots__ = (
        "__weakref__",
        "accept",
        "anew",
        "anonymous",
        "body",
        "doubted",
        "grant",
        "guarded",
        "headers",
        "method",
        "raw",
        "retries",
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
        anew: bool = False,
        guarded: bool = False,
        retries: int | None = None,
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
        self.anew = anew
        self.guarded = guarded
        self.retries = retries
        self.doubted = False
        self.grant: object = None
        if callable(body):
            self.body = _Watched(body)

    @property
    def at_hand(self) -> bool:
        """Whether its body is, and not made as it is sent."""
        return not callable(self.body)

    @property
    def repeatable(self) -> bool:
        """Whether its body is at hand, or can be made again."""
        return self.anew or not callable(self.body)

    @property
    def spent(self) -> bool:
        """Whether its body has begun to be made, and cannot be made again."""
        return not self.anew and isinstance(self.body, _Watched) and self.body.begun

    def has_raised(self, error: Exception) -> bool:
        """Whether an error is of what makes the body: an `OSError` of its own is none of the
        exchange's."""
        return isinstance(self.body, _Watched) and any(error is own for own in self.body.raised)

    def __await__(self) -> Generator[Request, Answer, Answer]:
        return (yield self)


class _Watched:
    """A producer that knows whether it has begun, and what it has raised."""

    def __init__(self, produce: Producer) -> None:
        self.begun = False
        self.raised: list[Exception] = []
        self._produce = produce

    async def __call__(self, write: Any) -> None:
        self.begun = True
        try:
            await self._produce(write)
        except Exception as error:
            self.raised.append(error)
            raise
