"""The parser of row streams, fed with any rows, in any layout, cut into any pieces."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from corduroy.streams.parsing import BrokenOff, RowParser

TRICKY = [1, None, True, 2.5, 'a"}],{"id":', "\\", "\n", "é", '},{"id":"x","key":1', ""]


def any_value(rng: random.Random, depth: int = 0) -> Any:
    chance = rng.random()
    if depth > 3 or chance < 0.3:
        return rng.choice(TRICKY)
    if chance < 0.6:
        return [any_value(rng, depth + 1) for _ in range(rng.randrange(4))]
    return {
        rng.choice(["id", "key", "x"]): any_value(rng, depth + 1) for _ in range(rng.randrange(4))
    }


def as_couchdb(rows: list[Any]) -> bytes:
    texts = [json.dumps(row, separators=(",", ":"), ensure_ascii=False) for row in rows]
    return ('{"total_rows":9,"offset":0,"rows":[\r\n' + ",\r\n".join(texts) + "\r\n]}\n").encode()


def as_pouchdb(rows: list[Any]) -> bytes:
    return json.dumps({"total_rows": 9, "rows": rows, "more": []}, separators=(",", ":")).encode()


def indented(rows: list[Any]) -> bytes:
    return json.dumps({"x": '"rows":[', "total_rows": 9, "rows": rows}, indent=1).encode()


def backwards(rows: list[Any]) -> bytes:
    return json.dumps({"rows": rows, "total_rows": 9}).encode()


def pieces(body: bytes, size: int) -> Iterator[bytes]:
    return (body[at : at + size] for at in range(0, len(body), size))


def parsed(body: bytes, size: int) -> tuple[list[Any], RowParser]:
    parser, rows, left = RowParser(), [], pieces(body, size)
    while not parser.over:
        if found := parser.rows():
            rows += found
        elif piece := next(left, b""):
            parser.feed(piece)
        else:
            parser.finish()
    return rows, parser


@pytest.mark.parametrize("lay_out", [as_couchdb, as_pouchdb, indented, backwards])
@pytest.mark.parametrize("portion", [1, 60, 32 * 1024])
def test_rows_come_out_as_they_went_in(lay_out, portion, monkeypatch):
    monkeypatch.setattr("corduroy.streams.parsing._PORTION", portion)
    monkeypatch.setattr("corduroy.streams.parsing._LEAST", portion)
    for seed in range(40):
        rng = random.Random(seed)
        rows = [
            {"id": f"x{n}", "key": any_value(rng), "value": any_value(rng)}
            for n in range(rng.randrange(12))
        ]
        for size in (1, 7, 50, 100_000):
            found, parser = parsed(lay_out(rows), size)
            assert found == rows, f"seed {seed}, size {size}"
            assert parser.about["total_rows"] == 9
            assert parser.error is None


@pytest.mark.parametrize("lay_out", [as_couchdb, as_pouchdb, indented, backwards])
def test_a_body_without_its_end_is_never_taken_for_a_whole_one(lay_out):
    for seed in range(300):
        rng = random.Random(seed)
        rows = [{"id": f"x{n}", "key": any_value(rng)} for n in range(rng.randrange(1, 9))]
        body = lay_out(rows).rstrip()
        cut = body[: rng.randrange(len(body))]
        with pytest.raises(ValueError, match="the answer"):
            parsed(cut, rng.choice([1, 9, 1000]))


def test_a_row_that_is_larger_than_all_pieces_is_looked_through_once():
    """Looking through it again with each piece would take minutes."""
    row = {"id": "x", "key": 1, "value": '"},{"id":"y","key":' * 1_000_000}
    found, _ = parsed(as_pouchdb([row, row]), 4096)
    assert found == [row, row]


def test_an_answer_that_is_over_before_its_rows_are_is_broken_off():
    with pytest.raises(BrokenOff):
        parsed(as_couchdb([{"id": "a", "key": 1}])[:-4], 10)
