"""What the guide's chapter shows is what happens: its commands are run in a shell, one by one."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).parents[2] / "docs/guide/command-line.md"
BLOCK = re.compile(r"^```(python|sh|text)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@pytest.fixture
def name(couch: Any) -> Iterator[str]:
    """What the database is called that the chapter calls "music"."""
    chosen = f"test-{uuid.uuid4().hex}"
    yield chosen
    blocking = couch.with_style("blocking")
    for left in (chosen, f"{chosen}-copy"):
        if blocking.exists(left):
            blocking.delete(left)


def test_the_chapter_shows_what_happens(
    name: str, environment: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COUCHDB_URL", environment["COUCHDB_URL"])
    programs = os.pathsep.join([str(Path(sys.executable).parent), environment["PATH"]])
    namespace: dict[str, Any] = {}
    said, ran = "", 0
    for kind, block in BLOCK.findall(re.sub(r"\bmusic\b", name, PAGE.read_text())):
        if kind == "python":
            exec(block, namespace)
        elif kind == "sh":
            shell = subprocess.run(
                ["sh", "-e", "-c", block],
                env={**environment, "PATH": programs},
                cwd=tmp_path,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                timeout=60,
            )
            said, ran = shell.stdout, ran + 1
            assert shell.returncode == 0, (block, said)
        else:
            claimed = re.escape(block.rstrip()).replace("…", ".*")
            assert re.fullmatch(claimed, said.rstrip()), (block, said)
    assert ran > 5
