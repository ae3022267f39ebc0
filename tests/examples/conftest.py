"""What the tests of the examples share."""

from __future__ import annotations

import pytest
from tornado.testing import bind_unused_port


@pytest.fixture
def unused_url():
    """The url of a server that is not there."""
    socket, port = bind_unused_port()
    socket.close()
    return f"http://127.0.0.1:{port}"
