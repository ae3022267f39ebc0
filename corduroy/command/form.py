"""The form of a dump: lines of JSON, of four kinds.

- The first one tells what it is a dump of, and what is in it: ``{"corduroy":"dump",…}``.
- A document, at one revision, with its history: ``{"_id":…,"_rev":…,"_revisions":…,…}``. Any server
  takes it as it is, with ``new_edits=false``.
- A mark, after a portion of documents: ``{"corduroy":"mark",…}``. A dump that was interrupted is gone
  on with after its last mark.
- The last one: ``{"corduroy":"end",…}``. Without it a dump is not whole.

Whatever fields a document has, its line begins with its ``_id``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Self

from ..transport.encoding import decode_json, encode_json
from .failing import CommandFailed

FORMAT = 1

_DOCUMENT = b'{"_id":'
_HEADER = b'{"corduroy":"dump",'


@dataclass
class Terms:
    """What goes into a dump.

    Attributes:
        attachments (bool): what is attached, too; otherwise documents come as if nothing were.
        conflicts (bool): all leaf revisions that are not deleted, and not the winners alone.
        deleted (bool): what was deleted, too: the tombstones.
        design (bool): design documents.
    """

    attachments: bool = False
    conflicts: bool = False
    deleted: bool = False
    design: bool = True

    @classmethod
    def of(cls, given: Mapping[str, Any]) -> Self:
        """The terms among other fields."""
        return cls(**{field.name: bool(given[field.name]) for field in fields(cls)})


@dataclass
class Header:
    """The first line.

    Attributes:
        database (str): the database's name.
        created (str): when the dump was begun, UTC.
        server (str): what kind of server the database is on.
        born (str | None): when the database was created, where the server tells.
        partitioned (bool): whether it is partitioned.
        security (dict): who may do what in it.
        update_seq (int | str): how far it had come when the dump was begun.
        terms (Terms): what is in the dump.
    """

    database: str
    created: str
    server: str
    born: str | None
    partitioned: bool
    security: dict[str, Any]
    update_seq: int | str
    terms: Terms

    def line(self) -> bytes:
        """It as a line."""
        told = asdict(self)
        return _line("dump", {"format": FORMAT, **told.pop("terms"), **told})


@dataclass
class Mark:
    """A mark, which tells how far a dump has come.

    Attributes:
        since (int | str): the seq of the last change whose document is in the dump; 0: none is.
        meanwhile (bool): whether the database has been gone through, and what has changed meanwhile
            follows.
        documents (int): how many lines with documents have been written.
        left_out (int): how many attachments were left out.
    """

    since: int | str = 0
    meanwhile: bool = False
    documents: int = 0
    left_out: int = 0

    def line(self, last: bool = False) -> bytes:
        """It as a line; the last one of a dump tells the same."""
        return _line("end" if last else "mark", asdict(self))


def _line(kind: str, told: Mapping[str, Any]) -> bytes:
    return encode_json({"corduroy": kind, **told}, "dump") + b"\n"


def document_line(doc: Mapping[str, Any]) -> bytes:
    """A document as a line."""
    # PouchDB Server has the document's own fields first.
    return encode_json({"_id": doc["_id"], "_rev": doc["_rev"], **doc}, "document") + b"\n"


def is_document(line: bytes) -> bool:
    """Whether a line is a document's."""
    return line.startswith(_DOCUMENT)


class NotADump(CommandFailed):
    """What is no dump, and was taken for one."""

    def __init__(self) -> None:
        super().__init__("this is no dump of corduroy's: its first line would say so")


def is_beginning(data: bytes) -> bool:
    """Whether a dump may begin so, as far as it goes."""
    return data.startswith(_HEADER) or _HEADER.startswith(data)


def read_header(line: bytes) -> Header:
    """Read the first line.

    Raises:
        CommandFailed: it is none, or damaged.
    """
    try:
        told = read_line(line, "dump")
    except ValueError:
        told = None
    if told is None:
        raise NotADump
    if told.get("format") != FORMAT:
        raise CommandFailed(
            f"this dump has the format {told.get('format')!r:.20}, which this corduroy does not know"
        )
    try:
        names = [field.name for field in fields(Header) if field.name != "terms"]
        return Header(**{name: told[name] for name in names}, terms=Terms.of(told))
    except KeyError as error:
        raise CommandFailed(f"the first line of the dump lacks {error}") from None


def read_mark(line: bytes, last: bool = False) -> Mark | None:
    """Read a mark, or the last line; None where the line is something else.

    Raises:
        ValueError: it is damaged.
    """
    told = read_line(line, "end" if last else "mark")
    try:
        return None if told is None else Mark(**told)
    except TypeError as error:
        raise ValueError(str(error)) from None


def read_line(line: bytes, kind: str) -> dict[str, Any] | None:
    """What a line of a kind tells; None where it is of another."""
    if not line.startswith(b'{"corduroy":"%b"' % kind.encode()):
        return None
    told: dict[str, Any] = decode_json(line)
    del told["corduroy"]
    return told
