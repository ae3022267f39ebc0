"""Status: how a call went, as the second argument of every callback."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from tornado.httputil import HTTPHeaders, HTTPInputError


class Status:
    """How a call went.

    Attributes:
        code (int): the HTTP status of the last answer; 599 where none came.
        exception (HTTPError | Exception | None): what the other calling styles would have raised.
        response: the decoded body of an answer that was refused. After a success the data that the
            callback gets, which is made of the body: that one is not kept beside it.
    """

    __slots__ = ("_headers", "code", "exception", "response")

    def __init__(
        self,
        code: int,
        headers: Sequence[tuple[str, str]] | Callable[[], Sequence[tuple[str, str]]] = (),
        exception: BaseException | None = None,
        response: Any = None,
    ) -> None:
        self.code = code
        self.exception = exception
        self.response = response
        self._headers = headers

    @property
    def ok(self) -> bool:
        """True if the call did what it was asked to."""
        return self.exception is None

    @property
    def error(self) -> type[BaseException] | None:
        """The exception's class, so that ``status.error is NotFound`` reads well; None if ok."""
        if self.exception is None:
            return None
        known_as: type[BaseException] | None = getattr(self.exception, "known_as", None)
        return known_as or type(self.exception)

    def check(self) -> None:
        """Raise what the other calling styles would have raised; do nothing if it went well."""
        if self.exception is not None:
            raise self.exception

    @property
    def headers(self) -> HTTPHeaders:
        """The last answer's headers; names are matched in any case."""
        return tornados(self._headers() if callable(self._headers) else self._headers)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        if self.exception is None:
            return f"<{self.code}/Success>"
        said = [str(getattr(self.exception, part, "")) for part in ("error", "reason")]
        words = ", ".join(part for part in said if part) or str(self.exception)
        name = "" if self.error is None else self.error.__name__
        return f"<{self.code}/{name}{' | ' if words else ''}{words}>"


def tornados(headers: Iterable[tuple[str, str]]) -> HTTPHeaders:
    """Headers as Tornado has them; those too that it would refuse, with letters beyond Latin-1."""
    known = HTTPHeaders()
    for name, value in headers:
        try:
            known.add(name, value)
        except HTTPInputError:
            known[name] = ",".join([*known.get_list(name), value])
    return known
