"""The command line: its arguments, and how it ends."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import sys
from collections.abc import Sequence
from importlib.metadata import version

from ..couch import Couch
from ..errors import HTTPError
from ..styles import Deferred
from . import changes, dump, info, load
from .failing import CommandFailed
from .place import find
from .progress import say

ABOUT = """\
CouchDB on the command line. Credentials are those of the URL, or COUCHDB_USER and
COUCHDB_PASSWORD, which no list of processes shows.

Exit status: 0, all went well; 1, it did not; 2, the arguments make no sense; 130, Ctrl-C."""

_INTERRUPTED = 130
_NOBODY_READS = 141  # what ends by SIGPIPE is said to end with


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        arguments (list of str): the arguments; None: those of the process.

    Returns:
        int: the exit status.
    """
    parser = _parser()
    options = parser.parse_args(arguments)
    logging.basicConfig(format="%(asctime)s %(name)s: %(message)s")
    if options.verbose:
        logging.getLogger("corduroy").setLevel(logging.DEBUG)
    try:
        couch, name = find(options)
    except (ValueError, TypeError) as error:
        parser.error(str(error))
    wrong = options.check(options)
    if not name and not options.of_server:
        wrong = "URL names a server, and no database: http://host:5984/name"
    if wrong:
        parser.error(wrong)
    return _status_of(couch, name, options)


def _status_of(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    """Run a command, and tell in a line what is wrong."""
    try:
        return asyncio.run(_run(couch, name, options))
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (CommandFailed, HTTPError) as error:
        say(str(error))
    except BrokenPipeError:
        # Python would complain, when it flushes stdout in the end.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _NOBODY_READS
    except OSError as error:
        say(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except Exception as error:
        if options.verbose:
            raise
        say(f"{type(error).__name__}: {error}; --verbose shows where")
    return 1


async def _run(couch: Couch[Deferred], name: str, options: argparse.Namespace) -> int:
    async with couch:
        status: int = await options.run(couch, name, options)
        return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="corduroy",
        description=ABOUT,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"corduroy {version('corduroy')}")
    parser.set_defaults(check=lambda options: "", of_server=False)
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")
    for command in (dump, load, changes, info):
        command.add(commands)
    return parser
