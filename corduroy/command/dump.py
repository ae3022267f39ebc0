"""``corduroy dump``: the documents of a database, as lines."""

from __future__ import annotations

import argparse
import asyncio
import datetime
import sys
from contextlib import AbstractContextManager, aclosing, nullcontext
from typing import Any, BinaryIO

from ..couch import Couch
from ..database import Database
from ..documents import Document
from ..styles import Deferred
from .failing import CommandFailed
from .form import Header, Mark, Terms, document_line
from .place import DATABASE, add_ways
from .progress import Progress, add_progress, counted, size, span
from .source import Portion, Source
from .written import Found, Output, cut_off, is_to_be_packed, look_at, open_file

ABOUT = """\
Writes the documents of a database as lines of JSON, with the histories of their
revisions: to stdout, or to a file that can be gone on with after an interruption."""


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("dump", help="write a database to a file", description=ABOUT)
    parser.add_argument("url", metavar="URL", help=DATABASE)
    file = parser.add_argument_group("where to")
    file.add_argument("-o", "--output", metavar="FILE", help="write to this file, not to stdout")
    file.add_argument(
        "-z",
        "--gzip",
        action=argparse.BooleanOptionalAction,
        help="pack it (if the file's name ends in .gz, that of a redirected stdout, too)",
    )
    how = file.add_mutually_exclusive_group()
    how.add_argument(
        "--resume",
        action="store_true",
        help="go on where the dump in the file was interrupted; begin if there is none",
    )
    how.add_argument("--force", action="store_true", help="write over a file that is there")
    what = parser.add_argument_group("what")
    what.add_argument("--attachments", action="store_true", help="what is attached, too")
    what.add_argument("--conflicts", action="store_true", help="conflicting revisions, too")
    what.add_argument("--deleted", action="store_true", help="what was deleted, too (tombstones)")
    what.add_argument("--no-design", action="store_true", help="no design documents")
    add_ways(parser)
    add_progress(parser)
    parser.set_defaults(run=run, check=check)


def check(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if they make sense."""
    if options.resume and options.output is None:
        return "--resume goes on with a file: name it with -o"
    if options.force and options.output is None:
        return "--force writes over a file: name it with -o"
    if options.output is None and sys.stdout.isatty() and options.gzip:
        return "a terminal shows nothing of what is packed: name a file with -o"
    return ""


async def run(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    """Run the command; gives the exit status."""
    db = couch.database(name)
    terms = Terms(options.attachments, options.conflicts, options.deleted, not options.no_design)
    header = await _header(couch, db, terms)
    progress = Progress(options, name)
    with _opened(options) as file:
        found = look_at(file) if options.resume else None
        if found is not None:
            _check_same(found.header, header, options)
            header = found.header
            if found.whole:
                progress.tell(f"{options.output} is whole already: {_content(found.mark)}")
                return 0
        dump = _Dump(db, header, _output(file, header, found, options), progress)
        try:
            await dump.run(found.mark if found is not None else Mark())
        except BaseException as error:
            _tell_of_interruption(dump, error, options, progress)
            raise
        _sum_up(dump, name, progress)
    return 0


def _opened(options: argparse.Namespace) -> AbstractContextManager[BinaryIO]:
    if options.output is None:
        return nullcontext(sys.stdout.buffer)
    return open_file(options.output, options.resume, options.force)


def _output(
    file: BinaryIO, header: Header, found: Found | None, options: argparse.Namespace
) -> Output:
    """Where the dump goes, which begins there, or has begun."""
    if found is not None:
        cut_off(file, found.at)
        return Output(file, found.gzip)
    if options.output is not None:
        cut_off(file, 0)
    gzip = is_to_be_packed(options.output) if options.gzip is None else bool(options.gzip)
    output = Output(file, gzip)
    output.write(header.line())
    output.mark(Mark().line())
    return output


def _tell_of_interruption(
    dump: _Dump, error: BaseException, options: argparse.Namespace, progress: Progress
) -> None:
    progress.clear()
    if options.output is not None:
        progress.warn(
            f"interrupted after {_content(dump.mark)}: "
            f"the same with --resume goes on with {options.output}"
        )
    elif isinstance(error, asyncio.CancelledError):
        progress.warn(f"interrupted after {_content(dump.mark)}")


def _sum_up(dump: _Dump, name: str, progress: Progress) -> None:
    written = size(dump.output.size)
    progress.tell(f"{name}: {_content(dump.mark)}, {written} in {span(progress.seconds)}")
    if dump.mark.left_out:
        progress.tell(
            f"{counted(dump.mark.left_out, 'attachment')} left out: --attachments includes them"
        )


def _content(mark: Mark) -> str:
    return counted(mark.documents, "document")


async def _header(couch: Couch[Deferred], db: Database[Deferred], terms: Terms) -> Header:
    info = await db.info()
    server = await couch.info()
    return Header(
        database=db.name,
        created=datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
        server=f"{'PouchDB Server' if 'couchdb' not in server else 'CouchDB'} {server['version']}",
        # Of CouchDB 1.x, and of PouchDB Server, it is the time when the database was opened.
        born=info.get("instance_start_time") if "cluster" in info else None,
        partitioned=bool(info.get("props", {}).get("partitioned")),
        security=dict(await db.security()),
        update_seq=info["update_seq"],
        terms=terms,
    )


def _check_same(begun: Header, header: Header, options: argparse.Namespace) -> None:
    """Raise if a dump that was begun is not the one that is wanted."""
    path = options.output
    if begun.database != header.database:
        raise CommandFailed(f"{path} is a dump of {begun.database}, not of {header.database}")
    if begun.born != header.born:
        raise CommandFailed(
            f"{begun.database} was made anew since the dump in {path} was begun: "
            "--force begins a new one"
        )
    if begun.terms != header.terms:
        raise CommandFailed(
            f"the dump in {path} was begun with other options about what goes into it: "
            "give the same, or --force to begin anew"
        )


class _Dump:
    """A dump under way.

    Args:
        db (Database): the database.
        header (Header): its first line, which was written already.
        output (Output): where it goes.
        progress (Progress): what is told.

    Attributes:
        output (Output): where it goes.
        mark (Mark): how far it has come.
    """

    def __init__(
        self, db: Database[Deferred], header: Header, output: Output, progress: Progress
    ) -> None:
        self.mark = Mark()
        self._header = header
        self.output = output
        self._progress = progress
        self._source = Source(db, header.terms, progress.warn)
        self._written = 0  # documents, since the mark
        self._left_out = 0
        self._changes = 0  # gone through in this run

    async def run(self, mark: Mark) -> None:
        """Write what is still to be written, after a mark."""
        self.mark = mark
        if not self.mark.meanwhile:
            await self._go_through(self.mark.since, meanwhile=False)
            self._set_mark(self._header.update_seq, meanwhile=True)
        await self._go_through(self.mark.since, meanwhile=True)
        self.output.end(self.mark.line(last=True))

    async def _go_through(self, since: Any, meanwhile: bool) -> None:
        async with aclosing(self._source.portions(since, meanwhile)) as portions:
            async for portion in portions:
                await self._take(portion)
                self._changes += portion.changes
                self._set_mark(portion.since, meanwhile)
                self._tell()

    async def _take(self, portion: Portion) -> None:
        before = self.output.size
        attached: list[Document] = []
        for doc in portion.docs:
            if "_attachments" in doc and self._header.terms.attachments:
                attached.append(doc)
                continue
            self._left_out += len(doc.pop("_attachments", ()))
            self._write(doc)
        self._source.weighs(len(portion.docs) - len(attached), self.output.size - before)
        async with aclosing(self._source.attached(attached)) as docs:
            async for doc in docs:
                self._write(doc)

    def _write(self, doc: Document) -> None:
        self.output.write(document_line(doc))
        self._written += 1

    def _set_mark(self, since: Any, meanwhile: bool) -> None:
        self.mark = Mark(
            since,
            meanwhile,
            self.mark.documents + self._written,
            self.mark.left_out + self._left_out,
        )
        self._written = self._left_out = 0
        self.output.mark(self.mark.line())

    def _tell(self) -> None:
        pending = self._source.pending
        whole = None if pending is None else self._changes + pending
        share = self._changes / whole if whole else None
        self._progress.update(self.mark.documents, self.output.size, share)
