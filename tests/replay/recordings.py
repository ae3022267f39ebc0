"""The files of recordings: one for each file of tests, ``recorded/api/test_x.json``."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.replay.exchanges import in_lines

# Parameters that change how a test asks, and not what it asks.
STYLES = ("call", "follow", "refused")


class Recording:
    """What is recorded of one test, whatever style it runs in.

    Args:
        folder (Path): where the recordings are.
        item (pytest.Item): the test.

    Attributes:
        path (Path): its file.
        name (str): its name there.
    """

    def __init__(self, folder: Path, item: pytest.Item) -> None:
        file = item.nodeid.partition("::")[0].removeprefix("tests/")
        self.path = (folder / file).with_suffix(".json")
        self.name = _name_without_style(item)

    def read(self) -> tuple[str, list[dict[str, Any]]] | None:
        """The administrator's name, and the exchanges; None if there is no recording."""
        file = self._file()
        found = file["tests"].get(self.name)
        return None if found is None else (file["user"], found)

    def write(self, couchdb: str, user: str, exchanges: list[dict[str, Any]]) -> None:
        """Put it in the place of the former one.

        Args:
            couchdb (str): the server's version.
            user (str): the administrator's name.
            exchanges (list of dict): the recording.
        """
        tests = {**self._file()["tests"], self.name: exchanges}
        file = {"couchdb": couchdb, "user": user, "tests": dict(sorted(tests.items()))}
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(in_lines(file) + "\n")

    def _file(self) -> dict[str, Any]:
        if not self.path.exists():
            return {"tests": {}}
        return dict(json.loads(self.path.read_text()))


def _name_without_style(item: pytest.Item) -> str:
    spec = getattr(item, "callspec", None)
    if spec is None:
        return item.name
    parts = spec.id
    for style in STYLES:
        if style in spec.params:
            parts = re.sub(rf"(^|-){re.escape(spec.params[style])}(?=-|$)", "", parts, count=1)
    name = item.name.removesuffix(f"[{spec.id}]")
    parts = parts.removeprefix("-")
    return f"{name}[{parts}]" if parts else name
