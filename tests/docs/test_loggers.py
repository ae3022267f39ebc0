"""The manual's table of loggers has all that there are, and no others."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_table_has_the_loggers_of_the_code():
    sources = [path.read_text() for path in (ROOT / "corduroy").glob("**/*.py")]
    named = {
        name for text in sources for name in re.findall(r'getLogger\("(corduroy\.\w+)"\)', text)
    }
    page = (ROOT / "docs/guide/observability.md").read_text()
    assert set(re.findall(r"^\| `(corduroy\.\w+)` \|", page, re.MULTILINE)) == named
