"""The example scripts, run as a reader runs them: as programs, against the server of this run."""

from __future__ import annotations

import os
import pty
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TOUR = [
    ('>>> len(db), "giant-steps" in db', "(5, True)"),
    ('...     print(error.code, error.error, "-", error.reason)', "404 not_found - missing"),
    ('>>> db.get(["giant-steps", "bitches-brew"])', "[<Document giant-steps[1] {"),
    (
        '...     print(repr(conflict), "-", conflict.reason)',
        "<Conflict: kind-of-blue> - Document update",
    ),
    (">>> db.save(yours, merge=both)", "<Success: 1 doc updated>"),
    (">>> yours.tags", "['classic', 'jazz', 'modal']"),
    ('>>> [row.id for row in db.view("records/by_year", key=1960)]', "['giant-steps', 'sketches-"),
    (
        '>>> [row.id for row in db.view("records/by_year", keys=[1965, 1959])]',
        "['a-love-supreme', ",
    ),
    ("...     print(row.key[0], row.value)", "Charles Mingus 1"),
    ('>>> db.get_attachment(record, "notes.txt")', "b'Recorded in May 1959.'"),
    (">>> asyncio.run(artists())", "['Miles Davis', 'Charles Mingus']"),
    (">>> asyncio.run(call_back())", "<200/Success> Miles Davis"),
    ('>>> "giant-steps-mono" in db', "False"),
    (">>> couch.exists(name)", "False"),
]


def command(script, *arguments):
    return [sys.executable, "-W", "error", str(ROOT / "examples" / script), *arguments]


@pytest.fixture
def environment(couchdb_url):
    """What the scripts find in the environment: the server, and this corduroy."""
    path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))
    return {**os.environ, "COUCHDB_URL": couchdb_url, "PYTHONPATH": path}


@pytest.fixture
def run(environment):
    """Runs a script to its end: ``run("quickstart.py")``."""

    def run(script, *arguments, **variables):
        return subprocess.run(
            command(script, *arguments),
            env={**environment, **variables},
            capture_output=True,
            text=True,
            timeout=120,
        )

    return run


@pytest.fixture
def gone(couch):
    """Checks that the database that a script has told of is there no more."""

    def gone(output):
        (name,) = set(re.findall(r"\b(?:quickstart|callbacks|batch)-[0-9a-f]{6}\b", output))
        return not couch.exists(name)

    return gone


# -- quickstart -----------------------------------------------------------------------------------


def test_the_quickstart_shows_each_line_and_then_what_it_gave(run, gone):
    done = run("quickstart.py")
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    for typed, result in TOUR:
        assert lines[lines.index(typed) + 1].startswith(result)
    assert gone(done.stdout)


def test_the_quickstart_is_plain_text_where_no_terminal_reads_it(run):
    assert "\033" not in run("quickstart.py").stdout


@pytest.mark.parametrize(("no_color", "coloured"), [({}, True), ({"NO_COLOR": "1"}, False)])
def test_the_quickstart_has_colours_on_a_terminal_that_wants_them(environment, no_color, coloured):
    environment.pop("NO_COLOR", None)
    master, slave = pty.openpty()
    script = subprocess.Popen(
        command("quickstart.py"), env={**environment, **no_color}, stdout=slave
    )
    os.close(slave)
    shown = b""
    with os.fdopen(master, "rb", buffering=0) as terminal:
        try:
            while piece := terminal.read(4096):
                shown += piece
        except OSError:
            pass  # how Linux says that nobody writes any more
    assert script.wait() == 0
    assert b"giant-steps" in shown
    assert (b"\033[" in shown) is coloured


def test_the_quickstart_deletes_its_database_when_it_fails_midway(environment, tmp_path, gone):
    full_disk = (
        "import os, resource, sys;"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (2000, 2000));"
        "os.execv(sys.argv[1], sys.argv[1:])"
    )
    with (tmp_path / "output").open("wb") as output:
        failed = subprocess.run(
            [sys.executable, "-c", full_disk, *command("quickstart.py")],
            env=environment,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            timeout=60,
        )
    shown = (tmp_path / "output").read_text()
    assert failed.returncode != 0
    assert "File too large" in failed.stderr
    assert "The end" not in shown
    assert gone(shown)


def test_the_quickstart_says_how_to_get_a_server_where_none_answers(run, unused_url):
    done = run("quickstart.py", COUCHDB_URL=unused_url)
    assert done.returncode == 1
    assert "No server answers" in done.stderr
    assert "python -m corduroy.testing -- python examples/quickstart.py" in done.stderr
    assert "Traceback" not in done.stderr


# -- callbacks ------------------------------------------------------------------------------------


def test_the_callbacks_script_tells_its_story_and_ends_by_itself(run, gone):
    done = run("callbacks.py")
    assert (done.returncode, done.stderr) == (0, "")
    created, *told, deleted = done.stdout.splitlines()
    assert created.startswith("created callbacks-")
    assert told == [
        "saved blackbird, cuckoo, nightingale, _design/birds",
        "heard in april 2",
        "heard in june 1",
        "heard in may 3",
        "dodo <404/NotFound | not_found, missing> missing",
    ]
    assert deleted.startswith("deleted callbacks-")
    assert gone(done.stdout)


def test_the_callbacks_script_ends_with_the_error_where_no_server_answers(run, unused_url):
    done = run("callbacks.py", COUCHDB_URL=unused_url)
    assert done.returncode == 1
    assert "corduroy.errors.ConnectionFailed" in done.stderr


# -- batch ----------------------------------------------------------------------------------------


def test_the_batch_script_changes_every_document_and_reports_the_conflicts(run, gone):
    done = run("batch.py", "--count", "1500")
    assert done.returncode == 0, done.stderr
    _, start, still_open, paid, *conflicts, end = done.stdout.splitlines()
    worth = start.removeprefix("open: 1,500 orders worth ")
    assert worth != start
    assert still_open.startswith("open: 2 orders worth ")
    assert paid.startswith("paid: 1,498 orders worth ")
    assert conflicts == [
        f"conflict: order-{number:06} has been changed, its wrap is 'gift' now"
        for number in (500, 1250)
    ]
    assert end == f"paid: 1,500 orders worth {worth}"
    assert gone(done.stdout)


def test_the_batch_script_shows_its_progress_and_no_warnings(run):
    done = run("batch.py", "--count", "300")
    for bar in ("saving: 100%", "paying: 100%"):
        assert bar in done.stderr
    assert "300/300" in done.stderr
    assert "Warning" not in done.stderr


def test_the_batch_script_says_what_to_install_where_tqdm_is_missing(run, environment, tmp_path):
    (tmp_path / "tqdm.py").write_text("raise ImportError('as if it were not there')")
    path = f"{tmp_path}{os.pathsep}{environment['PYTHONPATH']}"
    done = run("batch.py", PYTHONPATH=path)
    assert done.returncode == 1
    assert done.stderr == (
        "batch.py shows its progress with tqdm: pip install 'corduroy[progress]'\n"
    )
