"""``corduroy dump``: the documents of a database, as lines."""

from __future__ import annotations

import argparse
import datetime
import sys
from typing import Any

from ..couch import Couch
from ..database import Database
from ..documents import Document
from ..styles import Deferred
from .failing import CommandFailed
from .form import Header, Mark, Terms, document_line
from .place import DATABASE, add_ways
from .progress import Progress, add_progress, counted, size, span
from .source import Source
from .written import Found, Output, is_to_be_packed, look_at, open_again, open_new, stdout

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
    output, found = _open(header, options)
    if found is not None and found.whole:
        progress.tell(f"{options.output} is whole already: {_content(found.mark)}")
        return 0
    dump = _Dump(db, header if found is None else found.header, output, progress)
    try:
        await dump.run(None if found is None else found.mark)
        output.close()
    except BaseException:
        progress.clear()
        if options.output is not None:
            progress.warn(
                f"interrupted after {counted(dump.mark.documents, 'document')}: "
                f"the same with --resume goes on with {options.output}"
            )
        raise
    progress.tell(f"{name}: {_content(dump.mark)}, {size(output.size)} in {span(progress.seconds)}")
    if dump.mark.left_out:
        progress.tell(
            f"{counted(dump.mark.left_out, 'attachment')} left out: --attachments includes them"
        )
    return 0


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


def _open(header: Header, options: argparse.Namespace) -> tuple[Output, Found | None]:
    """The place to write to, and what is there already."""
    path = options.output
    if options.resume:
        try:
            file = open_again(path)
        except FileNotFoundError:
            pass
        else:
            found = look_at(file)
            if found is None:
                file.seek(0)
                file.truncate()
                return _begun(Output(file, _gzip(options)), header), None
            _check_same(found.header, header, options)
            if not found.whole:
                file.seek(found.at)
                file.truncate()
            return Output(file, found.gzip), found
    file = stdout() if path is None else open_new(path, options.force)
    return _begun(Output(file, _gzip(options)), header), None


def _begun(output: Output, header: Header) -> Output:
    output.write(header.line())
    output.mark(Mark().line())
    return output


def _gzip(options: argparse.Namespace) -> bool:
    return is_to_be_packed(options.output) if options.gzip is None else bool(options.gzip)


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
        mark (Mark): how far it has come.
    """

    def __init__(
        self, db: Database[Deferred], header: Header, output: Output, progress: Progress
    ) -> None:
        self.mark = Mark()
        self._header = header
        self._output = output
        self._progress = progress
        self._source = Source(db, header.terms, progress.warn)
        self._written = 0  # documents, since the mark
        self._left_out = 0
        self._changes = 0  # gone through in this run

    async def run(self, mark: Mark | None) -> None:
        """Write what is still to be written."""
        self.mark = mark or self.mark
        if not self.mark.meanwhile:
            await self._go_through(self.mark.since, meanwhile=False)
            self._set_mark(self._header.update_seq, meanwhile=True)
        await self._go_through(self.mark.since, meanwhile=True)
        self._output.mark(self.mark.line(last=True))

    async def _go_through(self, since: Any, meanwhile: bool) -> None:
        async for portion in self._source.portions(since, meanwhile):
            before = self._output.size
            with_attachments = [doc for doc in portion.docs if "_attachments" in doc]
            for doc in portion.docs:
                if "_attachments" not in doc:
                    self._write(doc)
                elif not self._header.terms.attachments:
                    self._left_out += len(doc.pop("_attachments"))
                    self._write(doc)
            self._source.weighs(len(portion.docs), self._output.size - before)
            if self._header.terms.attachments:
                async for doc in self._source.attached(with_attachments):
                    self._write(doc)
            self._changes += portion.changes
            self._set_mark(portion.since, meanwhile)
            self._tell()

    def _write(self, doc: Document) -> None:
        self._output.write(document_line(doc))
        self._written += 1

    def _set_mark(self, since: Any, meanwhile: bool) -> None:
        self.mark = Mark(
            since,
            meanwhile,
            self.mark.documents + self._written,
            self.mark.left_out + self._left_out,
        )
        self._written = self._left_out = 0
        self._output.mark(self.mark.line())

    def _tell(self) -> None:
        pending = self._source.pending
        whole = None if pending is None else self._changes + pending
        share = self._changes / whole if whole else None
        self._progress.update(self.mark.documents, self._output.size, share)
