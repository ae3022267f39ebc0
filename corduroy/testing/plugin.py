"""pytest fixtures: a server for the run, a fresh database for each test.

pytest loads this at each start wherever corduroy is installed, so what a fixture needs is
imported when it is used.
"""

from __future__ import annotations

import os
import uuid
from contextlib import suppress
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from corduroy import Couch, Database


class _Url(str):
    """A url that pytest, which shows fixtures' values in tracebacks, shows without credentials."""

    def __repr__(self) -> str:
        parts = urlsplit(self)
        return repr(parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl())


@pytest.fixture(scope="session")
def couchdb_url() -> Iterator[str]:
    """The url of the server to test with.

    That is ``COUCHDB_URL`` if it is set, otherwise a `corduroy.testing.Server` in memory that
    lives as long as the test run.
    """
    given = os.environ.get("COUCHDB_URL")
    if given:
        yield _Url(given)
        return
    from corduroy.testing.server import Server

    with Server() as server:
        yield server.url


@pytest.fixture
def couch(couchdb_url: str) -> Couch[Any]:
    """A `corduroy.Couch` on the server, in the default style."""
    from corduroy import Couch

    return Couch(couchdb_url)


@pytest.fixture
def couchdb(couch: Couch[Any], couchdb_url: str) -> Iterator[Database[Any]]:
    """A new and empty `corduroy.Database`, in the default style, gone after the test."""
    from corduroy import Couch, NotFound

    name = f"corduroy-test-{uuid.uuid4().hex}"
    # A loop may be running around the fixture, and it must not be needed here.
    with Couch(couchdb_url, style="blocking") as server:
        server.create(name)
        yield couch.database(name)
        with suppress(NotFound):  # where the test has deleted it itself
            server.delete(name)
