"""The words in which every operation asks: a request, a request for JSON, a document's path."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Container, Iterator, Mapping, Sequence, Sized
from typing import Any, TypeVar

from . import shapes
from .errors import BadRequest, NotFound, ServerError
from .transport.answer import Answer
from .transport.encoding import check_header, encode_json, query_string, quote_segment
from .transport.messages import Request

_revision = re.compile(r"[0-9]+-[0-9a-zA-Z]+").fullmatch

_KEPT_OUT = (401, 403)

T = TypeVar("T")

JSON = {"Content-Type": "application/json"}


async def ask(
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    json: Any = None,
    name: str = "body",
    **options: Any,
) -> Answer:
    """Send a request and wait for its answer.

    Args:
        method (str): the HTTP method.
        path (str): the encoded path below the server's root.
        query (dict of str to str): the query's parameters, not yet encoded.
        json: a value to send as JSON; None: no body.
        name (str): what errors call that value: the argument that it came as.
        **options: more arguments of `Request`.

    Returns:
        Answer: the answer.
    """
    request = asked(method, path, query, json=json, name=name, **options)
    del json, options  # an error's traceback would show what is in them
    return await request


def asked(
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    json: Any = None,
    name: str = "body",
    **options: Any,
) -> Request:
    """Make the request that `ask` sends; arguments as of that."""
    if query:
        path += query_string(query)
    for header, value in (options.get("headers") or {}).items():
        check_header(header, value)
    if json is not None:
        options["body"] = encode_json(json, name)
        options["headers"] = {**JSON, **options["headers"]} if "headers" in options else JSON
    return Request(method, path, **options)


async def ask_json(
    method: str,
    path: str,
    query: Mapping[str, str] | None = None,
    *,
    accept: Container[int] = (),
    shape: Any = dict,
    **options: Any,
) -> Any:
    """Send a request and decode its answer; arguments as of `ask`, ``shape`` as of `Answer.json`."""
    return (await ask(method, path, query, accept=accept, **options)).json(shape)


def one_for_each(found: Sequence[T], asked: Sized) -> Sequence[T]:
    """Refuse an answer that has not one thing for each that was asked for.

    Args:
        found (list): the things.
        asked: what was asked for.

    Returns:
        list: the things.
    """
    if len(found) != len(asked):
        said = f"the answer is odd: {len(asked)} were asked for, and {len(found)} are told of"
        raise ServerError(200, "odd_answer", said)
    return found


async def ask_head(path: str, accept: tuple[int, ...] = ()) -> Answer:
    """Send a HEAD request; if nobody is let in, the error has the server's reason, too.

    Args:
        path (str): the encoded path below the server's root.
        accept (tuple of int): refusals that are answers.

    Returns:
        Answer: the answer.
    """
    answer = await ask("HEAD", path, accept=(*_KEPT_OUT, *accept))
    if answer.code in _KEPT_OUT:
        await ask("GET", path)  # raises, with the reason that HEAD has no body for
        answer = await ask("HEAD", path, accept=accept)
    return answer


async def there_is(path: str) -> bool:
    """Ask whether there is something at a path; arguments and errors as of `ask_head`."""
    return (await ask_head(path, accept=(404,))).code != 404


NOT_OFFERED = "not_offered"
"""The ``error`` of a `NotFound` that `offering` raises."""

# PouchDB Server takes a path that it does not know for a document's, and answers as for such.
_TAKEN_FOR_A_DOCUMENT = (
    "missing",
    "only_multipart_accepted",
    "invalid_json",
    "Only reserved document ids may start with underscore.",
)

TAKEN_FOR_A_DATABASE = ("no_db_file", "Database does not exist.")
"""What servers say of a path below their root that they do not know; see `offering`."""


@contextlib.contextmanager
def offering(what: str, reasons: Container[str] = _TAKEN_FOR_A_DOCUMENT) -> Iterator[None]:
    """Say so in an error if the server does not have what is asked for.

    Args:
        what (str): its name, ``"_purge"`` say.
        reasons (container of str): what servers that do not have it say; without it, those for what
            is below a database.

    Raises:
        NotFound: the server does not have it.
    """
    try:
        yield
    except (BadRequest, NotFound) as error:
        if error.reason not in reasons:
            raise
        raise NotFound(
            404,
            NOT_OFFERED,
            f"this server does not offer {what}",
            method=error.method,
            url=error.url,
            response=error.response,
        ) from None


def doc_path(id: str, name: str = "id") -> str:
    """The path of a document below its database, with its slash.

    Args:
        id (str): the document's id; ``_design/…`` and ``_local/…`` are CouchDB's own.
        name (str): the argument's name, for errors.

    Returns:
        str: the encoded path.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, or starts with ``_`` and is none of CouchDB's own.
    """
    if isinstance(id, str) and id.startswith("_"):
        kind, _, rest = id.partition("/")
        if kind not in ("_design", "_local") or not rest:
            raise ValueError(
                f"{name} {id!r:.80}: ids that start with '_' are CouchDB's own: "
                "'_design/…' and '_local/…'"
            )
        return f"/{kind}/{quote_segment(rest, name)}"
    return "/" + quote_segment(id, name)


async def current_rev(db: str, id: str) -> str | None:
    """The revision that a document has now; None where there is none.

    Endpoint: ``HEAD /{db}/{docid}``.
    """
    answer = await ask_head(db + doc_path(id), accept=(404,))
    return None if answer.code == 404 else await revision_of(answer, db + doc_path(id))


async def revision_of(answer: Answer, path: str) -> str:
    """The revision of the document that a HEAD was answered for: its ``ETag``.

    PouchDB Server puts something else there, and has to be asked for the document itself.

    Args:
        answer (Answer): the answer to HEAD.
        path (str): the document's path.

    Returns:
        str: the revision.
    """
    tag = (answer.header("etag") or "").strip('"')
    if _revision(tag):
        return tag
    return str((await ask_json("GET", path, shape=shapes.Revised))["_rev"])


def id_and_rev(doc: Any, name: str = "doc") -> tuple[str, str | None]:
    """The id and revision that somebody means by a document, or by an id.

    Args:
        doc (dict | str): the document or the id.
        name (str): the argument's name, for errors.

    Returns:
        (str, str | None): the id, and the document's ``_rev`` if it has one.

    Raises:
        ValueError: it is a document without ``_id``.
    """
    if not isinstance(doc, Mapping):
        return doc, None
    if "_id" not in doc:
        raise ValueError(f"{name} has no '_id'")
    return doc["_id"], doc.get("_rev")
