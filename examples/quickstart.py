"""Corduroy in five minutes: a script whose lines are shown, one by one, as they run.

    python -m corduroy.testing -- python examples/quickstart.py

That starts a server which is gone afterwards. With COUCHDB_URL set, or without the first half, it runs
on a CouchDB of yours, in a database of its own that it deletes in the end.
"""
# ruff: noqa: B015, B018  (a bare expression shows its value, as at Python's prompt)

from __future__ import annotations

import ast
import os
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any

from corduroy import ConnectionFailed, Forbidden, NotFound, Unauthorized


def tour() -> None:
    # == A server, a database ==
    from corduroy import Conflict, Couch, Document, NotFound

    # A Couch is a server. Making one sends nothing; asking it something does.
    couch = Couch()
    couch
    couch.version()

    # A database of that server. Its name is a new one, so that this disturbs nobody.
    from secrets import token_hex

    name = f"quickstart-{token_hex(3)}"
    db = couch.create(name)
    db

    # == Documents: save and get ==
    # Any dict is a document. Saving puts its new revision into it.
    blue = {"_id": "kind-of-blue", "artist": "Miles Davis", "year": 1959, "tags": ["jazz"]}
    db.save(blue)
    blue["_rev"]

    # What comes back is a dict, too, and a dot reaches into it.
    record = db.get("kind-of-blue")
    record
    record.artist, record.tags[0], record["year"]

    # A list is saved in one request. Who has no _id gets one from the server.
    others = [
        {"_id": "mingus-ah-um", "artist": "Charles Mingus", "year": 1959, "tags": ["jazz"]},
        {"_id": "sketches-of-spain", "artist": "Miles Davis", "year": 1960, "tags": ["jazz"]},
        {"_id": "giant-steps", "artist": "John Coltrane", "year": 1960, "tags": ["jazz"]},
        {"_id": "a-love-supreme", "artist": "John Coltrane", "year": 1965, "tags": ["jazz"]},
    ]
    db.save(others)
    len(db), "giant-steps" in db

    # What is missing raises NotFound, as every refusal raises its own exception.
    # In a list it is just None.
    try:
        db.get("bitches-brew")
    except NotFound as error:
        print(error.code, error.error, "-", error.reason)
    db.get(["giant-steps", "bitches-brew"])

    # == A conflict, and a merge ==
    # Two people have the same revision, and each adds a tag. The second one is told.
    mine, yours = db.get("kind-of-blue"), db.get("kind-of-blue")
    mine.tags.append("modal")
    db.save(mine)
    yours.tags.append("classic")
    try:
        db.save(yours)
    except Conflict as conflict:
        print(repr(conflict), "-", conflict.reason)

    # A merge gets both documents, and returns the one to save.
    def both(local: Document, server: Document) -> Document:
        server.tags = sorted({*local.tags, *server.tags})
        return server

    db.save(yours, merge=both)
    yours.tags

    # == Views ==
    # A design document holds views: JavaScript that makes an index. It is saved as any other.
    by_year = "function (doc) { emit(doc.year, doc.artist) }"
    by_artist = "function (doc) { emit([doc.artist, doc.year], 1) }"
    views = {"by_year": {"map": by_year}, "by_artist": {"map": by_artist, "reduce": "_count"}}
    db.save({"_id": "_design/records", "views": views})

    # A view is asked for its rows by "design/view". They come sorted by key.
    rows = db.view("records/by_year")
    rows
    rows[0].key, rows[0].value, rows[0].id

    # One key, some keys, a range; and backwards, only the first, with its document.
    [row.id for row in db.view("records/by_year", key=1960)]
    [row.id for row in db.view("records/by_year", keys=[1965, 1959])]
    [row.id for row in db.view("records/by_year", startkey=1959, endkey=1960)]
    db.view("records/by_year", descending=True, limit=1, include_docs=True)[0].doc

    # Reduce: how many records in all, and how many of each artist.
    db.view("records/by_artist")[0].value
    for row in db.view("records/by_artist", group_level=1):
        print(row.key[0], row.value)

    # And the rows behind one artist's number.
    davis = {"startkey": ["Miles Davis"], "endkey": ["Miles Davis", {}]}
    [row.key[1] for row in db.view("records/by_artist", reduce=False, **davis)]

    # == Copies and attachments ==
    # A copy is made by the server: the document does not travel.
    db.copy("giant-steps", "giant-steps-mono")
    record = db.get("giant-steps-mono")

    # Bytes, str, an open file or a Path: all can be attached, and the document follows.
    db.put_attachment(record, "Recorded in May 1959.", "notes.txt")
    db.get_attachment(record, "notes.txt")
    record._attachments["notes.txt"].content_type

    # == Three calling styles ==
    # So far each call has blocked. Where an event loop runs, the same call gives a Future.
    import asyncio

    async def artists() -> list[str]:
        records = await asyncio.gather(db.get("kind-of-blue"), db.get("mingus-ah-um"))
        return [record.artist for record in records]

    asyncio.run(artists())

    # And with a callback it calls back. See examples/callbacks.py and examples/rankings.
    async def call_back() -> None:
        await db.get("kind-of-blue", callback=lambda data, status: print(status, data.artist))

    asyncio.run(call_back())

    # == The end ==
    # A document is deleted by itself or by its id; a database by its name.
    db.delete(record)
    "giant-steps-mono" in db
    couch.delete(name)
    couch.exists(name)


# -- showing it ---------------------------------------------------------------------------------

COLOURS = sys.stdout.isatty() and "NO_COLOR" not in os.environ
BOLD, FAINT, CYAN, GREEN = "1", "2", "36", "32"


def say(*painted: tuple[str, str]) -> None:
    """Print a line of texts with their colours, at once: a reader follows along."""
    texts = (f"\033[{colour}m{text}\033[0m" if COLOURS else text for text, colour in painted)
    print(*texts, sep="", flush=True)


def comment(line: str) -> None:
    """Show a line between two statements: a headline, a comment, or nothing."""
    text = line.strip()
    if text.startswith("# =="):
        say((f"{text.strip('# =')} ".ljust(80, "-"), BOLD))
    else:
        say((text, GREEN))


def run(function: ast.FunctionDef, lines: list[str], names: dict[str, Any]) -> None:
    """Show and run a function's statements one by one, with the comments between them.

    Args:
        function: its syntax tree.
        lines: its file's lines.
        names: what the statements see, and leave behind.
    """
    last = function.lineno
    for statement in function.body:
        for line in lines[last : statement.lineno - 1]:
            comment(line)
        last = statement.end_lineno or statement.lineno
        prompt = ">>> "
        for line in lines[statement.lineno - 1 : last]:
            say((prompt, FAINT), (line[4:], CYAN))
            prompt = "... "
        # As the prompt does it: the value of a bare expression is printed.
        exec(compile(ast.Interactive([statement]), __file__, "single"), names)


def main() -> None:
    """Run the tour; whatever happens, its database is gone afterwards."""
    source = Path(__file__).read_text(encoding="utf-8")
    parts = ast.parse(source).body
    function = next(p for p in parts if isinstance(p, ast.FunctionDef) and p.name == "tour")
    names: dict[str, Any] = {}
    try:
        run(function, source.splitlines(), names)
    except ConnectionFailed as error:
        sys.exit(f"No server answers: {error}\n{__doc__}")
    except (Unauthorized, Forbidden) as error:
        sys.exit(f"{error}\nSay who you are: COUCHDB_URL=http://user:password@127.0.0.1:5984")
    finally:
        if "db" in names:
            with suppress(
                NotFound, ConnectionFailed
            ):  # deleted by the tour itself, or out of reach
                names["couch"].delete(names["name"])
    say()
    say((f"That was {os.path.relpath(__file__)}. Type its lines yourself, and change them.", BOLD))


if __name__ == "__main__":
    main()
