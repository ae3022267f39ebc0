"""The embedded server: one PouchDB Server process, and its life and death."""

import http.client
import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from corduroy.testing.node import HERE, ServerFailed, find_node, node_modules

PAUSE = 0.01  # seconds between two looks at a server that starts
PATIENCE = 5.0  # seconds that a server gets to end by itself
TAIL = 30  # lines of the log in an exception

# An unknown _changes filter rejects a promise that nobody watches, which must not end the server;
# and its packages use what newer Nodes deprecate.
NODE_OPTIONS = ["--unhandled-rejections=warn", "--no-deprecation"]

_LISTENING = re.compile(r"^listening on port (\d+)$", re.MULTILINE)


class _PortTaken(ServerFailed):
    """Another process listens on the port."""


class Server:
    """A CouchDB-compatible server (PouchDB Server) on a loopback port, on POSIX systems.

    It ends with the process that has started it, however that one ends. Its ``_config`` and
    ``_log`` are there as in CouchDB 1.x, and everyone is an admin.

    Args:
        path: the folder to keep databases, configuration and log in, which is made if needed
            and survives; None keeps everything in memory, until the server stops.
        port: the port to listen on; 0 takes a free one at the first start and keeps it.
        timeout: seconds that a start may take. Installing PouchDB Server, which happens once on
            a machine, is not counted.
    """

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, port: int = 0, timeout: float = 60.0
    ) -> None:
        self._path = Path(path).absolute() if path is not None else None
        self._port = port
        self._timeout = timeout
        self._process: subprocess.Popen[bytes] | None = None
        self._owner = 0  # the process whose child the server is
        self._folder: Path | None = None  # the server's, while it runs
        self._output: IO[bytes] | None = None  # what this process prints
        self._past_log = ""  # what those before it have printed
        self._bound = False  # the port has been this server's before

    def __repr__(self) -> str:
        where = "in memory" if self._path is None else f"in {self._path}"
        state = "running" if self.running else "stopped"
        return f"<Server on port {self._port} {where}, {state}>"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    @property
    def url(self) -> str:
        """The server's address, such as ``http://127.0.0.1:41234``.

        Raises:
            RuntimeError: the server has not been started yet and its port is to be a free one.
        """
        if not self._port:
            raise RuntimeError("the server has no port before it is started")
        return f"http://127.0.0.1:{self._port}"

    @property
    def running(self) -> bool:
        """Whether the server's process is alive."""
        return self._process is not None and self._process.poll() is None

    @property
    def log(self) -> str:
        """What the server has printed since its first start; requests are in its ``/_log``."""
        return self._past_log + self._printed()

    def start(self) -> None:
        """Starts the server and returns when it answers; nothing to do for one that runs.

        Raises:
            ServerFailed: there is no Node, or PouchDB Server cannot be installed, or it does not
                answer in time; then the message holds the end of its log.
        """
        if self.running:
            return
        self._end(signal.SIGKILL)
        node = find_node()
        modules = node_modules(node)
        deadline = time.monotonic() + self._timeout
        while True:
            try:
                self._spawn(node.program, modules)
                self._wait_for_answer(deadline)
                return
            except BaseException as error:
                self._end(signal.SIGKILL)
                # Whoever has our port now may have it only for an outgoing connection.
                taken = isinstance(error, _PortTaken) and self._bound
                if not taken or time.monotonic() > deadline:
                    raise
            time.sleep(10 * PAUSE)

    def stop(self) -> None:
        """Ends the server: requests under way get half a second, then it is killed."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends the server at once, with SIGKILL."""
        self._end(signal.SIGKILL)

    def restart(self) -> None:
        """Stops the server if it runs, and starts it again on the same port.

        What is on disk is there again; what was in memory is lost.

        Raises:
            ServerFailed: as `start` does, also when another process keeps the port.
        """
        self.stop()
        self.start()

    def _spawn(self, program: str, modules: Path) -> None:
        self._owner = os.getpid()
        try:
            self._folder = self._path or Path(tempfile.mkdtemp(prefix="corduroy-"))
            self._folder.mkdir(parents=True, exist_ok=True)
            # A file, not a pipe: nobody has to read it for the server to go on.
            self._output = tempfile.TemporaryFile()  # noqa: SIM115
            self._process = subprocess.Popen(
                [program, *NODE_OPTIONS, str(HERE / "server.js"), self._options()],
                cwd=self._folder,
                env={**os.environ, "NODE_PATH": str(modules)},
                stdin=subprocess.DEVNULL,
                stdout=self._output,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise ServerFailed(f"PouchDB Server cannot be run: {error}") from error

    def _options(self) -> str:
        return json.dumps(
            {
                "port": self._port,
                "folder": str(self._folder),
                "memory": self._path is None,
                "parent": self._owner,
            }
        )

    def _wait_for_answer(self, deadline: float) -> None:
        while time.monotonic() < deadline:
            listening = _LISTENING.search(self._printed())
            if listening and _answers(int(listening[1])):
                self._port = int(listening[1])
                self._bound = True
                return
            if not self.running:
                taken = "EADDRINUSE" in self._printed()
                raise self._failure(
                    "has ended instead of answering", _PortTaken if taken else ServerFailed
                )
            time.sleep(PAUSE)
        raise self._failure(f"has not answered within {self._timeout:g} s")

    def _failure(self, what: str, kind: type[ServerFailed] = ServerFailed) -> ServerFailed:
        tail = "\n".join(self._printed().splitlines()[-TAIL:])
        return kind(f"PouchDB Server {what}\n{tail}")

    def _printed(self) -> str:
        if self._output is None:
            return ""
        # The server shares the file's offset, so it must stay where it is.
        size = os.fstat(self._output.fileno()).st_size
        return os.pread(self._output.fileno(), size, 0).decode(errors="replace")

    def _end(self, how: signal.Signals) -> None:
        # A forked child inherits this object, but the server is not its to end.
        if self._owner != os.getpid():
            return
        if self._process is not None:
            self._process.send_signal(how)
            try:
                self._process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._process = None
        if self._output is not None:
            self._past_log = self.log
            self._output.close()
            self._output = None
        if self._path is None and self._folder is not None:
            shutil.rmtree(self._folder, ignore_errors=True)


def _answers(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=1)
    try:
        connection.request("GET", "/")
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
