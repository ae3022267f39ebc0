"""``python -m corduroy.testing``, with and without a command."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request

import pytest

TESTING = [sys.executable, "-m", "corduroy.testing"]
PYTHON = [sys.executable, "-c"]


@pytest.fixture(autouse=True)
def no_server_given(monkeypatch):
    monkeypatch.delenv("COUCHDB_URL", raising=False)


def run(*arguments, **environment):
    return subprocess.run(
        [*TESTING, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )


def answers(url):
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["express-pouchdb"] == "Welcome!"
    except OSError:
        return False


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_keeps_a_server_until_it_is_told_to_end(tmp_path, end):
    command = [*TESTING, "--path", tmp_path / "data"]
    # A terminal's Ctrl-C goes to the whole group, so to the server as well.
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, process_group=0
    ) as process:
        url = process.stdout.readline().strip()
        assert answers(url)
        os.killpg(process.pid, end)
        rest, complaints = process.communicate()
    assert (process.returncode, rest, complaints) == (0, "", "")
    assert not answers(url)
    assert (tmp_path / "data" / "databases").is_dir()


def test_runs_a_command_with_a_server_and_ends_with_its_status():
    program = (
        "import os, sys, urllib.request as r;"
        "print(sys.argv[1:], r.urlopen(os.environ['COUCHDB_URL']).status); sys.exit(7)"
    )
    done = run("--", *PYTHON, program, "--", "--path")
    assert (done.returncode, done.stdout) == (7, "['--', '--path'] 200\n")


def test_runs_a_command_with_the_server_that_is_given():
    url = "http://user:secret@127.0.0.1:1/"
    done = run("--", *PYTHON, "import os; print(os.environ['COUCHDB_URL'])", COUCHDB_URL=url)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"{url}\n", "")


def test_a_command_that_dies_of_a_signal():
    kill = "import os; os.kill(os.getpid(), 9)"
    assert run("--", *PYTHON, kill, COUCHDB_URL="http://given").returncode == 128 + 9


def test_a_command_that_is_not_there():
    done = run("--", "no-such-command", COUCHDB_URL="http://given")
    assert done.returncode == 127
    assert done.stderr == "no-such-command: No such file or directory\n"


@pytest.mark.parametrize("end", [signal.SIGTERM, signal.SIGINT])
def test_the_command_decides_what_a_signal_means(end):
    program = (
        "import signal, sys\n"
        "def leave(*_): print('left', flush=True); sys.exit(5)\n"
        "signal.signal(signal.SIGTERM, leave); signal.signal(signal.SIGINT, leave)\n"
        "print('ready', flush=True); signal.pause()"
    )
    with subprocess.Popen(
        [*TESTING, "--", *PYTHON, program],
        stdout=subprocess.PIPE,
        text=True,
        process_group=0,
        env={**os.environ, "COUCHDB_URL": "http://given"},
    ) as process:
        assert process.stdout.readline() == "ready\n"
        if end is signal.SIGINT:
            os.killpg(process.pid, end)
        else:
            process.send_signal(end)
        assert process.stdout.read() == "left\n"
    assert process.returncode == 5


def test_a_server_that_does_not_start():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("--port", str(taken.getsockname()[1]))
    assert (done.returncode, done.stdout) == (1, "")
    assert "EADDRINUSE" in done.stderr
    assert "Traceback" not in done.stderr


def test_help():
    done = run("--help")
    assert done.returncode == 0
    assert "[-- COMMAND ARGS...]" in done.stdout
