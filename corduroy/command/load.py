"""``corduroy load``: the documents of a dump, back into a database, at the same revisions."""

from __future__ import annotations

import argparse
import os
import stat
import sys
import zlib
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO

from ..bulk.account import UNKNOWN, UNSENT
from ..couch import Couch
from ..database import Database
from ..status import Status
from ..styles import Deferred
from ..transport.encoding import decode_json
from .failing import CommandFailed
from .form import Header, is_document, read_header, read_mark
from .lines import Lines, pieces
from .place import DATABASE, add_ways
from .progress import Progress, add_progress, counted, size, span

ABOUT = """\
Saves the documents of a dump as the revisions that they were, with their histories.
What the database has already stays: to load a dump twice does no harm."""

_COUNT = 500  # documents in a request
_BYTES = 2 * 1024 * 1024  # and so many of them at most; one document always goes
_UNDER_WAY = 3  # requests
_RETRIES = 12  # a server that is restarted is back before these are over: a minute, on average
_SHOWN = 20  # refused documents


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("load", help="save a dump in a database", description=ABOUT)
    parser.add_argument("file", metavar="FILE", help="the dump, packed or not; -: what stdin has")
    parser.add_argument("url", metavar="URL", help=DATABASE)
    parser.add_argument(
        "--create", action="store_true", help="create the database, if there is none"
    )
    parser.add_argument(
        "--security", action="store_true", help="set who may do what in it, as the dump has it"
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="read the whole dump, and save nothing"
    )
    add_ways(parser)
    add_progress(parser)
    parser.set_defaults(run=run)


async def run(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    """Run the command; gives the exit status."""
    progress = Progress(options, name)
    db = couch.database(name)
    with _opened(options.file) as file:
        dump = _Dump(file)
        load = _Load(dump, options, progress)
        header = await dump.begin()
        if not options.dry_run:
            await _prepare(couch, name, header, options)
        try:
            await (load.read() if options.dry_run else load.save(db))
        finally:
            _sum_up(dump, load, options, progress)
    if options.security and not options.dry_run:
        await db.security(header.security)
    return 1 if load.refused else 0


def _sum_up(dump: _Dump, load: _Load, options: argparse.Namespace, progress: Progress) -> None:
    dry = options.dry_run
    count = counted(dump.documents_read if dry else load.loaded, "document")
    what = f"{options.file}: {count} read" if dry else f"{progress.what}: {count} loaded"
    progress.tell(f"{what}, {size(dump.size)} in {span(progress.seconds)}")
    if load.refused:
        progress.warn(f"{counted(load.refused, 'document')} refused")


def _opened(path: str) -> BinaryIO:
    return sys.stdin.buffer if path == "-" else Path(path).open("rb")


async def _prepare(
    couch: Couch[Deferred], name: str, header: Header, options: argparse.Namespace
) -> None:
    if await couch.exists(name):
        return
    if not options.create:
        raise CommandFailed(f"there is no database {name}: --create makes it")
    await couch.create(name, partitioned=header.partitioned, exists_ok=True)


class _Dump:
    """A dump that is read.

    Attributes:
        done (int): how many bytes of the file have been read.
        size (int): how many bytes that was, unpacked.
        documents_read (int): how many documents have been read.
        whole (float | None): how many bytes the file has, if it is one.
    """

    def __init__(self, file: BinaryIO) -> None:
        self.done = self.size = self.documents_read = 0
        status = os.fstat(file.fileno())
        self.whole = status.st_size if stat.S_ISREG(status.st_mode) else None
        self._unpacked = Lines()
        self._lines = self._read(file)

    async def begin(self) -> Header:
        """Read the first line."""
        async for line in self._lines:
            return read_header(line)
        raise CommandFailed("the dump is empty")

    async def documents(self) -> AsyncIterator[dict[str, Any]]:
        """Go through the documents.

        Yields:
            dict: a document.

        Raises:
            CommandFailed: it is not whole.
        """
        end, number = None, 1
        async for line in self._lines:
            number += 1
            try:
                if is_document(line):
                    doc = _document(line)
                    self.documents_read += 1
                    yield doc
                else:
                    end = read_mark(line, last=True)
            except ValueError:
                raise CommandFailed(f"line {number} of the dump is damaged") from None
        there = counted(self.documents_read, "document")
        if end is None or not self._unpacked.whole:
            raise CommandFailed(f"the dump is not whole: it breaks off after {there}")
        if end.documents != self.documents_read:
            raise CommandFailed(f"the dump is not whole: it has {there} of {end.documents:,}")

    async def _read(self, file: BinaryIO) -> AsyncIterator[bytes]:
        try:
            async for piece in pieces(file):
                self.done += len(piece)
                for line, _ in self._unpacked.feed(piece):
                    self.size += len(line) + 1
                    if line:
                        yield line
        except zlib.error:
            raise CommandFailed(
                f"the dump is damaged: after {size(self.done)} it is no gzip"
            ) from None


def _document(line: bytes) -> dict[str, Any]:
    doc: dict[str, Any] = decode_json(line)
    if not isinstance(doc.get("_id"), str) or not isinstance(doc.get("_rev"), str):
        raise ValueError("no document")
    return doc


class _Load:
    """A dump that is being loaded.

    Attributes:
        loaded (int): how many documents the database has now; of a dry run, how many there are.
        refused (int): how many it did not want.
    """

    def __init__(self, dump: _Dump, options: argparse.Namespace, progress: Progress) -> None:
        self.loaded = self.refused = 0
        self._dump = dump
        self._verbose = options.verbose
        self._progress = progress

    async def read(self) -> None:
        """Read all that is in the dump."""
        async for _ in self._dump.documents():
            self._count(1)

    async def save(self, db: Database[Deferred]) -> None:
        """Save all that is in the dump; what there is of it, if it is not whole."""
        broken = None
        async with db.writer(
            count=_COUNT,
            size=_BYTES,
            in_flight=_UNDER_WAY,
            new_edits=False,
            max_retries=_RETRIES,
            on_result=self._note,
            progress=self._count,
        ) as writer:
            try:
                async for doc in self._dump.documents():
                    await writer.put(doc)
            except CommandFailed as error:
                broken = error
        if broken is not None:
            raise broken

    def _note(self, doc: Mapping[str, Any], status: Status) -> None:
        if (error := status.exception) is None:
            self.loaded += 1
            return
        if status.response["error"] in (UNSENT, UNKNOWN):  # what has ended it is told by itself
            return
        self.refused += 1
        if self._verbose or self.refused <= _SHOWN:
            self._progress.warn(f"refused: {doc['_id']} {doc['_rev']}: {error}")
        elif self.refused == _SHOWN + 1:
            self._progress.warn("refused: more, which --verbose shows")

    def _count(self, count: int) -> None:
        dump = self._dump
        share = dump.done / dump.whole if dump.whole else None
        self._progress.update(dump.documents_read, dump.size, share)
