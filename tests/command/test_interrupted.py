"""A dump that is interrupted, however that happens, is gone on with, and nothing of it is lost."""

from __future__ import annotations

import gzip
import json
import random
import re
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from corduroy import Couch
from tests.command.conftest import Midway, documents, leaves, revisions
from tests.faults.proxy import Answer, Cut, FaultProxy, Reset, error_500, unavailable
from tests.faults.wire import Request

BOTH = pytest.mark.parametrize("name", ["some.jsonl", "some.jsonl.gz"])


@BOTH
@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_one_that_was_ended_goes_on_where_it_was(
    corduroy: Callable[..., Any],
    start: Callable[..., Any],
    many: Any,
    target: Any,
    midway: Midway,
    tmp_path: Path,
    name: str,
    end: signal.Signals,
) -> None:
    dump = start("dump", many.name, "-o", name, COUCHDB_URL=midway.url)
    midway.wait()
    dump.send_signal(end)
    complaint = dump.communicate(timeout=20)[1]
    if end == signal.SIGINT:
        assert dump.returncode == 130
        assert complaint.startswith("corduroy: interrupted after ")
        assert complaint.endswith(f": the same with --resume goes on with {name}\n")
        assert complaint.count("\n") == 1
    broken = corduroy("load", name, target.name, "--create")
    assert broken.returncode == 1
    assert "the dump is not whole" in broken.stderr
    assert 0 < target.info()["doc_count"] < 1000
    done = len(documents(tmp_path / name))
    size = (tmp_path / name).stat().st_size
    resumed = corduroy("dump", many.name, "-o", name, "--resume")
    assert resumed.returncode == 0, resumed.stderr
    ids = [doc["_id"] for doc in documents(tmp_path / name)]
    assert sorted(ids) == [f"doc-{n:04}" for n in range(1000)]  # nothing twice: it went on
    assert done < 1000
    assert size < (tmp_path / name).stat().st_size
    assert corduroy("load", name, target.name).returncode == 0
    assert revisions(target) == revisions(many)


@BOTH
def test_a_file_that_was_cut_off_anywhere_goes_on(
    corduroy: Callable[..., Any], many: Any, tmp_path: Path, name: str
) -> None:
    path = tmp_path / name
    assert corduroy("dump", many.name, "-o", name).returncode == 0
    whole = path.read_bytes()
    expected = documents(path)
    cuts = [1, 200, len(whole) - 1, *random.Random(name).sample(range(len(whole)), 3)]
    for cut in cuts:
        path.write_bytes(whole[:cut])
        assert corduroy("load", name, many.name, "--dry-run").returncode == 1
        resumed = corduroy("dump", many.name, "-o", name, "--resume")
        assert resumed.returncode == 0, (cut, resumed.stderr)
        found = documents(path)
        assert sorted(found, key=repr) == sorted(expected, key=repr), cut
        assert corduroy("load", name, many.name, "--dry-run").returncode == 0


def test_a_whole_one_is_left_alone(
    corduroy: Callable[..., Any], source: Any, tmp_path: Path
) -> None:
    source.save({"_id": "a"})
    begun = corduroy("dump", source.name, "-o", "a.gz", "--resume")  # begins, if there is nothing
    assert begun.returncode == 0, begun.stderr
    before = (tmp_path / "a.gz").read_bytes()
    again = corduroy("dump", source.name, "-o", "a.gz", "--resume")
    assert (again.returncode, again.stderr) == (0, "corduroy: a.gz is whole already: 1 document\n")
    refused = corduroy("dump", source.name, "-o", "a.gz")
    assert refused.returncode == 1
    assert refused.stderr == (
        "corduroy: a.gz is there already: --resume goes on with it, --force writes it anew\n"
    )
    assert (tmp_path / "a.gz").read_bytes() == before
    source.save({"_id": "b"})
    assert corduroy("dump", source.name, "-o", "a.gz", "--force").returncode == 0
    assert {doc["_id"] for doc in documents(tmp_path / "a.gz")} == {"a", "b"}


def test_what_is_no_beginning_of_this_dump_is_not_gone_on_with(
    corduroy: Callable[..., Any],
    start: Callable[..., Any],
    many: Any,
    target: Any,
    midway: Midway,
    couch: Couch[Any],
    tmp_path: Path,
    classic: bool,
) -> None:
    dump = start("dump", many.name, "-o", "some", COUCHDB_URL=midway.url)
    midway.wait()
    meanwhile = corduroy("dump", many.name, "-o", "some", "--resume")
    assert meanwhile.stderr == "corduroy: some is being written by another corduroy\n"
    dump.kill()
    dump.wait()
    before = (tmp_path / "some").read_bytes()
    blocking = couch.with_style("blocking")
    blocking.create(target.name)

    def refused(*arguments: Any) -> str:
        resumed = corduroy("dump", *arguments, "-o", "some", "--resume")
        assert resumed.returncode == 1
        assert resumed.stderr.count("\n") == 1
        assert (tmp_path / "some").read_bytes() == before
        return str(resumed.stderr)

    assert f"is a dump of {many.name}, not of {target.name}" in refused(target.name)
    assert "was begun with other options" in refused(many.name, "--attachments")
    if not classic:  # which does not tell when a database was made
        blocking.delete(many.name)
        time.sleep(1.1)  # it tells the second
        blocking.create(many.name)
        assert "was made anew" in refused(many.name)
    for before in (
        b"something else\n",
        b"without an end",
        gzip.compress(b"packed"),
        b"\x1f\x8b?????",
    ):
        (tmp_path / "some").write_bytes(before)
        assert "no dump of corduroy's" in refused(many.name)


def test_what_breaks_on_the_way_is_tried_again(
    corduroy: Callable[..., Any], many: Any, couchdb_url: str, target: Any
) -> None:
    faults = {5: Reset(after=200), 7: error_500(), 9: unavailable(), 10: Cut()}
    with FaultProxy(couchdb_url, lambda request: faults.get(request.number)) as proxy:
        dumped = corduroy("dump", many.name, "-o", "some.gz", COUCHDB_URL=proxy.url)
        assert dumped.returncode == 0, dumped.stderr
        assert "trying again in " in dumped.stderr
        assert proxy.injected.total() == 4
    with FaultProxy(couchdb_url, lambda request: faults.get(request.number)) as proxy:
        loaded = corduroy(
            "load", "some.gz", target.name, "--create", "--progress", COUCHDB_URL=proxy.url
        )
        assert loaded.returncode == 0, loaded.stderr
    assert revisions(target) == revisions(many)


def test_what_will_not_get_better_ends_it_in_two_lines(
    corduroy: Callable[..., Any], many: Any, couchdb_url: str
) -> None:
    def expire(request: Request) -> Answer | None:
        return Answer(401, b'{"error":"unauthorized"}') if request.number > 7 else None

    with FaultProxy(couchdb_url, expire) as proxy:
        dumped = corduroy("dump", many.name, "-o", "some.gz", COUCHDB_URL=proxy.url)
    assert dumped.returncode == 1
    first, second = dumped.stderr.splitlines()
    assert re.fullmatch("corduroy: interrupted after .*: the same with --resume goes on.*", first)
    assert second.startswith("corduroy: 401 unauthorized")
    assert corduroy("dump", many.name, "-o", "some.gz", "--resume").returncode == 0


def test_a_dump_holds_nothing_that_was_gone_when_it_was_done(
    corduroy: Callable[..., Any],
    start: Callable[..., Any],
    many: Any,
    target: Any,
    midway: Midway,
    tmp_path: Path,
) -> None:
    """What changes meanwhile follows: the deletions, the new revisions, the conflicts that end."""
    torn = [
        {"_id": "doc-0000", "_rev": f"2-{digest * 16}", "by": digest} for digest in ("aa", "bb")
    ]
    many.save(torn, new_edits=False)
    dump = start("dump", many.name, "-o", "some.gz", "--conflicts", COUCHDB_URL=midway.url)
    midway.wait()
    written = documents(tmp_path / "some.gz")
    assert 0 < len(written) < 1000
    dumped, other, third = (many.get(doc["_id"]) for doc in written[:3])
    many.delete(dumped)
    many.save({**other, "n": -1})
    many.save({"_id": "new"})
    many.delete(third)
    many.save({"_id": third["_id"], "risen": True})
    many.delete("doc-0999")
    many.conflicts("doc-0000").overwrite()
    midway.go_on()
    assert dump.wait(30) == 0
    assert corduroy("load", "some.gz", target.name, "--create").returncode == 0

    def alive(db: Any) -> dict[Any, Any]:
        return {leaf: doc for leaf, doc in leaves(db).items() if not doc.get("_deleted")}

    assert alive(target) == alive(many)


def damaged(data: bytes) -> bytes:
    """Some bytes of the middle are others."""
    at = len(data) // 2
    return data[:at] + bytes(byte ^ 0x55 for byte in data[at : at + 20]) + data[at + 20 :]


def without_a_line(data: bytes) -> bytes:
    lines = data.splitlines(keepends=True)
    return b"".join(lines[:500] + lines[501:])


HARM = [
    ("a.jsonl", lambda data: data[:-30], "damaged|not whole"),
    ("a.jsonl", without_a_line, "it has 999 documents of 1,000"),
    ("a.jsonl", lambda data: b"", "is empty"),
    ("a.jsonl", lambda data: data.replace(b'"format":1', b'"format":9'), "format 9"),
    ("a.jsonl", lambda data: data[data.index(b"\n") + 1 :], "no dump"),
    ("a.jsonl", lambda data: data.replace(b'"n":700', b'"n":7x0'), "line .* is damaged"),
    ("a.gz", damaged, "damaged"),
    ("a.gz", lambda data: data[:-1], "not whole"),
    ("a.gz", lambda data: data[:-40], "not whole"),
    ("a.gz", lambda data: b"\x1f\x8b", "is empty"),
]


def test_load_notices_what_a_dump_has_lost(
    corduroy: Callable[..., Any], many: Any, target: Any, tmp_path: Path
) -> None:
    for name in ("a.jsonl", "a.gz"):
        assert corduroy("dump", many.name, "-o", name).returncode == 0
    for name, harm, told in HARM:
        (tmp_path / "harmed").write_bytes(harm((tmp_path / name).read_bytes()))
        loaded = corduroy("load", "harmed", target.name, "--dry-run", "--quiet")
        assert loaded.returncode == 1
        assert re.fullmatch(f"corduroy: .*({told}).*\n", loaded.stderr)
    (tmp_path / "harmed").write_bytes(without_a_line((tmp_path / "a.jsonl").read_bytes()))
    loaded = corduroy("load", "harmed", target.name, "--create")
    assert loaded.returncode == 1
    assert target.info()["doc_count"] == 999  # what there is, is loaded


def test_ctrl_c_ends_a_load_and_the_same_again_ends_it_well(
    corduroy: Callable[..., Any],
    start: Callable[..., Any],
    many: Any,
    target: Any,
    tmp_path: Path,
) -> None:
    assert corduroy("dump", many.name, "-o", "some").returncode == 0
    whole = (tmp_path / "some").read_text()
    load = start("load", "-", target.name, "--create")
    load.stdin.write(whole[: len(whole) * 9 // 10])
    load.stdin.flush()
    deadline = time.monotonic() + 20
    while not target.exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(0.5)  # it waits for more
    load.send_signal(signal.SIGINT)
    assert load.wait(20) == 130
    told = load.stderr.read()
    assert re.fullmatch(f"corduroy: {target.name}: .* documents loaded, .*\n", told)
    assert corduroy("load", "some", target.name).returncode == 0
    assert revisions(target) == revisions(many)


def test_what_others_have_packed_anew_is_loaded_all_the_same(
    corduroy: Callable[..., Any], many: Any, target: Any, tmp_path: Path
) -> None:
    packed = gzip.compress(corduroy("dump", many.name, text=False).stdout)
    (tmp_path / "some").write_bytes(packed)
    assert corduroy("load", "some", target.name, "--create").returncode == 0
    assert revisions(target) == revisions(many)
    assert json.loads(gzip.decompress(packed).partition(b"\n")[0])["database"] == many.name
