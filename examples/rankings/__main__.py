"""Starts the rankings: ``python -m corduroy.testing -- python -m examples.rankings``."""

from __future__ import annotations

import argparse
import asyncio
import logging
from contextlib import suppress

from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets

from corduroy import Couch, Database

from .app import make_app
from .model import deploy, fill


def main() -> None:
    """Make the database ready, and serve until Ctrl-C."""
    parser = argparse.ArgumentParser(prog="python -m examples.rankings", description=__doc__)
    parser.add_argument("--port", type=int, default=8888, help="0 takes a free one")
    parser.add_argument("--db", default="rankings", help="made, and filled, where it is missing")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")

    # No loop runs yet: these calls block. The pages will use the same object.
    db = Couch().create(options.db, exists_ok=True)
    deploy(db)
    fill(db)
    with suppress(KeyboardInterrupt):
        asyncio.run(serve(db, options.port))


async def serve(db: Database, port: int) -> None:
    """Serve the pages on a loopback port, until cancelled."""
    sockets = bind_sockets(port, "127.0.0.1")
    server = HTTPServer(make_app(db))
    server.add_sockets(sockets)
    print(
        f"Rankings on http://127.0.0.1:{sockets[0].getsockname()[1]}/ (Ctrl-C ends it)", flush=True
    )
    try:
        await asyncio.Event().wait()
    finally:
        server.stop()
        await server.close_all_connections()


if __name__ == "__main__":
    main()
