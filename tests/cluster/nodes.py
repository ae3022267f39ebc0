"""Three fresh nodes of CouchDB: for tests that do to a server what nobody may do to another's."""

from __future__ import annotations

import os
import shutil
import subprocess
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from corduroy import Couch

USER, PASSWORD = "admin", "relax"
PORTS = (45981, 45982, 45983)  # fixed, as they are part of what is recorded
PATIENCE = 60.0  # seconds for a node to start

# Logs go to standard error, as CouchDB's do.
_INI = """\
[couchdb]
database_dir = {folder}/data
view_index_dir = {folder}/data

[chttpd]
port = {port}

[admins]
{user} = {password}

[log]
level = error
"""


class Nodes:
    """Three nodes that are no cluster yet, ``fresh1@127.0.0.1`` and so on. They are up within
    ``with``.

    Args:
        release (Path): a release of CouchDB, which stays as it is.
        folder (Path): an empty one, for theirs.
        ports (three int): where they listen.

    Attributes:
        url (str): the first one's, with its administrator's credentials.
    """

    def __init__(self, release: Path, folder: Path, ports: tuple[int, int, int] = PORTS) -> None:
        self.ports = ports
        self.url = f"http://{USER}:{PASSWORD}@127.0.0.1:{ports[0]}"
        self._release = release
        self._folder = folder
        self._processes: list[subprocess.Popen[bytes]] = []

    def __enter__(self) -> Self:
        try:
            for number, port in enumerate(self.ports, 1):
                self._start(number, port)
            for port in self.ports:
                wait_for_node(port)
        except BaseException:
            self._stop()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._stop()

    def write_ini(self, text: str) -> None:
        """Add to the first node's configuration by hand."""
        with self._ini(1).open("a") as ini:
            ini.write(text)

    def _ini(self, number: int) -> Path:
        return self._folder / f"fresh{number}" / "etc" / "local.d" / "own.ini"

    def _start(self, number: int, port: int) -> None:
        folder = self._folder / f"fresh{number}"
        for part in self._release.iterdir():
            if part.name in ("bin", "etc"):
                shutil.copytree(part, folder / part.name, symlinks=True)
            elif part.name not in ("data", "var"):
                (folder / part.name).symlink_to(part)
        args = folder / "etc" / "vm.args"
        lines = [line for line in args.read_text().splitlines() if not line.startswith("-name")]
        args.write_text("\n".join([*lines, f"-name fresh{number}@127.0.0.1", ""]))
        for left in self._ini(number).parent.glob("*.ini"):
            left.unlink()
        self._ini(number).write_text(
            _INI.format(folder=folder, port=port, user=USER, password=PASSWORD)
        )
        with (folder / "log").open("wb") as log:
            self._processes.append(
                subprocess.Popen(
                    [folder / "bin" / "couchdb"],
                    env={**os.environ, "HOME": str(folder)},  # where Erlang keeps its cookie
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=log,
                )
            )

    def _stop(self) -> None:
        for process in self._processes:
            process.kill()
        for process in self._processes:
            process.wait()


def wait_for_node(port: int) -> None:
    """Wait until a node answers.

    Raises:
        TimeoutError: it does not.
    """
    deadline = time.monotonic() + PATIENCE
    with Couch(f"http://{USER}:{PASSWORD}@127.0.0.1:{port}", style="blocking") as couch:
        while not couch.up():
            if time.monotonic() > deadline:
                raise TimeoutError(f"the node on port {port} has not started")
            time.sleep(0.1)


def other(number: int, password: str, ports: tuple[int, int, int] = PORTS) -> dict[str, Any]:
    """The arguments of `enable_cluster` that say which of the other nodes is meant."""
    return {
        "remote_node": "127.0.0.1",
        "port": ports[number - 1],
        "remote_current_user": USER,
        "remote_current_password": password,
    }


def join(couch: Couch[Any], password: str, ports: tuple[int, int, int] = PORTS) -> None:
    """Make a cluster of the three nodes.

    Args:
        couch (Couch): the first one, in blocking style.
        password (str): the administrator's, on all nodes.
        ports (three int): where they listen.
    """
    couch.config("chttpd_auth/secret", "not-so-secret")
    couch.enable_cluster(USER, password)
    for number in (2, 3):
        couch.enable_cluster(USER, password, **other(number, password, ports))
        couch.add_node("127.0.0.1", USER, password, port=ports[number - 1], name=f"fresh{number}")
    couch.finish_cluster()
