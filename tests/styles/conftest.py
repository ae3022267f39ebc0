"""What the tests of the calling styles share: a slow answer, and scripts of their own."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest


class Mute:
    """A server that begins to answer and stops in the midst.

    Attributes:
        url (str): its address.
        asked (threading.Event): set when a request has come.
        gone (threading.Event): set when a client has closed its connection.
    """

    def __init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self.asked = threading.Event()
        self.gone = threading.Event()
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                connection, _ = self._listener.accept()
                threading.Thread(target=self._talk, args=[connection], daemon=True).start()

    def _talk(self, connection: socket.socket) -> None:
        with connection, suppress(OSError):
            while connection.recv(65536):
                # Half of an answer, so that whoever waits for it is in its midst.
                connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\n\r\n" + b'{"ok"')
                self.asked.set()
        self.gone.set()

    def close(self) -> None:
        self._listener.close()


@pytest.fixture
def mute() -> Iterator[Mute]:
    server = Mute()
    yield server
    server.close()


@pytest.fixture
def run_script(couchdb_url: str, tmp_path: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run a program of its own, in which every warning is an error and is seen."""

    def run(source: str, **environment: str) -> subprocess.CompletedProcess[str]:
        script = tmp_path / "script.py"
        script.write_text(source)
        return subprocess.run(
            [sys.executable, "-X", "dev", "-W", "error", str(script)],
            env={**os.environ, "COUCHDB_URL": str.__str__(couchdb_url), **environment},
            capture_output=True,
            text=True,
            timeout=60,
        )

    return run
