"""``corduroy info``: what there is to know of a server, or of a database."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from typing import Any

from ..couch import Couch
from ..styles import Deferred
from ..transport.encoding import encode_json
from .place import add_ways
from .progress import add_verbosity, size

ABOUT = """\
Tells what a server is, or how large a database is and what it is busy with."""

_SEQ = 40  # characters of a seq, which can have hundreds


def add(commands: Any) -> None:
    """Add the command."""
    parser = commands.add_parser(
        "info", help="show what a server or database is", description=ABOUT
    )
    parser.add_argument(
        "url",
        metavar="URL",
        nargs="?",
        default="",
        help="the server, or the database: http://host:5984/name; the server of COUCHDB_URL",
    )
    parser.add_argument("--json", action="store_true", help="what the server says, as it says it")
    add_ways(parser)
    add_verbosity(parser)
    parser.set_defaults(run=run, of_server=True)


async def run(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    """Run the command; gives the exit status."""
    told = await (couch.database(name).info() if name else couch.info())
    if options.json:
        print(encode_json(told, "info").decode())
        return 0
    lines = list(_of_database(told) if name else _of_server(told))
    print(f"{couch.url}/{name}" if name else couch.url)
    width = max(len(label) for label, _ in lines)
    for label, value in lines:
        print(f"  {label:<{width}}  {value}")
    return 0


def _of_server(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    vendor = told.get("vendor", {})
    yield "server", "CouchDB" if "couchdb" in told else vendor.get("name", "unknown")
    for label in ("version", "uuid"):
        if label in told:
            yield label, told[label]
    if features := told.get("features"):
        yield "features", ", ".join(features)


def _of_database(told: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield "documents", f"{told['doc_count']:,}"
    if "doc_del_count" in told:
        yield "deleted", f"{told['doc_del_count']:,}"
    sizes = told.get("sizes", {})
    for label, name in (("on disk", "file"), ("in use", "active"), ("as JSON", "external")):
        if isinstance(sizes.get(name), int):
            yield label, size(sizes[name])
    seq = str(told["update_seq"])
    yield "update seq", seq if len(seq) <= _SEQ else f"{seq[:_SEQ]}…"
    if "cluster" in told:
        yield "shards", "{q}, {n} copies of each".format(**told["cluster"])
    if told.get("props", {}).get("partitioned"):
        yield "partitioned", "yes"
    if told.get("compact_running"):
        yield "compaction", "running"
