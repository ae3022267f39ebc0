"""What the guide, the README and docstrings show is what happens.

A page's ``python`` blocks run in order, in one namespace: with a running event loop those that await,
without one the others. The database that they call "music" has a name of its own in each run.

Those that the embedded server cannot run are replayed, together with what they build on, as those of
tests/replay are. Full-text search needs servers of its own: ``documented.json`` has what is asked, and
answers as CouchDB's manual has them. Those for three new nodes are run by tests/cluster.
"""

from __future__ import annotations

import json
import re
import uuid
from contextlib import closing
from pathlib import Path

import pytest

from corduroy import Couch
from tests.docs.pages import (
    ANYWHERE,
    COUCHDB,
    NODES,
    SEARCHING,
    SHARED,
    other_blocks,
    page_of_docstrings,
    samples,
)
from tests.replay.replayer import Replayer

ROOT = Path(__file__).parents[2]
TEXTS = {
    str(path.relative_to(ROOT)): path.read_text()
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md")))
} | {
    str(path.relative_to(ROOT)): page_of_docstrings(path.read_text())
    for path in sorted((ROOT / "corduroy").glob("**/*.py"))
}
# What is shown and not run, by the command that it begins with, and why.
NOT_RUN = {
    ("README.md", "pip install corduroy"): "installs packages; make test is what runs this",
    ("docs/guide/benchmarks.md", "make bench"): "measures for many minutes",
    ("docs/guide/getting-started.md", "make demo"): "make test runs this, and what make demo shows",
    ("docs/guide/getting-started.md", "pip install corduroy"): "installs packages",
    ("docs/guide/getting-started.md", "export COUCHDB_URL=http://admin:secret@127.0.0.1:5984"): (
        "names somebody's server"
    ),
    ("docs/reliability.md", "make reliability"): "runs the proofs; make test runs them, too",
    ("docs/guide/testing.md", "python -m corduroy.testing"): (
        "waits for Ctrl-C; tests/testing/test_command.py runs it in each form"
    ),
}


def pages(*places):
    """The pages that have samples for these places."""
    return [
        page for page, text in TEXTS.items() if any(each.place in places for each in samples(text))
    ]


def delete_databases(server, name):
    """Delete what a page has made of its database, the copies among them."""
    for left in server.all_dbs(startkey=name, endkey=name + "~"):
        server.delete(left)


@pytest.fixture
def open_as(open_page, tmp_path, monkeypatch):
    """``open_as(page, name)``: the page, whose database has this name."""
    monkeypatch.chdir(tmp_path)
    return lambda page, name: open_page(page, re.sub(r"\bmusic\b", name, TEXTS[page]))


@pytest.fixture
def music(couchdb_url, monkeypatch):
    """The database's name on the server of the run."""
    monkeypatch.setenv("COUCHDB_URL", couchdb_url)
    name = f"music-{uuid.uuid4().hex}"
    yield name
    with Couch(style="blocking") as server:
        delete_databases(server, name)


@pytest.fixture
def music3(ground3, fresh3, offstage, monkeypatch):
    """The database's name on a CouchDB 3."""
    monkeypatch.setenv("COUCHDB_URL", ground3.url)
    name = fresh3("music")
    yield name
    offstage(lambda server: delete_databases(server, name))


@pytest.mark.parametrize("page", pages(ANYWHERE, SHARED))
def test_the_samples_of_a_page_do_what_it_says(page, music, open_as, classic):
    open_as(page, music).run(ANYWHERE, SHARED, *([] if classic else [COUCHDB]))


@pytest.mark.parametrize("page", pages(COUCHDB))
def test_those_for_couchdb_do_so_on_a_couchdb_3(page, music3, open_as):
    open_as(page, music3).run(SHARED, COUCHDB)


@pytest.mark.parametrize("page", pages(SEARCHING))
def test_those_for_search_do_so_where_there_is_one(page, open_as, monkeypatch):
    documented = json.loads(Path(__file__).with_name("documented.json").read_text())
    with closing(Replayer(documented[page], "admin")) as server:
        monkeypatch.setenv("COUCHDB_URL", server.url)
        open_as(page, "music").run(SHARED, SEARCHING)
        assert (server.difference, server.missing()) == (None, None)


def test_no_sample_is_left_that_is_not_run():
    left = {
        (page, block.partition("\n")[0].partition("  #")[0].strip())
        for page, text in TEXTS.items()
        if page != "docs/guide/command-line.md"  # which tests/command/test_guide.py runs
        for block in other_blocks(text)
    }
    assert left == NOT_RUN.keys()
    assert pages(NODES) == ["docs/guide/clusters.md"]  # which tests/cluster/test_guide.py runs
