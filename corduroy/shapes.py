"""What servers promise of their answers, as far as something here relies on it.

An answer is an object, unless whoever asks names another shape. What else is in it nobody looks at.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated, Any, NotRequired, TypedDict

import msgspec

Object = dict[str, Any]
Objects = list[Object]


def check_all(found: Iterable[Any], what: str, *kinds: type) -> None:
    """Look whether values are what they should be, all of them; where these are many, this is quick.

    Args:
        found (iterable): the values.
        what (str): what one of them is.
        *kinds (type): of what types they may be; none: objects.

    Raises:
        msgspec.ValidationError: one is something else.
    """
    stray = set(map(type, found)).difference(kinds or (dict,))
    if stray:
        raise msgspec.ValidationError(f"{what} is a {stray.pop().__name__}")


class Saved(TypedDict):
    """Of a document: what became of it. Where it is in conflict, and where the server answers before
    it writes, there is no revision."""

    id: NotRequired[str]
    rev: NotRequired[str]


class Stored(TypedDict):
    """Of what is stored for certain."""

    rev: str


class Result(TypedDict):
    """Of one document among many."""

    id: str
    rev: NotRequired[str]
    error: NotRequired[str]
    reason: NotRequired[str]


class Named(TypedDict):
    """Of a document that the server has named."""

    id: str
    rev: NotRequired[str]


Revision = Annotated[str, msgspec.Meta(pattern="^[0-9]+-")]


class Revised(TypedDict):
    """A document that has been saved before."""

    _id: str
    _rev: Revision
    _attachments: NotRequired[dict[str, Object]]


class Attached(TypedDict):
    """A document, with what is attached to it."""

    _attachments: NotRequired[dict[str, Object]]


class Attachment(TypedDict):
    """What is told of an attachment."""

    content_type: str


class WithAttachments(TypedDict):
    """A document of which all that is attached to it is wanted."""

    _rev: str
    _attachments: NotRequired[dict[str, Attachment]]


class Leaf(TypedDict):
    """One of the revisions of a document that were asked for."""

    ok: NotRequired[Revised]


class History(TypedDict):
    """The revisions of a document, the newest first."""

    start: int
    ids: list[str]


class WithHistory(TypedDict):
    """A document that tells its history."""

    _revisions: History


class Revisable(TypedDict):
    """A document, with what is attached to it, that tells its history if asked for."""

    _attachments: NotRequired[dict[str, Object]]
    _revisions: NotRequired[History]


class Found(TypedDict):
    """What was asked for of one document of several."""

    docs: list[Leaf]


class AllFound(TypedDict):
    """The documents of ``_bulk_get``."""

    results: list[Found]


class Rows(TypedDict):
    """The rows of a view."""

    rows: Objects


class Hits(TypedDict):
    """What a full-text index has found."""

    rows: NotRequired[Objects]
    hits: NotRequired[Objects]
    groups: NotRequired[list[Rows]]


class SeveralRows(TypedDict):
    """The rows of several queries."""

    results: list[Rows]


class Current(TypedDict):
    """The revision that a document has."""

    rev: str


class WithCurrent(TypedDict):
    """A row of ``_all_docs`` with its document; neither is there where there never was one."""

    value: NotRequired[Current | None]
    doc: NotRequired[Attached | None]


class LookedUp(TypedDict):
    """Documents that were asked for by their ids."""

    rows: list[WithCurrent]


class Changed(TypedDict):
    """A change, of which only the id counts."""

    id: str


class Changes(TypedDict):
    """The changes of a database."""

    results: list[Changed]
    last_seq: Any


class Level(TypedDict):
    """Where a history has come to."""

    last_seq: Any


class Progressing(TypedDict):
    """A database, with the seq that it has come to."""

    update_seq: Any


class Uuids(TypedDict):
    """Fresh uuids; of none there would be no end to asking."""

    uuids: Annotated[list[str], msgspec.Meta(min_length=1)]


class Featured(TypedDict):
    """A server that may tell its features."""

    features: NotRequired[list[str]]


class Welcome(TypedDict):
    """A server that tells its version."""

    version: str


class User(TypedDict):
    """Whom a server takes somebody for."""

    name: str | None
    roles: list[str]


class Session(TypedDict):
    """A session."""

    userCtx: User


class Members(TypedDict):
    """The nodes of a cluster."""

    cluster_nodes: list[str]


class Index(TypedDict):
    """A Mango index."""

    ddoc: str | None
    name: str
    type: str


class Indexes(TypedDict):
    """The Mango indexes of a database."""

    indexes: list[Index]


class Updates(TypedDict):
    """How many changes an index does not have yet."""

    total: int


class ViewIndex(TypedDict):
    """An index that is being built."""

    update_seq: int
    updates_pending: Updates


class IndexInfo(TypedDict):
    """How the index of a design document fares."""

    view_index: ViewIndex


class Purged(TypedDict):
    """What was purged."""

    purged: dict[str, list[str]]


class PurgedInfos(TypedDict):
    """What has ever been purged."""

    purged_infos: Objects


class Missing(TypedDict):
    """The revisions of a document that a database lacks."""

    missing: list[str]


class Tokens(TypedDict):
    """What an analyzer makes of a text."""

    tokens: list[str]


class Jobs(TypedDict):
    """The jobs that split shards."""

    jobs: Objects


class Scheduled(TypedDict):
    """How a replication fares."""

    id: str | None
    state: str | None
    info: Object | str | None
    error_count: NotRequired[int]
