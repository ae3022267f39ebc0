"""The application: a page, the stream of events behind it, and notes to try it with.

The stream is server-sent events and not a WebSocket. They go one way, which is all that is needed;
they are plain HTTP, which every proxy knows; and a browser whose connection breaks comes back by
itself and says in ``Last-Event-ID`` what it had last. That is the seq of a change: so a browser is
to this server what this server's feed is to CouchDB, and neither of them misses anything.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Awaitable, Callable
from contextlib import aclosing, suppress
from pathlib import Path
from secrets import token_hex
from typing import Any

from tornado.iostream import StreamClosedError
from tornado.web import Application, HTTPError, RequestHandler, StaticFileHandler

import corduroy
from corduroy import Database, Document

from .hub import Hub

# All that the page is made of comes from here. Nothing in a document could make it ask elsewhere.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
LONGEST = 500  # characters of a note

log = logging.getLogger(__name__)


def make_app(db: Database[Any], hub: Hub, outage: Callable[[], None] | None = None) -> Application:
    """The application on a database.

    Args:
        db (Database): where notes are written.
        hub (Hub): what the browsers follow.
        outage: lets the server fail for a moment, where it is one to play with.

    Returns:
        Application: ready to listen.
    """
    files = {"path": Path(__file__).parent / "static", "default_filename": "index.html"}
    return Application(
        [
            ("/about", About),
            ("/events", Events),
            ("/notes", Notes),
            ("/notes/(.+)", Note),
            ("/outage", Outage),
            ("/(.*)", Files, files),
        ],
        db=db.with_style("future"),
        hub=hub,
        outage=outage,
        log_function=log_failures,
    )


class Files(StaticFileHandler):
    """The page and what belongs to it."""

    def set_default_headers(self) -> None:
        self.set_header("Content-Security-Policy", POLICY)
        self.set_header("X-Content-Type-Options", "nosniff")
        self.set_header("Referrer-Policy", "no-referrer")
        self.set_header("Cache-Control", "no-cache")


class Events(RequestHandler):
    """The stream of events: what the hub has to tell."""

    telling: asyncio.Task[None] | None = None

    async def get(self) -> None:
        self.set_header("Content-Type", "text/event-stream")
        self.set_header("Cache-Control", "no-store")
        self.set_header("X-Accel-Buffering", "no")  # nginx would wait for more
        # A page that had to begin anew by itself says what it had in its address.
        seq = self.request.headers.get("Last-Event-ID") or self.get_argument("after", None)
        self.telling = asyncio.create_task(self.tell(seq))
        with suppress(asyncio.CancelledError):  # the program ends: there is nobody to tell of it
            await asyncio.wait([self.telling])

    async def tell(self, seq: str | None) -> None:
        """Write events until the browser has gone, or is to come again."""
        self.write("retry: 1000\n\n")
        with suppress(StreamClosedError):
            async with aclosing(self.settings["hub"].follow(seq)) as texts:
                async for text in texts:
                    self.write(text)
                    await self.flush()

    def on_connection_close(self) -> None:
        if self.telling is not None:
            self.telling.cancel()


class Api(RequestHandler):
    """What the page's buttons ask for: JSON in, JSON out."""

    @property
    def db(self) -> Database[Any]:
        """The database; its calls give Futures."""
        db: Database[Any] = self.settings["db"]
        return db

    def prepare(self) -> None:
        """Refuse what another site's page could send: without asking first, that is never JSON."""
        sent = self.request.headers.get("Content-Type")
        if self.request.method != "GET" and sent != "application/json":
            raise HTTPError(415, reason="Only JSON is taken")

    def text(self) -> str:
        """The text that was sent for a note."""
        try:
            text = str(json.loads(self.request.body)["text"]).strip()
        except (ValueError, KeyError, TypeError):
            raise HTTPError(400, reason="A note is an object with a text") from None
        if not 0 < len(text) <= LONGEST:
            raise HTTPError(400, reason=f"A note has 1 to {LONGEST} characters")
        return text

    async def note(self, id: str) -> Document:
        """A note that exists. Whatever else the database has is none of this page's business."""
        doc: Document = await self.db.get(id)
        if doc.get("type") != "note":
            raise HTTPError(403, reason="Only notes can be changed here")
        return doc

    async def finish_with(self, work: Awaitable[Any]) -> None:
        """Wait for the database; what it refuses, the page is told."""
        try:
            await work
        except (corduroy.ConnectionFailed, corduroy.RequestTimeout):
            raise HTTPError(503, reason="The database does not answer") from None
        except corduroy.HTTPError as error:
            raise HTTPError(error.code, reason=error.error) from None
        self.set_status(204)

    def write_error(self, status_code: int, **_: Any) -> None:
        self.finish({"error": self._reason})


class Notes(Api):
    """Where notes are written."""

    async def post(self) -> None:
        note = Document(_id=f"note-{token_hex(4)}", type="note", text=self.text())
        await self.finish_with(self.db.save(note))


class Note(Api):
    """One note."""

    async def put(self, id: str) -> None:
        await self.finish_with(self.edit(id, self.text()))

    async def delete(self, id: str) -> None:
        await self.finish_with(self.remove(id))

    async def edit(self, id: str, text: str) -> None:
        note = await self.note(id)
        note.text = text
        await self.db.save(note)

    async def remove(self, id: str) -> None:
        await self.db.delete(await self.note(id))


class About(Api):
    """What the page shows of the database, and whether it can be made to fail."""

    def get(self) -> None:
        self.finish({"db": self.db.name, "outage": self.settings["outage"] is not None})


class Outage(Api):
    """A moment without a database."""

    def post(self) -> None:
        if self.settings["outage"] is None:
            raise HTTPError(404)
        self.settings["outage"]()
        self.set_status(202)


def log_failures(handler: RequestHandler) -> None:
    """Log what went wrong; what went well is on the page."""
    status, asked = handler.get_status(), handler.request
    if status >= 500:
        log.warning("%s %s: %s", asked.method, asked.path, status)
