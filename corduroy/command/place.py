"""Where a command goes: the server and the database that an address names, and who is asking."""

from __future__ import annotations

import argparse
import os
from urllib.parse import unquote, urlsplit

from ..couch import Couch
from ..server import database_path
from ..styles import Deferred
from ..transport.encoding import check_url

# Seconds for one request: a document's attachments come in one.
_TIMEOUT = 300.0

DATABASE = "the database: http://host:5984/name, or its name alone on the server of COUCHDB_URL"


def add_ways(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that tell how to reach a server."""
    ways = parser.add_argument_group("the way to the server")
    ways.add_argument(
        "--timeout",
        type=float,
        default=_TIMEOUT,
        metavar="SECONDS",
        help="how long one request may take; 0: as long as it likes (%(default).0f)",
    )
    ways.add_argument(
        "--ca-certs", metavar="FILE", help="trust these certificates, instead of the system's"
    )
    ways.add_argument(
        "--client-cert", metavar="FILE", help="the certificate that tells the server who is asking"
    )
    ways.add_argument(
        "--client-key", metavar="FILE", help="its private key, where that is in a file of its own"
    )
    ways.add_argument("--insecure", action="store_true", help="accept any certificate")


def find(options: argparse.Namespace) -> tuple[Couch[Deferred], str]:
    """The server that the options name, and its database.

    Credentials are the address's own, or else ``COUCHDB_USER`` and ``COUCHDB_PASSWORD``.

    Args:
        options: the command's, with ``url`` and those of `add_ways`.

    Returns:
        (Couch, str): the server, and the database's name; "" where the address names a server alone.

    Raises:
        ValueError: there is something wrong with the address.
    """
    server, name = None, options.url
    if "://" in name:
        server, name = _apart(name)
    if "@" in name:  # a url without its beginning, and what it holds is not for an error
        raise ValueError("URL must be a database's name, or begin with http:// or https://")
    if name:
        database_path(name, "URL")
    address = server or os.environ.get("COUCHDB_URL") or ""
    user = os.environ.get("COUCHDB_USER")
    named = user is None or "@" in urlsplit(address).netloc
    couch: Couch[Deferred] = Couch(
        server,
        None if named else (str(user), os.environ.get("COUCHDB_PASSWORD", "")),
        style="future",
        timeout=options.timeout,
        verify=not options.insecure,
        ca_certs=options.ca_certs,
        client_cert=options.client_cert,
        client_key=options.client_key,
    )
    return couch, name


def _apart(url: str) -> tuple[str, str]:
    """The url of a server and the name of the database at the end of its path."""
    parts = check_url(url, "URL")
    above, _, last = parts.path.rstrip("/").rpartition("/")
    return parts._replace(path=above).geturl(), unquote(last)
