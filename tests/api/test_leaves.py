"""Leaf conflicts: what replication leaves behind is merged into one revision."""

from __future__ import annotations

from typing import Any

import pytest

from corduroy import Database, NotFound


@pytest.fixture
def torn(db: Database[Any]) -> Database[Any]:
    """A document with three leaf revisions, as three replicas would leave it."""
    blocking = db.with_style("blocking")
    for digest, tags in (("a" * 32, ["a"]), ("b" * 32, ["b"]), ("c" * 32, ["c"])):
        blocking.save({"_id": "x", "_rev": f"1-{digest}", "tags": tags}, new_edits=False)
    return db


def union(local: Any, server: Any) -> dict[str, Any]:
    return {**local, "tags": sorted({*local["tags"], *server["tags"]})}


def leaf_count(db: Database[Any]) -> int:
    leaves: Any = db.with_style("blocking").get("x", open_revs="all")
    return sum("ok" in leaf and not leaf["ok"].get("_deleted") for leaf in leaves)


def test_shows_the_winner_and_the_other_leaves(call: Any, torn: Database[Any]) -> None:
    resolution = call(torn.conflicts, "x")
    entry = resolution.pending["x"]
    assert entry["doc"]["tags"] == torn.with_style("blocking").get("x")["tags"] == ["c"]
    assert [leaf["tags"] for leaf in entry["leaves"]] == [["b"], ["a"]]
    assert repr(resolution) == "<Conflict: x>"


def test_resolve_merges_all_leaves_into_one(call: Any, torn: Database[Any]) -> None:
    resolution = call(call(torn.conflicts, "x").resolve, union)
    assert resolution.pending == {}
    assert resolution.resolved["x"]["tags"] == ["a", "b", "c"]
    assert torn.with_style("blocking").get("x", conflicts=True) == resolution.resolved["x"]
    assert leaf_count(torn) == 1


def test_overwrite_keeps_the_winner(call: Any, torn: Database[Any]) -> None:
    call(call(torn.conflicts, "x").overwrite)
    assert torn.with_style("blocking").get("x")["tags"] == ["c"]
    assert leaf_count(torn) == 1


def test_a_merge_that_gives_none_leaves_everything_as_it_is(call: Any, torn: Database[Any]) -> None:
    resolution = call(call(torn.conflicts, "x").resolve, lambda local, server: None)
    assert list(resolution.pending) == ["x"]
    assert leaf_count(torn) == 3


def test_nothing_is_deleted_before_the_winner_is_safe(call: Any, torn: Database[Any]) -> None:
    blocking = torn.with_style("blocking")
    rounds: list[int] = []

    def interrupted(local: Any, server: Any) -> dict[str, Any]:
        if not rounds:  # somebody saves the winner just now
            doc = blocking.get("x")
            blocking.save({**doc, "tags": ["d"]})
        rounds.append(leaf_count(torn))
        return union(local, server)

    resolution = call(call(torn.conflicts, "x").resolve, interrupted)
    assert set(rounds) == {3}
    assert resolution.resolved["x"]["tags"] == ["a", "b", "d"]
    assert leaf_count(torn) == 1


def test_leaves_that_cannot_be_deleted_stay_pending_with_the_reason(
    call: Any, torn: Database[Any]
) -> None:
    keeping = "function (doc) { if (doc._deleted) throw({forbidden: 'we keep everything'}); }"
    torn.with_style("blocking").save({"_id": "_design/g", "validate_doc_update": keeping})

    def summing(local: Any, server: Any) -> dict[str, Any]:
        return {**local, "tags": local["tags"] + server["tags"]}

    resolution = call(call(torn.conflicts, "x").resolve, summing)
    entry = resolution.pending["x"]
    assert (entry["error"], entry["reason"]) == ("forbidden", "we keep everything")
    assert entry["doc"]["_rev"].startswith("2-")  # saved once, not again and again
    assert entry["doc"]["tags"] == ["c", "b", "a"]
    assert resolution.resolved == {}
    assert leaf_count(torn) == 3


def test_a_document_without_conflicts_has_nothing_pending(call: Any, db: Database[Any]) -> None:
    db.with_style("blocking").save({"_id": "x"})
    assert call(db.conflicts, "x").pending == {}


def test_a_local_document_has_none(call: Any, db: Database[Any]) -> None:
    db.with_style("blocking").save({"_id": "_local/x"})
    assert call(db.conflicts, "_local/x").pending == {}


def test_a_document_that_does_not_exist_is_not_found(call: Any, db: Database[Any]) -> None:
    with pytest.raises(NotFound):
        call(db.conflicts, "nowhere")
