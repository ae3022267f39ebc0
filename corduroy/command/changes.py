"""``corduroy changes``: what has changed in a database, as lines."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from typing import Any

from ..couch import Couch
from ..database import Database
from ..feeds.feed import ChangesFeed
from ..styles import Deferred
from ..transport.encoding import encode_json
from .failing import persistently
from .place import DATABASE, add_ways
from .progress import add_verbosity, say

ABOUT = """\
Writes the changes of a database to stdout, one a line, as the server tells them."""

_PAGE = 2000
_PAGE_WITH_DOCS = 200


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser("changes", help="show what has changed", description=ABOUT)
    parser.add_argument("url", metavar="URL", help=DATABASE)
    parser.add_argument(
        "-f", "--follow", action="store_true", help="wait for more, whatever breaks, until Ctrl-C"
    )
    parser.add_argument(
        "--since", default=0, metavar="SEQ", help="what came after this seq; now: what is to come"
    )
    parser.add_argument("--limit", type=int, metavar="N", help="so many changes")
    parser.add_argument("--include-docs", action="store_true", help="with the documents")
    parser.add_argument("--filter", metavar="NAME", help="those that a filter chooses: ddoc/filter")
    add_ways(parser)
    add_verbosity(parser)
    parser.set_defaults(run=run, check=check)


def check(options: argparse.Namespace) -> str:
    """What is wrong with the options; nothing if they make sense."""
    if options.limit is not None and options.limit < 1:
        return "--limit must be at least 1"
    return ""


async def run(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    """Run the command; gives the exit status."""
    db = couch.database(name)
    await db.info()  # what is wrong with the address is told at once
    chosen: dict[str, Any] = {"filter": options.filter}
    if options.include_docs:
        chosen["include_docs"] = True
    if options.follow:
        feed = ChangesFeed(db, since=options.since, limit=options.limit, **chosen)
        async for change in feed:
            _write([change])
    else:
        await _list(db, options, chosen)
    return 0


async def _list(
    db: Database[Deferred], options: argparse.Namespace, chosen: Mapping[str, Any]
) -> None:
    """Write what there is, a page at a time."""
    since, left = options.since, options.limit
    most = _PAGE_WITH_DOCS if options.include_docs else _PAGE
    while left is None or left > 0:
        count = most if left is None else min(left, most)
        found = await persistently(
            lambda: db.changes(since=since, limit=count, **chosen),  # noqa: B023
            say,
        )
        rows = found["results"]
        _write(rows)
        if len(rows) < count:
            return
        since = found["last_seq"]
        left = None if left is None else left - len(rows)


def _write(changes: list[Any]) -> None:
    out = sys.stdout.buffer
    for change in changes:
        out.write(encode_json(change, "change") + b"\n")
    out.flush()
