"""Pages of views: there and back, whatever shares a key, comes or goes."""

from __future__ import annotations

import json

import pytest

ROUND = {
    "_id": "_design/round",
    "views": {
        "keys": {
            "map": "function (d) { (d.keys || []).forEach(function (k, i) { emit(k, i); }); }"
        },
        "sums": {
            "map": "function (d) { (d.keys || []).forEach(function (k, i) { emit(k, i); }); }",
            "reduce": "_count",
        },
    },
}


def filled(db, keys_by_id):
    """A database whose documents emit these keys."""
    docs = [{"_id": id, "keys": keys} for id, keys in keys_by_id.items()]
    db.with_style("blocking").save([dict(ROUND), *docs])
    return db


def plain(rows):
    return [dict(row) for row in rows]


def onwards(call, db, *args, **options):
    """All pages, each reached by the cursor of the one before it, as a browser gives it back."""
    page = call(db.page, *args, **options)
    assert page.previous is None
    yield page
    while page.next is not None:
        page = call(db.page, *args, cursor=json.loads(json.dumps(page.next)), **options)
        yield page


def backwards(call, db, page, *args, **options):
    """The pages before a page, the nearest one first."""
    while page.previous is not None:
        page = call(db.page, *args, cursor=page.previous, **options)
        yield page


def check_both_ways(call, db, name, per_page, **options):
    whole = plain(call(db.view, name, **options))
    there = list(onwards(call, db, name, per_page, **options))
    assert [row for page in there for row in plain(page)] == whole
    assert all(len(page) == per_page for page in there[:-1])
    back = list(backwards(call, db, there[-1], name, per_page, **options))
    assert [plain(page) for page in back] == [plain(page) for page in there[-2::-1]]
    assert [page.next is None for page in back] == [False] * len(back)
    return there


MANY = {
    "a": ["x", "x", "x", "y"],
    "b": ["x", "x", "x"],
    "c": ["x", "z"],
    "d": [["x", 1], ["x", 2], ["x", 2]],
    "e": ["w", "x", None, 1, {"x": 1}],
    "f": ["x"] * 5,
}


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"descending": True},
        {"key": "x"},
        {"key": "x", "descending": True},
        {"startkey": "x"},
        {"startkey": "x", "endkey": "y"},
        {"startkey": "w", "endkey": "x", "inclusive_end": False},
        {"startkey": "z", "endkey": "w", "descending": True},
        {"start_key": "z", "end_key": "w", "descending": True, "inclusive_end": False},
        {"startkey": None, "endkey": 1},
        {"startkey": "nothing", "endkey": "o"},
    ],
    ids=str,
)
def test_pages_together_are_the_view_there_and_back(db, options):
    filled(db, MANY)
    blocking = db.with_style("blocking")
    for per_page in (1, 2, 3, 7, 100):
        check_both_ways(
            lambda method, *args, **o: method(*args, **o),
            blocking,
            "round/keys",
            per_page,
            **options,
        )
