"""What the tests of the proxy share: both ends of what it stands between."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest

from tests.faults.hostile import Ordeal, once
from tests.faults.proxy import FaultProxy
from tests.faults.scripted import End, Script, Upstream


@pytest.fixture
def serve() -> Iterator[Callable[[Script], Upstream]]:
    """``serve(script)``: a server."""
    with contextlib.ExitStack() as stack:

        def start(script: Script) -> Upstream:
            upstream = Upstream(script)
            stack.callback(upstream.close)
            return upstream

        yield start


@pytest.fixture
def stand(serve: Callable[[Script], Upstream]) -> Iterator[Callable[[Script], FaultProxy]]:
    """``stand(script)``: a proxy in front of a server."""
    with contextlib.ExitStack() as stack:
        yield lambda script: stack.enter_context(FaultProxy(serve(script).url))


@pytest.fixture
def connect() -> Iterator[Callable[[FaultProxy], End]]:
    """``connect(proxy)``: a client's connection."""
    with contextlib.ExitStack() as stack:

        def start(proxy: FaultProxy) -> End:
            address = "127.0.0.1", urlsplit(proxy.url).port
            return End(stack.enter_context(socket.create_connection(address)))

        yield start


@pytest.fixture
def ordeal(serve: Callable[[Script], Upstream]) -> Callable[..., Ordeal]:
    """``ordeal(script, **options)``: a Couch whose server does so once, and then does right."""
    return lambda script, **options: Ordeal(serve(once(script)), **options)
