"""What a feed gives: the changes of documents and of databases, and what becomes of itself."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Any

from ..documents import AttrDict, WithDocument
from ..errors import HTTPError

_LINE = 200  # characters of a reason: a filter that does not compile is told with its source


class Change(WithDocument):
    """One change of a document, a dict as the server sent it: ``seq``, ``id``, ``changes``…"""

    __slots__ = ()

    @property
    def id(self) -> Any:
        """The document's id (str)."""
        return dict.get(self, "id")

    @property
    def seq(self) -> Any:
        """Where the change stands in the database's history; opaque, an int on CouchDB 1.x and a
        str later. None where ``seq_interval`` left it out."""
        return dict.get(self, "seq")

    @property
    def revs(self) -> list[str]:
        """The revisions that changed; the winning one, or all leaves with ``style="all_docs"``."""
        return [leaf["rev"] for leaf in dict.get(self, "changes", ())]

    @property
    def rev(self) -> Any:
        """The first of them (str), the winning one."""
        leaves = dict.get(self, "changes")
        return leaves[0]["rev"] if leaves else None

    @property
    def deleted(self) -> bool:
        """Whether the document was deleted."""
        return bool(dict.get(self, "deleted"))


class DatabaseUpdate(AttrDict):
    """Something that happened to a database: a dict with ``db_name``, ``type`` and ``seq``."""

    __slots__ = ()

    @property
    def db_name(self) -> Any:
        """The database's name (str)."""
        return dict.get(self, "db_name")

    @property
    def type(self) -> Any:
        """``"created"``, ``"updated"`` or ``"deleted"``."""
        return dict.get(self, "type")

    @property
    def seq(self) -> Any:
        """Where it stands in the server's history; opaque."""
        return dict.get(self, "seq")


def database_update(row: dict[str, Any]) -> DatabaseUpdate:
    """Make an update of a row as the server sent it.

    With ``feed=eventsource`` CouchDB sends changes of ``_global_changes`` instead, whose ids tell all.

    Args:
        row (dict): the row.

    Returns:
        DatabaseUpdate: the update.
    """
    if "db_name" not in row and "id" in row:
        kind, _, name = str(row["id"]).partition(":")
        row = {"db_name": name, "type": kind, "seq": row.get("seq")}
    return DatabaseUpdate(row)


@dataclass(frozen=True)
class FeedState:
    """What has become of a feed, as ``on_state`` is told.

    Attributes:
        name (str): ``"connected"``, ``"disconnected"``, ``"retrying"``, ``"caught up"`` or
            ``"stopped"``.
        reason (str): why, where there is a reason; in a line, without the request and its address.
        seconds (float): until the next attempt, when retrying.
    """

    name: str
    reason: str = ""
    seconds: float = 0.0


def in_short(error: Exception) -> str:
    """What has gone wrong, as a reason.

    Args:
        error (Exception): what has gone wrong.

    Returns:
        str: a line, without the request: that is always the same but for a long seq.
    """
    said = str(error)
    if isinstance(error, HTTPError):
        answered = f"{error.code} {error.error}" if 400 <= error.code < 599 else ""
        said = ": ".join(filter(None, (answered, error.reason))) or error.error
    return textwrap.shorten(said, _LINE, placeholder=" …")
