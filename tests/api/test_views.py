"""Views: every option, long keys, several queries at once, and ad-hoc views."""

from __future__ import annotations

import asyncio
import json

import pytest

from corduroy import BadRequest, Couch, Document, NotFound, Row, ViewResult

ROUND = {"_id": "_design/round", "views": {"keys": {"map": "function (d) { emit(d.key, d._id); }"}}}


def _firsts(result):
    return [row.key for row in result]


# -- what comes -----------------------------------------------------------------------------------


def test_a_view_gives_its_rows_and_what_the_server_says_of_them(call, staff):
    found = call(staff.view, "employees/byname")
    assert type(found) is ViewResult
    assert (len(found), found.total_rows, found.offset, found.update_seq) == (10, 10, 0, None)
    assert repr(found) == "<employees/byname: 10/10 rows>"
    assert all(type(row) is Row for row in found)
    assert (found[0].id, found[0].key, found[0].value, found[0].doc) == ("p0", "Ann", 20, None)
    assert found.options == {}


def test_a_design_document_may_be_named_with_or_without_its_prefix(call, staff):
    assert len(call(staff.view, "_design/employees/byname")) == 10


def test_documents_come_with_their_rows_if_wanted(call, staff):
    found = call(staff.view, "employees/byname", include_docs=True, limit=2)
    assert [type(row.doc) for row in found] == [Document, Document]
    assert found[1].doc.first == "Bob"


@pytest.mark.parametrize(
    ("options", "firsts"),
    [
        ({"key": "Eve"}, ["Eve"]),
        ({"keys": ["Jo", "nobody", "Ann", "Jo"]}, ["Jo", "Ann", "Jo"]),
        ({"keys": []}, []),
        ({"startkey": "Gus"}, ["Gus", "Hal", "Ivy", "Jo"]),
        ({"start_key": "Ivy"}, ["Ivy", "Jo"]),
        ({"endkey": "Bob"}, ["Ann", "Bob"]),
        ({"end_key": "Bob"}, ["Ann", "Bob"]),
        ({"endkey": "Cy", "inclusive_end": False}, ["Ann", "Bob"]),
        ({"startkey": "Cy", "endkey": "Ann", "descending": True}, ["Cy", "Bob", "Ann"]),
        ({"limit": 2}, ["Ann", "Bob"]),
        ({"limit": 0}, []),
        ({"limit": 2, "skip": 3}, ["Dee", "Eve"]),
        ({"descending": True, "limit": 1}, ["Jo"]),
        ({"limit": None, "endkey": "Ann"}, ["Ann"]),
        ({"key": None}, []),
        ({"update": True, "stable": False, "sorted": True, "limit": 1}, ["Ann"]),
    ],
    ids=str,
)
def test_options_choose_the_rows(call, staff, options, firsts):
    assert _firsts(call(staff.view, "employees/byname", **options)) == firsts


def test_keys_come_in_any_iterable(call, staff):
    for keys in (("Jo", "Ann"), (name for name in ("Jo", "Ann")), {"Jo": 1, "Ann": 2}.keys()):
        assert _firsts(call(staff.view, "employees/byname", keys=keys)) == ["Jo", "Ann"]


def test_a_stale_view_may_be_asked_for(call, staff):
    call(staff.view, "employees/byname")
    for options in ({"stale": "ok"}, {"stale": "update_after"}, {"update": "lazy"}):
        assert len(call(staff.view, "employees/byname", **options)) == 10


def test_documents_of_the_same_key_are_told_apart_by_their_ids(call, db3):
    call(db3.save, [dict(ROUND), *({"_id": id, "key": 1} for id in "abcd")])
    found = call(db3.view, "round/keys", startkey=1, endkey=1, startkey_docid="b", endkey_docid="c")
    assert [row.id for row in found] == ["b", "c"]
    found = call(
        db3.view, "round/keys", start_key=1, end_key=1, start_key_doc_id="c", end_key_doc_id="d"
    )
    assert [row.id for row in found] == ["c", "d"]


def test_the_sequence_comes_if_wanted(call, staff, classic):
    found = call(staff.view, "employees/byname", update_seq=True)
    assert (found.update_seq is not None) or classic


# -- reduced --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "rows"),
    [
        ({}, [(None, 245)]),
        ({"group_level": 1}, [(["blue"], 125), (["red"], 120)]),
        ({"group_level": 0}, [(None, 245)]),
        ({"group": True, "limit": 1}, [(["blue", "Bob"], 21)]),
        ({"group_level": "exact", "limit": 1}, [(["blue", "Bob"], 21)]),
        ({"startkey": ["red"], "endkey": ["red", {}]}, [(None, 120)]),
        ({"keys": [["red", "Ann"], ["blue", "Jo"]], "group": True}, None),
    ],
    ids=str,
)
def test_a_view_is_reduced_and_grouped(call, staff, options, rows):
    found = call(staff.view, "employees/byteam", **options)
    assert found.total_rows is None
    assert [(row.key, row.value) for row in found] == (
        rows or [(["red", "Ann"], 20), (["blue", "Jo"], 29)]
    )
    assert [row.id for row in found] == [None] * len(found)


def test_a_view_is_not_reduced_if_that_is_not_wanted(call, staff):
    assert len(call(staff.view, "employees/byteam", reduce=False)) == 10


# -- the database's own views ---------------------------------------------------------------------


def test_all_docs_is_a_view(call, staff):
    found = call(staff.view, "_all_docs")
    assert [row.id for row in found] == ["_design/employees", *(f"p{n}" for n in range(10))]
    assert found[1].value.rev.startswith("1-")
    found = call(staff.view, "_all_docs", keys=["p3", "nobody"], include_docs=True)
    assert [(row.id, row.error) for row in found] == [("p3", None), (None, "not_found")]
    assert [row.doc and row.doc.first for row in found] == ["Dee", None]


def test_design_documents_are_a_view(call, staff):
    found = call(staff.view, "_design_docs", include_docs=True)
    assert [row.id for row in found] == ["_design/employees"]
    assert found.name == "_design_docs"
    assert found.total_rows in (1, None)
    assert found.options == {"include_docs": True}
    assert "byname" in found[0].doc.views
    for options in ({"startkey": "_design/f"}, {"end_key": "_design/d"}, {"key": "p0"}):
        assert [
            row.id for row in call(staff.view, "_design_docs", **options) if row.id != "p0"
        ] == []
    assert len(call(staff.view, "_design_docs", descending=True)) == 1
    assert len(call(staff.view, "_design_docs", keys=["_design/employees"])) == 1


def test_local_documents_are_a_view_where_the_server_lists_them(call, db, classic):
    call(db.save, {"_id": "_local/mark"})
    if classic:
        with pytest.raises(NotFound, match="does not offer _local_docs"):
            call(db.view, "_local_docs")
    else:
        assert [row.id for row in call(db.view, "_local_docs")] == ["_local/mark"]


# -- keys of every kind ---------------------------------------------------------------------------

KEYS = [
    None,
    False,
    True,
    0,
    -1,
    1.5,
    2**53,
    "",
    'a "quoted" \\ text',
    "1",
    "ä😀",
    "a/b?c#d%e+f&g=h",
    [],
    [1, [None, "x"]],
    {},
    {"a": {"b": [1]}},
]


def test_keys_of_every_kind_are_found_again(call, db):
    call(db.save, [dict(ROUND), *({"_id": f"d{n}", "key": key} for n, key in enumerate(KEYS))])
    for n, key in enumerate(KEYS):
        ids = {"key": key}, {"keys": [key]}, {"startkey": key, "endkey": key}
        for options in ids:
            (row,) = call(db.view, "round/keys", **options)
            assert (row.id, row.key) == (f"d{n}", key)
    assert [row.id for row in call(db.view, "round/keys", keys=KEYS)] == [
        f"d{n}" for n in range(len(KEYS))
    ]


def test_ten_thousand_keys_can_be_asked_for(call, staff):
    keys = [f"nobody {n}" for n in range(9_998)]
    found = call(staff.view, "employees/byname", keys=["Jo", *keys, "Ann"])
    assert _firsts(found) == ["Jo", "Ann"]
    found = call(staff.view, "_all_docs", keys=["p9", *keys, "p0"])
    assert len(found) == 10_000
    assert (found[0].id, found[-1].id) == ("p9", "p0")
    assert {row.error for row in found[1:-1]} == {"not_found"}


def test_keys_go_in_the_body_and_everything_else_in_the_query(call, canned, canned_db, answering):
    answering(200, b'{"rows":[]}')
    call(canned_db.view, "d/v", keys=[1, "1"], reduce=False, limit=3)
    call(canned_db.view, "d/v", startkey=[1, "a&b"], stale="ok")
    post, get = canned.asked
    assert (post.method, post.uri) == ("POST", "/canned/_design/d/_view/v?reduce=false&limit=3")
    assert json.loads(post.body) == {"keys": [1, "1"]}
    assert post.headers["Content-Type"] == "application/json"
    assert (get.method, get.path) == ("GET", "/canned/_design/d/_view/v")
    assert get.arguments == {"startkey": [b'[1,"a&b"]'], "stale": [b"ok"]}


# -- several queries ------------------------------------------------------------------------------


def test_several_queries_are_answered_at_once(call, staff):
    queries = [{"key": "Ann"}, {"limit": 2, "descending": True}, {"keys": ["Bob", "Cy"]}]
    found = call(staff.view, "employees/byname", queries=queries)
    assert [_firsts(one) for one in found] == [["Ann"], ["Jo", "Ivy"], ["Bob", "Cy"]]
    assert all(type(one) is ViewResult for one in found)
    assert found[0].options == {"key": "Ann"}


def test_queries_share_the_options_beside_them(call, staff):
    queries = ({"key": first} for first in ("Ann", "Bob"))
    found = call(staff.view, "employees/byname", queries=queries, include_docs=True)
    assert [one[0].doc.age for one in found] == [20, 21]
    found = call(staff.view, "_all_docs", queries=[{"limit": 1}, {"limit": 2}], skip=1)
    assert [[row.id for row in one] for one in found] == [["p0"], ["p0", "p1"]]
    assert call(staff.view, "employees/byname", queries=[]) == []


# -- what is not there ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["employees/bynothing", "nothing/byname"])
def test_a_view_that_is_not_there_is_not_found(call, staff, name):
    with pytest.raises(NotFound):
        call(staff.view, name)


# -- ad hoc ---------------------------------------------------------------------------------------


def _designs(db):
    return [id for id in db.with_style("blocking") if id.startswith("_design/")]


MAP = "function (doc) { if (doc.first) emit(doc.team, doc.age); }"


def test_a_view_can_be_queried_that_exists_for_this_once(call, staff):
    found = call(staff.query, MAP, key="red", include_docs=True)
    assert sorted(row.value for row in found) == [20, 22, 24, 26, 28]
    assert {row.doc.team for row in found} == {"red"}
    found = call(staff.query, MAP, "_sum", group=True)
    assert [(row.key, row.value) for row in found] == [("blue", 125), ("red", 120)]
    reduce_src = "function (keys, values) { return Math.max.apply(null, values); }"
    assert call(staff.query, MAP, reduce_src)[0].value == 29
    found = call(staff.query, MAP, keys=["red"], limit=1)
    assert _firsts(found) == ["red"]
    assert _designs(staff) == ["_design/employees"]


async def test_an_ad_hoc_view_that_was_cancelled_while_it_was_made_is_deleted(canned):
    loop = asyncio.get_running_loop()
    sent = []

    def answer(request):
        if request.method == "PUT":
            sent.append(json.loads(request.body))
            loop.call_soon_threadsafe(calling.cancel)
        return {"couchdb": "Welcome", "version": "3.5.0"}

    canned.answer = answer
    # Tornado's own client never closes the connection of a request that was cancelled.
    async with Couch(canned.url) as couch:
        calling = couch.database("canned").query(MAP)
        with pytest.raises(asyncio.CancelledError):
            await calling
    made, stone = sent
    assert made["views"]["query"] == {"map": MAP}
    assert stone["_deleted"] is True
    assert {request.path for request in canned.asked[-2:]} == {canned.asked[-1].path}
    # The stone stands on the revision that was made, whichever of the two the server sees first.
    assert made["_rev"] == f"1-{stone['_revisions']['ids'][1]}"


def test_an_ad_hoc_view_is_gone_after_a_failure_as_well(call, db3):
    with pytest.raises(BadRequest):
        call(db3.query, MAP, group=True)
    assert _designs(db3) == []
