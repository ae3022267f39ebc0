"""Starts the canned server in its own process: nginx where it is installed, else our own."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .canned import ANSWERS, CONTENT_TYPE, MISSING, Answer, in_chunks

KINDS = ("auto", "nginx", "asyncio")
ROOT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class CannedServer:
    kind: str
    port: int
    cpu: int | None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def cpus(self, in_turns: bool) -> set[int]:
        """Those for a client: the server's own, or all the others; empty for any."""
        if self.cpu is None:
            return set()
        return {self.cpu} if in_turns else os.sched_getaffinity(0) - {self.cpu}


@contextmanager
def canned_server(kind: str = "auto", more: Sequence[Answer] = ()) -> Iterator[CannedServer]:
    """With `more` answers than those that every benchmark is made with."""
    if kind == "auto":
        kind = "nginx" if _nginx() else "asyncio"
    start = nginx_server(more) if kind == "nginx" else asyncio_server(large=bool(more))
    with start as (process, port):
        yield CannedServer(kind, port, _pin(process.pid))


def _pin(pid: int) -> int | None:
    """Gives a process a CPU to stay on, where there are several and the system lets us choose."""
    if not hasattr(os, "sched_setaffinity") or len(os.sched_getaffinity(0)) < 2:
        return None
    cpu = max(os.sched_getaffinity(0))
    os.sched_setaffinity(pid, {cpu})
    return cpu


Started = tuple[subprocess.Popen[Any], int]
"""A server's process and its port."""


@contextmanager
def asyncio_server(module: str = "asyncio_server", large: bool = False) -> Iterator[Started]:
    command = [sys.executable, "-m", f"benchmarks.{module}", *(["large"] if large else [])]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            port = process.stdout.readline()
            if not port:
                raise RuntimeError("the asyncio server did not start")
            yield process, int(port)
        finally:
            process.terminate()


@contextmanager
def nginx_server(more: Sequence[Answer] = ()) -> Iterator[Started]:
    program = _nginx()
    if program is None:
        raise RuntimeError("nginx is not installed; use --server asyncio")
    with tempfile.TemporaryDirectory(prefix="corduroy-bench-") as name:
        folder, port = Path(name), _free_port()
        config, log = folder / "nginx.conf", folder / "error.log"
        config.write_text(nginx_config(folder, port, [*ANSWERS, *more]))
        command = [program, "-p", name, "-c", str(config)]
        with log.open("wb") as stderr, subprocess.Popen(command, stderr=stderr) as process:
            try:
                _wait_for(process, port, log)
                yield process, port
            finally:
                process.terminate()


def nginx_config(folder: Path, port: int, answers: Sequence[Answer]) -> str:
    """One process in the foreground, which writes nowhere but into `folder`.

    It calls itself nginx in the Server header: that can only be changed with a further module.
    """
    temporary = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    locations = "".join(_location(folder, number, each) for number, each in enumerate(answers))
    return (
        "daemon off;\nmaster_process off;\n"
        f"pid {folder}/nginx.pid;\nerror_log stderr;\n"
        "events { worker_connections 1024; }\n"
        "http {\n"
        + "".join(f"  {each}_temp_path {folder}/{each};\n" for each in temporary)
        + "  access_log off;\n  server_tokens off;\n  etag off;\n  if_modified_since off;\n"
        "  keepalive_requests 2000000000;\n  keepalive_timeout 1h;\n"
        f"  default_type {CONTENT_TYPE};\n"
        "  server {\n"
        f"    listen 127.0.0.1:{port};\n{locations}"
        f"    location / {{ return 404 {_quoted(MISSING)}; }}\n"
        "  }\n}\n"
    )


def _location(folder: Path, number: int, answer: Answer) -> str:
    return (
        f"    location = {answer.path} {{\n"
        + "".join(f"      add_header {name} '{value}';\n" for name, value in answer.headers.items())
        + (_file(folder / f"body-{number}", answer) if answer.chunked else _text(answer))
        + "    }\n"
    )


def _text(answer: Answer) -> str:
    return f"      return 200 {_quoted(b''.join(answer.body()))};\n"


def _file(body: Path, answer: Answer) -> str:
    """A file is not for POST: error_page turns that into GET."""
    with body.open("wb") as file:
        file.writelines(in_chunks(answer.body()) if answer.as_couchdb else answer.body())
    # ssi is there for one thing: with it, nginx does not know the length and sends chunks, of 32 KiB.
    # For CouchDB's own, the file has them in it, and nginx makes none; it then closes the connection.
    framed = "chunked_transfer_encoding off; add_header Transfer-Encoding chunked;"
    return (
        f"      alias {body}; ssi on; ssi_types {CONTENT_TYPE};\n"
        f"      {framed if answer.as_couchdb else ''}\n"
        f"      error_page 405 =200 {answer.path};\n"
    )


def _quoted(text: bytes) -> str:
    """A string of nginx's. It has no way to write a dollar sign."""
    assert b"$" not in text
    return "'" + text.decode().replace("\\", "\\\\").replace("'", "\\'") + "'"


def _nginx() -> str | None:
    # Debian keeps it where only root's PATH leads.
    return shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin:/usr/local/sbin")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + 10
    while process.poll() is None and time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return
    raise RuntimeError(f"nginx did not start (--server asyncio does without):\n{log.read_text()}")
