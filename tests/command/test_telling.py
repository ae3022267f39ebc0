"""What the command tells: about databases, about itself, and of what goes wrong."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import ssl
import subprocess
from base64 import b64encode
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import trustme

from tests.command.conftest import CORDUROY, revisions
from tests.faults.proxy import Answer, FaultProxy
from tests.faults.secure import SecureServer, contexts, handshake

DENIED = Answer(401, b'{"error":"unauthorized","reason":"Name or password is incorrect."}')


def test_info_of_a_server(corduroy: Callable[..., Any], source: Any, couch: Any) -> None:
    told = couch.with_style("blocking").info()
    done = corduroy("info")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{couch.url}\n  server ")
    assert told["version"] in done.stdout
    assert json.loads(corduroy("info", "--json").stdout) == told
    assert corduroy("info", couch.url).stdout == done.stdout


def test_info_of_a_database(corduroy: Callable[..., Any], many: Any) -> None:
    done = corduroy("info", many.name)
    assert (done.returncode, done.stderr) == (0, "")
    first, second, *_ = done.stdout.splitlines()
    assert first == many.url
    assert second.split() == ["documents", "1,000"]
    assert json.loads(corduroy("info", many.name, "--json").stdout)["db_name"] == many.name


def test_the_address_has_the_credentials_or_the_environment(
    corduroy: Callable[..., Any], source: Any, couchdb_url: str
) -> None:
    said: list[str] = []

    def listen(request: Any) -> Answer:
        said.append(request.headers.get("authorization", ""))
        return DENIED

    server = urlsplit(couchdb_url)
    bare = server._replace(netloc=server.netloc.rpartition("@")[2]).geturl()
    with FaultProxy(bare, listen) as proxy:
        who = {"COUCHDB_USER": "ada", "COUCHDB_PASSWORD": "s3cr3t"}
        url = proxy.url.replace("http://", "http://bob:hidd%65n@") + "/music"
        for arguments, variables in (
            (["info", url], {}),
            (["info", url], who),
            (["info", f"{proxy.url}/music"], who),
            (["info", "music"], {**who, "COUCHDB_URL": proxy.url}),
            (["info", f"{proxy.url}/music"], {}),
        ):
            done = corduroy(*arguments, **{"COUCHDB_URL": "http://x:y@127.0.0.1:1", **variables})
            assert done.returncode == 1
            assert done.stderr == (
                "corduroy: 401 unauthorized: Name or password is incorrect. "
                f"(GET {proxy.url}/music)\n"
            )
    bob, ada = (b"Basic " + b64encode(pair) for pair in (b"bob:hidden", b"ada:s3cr3t"))
    assert [one.encode() for one in said] == [bob, bob, ada, ada, b""]


def test_a_certificate_says_who_is_asking(corduroy: Callable[..., Any], tmp_path: Path) -> None:
    authority = trustme.CA()
    authority.cert_pem.write_to_path(tmp_path / "ca.pem")
    ours = authority.issue_cert("ada@couch.example")
    ours.cert_chain_pems[0].write_to_path(tmp_path / "ours.pem")
    ours.private_key_pem.write_to_path(tmp_path / "ours.key")
    ours.private_key_and_cert_chain_pem.write_to_path(tmp_path / "both.pem")
    context = contexts(authority)
    context.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(context)
    with contextlib.closing(SecureServer(handshake(context))) as server:
        asking = "info", server.url(), "--json", "--ca-certs", "ca.pem"
        for said in (
            ["--client-cert=ours.pem", "--client-key=ours.key"],
            ["--client-cert=both.pem"],
        ):
            assert json.loads(corduroy(*asking, *said).stdout) == {"ok": True}
        done = corduroy(*asking)
        assert done.returncode == 1
        assert "give it one by client_cert" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ([], "required: COMMAND"),
        (["dump"], "required: URL"),
        (["dump", "http://ada:s3cr3t@127.0.0.1:5984"], "URL names a server, and no database"),
        (["dump", "http://ada:s3cr3t@127.0.0.1:x/music"], "host or port that cannot be"),
        (["dump", "ftp://ada:s3cr3t@127.0.0.1/music"], "must start with http"),
        (["dump", "Music"], "no database name"),
        (["dump", "music", "--resume"], "name it with -o"),
        (["dump", "music", "--force"], "name it with -o"),
        (["dump", "music", "-o", "x", "--force", "--resume"], "not allowed with"),
        (["dump", "music", "--timeout", "-1"], "timeout"),
        (
            ["dump", "https://h/music", "--ca-certs", "no-such-file"],
            "ca_certs 'no-such-file': No such",
        ),
        (
            ["dump", "https://h/music", "--client-cert", "no-such-file"],
            "client_cert 'no-such-file': No such",
        ),
        (["dump", "https://h/music", "--client-key", "k"], "client_key"),
        (["changes", "music", "--limit", "0"], "--limit must be at least 1"),
    ],
)
def test_arguments_that_make_no_sense(
    corduroy: Callable[..., Any], arguments: list[str], told: str
) -> None:
    done = corduroy(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr.splitlines()[-1]
    assert "s3cr3t" not in done.stderr
    assert "Traceback" not in done.stderr


def test_what_cannot_be_done_is_told_in_a_line(
    corduroy: Callable[..., Any], source: Any, target: Any, tmp_path: Path
) -> None:
    missing = target.url
    for arguments, told in (
        (["dump", target.name], missing),
        (["dump", target.name, "-o", "x"], missing),
        (["changes", target.name, "--follow"], missing),
        (["info", target.name], missing),
        (
            ["dump", source.name, "-o", "no/such/folder"],
            "no/such/folder: No such file or directory",
        ),
        (["load", "no-such-file", source.name], "no-such-file: No such file or directory"),
        (["info", "http://ada:s3cr3t@127.0.0.1:1/x"], "599 connection_failed"),
    ):
        done = corduroy(*arguments, "--timeout", 20)
        assert (done.returncode, done.stdout) == (1, ""), arguments
        assert done.stderr.count("\n") == 1
        assert done.stderr.startswith("corduroy: ")
        assert told in done.stderr
        assert "s3cr3t" not in done.stderr
    assert not list(tmp_path.iterdir())
    corduroy("dump", source.name, "-o", "empty")
    done = corduroy("load", "empty", target.name, "--quiet")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"corduroy: there is no database {target.name}: --create makes it\n"


def test_documents_that_are_refused_are_told(
    corduroy: Callable[..., Any], source: Any, target: Any, couch: Any
) -> None:
    docs = [{"_id": f"doc-{n:02}", "n": n} for n in range(50)]
    source.save(docs)
    corduroy("dump", source.name, "-o", "some.gz")
    couch.with_style("blocking").create(target.name)
    only_even = "function (doc) { if (doc.n % 2) throw({forbidden: 'odd'}); }"
    target.save({"_id": "_design/check", "validate_doc_update": only_even})
    loaded = corduroy("load", "some.gz", target.name)
    assert loaded.returncode == 1
    assert loaded.stderr.count("corduroy: refused: doc-") == 20
    assert "forbidden: odd" in loaded.stderr
    assert loaded.stderr.endswith("corduroy: 25 documents refused\n")
    assert f"corduroy: {target.name}: 25 documents loaded" in loaded.stderr
    assert revisions(target).keys() - {"_design/check"} == {doc["_id"] for doc in docs[::2]}
    shown = corduroy("load", "some.gz", target.name, "--verbose").stderr
    assert shown.count("corduroy: refused: doc-") == 25


def test_a_terminal_shows_how_far_it_is(
    environment: dict[str, str], many: Any, tmp_path: Path
) -> None:
    ours, its = pty.openpty()
    with open(its, "wb", buffering=0) as terminal:
        dump = subprocess.Popen(
            [*CORDUROY, "dump", many.name, "-o", "x"],
            env=environment,
            cwd=tmp_path,
            stderr=terminal,
        )
        assert dump.wait(30) == 0
    with open(ours, "rb", buffering=0) as shown:
        said = shown.read(10_000).decode()
    assert f"\r\x1b[K{many.name}  100 documents  " in said
    assert (
        said.rstrip().rpartition("\x1b[K")[2].startswith(f"corduroy: {many.name}: 1,000 documents")
    )


def test_elsewhere_it_is_silent_unless_told_to_speak(
    corduroy: Callable[..., Any], many: Any
) -> None:
    assert corduroy("dump", many.name, "-q").stderr == ""
    assert corduroy("dump", many.name).stderr.count("\n") == 1
    told = corduroy("dump", many.name, "--progress").stderr
    assert f"corduroy: {many.name}  100 documents  " in told
    assert "\r" not in told


def test_help_and_version(corduroy: Callable[..., Any]) -> None:
    for command in ("dump", "load", "changes", "info"):
        assert f"usage: corduroy {command}" in corduroy(command, "--help").stdout
        assert f"    {command} " in corduroy("--help").stdout
    assert corduroy("--version").stdout.startswith("corduroy 1.")
    assert os.access(Path(CORDUROY[0]).with_name("corduroy"), os.X_OK)
