"""What the tests of the examples share."""

from __future__ import annotations

import uuid

import pytest
from tornado.testing import bind_unused_port


@pytest.fixture
def unused_url():
    """The url of a server that is not there."""
    socket, port = bind_unused_port()
    socket.close()
    return f"http://127.0.0.1:{port}"


@pytest.fixture
def db(couch):
    """A fresh database of one shard, whose changes come in the order of their writing."""
    blocking, name = couch.with_style("blocking"), f"test-{uuid.uuid4().hex}"
    blocking.create(name, q=1)
    yield couch.database(name)
    blocking.delete(name)
