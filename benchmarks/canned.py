"""What the canned server answers: a database as CouchDB 3.5 sends it, byte for byte."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

DATABASE = "db"
DOCUMENT = "doc"
VIEW = f"/{DATABASE}/_all_docs"
ROWS = 50_000
FEED = f"/{DATABASE}/_changes"
CHANGES = 200_000

CONTENT_TYPE = "application/json"
SERVER = "CouchDB/3.5.0 (Erlang OTP/25)"

CHUNK = 1490
"""The most that CouchDB puts into a chunk, unless a row alone is longer (chunked_response_buffer)"""


@dataclass(frozen=True)
class Answer:
    """Answers any method on `path`, whatever the query. Views are sent chunked, as by CouchDB.

    A client pays for every chunk, and CouchDB's are small. Where `as_couchdb` says so, any server here
    sends the very same; they end where a line ends.
    """

    path: str
    body: Callable[[], Iterable[bytes]]
    chunked: bool = False
    as_couchdb: bool = False
    etag: bool = True

    @property
    def headers(self) -> dict[str, str]:
        """Besides Server, Date, Content-Type and the length, which a server adds of its own accord."""
        return HEADERS | ({"ETag": ETAG} if self.etag else {})


def in_chunks(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """An answer in chunked encoding, a row a piece, cut where CouchDB cuts: also at an empty piece."""
    held = bytearray()
    for piece in pieces:
        if held and (not piece or len(held) + len(piece) > CHUNK):
            yield chunk(held)
            held.clear()
        held += piece
    if held:
        yield chunk(held)
    yield chunk(b"")


def chunk(data: bytes | bytearray) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), bytes(data))


def document(id: str, n: int) -> dict[str, Any]:
    """Some 300 bytes: text beyond ASCII, numbers of both kinds, a list and a nested object."""
    return {
        "_id": id,
        "_rev": "1-" + hashlib.md5(id.encode()).hexdigest(),
        "type": "recording",
        "n": n,
        "title": f"Études, livre {n % 12}: no. {n}",
        "artist": "Mitsuko Uchida",
        "tags": ["piano", "solo", "1989"],
        "length": 152.25 + n % 60,
        "released": True,
        "label": {"name": "Philips", "catalogue": f"422 {n % 1000}-2", "country": None},
    }


HEADERS = {
    "X-Couch-Request-ID": "5b3a0f2e9c",
    "X-CouchDB-Body-Time": "0",
    "Cache-Control": "must-revalidate",
}
ETAG = f'"{document(DOCUMENT, 1)["_rev"]}"'


def view_lines(rows: int = ROWS) -> Iterator[bytes]:
    """``_all_docs?include_docs=true``: a row a line."""
    yield b'{"total_rows":%d,"offset":0,"rows":[\r\n' % rows
    for n in range(rows):
        doc = document(f"{n:08d}", n)
        row = {"id": doc["_id"], "key": doc["_id"], "value": {"rev": doc["_rev"]}, "doc": doc}
        yield _dump(row) + (b",\r\n" if n < rows - 1 else b"\r\n")
    yield b"]}\n"


def seq(n: int) -> str:
    """As long as those of a database of two shards that have had 100,000 changes each."""
    varying = hashlib.md5(b"%d" % n).hexdigest()[:6]
    return (
        f"{n}-g1AAAACheJzLYWBgYMpgTmEQTM4vTc5ISXIwNDLXMwBCwxyQVCJDUv3___-zMpiTGBhKDXKBYuyWialmyYlJ"
        f"2PTgMSmPBUgyNACp_wgD9cEGpppaJBmbm2DTmgUA{varying}"
    )


def change_line(seq: str, id: str) -> bytes:
    rev = hashlib.md5(id.encode()).hexdigest()
    return b'{"seq":"%b","id":"%b","changes":[{"rev":"1-%b"}]}\n' % (
        seq.encode(), id.encode(), rev.encode(),
    )  # fmt: skip


def feed_lines(changes: int = CHANGES) -> Iterator[bytes]:
    """``_changes?feed=continuous``, to its end: what CouchDB says when it has sent `limit` changes."""
    for n in range(1, changes + 1):
        yield change_line(seq(n), f"{n:08d}")
    yield b""
    yield b'{"last_seq":"%b","pending":0}\n' % seq(changes).encode()
    yield b""
    yield b"\n"


STREAMED = (1_000, 20_000, 200_001, 2_000_000)
"""How many rows are streamed."""

_TITLE = b'"n":0,"title":"\xc3\x89tudes, livre 0: no. 0"'


def couchdb_rows(rows: int) -> Iterator[bytes]:
    """The same in any number, made quickly: documents differ in their ids and numbers alone."""
    _, row, *_ = view_lines(2)
    line = row.replace(b"00000000", b"%(n)08d").replace(_TITLE, b'"n":%(n)d,"title":"no. %(n)d"')
    yield b'{"total_rows":%d,"offset":0,"rows":[\r\n' % rows
    for n in range(rows - 1):
        yield line % {b"n": n}
    yield line.rstrip(b",\r\n") % {b"n": rows - 1} + b"\r\n"
    yield b"]}\n"


def pouchdb_rows(rows: int) -> Iterator[bytes]:
    """As PouchDB Server sends them: in one line."""
    return (line.replace(b"\r\n", b"").replace(b"\n", b"") for line in couchdb_rows(rows))


def couchdb_database(rows: int) -> str:
    return f"couchdb-{rows}"


def pouchdb_database(rows: int) -> str:
    return f"pouchdb-{rows}"


def _dump(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def _line(value: object) -> Callable[[], list[bytes]]:
    return lambda: [_dump(value) + b"\n"]


WELCOME = {
    "couchdb": "Welcome",
    "version": "3.5.0",
    "git_sha": "11f0d3643",
    "uuid": "c1a5f9b0d2e84f0c8f5f6a1d2b3c4d5e",
    "features": ["access-ready", "partitioned", "pluggable-storage-engines", "scheduler"],
    "vendor": {"name": "The Apache Software Foundation"},
}
SESSION = {
    "ok": True,
    "userCtx": {"name": None, "roles": ["_admin"]},
    "info": {"authentication_handlers": ["cookie", "default"]},
}
DATABASE_INFO = {
    "db_name": DATABASE,
    "update_seq": "50001-g1AAAACLeJzLYWBgYMpgTmHgz8tPSTV0MDQy1zMAQsMcoARTIkOS_P___7MSGTB",
    "sizes": {"file": 33554432, "external": 16777216, "active": 20971520},
    "props": {},
    "doc_del_count": 0,
    "doc_count": ROWS + 1,
    "disk_format_version": 8,
    "compact_running": False,
    "cluster": {"q": 2, "n": 1, "w": 1, "r": 1},
    "instance_start_time": "1735689600",
}

ANSWERS = [
    Answer("/", _line(WELCOME)),
    Answer("/_session", _line(SESSION)),
    Answer(f"/{DATABASE}", _line(DATABASE_INFO)),
    Answer(f"/{DATABASE}/{DOCUMENT}", _line(document(DOCUMENT, 1))),
    Answer(VIEW, view_lines, chunked=True),
    Answer(FEED, feed_lines, chunked=True, as_couchdb=True, etag=False),
]

STREAMED_ANSWERS = [
    *(
        Answer(
            f"/{couchdb_database(rows)}/_all_docs",
            functools.partial(couchdb_rows, rows),
            chunked=True,
            as_couchdb=True,
        )
        for rows in STREAMED
    ),
    Answer(
        f"/{pouchdb_database(200_001)}/_all_docs",
        functools.partial(pouchdb_rows, 200_001),
        chunked=True,
    ),
    Answer(f"/{couchdb_database(200_001)}", _line(DATABASE_INFO)),
]
"""Made only where they are asked for: they are large."""

MISSING = b'{"error":"not_found","reason":"missing"}\n'
