"""What the proofs did, for docs/reliability.md: written where ``CORDUROY_RELIABILITY`` says.

A proof notes its figures; ``-p tests.faults.report`` has pytest add how many tests each module has, and
how long they took.
"""

from __future__ import annotations

import contextlib
import datetime
import functools
import json
import os
import platform
from collections import defaultdict
from collections.abc import Iterator
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest

from corduroy import Couch
from tests.faults.scale import SCALE

_told = os.environ.get("CORDUROY_RELIABILITY")
_PATH = Path(_told) if _told else None
_modules: defaultdict[str, dict[str, Any]] = defaultdict(
    lambda: {"passed": 0, "failed": 0, "seconds": 0.0}
)


def note(what: str, *, server: str | None = None, **figures: float | str) -> None:
    """Write down what a proof did, if somebody wants to know.

    Args:
        what (str): which of the module's proofs it is, in a few words.
        server (str | None): what it was done to; None: the server of this run.
        **figures: how many of what, ``lost=0`` say; ``seconds`` and ``seed`` come last.
    """
    if _PATH is not None:
        module = os.environ["PYTEST_CURRENT_TEST"].partition("::")[0]
        with _proofs(_PATH, server or of_this_run()) as proofs:
            proofs.setdefault(module, {}).setdefault("figures", {})[what] = figures


@functools.cache
def of_this_run() -> str:
    """The server of this run: ``"CouchDB 3.5.0"``, or the embedded PouchDB Server."""
    url = os.environ.get("COUCHDB_URL")
    if not url:
        package = json.loads(
            resources.files("corduroy.testing").joinpath("package.json").read_text()
        )
        return f"PouchDB Server {package['dependencies']['express-pouchdb']}"
    with Couch(url, style="blocking") as couch:
        return f"CouchDB {couch.info()['version']}"


@contextlib.contextmanager
def _proofs(path: Path, server: str) -> Iterator[dict[str, Any]]:
    """What is known of the proofs on a server; it is written down afterwards."""
    known = json.loads(path.read_text()) if path.exists() else {}
    of_server = known.setdefault(server, {"proofs": {}})
    yield of_server["proofs"]
    of_server["made"] = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "scale": SCALE,
        "corduroy": version("corduroy"),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cpus": os.cpu_count(),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(known, indent=1) + "\n")


# -- what pytest calls -----------------------------------------------------------------------------


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    module = _modules[report.nodeid.partition("::")[0]]
    module["seconds"] += report.duration
    module["passed"] += report.passed and report.when == "call"
    module["failed"] += report.failed


def pytest_sessionfinish() -> None:
    if _PATH is not None:
        with _proofs(_PATH, of_this_run()) as proofs:
            for name, did in _modules.items():
                proofs.setdefault(name, {}).update(did)
