"""What the guide and the README show is what happens.

A page's ``python`` blocks run in order, in one namespace: with a running event loop those that await,
without one the others. The database that they call "music" has a name of its own in each run.
"""

from __future__ import annotations

import re
import uuid
from pathlib import Path

import pytest

from corduroy import Couch

ROOT = Path(__file__).parents[2]
PAGES = [
    page
    for page in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
    if "```python\n" in page.read_text()
]


@pytest.fixture
def music(couchdb_url, monkeypatch):
    """A name for the samples' database; what a page has created of it is gone afterwards."""
    monkeypatch.setenv("COUCHDB_URL", couchdb_url)
    name = f"music-{uuid.uuid4().hex}"
    yield name
    with Couch(style="blocking") as server:
        for left in server.all_dbs(startkey=name, endkey=name + "~"):
            server.delete(left)


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_the_samples_of_a_page_do_what_it_says(
    path, music, open_page, classic, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    page = open_page(str(path.relative_to(ROOT)), re.sub(r"\bmusic\b", music, path.read_text()))
    for sample in page.samples:
        if not (classic and sample.only_couchdb):
            page.run(sample)
    page.finish()
