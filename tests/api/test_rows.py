"""The rows of a view, however its body is laid out and cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corduroy.rows import RowsParser

TEXT = 'é☃ " ] , { \\n \\r\\n]'


def rows(count: int) -> list[dict[str, Any]]:
    return [
        {"id": f"d{n}", "key": [n, TEXT], "value": None, "doc": {"_id": f"d{n}", "text": TEXT * 20}}
        for n in range(count)
    ]


def couchdb(
    count: int, head: str = '{"total_rows":9,"offset":3,"rows":[', tail: str = "]}"
) -> bytes:
    """A body as CouchDB lays it out."""
    lines = ",\r\n".join(json.dumps(row, ensure_ascii=False) for row in rows(count))
    return f"{head}\r\n{lines}\r\n{tail}\n".encode()


def pouchdb(count: int) -> bytes:
    """A body as PouchDB Server lays it out."""
    return json.dumps({"total_rows": 9, "offset": 3, "rows": rows(count)}).encode()


def parse(body: bytes, size: int, batch: int = 10_000) -> dict[str, Any]:
    parser = RowsParser(batch)
    for start in range(0, len(body), size):
        parser.feed(body[start : start + size])
    return parser.finish()


@pytest.mark.parametrize("layout", [couchdb, pouchdb])
@pytest.mark.parametrize("count", [0, 1, 3, 200])
@pytest.mark.parametrize("size", [1, 1000, 65536, 1 << 30])
@pytest.mark.parametrize("batch", [1, 10_000, 1 << 30])
def test_rows_are_the_same_in_any_layout_and_pieces(
    layout: Any, count: int, size: int, batch: int
) -> None:
    answer = {"total_rows": 9, "offset": 3, "rows": rows(count)}
    assert parse(layout(count), size, batch) == answer


def test_a_body_may_be_cut_anywhere() -> None:
    body = couchdb(3)
    for cut in range(len(body)):
        parser = RowsParser(batch=1)
        parser.feed(body[:cut])
        parser.feed(body[cut:])
        assert parser.finish()["rows"] == rows(3)


def test_what_stands_behind_the_rows_is_part_of_the_answer() -> None:
    body = couchdb(200, head='{"rows":[', tail='],"update_seq":"7-abc"}')
    answer = parse(body, 1000)
    assert answer["update_seq"] == "7-abc"
    assert len(answer["rows"]) == 200


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b'{"error":"x"}',
        b"<html>",
        couchdb(200)[:-5],
        couchdb(200)[:-5000],
        couchdb(200).replace(b'"d100"', b'd100"'),
        couchdb(200) + b'{"error":"late"}',
    ],
    ids=["nothing", "null", "no rows", "html", "unclosed", "cut", "malformed", "more behind it"],
)
def test_what_is_no_answer_of_a_view_is_refused_at_the_end(body: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse(body, 1000)
