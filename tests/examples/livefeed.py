"""The live feed on a port of its own, and a browser's end of its stream."""

from __future__ import annotations

import asyncio
import contextlib
import json

from tornado.httpclient import AsyncHTTPClient
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from examples.livefeed.app import make_app
from examples.livefeed.hub import Hub


class Told:
    """One event of a stream."""

    def __init__(self, block):
        fields = dict(line.split(": ", 1) for line in block.splitlines() if ": " in line)
        self.name, self.id = fields.get("event"), fields.get("id")
        self.data = json.loads(fields.get("data", "null"))


class Stream:
    """A browser's end of the stream of events; iterates over them."""

    def __init__(self, reader, writer):
        self._reader, self._writer = reader, writer

    def close(self):
        self._writer.close()

    async def next(self, *names):
        """The next event of one of these names; None: the stream has ended."""
        async with asyncio.timeout(30):
            while True:
                try:
                    told = Told((await self._reader.readuntil(b"\n\n")).decode())
                except asyncio.IncompleteReadError:
                    return None
                if told.name in names:
                    return told

    async def ids_until(self, id):
        """The ids of the changes that come, up to this one."""
        ids = []
        while id not in ids:
            ids += [change["id"] for change in (await self.next("changes")).data]
        return ids

    async def until_state(self, *names):
        while (state := (await self.next("state")).data)["name"] not in names:
            pass
        return state


class Site:
    """The application on a port of its own."""

    def __init__(self, db, hub, port, browser):
        self.db, self.hub, self.port, self._browser = db, hub, port, browser

    async def stream(self, last=None, **query):
        """Begin to read the stream of events, as from an HTTP/1.0 client: without chunks."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=1 << 22)
        header = f"Last-Event-ID: {last}\r\n" if last is not None else ""
        path = "/events" + "".join(f"?{name}={value}" for name, value in query.items())
        writer.write(f"GET {path} HTTP/1.0\r\nHost: x\r\n{header}\r\n".encode())
        head = await reader.readuntil(b"\r\n\r\n")
        assert b"200 OK" in head
        assert b"Content-Type: text/event-stream" in head
        return Stream(reader, writer)

    async def ask(self, method, path, body=None, kind="application/json"):
        return await self._browser.fetch(
            f"http://127.0.0.1:{self.port}{path}",
            method=method,
            headers={"Content-Type": kind},
            body=body if body is None or isinstance(body, str) else json.dumps(body),
            allow_nonstandard_methods=True,
            raise_error=False,
        )


@contextlib.asynccontextmanager
async def serving(db, outage=None, port=0):
    """The application on a database, while the block runs."""
    db = db.with_style("future")
    hub = Hub(db)
    sockets = bind_sockets(port, "127.0.0.1")
    server = HTTPServer(make_app(db, hub, outage))
    server.add_sockets(sockets)
    browser = AsyncHTTPClient(force_instance=True)
    await hub.start()
    try:
        yield Site(db, hub, sockets[0].getsockname()[1], browser)
    finally:
        await hub.stop()
        browser.close()
        server.stop()
        await server.close_all_connections()
