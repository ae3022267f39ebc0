"""The embedded server by hand, or around a command."""

from __future__ import annotations

import argparse
import logging
import os
import signal
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

from corduroy.testing.node import ServerFailed
from corduroy.testing.server import Server

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

DESCRIPTION = """\
Starts a disposable CouchDB-compatible server, prints its url and keeps it until Ctrl-C.
With a COMMAND: runs that with COUCHDB_URL set to the server, or as it was set already,
and ends with the command's status."""


def main(arguments: Sequence[str]) -> int:
    """Runs ``python -m corduroy.testing`` with these arguments; returns the exit status."""
    own, command = _split(list(arguments))
    parser = argparse.ArgumentParser(
        prog="python -m corduroy.testing",
        usage="%(prog)s [-h] [--path DIR] [--port N] [-- COMMAND ARGS...]",
        description=DESCRIPTION,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--path", metavar="DIR", help="keep the data in this folder")
    parser.add_argument("--port", metavar="N", type=int, default=0, help="listen on this port")
    options = parser.parse_args(own)
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    try:
        if command and os.environ.get("COUCHDB_URL"):
            return _run(command, os.environ["COUCHDB_URL"])
        server = Server(options.path, port=options.port)
        if not command:
            return _keep(server)
        with server:
            return _run(command, server.url)
    except ServerFailed as error:
        print(error, file=sys.stderr)
        return 1


def _split(arguments: list[str]) -> tuple[list[str], list[str]]:
    if "--" not in arguments:
        return arguments, []
    at = arguments.index("--")
    return arguments[:at], arguments[at + 1 :]


def _run(command: list[str], url: str) -> int:
    try:
        process = subprocess.Popen(command, env={**os.environ, "COUCHDB_URL": url})
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127

    def pass_on(number: int, frame: FrameType | None) -> None:
        process.send_signal(number)

    # Ctrl-C reaches the command by itself, and it decides what that means.
    signal.signal(signal.SIGINT, lambda number, frame: None)
    signal.signal(signal.SIGTERM, pass_on)
    status = process.wait()
    return status if status >= 0 else 128 - status


def _keep(server: Server) -> int:
    done = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda number, frame: done.set())
    with server:
        print(server.url, flush=True)
        while not done.wait(0.2):
            if not server.running:
                raise ServerFailed(f"the server has ended by itself\n{server.log}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
