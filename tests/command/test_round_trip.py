"""What was dumped and is loaded is what was there: the same revisions, with the same histories."""

from __future__ import annotations

import gzip
import json
import os
import random
from collections.abc import Callable
from typing import Any

import pytest

from tests.api.test_ids import IDS
from tests.command.conftest import leaves

HISTORY = {"start": 2, "ids": ["bb" * 16, "aa" * 16]}


@pytest.fixture
def all_sorts(source: Any) -> Any:
    """A database with documents of all sorts: edited, torn, deleted, and with attachments."""
    source.save([{"_id": id, "n": at} for at, id in enumerate(IDS.values())])
    source.save({"_id": "_design/sorts é", "views": {"all": {"map": "function (doc) {}"}}})
    source.save(
        {
            "_id": "values",
            "corduroy": "end",
            "values": [
                2**70,
                -(2**63),
                0.1,
                1e-300,
                True,
                None,
                "\u2028 \x00 \U0001f600",
                {"": []},
            ],
        }
    )
    edited = {"_id": "edited", "edits": 0}
    for _ in range(5):
        edited["edits"] += 1
        source.save(edited)
    torn = {"_id": "torn", "_rev": "2-" + "bb" * 16, "_revisions": HISTORY, "by": "b"}
    other = {**torn, "_rev": "2-" + "cc" * 16, "by": "c"}
    other["_revisions"] = {"start": 2, "ids": ["cc" * 16, "aa" * 16]}
    settled = {"_id": "torn", "_rev": "3-" + "ee" * 16, "_deleted": True}
    settled["_revisions"] = {"start": 3, "ids": ["ee" * 16, "dd" * 16, "aa" * 16]}
    source.save([torn, other, settled], new_edits=False)
    gone = {"_id": "gone", "n": 1}
    source.save(gone)
    source.delete(gone)
    for at, size in enumerate((0, 1, 70_000, 1_000_000)):
        binary = {"data": random.Random(at).randbytes(size), "content_type": "image/png"}
        text = {"data": b"so many words " * at, "content_type": "text/plain"}
        source.save({"_id": f"attached-{at}", "_attachments": {f"ünï/{at} &?": binary, "t": text}})
    return source


def alive(found: dict[Any, Any]) -> dict[Any, Any]:
    return {leaf: doc for leaf, doc in found.items() if not doc.get("_deleted")}


@pytest.mark.parametrize("name", ["all.jsonl", "all.jsonl.gz"])
def test_all_that_there_is_comes_back(
    corduroy: Callable[..., Any], all_sorts: Any, target: Any, name: str
) -> None:
    everything = ("--attachments", "--conflicts", "--deleted")
    dumped = corduroy("dump", all_sorts.name, "-o", name, *everything)
    assert (dumped.returncode, dumped.stdout) == (0, ""), dumped.stderr
    loaded = corduroy("load", name, target.name, "--create")
    assert (loaded.returncode, loaded.stdout) == (0, ""), loaded.stderr
    there = leaves(all_sorts)
    assert leaves(target) == there
    assert corduroy("load", name, target.name).returncode == 0  # once more does no harm
    assert leaves(target) == there


def test_by_itself_a_dump_has_the_winners_and_nothing_attached(
    corduroy: Callable[..., Any], all_sorts: Any, target: Any
) -> None:
    dumped = corduroy("dump", all_sorts.name, "-o", "all.jsonl")
    assert dumped.returncode == 0, dumped.stderr
    assert "8 attachments left out: --attachments includes them" in dumped.stderr
    assert corduroy("load", "all.jsonl", target.name, "--create").returncode == 0
    there = alive(leaves(all_sorts))
    for doc in there.values():
        doc.pop("_attachments", None)
    del there["torn", "2-" + "bb" * 16]
    assert leaves(target) == there


def test_conflicts_come_without_the_revisions_that_were_deleted(
    corduroy: Callable[..., Any], all_sorts: Any, target: Any
) -> None:
    corduroy("dump", all_sorts.name, "-o", "all.gz", "--conflicts", "--attachments", "--no-design")
    assert corduroy("load", "all.gz", target.name, "--create").returncode == 0
    there = alive(leaves(all_sorts))
    assert leaves(target) == {leaf: doc for leaf, doc in there.items() if leaf[0][0] != "_"}


def test_tombstones_come_without_conflicts(
    corduroy: Callable[..., Any], all_sorts: Any, target: Any
) -> None:
    corduroy("dump", all_sorts.name, "-o", "all.gz", "--deleted")
    assert corduroy("load", "all.gz", target.name, "--create").returncode == 0
    ids = {id: doc.get("_deleted", False) for (id, _), doc in leaves(target).items()}
    assert ids["gone"] is True
    assert sum(ids.values()) == 1
    assert len(leaves(target)) == len(ids)


def test_pipes_lead_from_one_database_to_another(
    corduroy: Callable[..., Any], all_sorts: Any, target: Any
) -> None:
    for packing in ((), ("--gzip",)):
        dumped = corduroy("dump", all_sorts.name, "--conflicts", "--quiet", *packing, text=False)
        assert (dumped.returncode, dumped.stderr) == (0, b"")
        assert dumped.stdout.startswith(b"\x1f\x8b" if packing else b'{"corduroy":"dump"')
        loaded = corduroy("load", "-", target.name, "--create", input=dumped.stdout, text=False)
        assert loaded.returncode == 0, loaded.stderr
        assert leaves(target).keys() == alive(leaves(all_sorts)).keys()


def test_a_dump_tells_what_it_is_in_lines_of_json(
    corduroy: Callable[..., Any], all_sorts: Any
) -> None:
    lines = [
        json.loads(line)
        for line in corduroy("dump", all_sorts.name, "--conflicts").stdout.rstrip().split("\n")
    ]
    assert all(
        ("_id" in line) is not ("corduroy" in line) or line["_id"] == "values" for line in lines
    )
    first, last = lines[0], lines[-1]
    assert (first["corduroy"], first["database"]) == ("dump", all_sorts.name)
    assert (first["attachments"], first["conflicts"], first["deleted"]) == (False, True, False)
    assert last["corduroy"] == "end"
    assert last["documents"] == sum("_id" in line for line in lines)


@pytest.mark.skipif(not os.path.exists("/proc/self/fd"), reason="this system tells no file's name")
def test_the_name_of_the_file_that_stdout_goes_to_decides_as_well(
    environment: dict[str, str], source: Any, tmp_path: Any
) -> None:
    import subprocess

    from tests.command.conftest import CORDUROY

    source.save({"_id": "a"})
    for name, opened in (("a.jsonl.gz", gzip.open), ("a.jsonl", open)):
        with (tmp_path / name).open("wb") as file:
            subprocess.run(
                [*CORDUROY, "dump", source.name], stdout=file, env=environment, check=True
            )
        with opened(tmp_path / name, "rt") as file:
            assert json.loads(file.readline())["database"] == source.name


def test_who_may_do_what_comes_back_if_asked_for(
    corduroy: Callable[..., Any], source: Any, target: Any
) -> None:
    rules = {"admins": {"names": ["ada"], "roles": []}, "members": {"names": [], "roles": ["bach"]}}
    source.security(rules)
    corduroy("dump", source.name, "-o", "empty")
    assert corduroy("load", "empty", target.name, "--create").returncode == 0
    assert target.security() != rules
    assert corduroy("load", "empty", target.name, "--security").returncode == 0
    assert target.security() == rules
