"""The changes of a database, on stdout."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import Any


def lines(stdout: str) -> list[Any]:
    return [json.loads(line) for line in stdout.splitlines()]


def test_shows_what_has_changed_a_line_each(corduroy: Callable[..., Any], many: Any) -> None:
    done = corduroy("changes", many.name)
    assert (done.returncode, done.stderr) == (0, "")
    found = lines(done.stdout)  # in an order of its own, where there are shards
    expected = many.changes()["results"]
    assert {row["id"]: row["changes"] for row in found} == {
        row["id"]: row["changes"] for row in expected
    }
    rest = lines(corduroy("changes", many.name, "--since", found[500]["seq"]).stdout)
    assert {change["id"] for change in rest} == {change["id"] for change in found[501:]}
    some = lines(corduroy("changes", many.name, "--include-docs", "--limit", 450).stdout)
    assert len({change["doc"]["_id"] for change in some}) == 450


def test_filters(corduroy: Callable[..., Any], source: Any) -> None:
    even = "function (doc, req) { return doc.n % 2 == 0; }"
    source.save({"_id": "_design/some", "filters": {"even": even}})
    source.save([{"_id": f"doc-{n}", "n": n} for n in range(4)])
    done = corduroy("changes", source.name, "--filter", "some/even")
    assert {change["id"] for change in lines(done.stdout)} == {"doc-0", "doc-2"}


def test_follows_until_ctrl_c(start: Callable[..., Any], source: Any) -> None:
    source.save({"_id": "there"})
    changes = start("changes", source.name, "--follow")
    assert json.loads(changes.stdout.readline())["id"] == "there"
    for id in ("new", "newer"):
        source.save({"_id": id})
        assert json.loads(changes.stdout.readline())["id"] == id
    changes.send_signal(signal.SIGINT)
    assert changes.communicate(timeout=20) == ("", "")
    assert changes.returncode == 130


def test_ends_quietly_when_nobody_reads_on(start: Callable[..., Any], many: Any) -> None:
    for arguments in (("changes", "--include-docs"), ("changes", "--follow"), ("dump",)):
        command = start(arguments[0], many.name, *arguments[1:])
        assert command.stdout.readline().startswith("{")
        command.stdout.close()
        while command.poll() is None:
            many.save({})  # whoever follows writes again
        assert command.returncode == 141
        assert command.stderr.read() == ""
