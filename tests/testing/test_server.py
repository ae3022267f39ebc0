"""The embedded server: its life, its death, and what it keeps and leaves behind."""

import http.client
import json
import os
import re
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from corduroy.testing import Server, ServerFailed


def request(url, method, path, body=None):
    """One request's status and decoded answer."""
    connection = http.client.HTTPConnection(urlsplit(url).netloc, timeout=10)
    with closing(connection):
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        connection.request(method, path, content, headers)
        answer = connection.getresponse()
        text = answer.read().decode()
        kind = answer.headers.get_content_type()
        return answer.status, json.loads(text) if kind == "application/json" else text


def answers(url):
    try:
        return request(url, "GET", "/")[0] == 200
    except OSError:
        return False


def wait_until(true, seconds=10):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture(scope="module")
def server():
    with Server() as server:
        yield server


def test_answers_as_soon_as_it_is_started(server):
    assert re.fullmatch(r"http://127\.0\.0\.1:\d+", server.url)
    assert server.running
    assert request(server.url, "GET", "/")[1]["express-pouchdb"] == "Welcome!"
    assert request(server.url, "GET", "/_all_dbs") == (200, ["_replicator", "_users"])


def test_starting_a_server_that_runs_changes_nothing(server):
    request(server.url, "PUT", "/started-twice")
    server.start()
    assert request(server.url, "GET", "/started-twice")[0] == 200


def test_is_gone_after_the_block():
    with Server() as server:
        url = server.url
    assert not server.running
    assert not answers(url)
    assert "listening on port" in server.log
    server.stop()


def test_has_no_url_before_it_has_a_port():
    server = Server()
    with pytest.raises(RuntimeError, match="before it is started"):
        _ = server.url
    assert Server(port=5984).url == "http://127.0.0.1:5984"


def test_repr():
    assert repr(Server(port=5984)) == "<Server on port 5984 in memory, stopped>"
    assert repr(Server("/data", port=1)) == "<Server on port 1 in /data, stopped>"


def test_listens_on_loopback_only(server):
    port = urlsplit(server.url).port
    with socket.socket() as probe:
        # Another address of the same machine would be taken by a server on all of them.
        probe.bind(("127.0.0.2", port))


def test_two_servers_know_nothing_of_each_other(server):
    with Server() as other:
        assert other.url != server.url
        assert request(other.url, "PUT", "/only-there")[0] == 201
        assert request(server.url, "GET", "/only-there")[0] == 404


@pytest.mark.parametrize("end", [Server.stop, Server.kill])
def test_on_disk_data_and_configuration_survive(tmp_path, end):
    with Server(tmp_path / "new" / "data") as server:
        url = server.url
        assert request(url, "PUT", "/kept")[0] == 201
        assert request(url, "PUT", "/kept/doc", {"n": 1})[0] == 201
        assert request(url, "PUT", "/_config/mine/key", "value")[0] == 200
        end(server)
        assert not answers(url)
        server.restart()
        assert server.url == url
        assert request(url, "GET", "/kept/doc")[1]["n"] == 1
        assert request(url, "GET", "/_config/mine/key")[1] == "value"
        assert request(url, "PUT", "/kept/other", {})[0] == 201


def test_in_memory_a_restart_keeps_the_port_only():
    with Server() as server:
        url = server.url
        request(url, "PUT", "/lost")
        server.restart()
        assert server.url == url
        assert request(url, "GET", "/lost")[0] == 404
        assert server.log.count("listening on port") == 2


def test_writes_nothing_into_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TMPDIR", str(tmp_path.parent))
    with Server() as server:
        request(server.url, "PUT", "/anything")
        request(server.url, "PUT", "/with%2Fslash")
        request(server.url, "GET", "/with%2Fslash")
        request(server.url, "PUT", "/_config/mine/key", "value")
    assert list(tmp_path.iterdir()) == []


def test_a_relative_path_stays_where_it_was_given(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    server = Server("data")
    monkeypatch.chdir("/")
    with server:
        assert (tmp_path / "data" / "databases").is_dir()


def test_leaves_no_temporary_folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with Server() as server:
        assert len(list(tmp_path.iterdir())) == 1
        server.restart()
        server.kill()
        assert list(tmp_path.iterdir()) == []


def test_a_port_that_is_taken_fails_at_once_and_says_so(server):
    other = Server(port=urlsplit(server.url).port)
    with pytest.raises(ServerFailed, match="EADDRINUSE"):
        other.start()
    assert not other.running
    assert "EADDRINUSE" in other.log


def test_a_restart_waits_for_its_port():
    with Server() as server:
        url = server.url
        server.kill()
        thief = socket.socket()
        thief.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        thief.bind(("127.0.0.1", urlsplit(url).port))
        thief.listen()
        timer = threading.Timer(0.8, thief.close)
        timer.start()
        server.restart()
        timer.join()
        assert server.url == url
        assert answers(url)


def test_a_file_in_the_place_of_the_folder(tmp_path):
    path = tmp_path / "file"
    path.touch()
    with pytest.raises(ServerFailed, match="File exists"):
        Server(path).start()


def test_a_broken_database_shows_the_log(tmp_path):
    (tmp_path / "databases").mkdir()
    (tmp_path / "databases" / "_users").touch()
    with pytest.raises(ServerFailed, match="Not a directory"):
        Server(tmp_path).start()


def test_a_folder_in_use_shows_the_log(tmp_path):
    with Server(tmp_path), pytest.raises(ServerFailed, match="LOCK"):
        Server(tmp_path).start()


def test_a_start_takes_no_longer_than_its_timeout():
    server = Server(timeout=0)
    with pytest.raises(ServerFailed, match="has not answered within 0 s"):
        server.start()
    assert not server.running


def test_stop_lets_a_request_finish_but_no_feed():
    with Server() as server:
        request(server.url, "PUT", "/feed")
        with closing(http.client.HTTPConnection(urlsplit(server.url).netloc, timeout=10)) as feed:
            feed.request("GET", "/feed/_changes?feed=continuous&heartbeat=100")
            feed.getresponse().read(1)
            start = time.monotonic()
            server.stop()
            assert time.monotonic() - start < 3


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("GET", "/_config", None),
        ("GET", "/_log", None),
        ("GET", "/_session", None),
        ("GET", "/_stats", None),
        ("GET", "/_active_tasks", None),
        ("GET", "/_uuids?count=3", None),
        ("GET", "/_users", None),
        ("POST", "/_users/_temp_view", {"map": "function (doc) { emit(doc._id); }"}),
        ("POST", "/_users/_find", {"selector": {"_id": {"$gt": None}}}),
    ],
)
def test_has_what_pouchdb_server_has(server, method, path, body):
    assert request(server.url, method, path, body)[0] == 200


def test_replicates_within_itself(server):
    request(server.url, "PUT", "/from")
    request(server.url, "PUT", "/from/doc", {"n": 1})
    job = {"source": f"{server.url}/from", "target": "to", "create_target": True}
    status, answer = request(server.url, "POST", "/_replicate", job)
    assert (status, answer["ok"]) == (200, True)
    assert request(server.url, "GET", "/to/doc")[1]["n"] == 1


def test_an_unknown_changes_filter_does_not_end_it(server):
    request(server.url, "PUT", "/filtered")
    with suppress(OSError):
        request(server.url, "GET", "/filtered/_changes?filter=_design&timeout=1")
    assert answers(server.url)


PARENT = """
import os, signal, sys
from corduroy.testing import Server
with Server() as server:
    print(server.url, flush=True)
    {then}
"""


def parent(then, **options):
    return subprocess.Popen(
        [sys.executable, "-c", PARENT.format(then=then)],
        stdout=subprocess.PIPE,
        text=True,
        **options,
    )


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGTERM])
def test_dies_with_its_parent(tmp_path, end):
    with parent("signal.pause()", env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        url = process.stdout.readline().strip()
        assert answers(url)
        process.send_signal(end)
    wait_until(lambda: not answers(url))
    wait_until(lambda: list(tmp_path.iterdir()) == [])


def test_a_forked_child_does_not_keep_it_alive():
    fork = "child = os.fork() or signal.pause(); print(child, flush=True); signal.pause()"
    with parent(fork) as process:
        url = process.stdout.readline().strip()
        child = int(process.stdout.readline())
        process.kill()
        try:
            wait_until(lambda: not answers(url))
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_forked_child_does_not_end_it():
    fork = "os.waitpid(os.fork() or sys.exit(), 0); print('waited', flush=True); input()"
    with parent(fork, stdin=subprocess.PIPE) as process:
        url = process.stdout.readline().strip()
        assert process.stdout.readline() == "waited\n"
        assert answers(url)
        process.stdin.write("\n")
    assert process.returncode == 0
    assert not answers(url)


def test_needs_neither_tornado_nor_the_driver():
    folder = Path(sys.modules[Server.__module__].__file__).parent
    for file in folder.glob("[!_p]*.py"):
        imported = re.findall(r"^(?:from|import) (\S+)", file.read_text(), re.MULTILINE)
        assert not [name for name in imported if re.match(r"tornado|corduroy(?!\.testing)", name)]
