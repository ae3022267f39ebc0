"""The exceptions, and the one map from what a server answered to the exception that says so.

Whoever catches `HTTPError` catches every refusal; whoever catches `NotFound` or `Conflict` catches
just that one. What never got an answer (`ConnectionFailed`, `RequestTimeout`) is an `HTTPError` too,
with Tornado's code 599, and also the builtin exception that Python programmers would look for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tornado.httpclient import HTTPClientError
from tornado.simple_httpclient import HTTPTimeoutError

from .status import Status
from .veil import place_of, refused

__all__ = [
    "AnswerTooLarge",
    "BadRequest",
    "Conflict",
    "ConnectionFailed",
    "DigestMismatch",
    "ExpectationFailed",
    "Forbidden",
    "Gone",
    "HTTPError",
    "NotAcceptable",
    "NotFound",
    "PreconditionFailed",
    "RangeNotSatisfiable",
    "ReplicationFailed",
    "RequestTimeout",
    "ServerError",
    "TooLarge",
    "TooManyRequests",
    "Unauthorized",
    "UnsupportedMediaType",
]

# libcurl's CURLE_OPERATION_TIMEDOUT, as Tornado's CurlError carries it
_CURL_TIMED_OUT = 28

Headers = Sequence[tuple[str, str]]


class HTTPError(Exception):
    """A request that was refused: the base of every answer that is not a success.

    Attributes:
        code (int): the HTTP status, 599 where no answer came.
        error (str): CouchDB's short name for what went wrong, ``"not_found"`` say.
        reason (str): CouchDB's sentence about it.
        method (str): the request's method.
        url (str): the request's address, without credentials.
        response: the decoded JSON body of the answer; its text where it was no JSON; or None.
    """

    code = 0

    known_as: type[HTTPError] | None = None
    """The class that ``status.error`` shows, where it is not the exception's own."""

    def __init__(
        self,
        code: int | None = None,
        error: str = "",
        reason: str = "",
        *,
        method: str = "",
        url: str = "",
        headers: Headers = (),
        response: Any = None,
    ) -> None:
        super().__init__(error, reason)
        if code is not None:
            self.code = code
        self.error = error
        self.reason = reason
        self.method = method
        self.url = url
        self.response = response
        self._headers = headers

    @property
    def status(self) -> Status:
        """The same failure as callbacks see it (`Status`)."""
        return Status(self.code, self._headers, exception=self, response=self.response)

    def __str__(self) -> str:
        said = ": ".join(part for part in (self.error, self.reason) if part) or "no reason given"
        asked = f" ({self.method} {_cut(self.url)})" if self.url else ""
        return f"{self.code} {said}{asked}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self}>"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_revive, (type(self), self.args, self.__dict__.copy()))


def _cut(url: str) -> str:
    return url if len(url) <= 200 else url[:199] + "…"


def _revive(kind: type[HTTPError], args: tuple[Any, ...], state: dict[str, Any]) -> HTTPError:
    """Unpickle an exception without going through its constructor's keyword arguments."""
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class BadRequest(HTTPError):
    """400: the server could not make sense of the request."""

    code = 400


class Unauthorized(HTTPError):
    """401: no credentials, or wrong ones."""

    code = 401


class Forbidden(HTTPError):
    """403: these credentials may not do that, or a validation function refused the document."""

    code = 403


class NotFound(HTTPError):
    """404: no such document, database, view or path; ``reason`` tells which."""

    code = 404


class NotAcceptable(HTTPError):
    """406: the server has no such content type to give."""

    code = 406


class Conflict(HTTPError):
    """409: somebody else saved this document in between."""

    code = 409


class Gone(HTTPError):
    """410: the server no longer offers this."""

    code = 410


class PreconditionFailed(HTTPError):
    """412: a database of that name exists already, or a condition in the headers was not met."""

    code = 412


class TooLarge(HTTPError):
    """413: the document, attachment or request is larger than the server takes."""

    code = 413


class UnsupportedMediaType(HTTPError):
    """415: the server does not take that content type."""

    code = 415


class RangeNotSatisfiable(HTTPError):
    """416: the attachment does not have the bytes that were asked for."""

    code = 416


class ExpectationFailed(HTTPError):
    """417: an all-or-nothing save was refused."""

    code = 417


class TooManyRequests(HTTPError):
    """429: the server asks for patience; its ``Retry-After`` is in ``status.headers``."""

    code = 429


class ServerError(HTTPError):
    """500 and above, or an answer that no CouchDB gives (a proxy's HTML page, say)."""

    code = 500


class ReplicationFailed(ServerError):
    """500: a replication has ended without success, or does not get anywhere.

    ``error`` is its state, ``reason`` what the server says of it, and ``response`` all that
    `Couch.wait_for_replication` would have returned.
    """


class ConnectionFailed(HTTPError, ConnectionError):
    """599: the server could not be reached, or the connection broke before the answer was whole."""

    code = 599


class AnswerTooLarge(ConnectionFailed):
    """599: the answer, or one row of it, is larger than what may be held at once, ``max_body_size``."""


class DigestMismatch(ConnectionFailed):
    """599: an attachment has come, or was stored, and its MD5 is not the one that it must have."""


class RequestTimeout(HTTPError, TimeoutError):
    """599: no connection, or no whole answer, within the time allowed."""

    code = 599


_BY_CODE: dict[int, type[HTTPError]] = {
    kind.code: kind
    for kind in (
        BadRequest,
        Unauthorized,
        Forbidden,
        NotFound,
        NotAcceptable,
        Conflict,
        Gone,
        PreconditionFailed,
        TooLarge,
        UnsupportedMediaType,
        RangeNotSatisfiable,
        ExpectationFailed,
        TooManyRequests,
    )
}


def error_class(code: int) -> type[HTTPError]:
    """The exception that stands for a status.

    Args:
        code (int): an HTTP status.

    Returns:
        type[HTTPError]: the class; ``HTTPError`` itself where no closer one exists.
    """
    return ServerError if code >= 500 else _BY_CODE.get(code, HTTPError)


_SORT = "of the sort's fields, in their order, and name one of them in the selector"

_PLAINLY = {
    "No index exists for this sort": f"no index serves this sort: create_index() {_SORT}",
    "Cannot sort on field(s)": f"no index serves this sort: create_index() {_SORT}",
    "No partitioned index exists for this sort": (
        f"no partitioned index serves this sort: create_index() {_SORT}"
    ),
    "No global index exists for this sort": (
        f"no index of all partitions serves this sort: create_index(partitioned=False) {_SORT}"
    ),
    "invalid_index: You must specify an index": (
        "no index serves this query: create_index() of fields that the selector names, or let the "
        "server read all documents by allow_fallback=True"
    ),
    "error_saving_ddoc: Unknown error while saving the design document: invalid_design_doc": (
        "partitioned=True is for indexes of partitioned databases, which this one is not"
    ),
    "required index service unavailable": (
        "the server lacks what such an index is made with: type 'text' needs Clouseau, and type "
        "'nouveau' Nouveau"
    ),
    "database is not partitioned": (
        "this database is not partitioned: ask the Database itself, or create one anew with "
        "partitioned=True"
    ),
    "`partition` parameter is mandatory": (
        "this view is partitioned: query it by partition(name).view(), or set "
        '"options": {"partitioned": false} in its design document'
    ),
    "`partition` parameter is not supported in this design doc": (
        "this view is of all partitions: query it by Database.view(), or take "
        '"options": {"partitioned": false} out of its design document'
    ),
}
"""How servers begin what they say in a way that does not help, and what it means and what to do."""


def error_from_answer(
    code: int, phrase: str, body: Any, *, method: str, url: str, headers: Headers
) -> HTTPError:
    """The exception for an answer that is no success.

    Args:
        code (int): the HTTP status.
        phrase (str): the status line's words, for answers that carry no reason.
        body: the decoded JSON body, or its text where it was no JSON (a proxy's page).
        method (str): the request's method.
        url (str): the request's address, without credentials.
        headers (list of (str, str)): the answer's headers.

    Returns:
        HTTPError: of the class that fits the status.
    """
    error, reason = phrase, ""
    told = body[0] if isinstance(body, list) and body else body  # a bulk request that is refused
    if isinstance(told, dict):
        named = told.get("error")  # PouchDB Server's can be true
        error = named if isinstance(named, str) and named else phrase
        reason = str(told.get("reason") or told.get("message") or "")
    elif 300 <= code < 400:
        target = next((v for k, v in headers if k.lower() == "location"), "elsewhere")
        reason = f"the server points to {place_of(target)}"
    elif body:
        reason = "the answer is no JSON: " + " ".join(str(body).split())[:120]
    kind = error_class(code)
    error, reason, body = refused([error, _plainly(error, reason), body])
    return kind(code, error, reason, method=method, url=url, headers=headers, response=body)


def _plainly(error: str, reason: str) -> str:
    """A server's reason, or what says more than that."""
    for words, plainly in _PLAINLY.items():
        if reason.startswith(words) or f"{error}: {reason}".startswith(words):
            return plainly
    return reason


def error_from_failure(error: Exception, *, method: str, url: str, reason: str = "") -> HTTPError:
    """The exception for a request that never got its answer.

    Args:
        error (Exception): what the transport met: an `OSError`, which may know what it is
            ``raised_as``, a timeout, an error 599 of Tornado's.
        method (str): the request's method.
        url (str): the request's address, without credentials.
        reason (str): what has happened, where that is known better than ``error`` tells.

    Returns:
        HTTPError: a `RequestTimeout` or a `ConnectionFailed`.
    """
    late = isinstance(error, TimeoutError | HTTPTimeoutError)
    if isinstance(error, HTTPClientError):
        late = late or getattr(error, "errno", None) == _CURL_TIMED_OUT
    kind = RequestTimeout if late else getattr(error, "raised_as", ConnectionFailed)
    name = "timeout" if late else "connection_failed"
    said = reason or str(error) or type(error).__name__
    return kind(None, name, said, method=method, url=url)


def may_pass(error: HTTPError) -> bool:
    """Whether what has failed may go well another time: the server's own trouble, a connection's, or
    that there was too much to do.

    Args:
        error (HTTPError): what has failed.

    Returns:
        bool: False for what is refused for good.
    """
    if isinstance(error, AnswerTooLarge):
        return False
    return error.code >= 500 or error.code in (408, 429)


def lacks_a_part(error: HTTPError) -> bool:
    """Whether a server that is well tells that a part of it is missing: what searches for it, say.

    Args:
        error (HTTPError): what has failed.

    Returns:
        bool: True where neither trying again helps, nor another server.
    """
    return (
        error.error == "required index service unavailable"
        or error.reason == "Search is not available"
    )


def error_from_item(item: dict[str, Any]) -> HTTPError:
    """The exception for one refused document among many (a line of ``_bulk_docs``).

    Args:
        item (dict): ``{"id", "error", "reason"}`` as the server gave it.

    Returns:
        HTTPError: of the class that the error's name stands for.
    """
    kind = {
        "conflict": Conflict,
        "forbidden": Forbidden,
        "unauthorized": Unauthorized,
        "not_found": NotFound,
        "bad_request": BadRequest,
        "doc_validation": BadRequest,
        "too_large": TooLarge,
    }.get(str(item.get("error")), ServerError)
    item = {**item, **refused({name: item[name] for name in ("error", "reason") if name in item})}
    return kind(None, str(item.get("error", "")), str(item.get("reason", "")), response=item)


def refusal_of(result: Mapping[str, Any]) -> dict[str, Any]:
    """The ``error`` and ``reason`` with which one document among many was refused, as they may be told.

    Args:
        result (dict): what the server says of it.
    """
    told: dict[str, Any] = refused({"error": result["error"], "reason": result.get("reason", "")})
    return told
