"""The rows of a view, however its body is laid out."""

from __future__ import annotations

import json
from typing import Any

import pytest

from corduroy.rows import decode_rows

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


@pytest.mark.parametrize("layout", [couchdb, pouchdb])
@pytest.mark.parametrize("count", [0, 1, 3, 200])
@pytest.mark.parametrize("batch", [1, 1000, 10_000, 1 << 30])
def test_rows_are_the_same_in_any_layout(layout: Any, count: int, batch: int) -> None:
    answer = {"total_rows": 9, "offset": 3, "rows": rows(count)}
    assert decode_rows(layout(count), batch) == answer
    assert decode_rows(bytearray(layout(count)), batch) == answer


def test_rows_that_take_several_lines_each_are_decoded_too() -> None:
    body = json.dumps({"rows": rows(50)}, indent=1).replace('"rows": [', '"rows":[')
    assert decode_rows(bytearray(body.encode()), 100)["rows"] == rows(50)


def test_what_stands_behind_the_rows_is_part_of_the_answer() -> None:
    body = couchdb(200, head='{"rows":[', tail='],"update_seq":"7-abc"}')
    answer = decode_rows(bytearray(body), 1000)
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
        decode_rows(bytearray(body), 1000)
