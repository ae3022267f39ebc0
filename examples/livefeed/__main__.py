"""Starts the page: ``python -m examples.livefeed``, on COUCHDB_URL or on a server of its own."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import socket
import tempfile
from collections.abc import Callable
from contextlib import ExitStack, suppress
from typing import Any

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from corduroy import Couch
from corduroy.testing import Server

from .app import make_app
from .demo import Outage, write_now_and_then
from .hub import Hub

PORT = 8889  # always the same if possible, so that a page finds its way back to a new process


def main() -> None:
    """Find or start a server, and serve the page until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.livefeed", description=__doc__)
    parser.add_argument("--port", type=int, help=f"otherwise {PORT}, or a free one")
    parser.add_argument("--db", default="livefeed", help="made where it is missing")
    parser.add_argument("--demo", action="store_true", help="write something now and then")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    with suppress(KeyboardInterrupt), ExitStack() as stack:
        if os.environ.get("COUCHDB_URL"):
            asyncio.run(serve(Couch(), options))
        else:
            # On disk, so that it can be killed, and has everything when it is back.
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            server = stack.enter_context(Server(folder))
            asyncio.run(serve(Couch(server.url), options, Outage(server)))


async def serve(
    couch: Couch[Any], options: argparse.Namespace, outage: Callable[[], None] | None = None
) -> None:
    """Serve the page on a loopback port, until cancelled."""
    db = (await couch.create(options.db, exists_ok=True)).with_style("future")
    hub = Hub(db)
    sockets = listen(options.port)
    server = HTTPServer(make_app(db, hub, outage))
    server.add_sockets(sockets)
    try:
        await hub.start()
        port = sockets[0].getsockname()[1]
        print(f"The changes of {db.name}: http://127.0.0.1:{port}/ (Ctrl-C ends it)", flush=True)
        await (write_now_and_then(db) if options.demo else asyncio.Event().wait())
    finally:
        await hub.stop()
        server.stop()
        await server.close_all_connections()


def listen(port: int | None) -> list[socket.socket]:
    """Listen on a port of the loopback interface: the given one, or the usual one, or a free one."""
    if port is not None:
        return bind_sockets(port, "127.0.0.1")
    try:
        return bind_sockets(PORT, "127.0.0.1")
    except OSError:
        return bind_sockets(0, "127.0.0.1")


if __name__ == "__main__":
    main()
