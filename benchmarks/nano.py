"""nano, CouchDB's own client for Node: installed into build/, run by ``nano.mjs``."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

VERSION = "11.0.7"
HERE = Path(__file__).resolve().parent
FOLDER = HERE.parent / "build" / "nano"
SCRIPT = HERE / "nano.mjs"


def lacks() -> str | None:
    """What nano lacks to run here, after an attempt to install it."""
    from corduroy.testing.node import ServerFailed, find_node

    try:
        node = find_node()
    except ServerFailed:
        return "there is no Node with npm"
    if installed() == VERSION:
        return None
    FOLDER.mkdir(parents=True, exist_ok=True)
    flags = ["--no-save", "--no-audit", "--no-fund", "--engine-strict", "--fetch-retries=0"]
    install = [*node.npm, "install", *flags, "--prefix", str(FOLDER), f"nano@{VERSION}"]
    done = subprocess.run(install, capture_output=True, text=True, check=False)
    why = done.stderr.partition("\n")[0]
    return f"npm could not install it: {why}" if done.returncode else None


def installed() -> str | None:
    try:
        text = (FOLDER / "node_modules/nano/package.json").read_text()
    except OSError:
        return None
    version: str = json.loads(text)["version"]
    return version


def versions() -> dict[str, str]:
    """For the report, where it has been installed."""
    found = installed()
    return {"nano": found} if found else {}


def run(url: str, database: str, changes: int, box: float) -> dict[str, float]:
    """What Node found out about itself, as JSON in its last line."""
    from corduroy.testing.node import find_node

    arguments = [str(FOLDER), url, database, str(changes), str(box)]
    command = [find_node().program, str(SCRIPT), *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found
