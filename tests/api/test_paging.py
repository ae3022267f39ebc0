"""Pages of views: there and back, whatever shares a key, comes or goes."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
import uuid

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corduroy import Document, NotFound, Page, Row
from corduroy.cursors import Cursor
from tests.api.conftest import Canned

EACH = "function (d) { (d.keys || []).forEach(function (k, i) { emit(k, i); }); }"
ROUND = {
    "_id": "_design/round",
    "views": {"keys": {"map": EACH}, "sums": {"map": EACH, "reduce": "_count"}},
}

# Documents share keys, and emit one several times.
MANY = {
    "a": ["x", "x", "x", "y"],
    "b": ["x", "x", "x"],
    "c": ["x", "z"],
    "d": [["x", 1], ["x", 2], ["x", 2]],
    "e": ["w", "x", None, 1, {"x": 1}, ["x"], ["x", 1, "y"], ["y", 1]],
    "f": ["x"] * 5,
}


def fill(db, keys_by_id):
    docs = [{"_id": id, "keys": keys} for id, keys in keys_by_id.items()]
    db.with_style("blocking").save([dict(ROUND), *docs])


@pytest.fixture
def many(db):
    fill(db, MANY)
    return db


def blocking(method, *args, **options):
    return method(*args, **options)


def plain(rows):
    return json.loads(json.dumps(list(rows)))


def all_pages(db, *args, call=blocking, **options):
    """All pages, each reached by the cursor that the one before it has given."""
    pages = [call(db.page, *args, **options)]
    while pages[-1].next is not None:
        cursor = json.loads(json.dumps(pages[-1].next))
        assert re.fullmatch(r"[A-Za-z0-9_-]+", cursor), "it can stand in an url as it is"
        pages.append(call(db.page, *args, cursor=cursor, **options))
    return pages


def check_both_ways(db, name, per_page, whole=None, call=blocking, **options):
    """Check that the pages are the whole view, going on and coming back."""
    whole = plain(call(db.view, name, **options)) if whole is None else whole
    pages = all_pages(db, name, per_page, call=call, **options)
    assert [row for page in pages for row in plain(page)] == whole
    assert {len(page) for page in pages[:-1]} <= {per_page}
    assert pages[0].previous is None
    back = pages[-1:]
    while back[0].previous is not None:
        back.insert(0, call(db.page, name, per_page, cursor=back[0].previous, **options))
    assert [plain(page) for page in back] == [plain(page) for page in pages]
    # A page is the same from either side.
    assert [page.next for page in back] == [page.next for page in pages]
    assert [page.previous for page in back] == [page.previous for page in pages]
    return pages


# -- there and back -------------------------------------------------------------------------------


def test_pages_follow_one_another_and_lead_back(call, staff):
    pages = check_both_ways(staff, "employees/byname", 4, call=call)
    assert [type(page) for page in pages] == [Page] * 3
    assert [type(row) for row in pages[0]] == [Row] * 4
    assert [[row.key for row in page] for page in pages[1:]] == [
        ["Eve", "Fay", "Gus", "Hal"],
        ["Ivy", "Jo"],
    ]
    assert repr(pages[2]) == "<employees/byname: 2/10 rows>"


RANGES = [
    {},
    {"key": "x"},
    {"startkey": "x"},
    {"startkey": "x", "endkey": "y"},
    {"startkey": "w", "endkey": "x", "inclusive_end": False},
    {"startkey": "z", "endkey": "w", "descending": True},
    {"start_key": "z", "end_key": "w", "descending": True, "inclusive_end": False},
    {"startkey": None, "endkey": 1},
    {"startkey": ["x", 1], "endkey": ["x", {}]},
    {"startkey": "nothing", "endkey": "o"},
    {"endkey": None},
    {"key": "x", "descending": True},
    {"descending": True},
]


@pytest.mark.parametrize("options", RANGES, ids=str)
def test_pages_are_the_whole_view_however_many_rows_share_a_key(many, options):
    many = many.with_style("blocking")
    for per_page in (1, 2, 3, 7, 100):
        check_both_ways(many, "round/keys", per_page, **options)


def test_ids_may_bound_the_pages_too(many, classic):
    many = many.with_style("blocking")
    options = {"startkey": "x", "startkey_docid": "b", "endkey": "x", "endkey_docid": "e"}
    pages = check_both_ways(many, "round/keys", 2, **options)
    if not classic:  # PouchDB Server takes no notice of them
        assert {row.id for page in pages for row in page} == {"b", "c", "e"}


@pytest.mark.parametrize(
    "options",
    [
        {"group": True},
        {"group": True, "descending": True},
        {"group_level": 1},
        {"group_level": 1, "descending": True},
        {"group_level": "exact", "startkey": "x"},
        {"group_level": 1, "startkey": ["x", 2], "endkey": ["y", 1]},
        {"group_level": 1, "startkey": ["y", 1], "endkey": ["x", 2], "descending": True},
        {"group_level": 1, "startkey": ["x", 1], "endkey": ["y", 1], "inclusive_end": False},
        {"group_level": 2, "startkey": ["x"], "endkey": ["x", {}]},
        {"reduce": False},
        {},
    ],
    ids=str,
)
def test_groups_are_paged_as_rows_are(many, options):
    many = many.with_style("blocking")
    for per_page in (1, 2, 3):
        check_both_ways(many, "round/sums", per_page, **options)


def test_pages_go_through_keys_in_their_order(many):
    many = many.with_style("blocking")
    keys = ["z", "x", "nothing", ["x", 2], "w", *(f"no {at}" for at in range(30)), 1, "y"]
    whole = [row for key in keys for row in plain(many.view("round/keys", key=key))]
    down = [
        row
        for key in reversed(keys)
        for row in plain(many.view("round/keys", key=key, descending=True))
    ]
    for per_page in (1, 3, 4, 50):
        check_both_ways(many, "round/keys", per_page, whole, keys=keys)
        check_both_ways(many, "round/keys", per_page, down, keys=keys, descending=True)
    groups = plain(many.view("round/sums", keys=keys, group=True))
    check_both_ways(many, "round/sums", 2, groups, keys=keys, group=True)
    assert all_pages(many, "round/keys", keys=[])[0].rows == []


def test_a_key_that_is_asked_for_twice_comes_twice(many):
    many = many.with_style("blocking")
    keys = ["z", "x", "x", "z"]
    whole = [row for key in keys for row in plain(many.view("round/keys", key=key))]
    for per_page in (1, 4):
        check_both_ways(many, "round/keys", per_page, whole, keys=keys)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"descending": True},
        {"startkey": "b", "endkey": "d"},
        {"startkey": "e", "endkey": "b", "descending": True, "inclusive_end": False},
        {"key": "c"},
        {"include_docs": True},
        {"keys": ["f", "nobody", "a", "f", "_design/round"]},
    ],
    ids=str,
)
def test_all_documents_are_a_view(many, options):
    many = many.with_style("blocking")
    for per_page in (1, 2, 100):
        check_both_ways(many, "_all_docs", per_page, **options)


def test_so_are_design_documents(many):
    many = many.with_style("blocking")
    many.save([{"_id": f"_design/{name}"} for name in "abc"])
    for options in ({}, {"descending": True}, {"startkey": "_design/b"}):
        check_both_ways(many, "_design_docs", 2, **options)


def test_keys_of_every_length_and_kind_can_be_gone_on_from(db):
    keys = [0.1, 2**53, -1.5e300, "", 'a "b" \\', "ä😀", "x" * 2000, [[], {}], {"a": [None, True]}]
    fill(db, {"one": keys, "two": keys})
    check_both_ways(db.with_style("blocking"), "round/keys", 1)


def test_hundreds_of_rows_under_one_key(db):
    fill(db, {f"d{at:03}": ["x"] for at in range(200)})
    check_both_ways(db.with_style("blocking"), "round/keys", 30)


KEYS = st.sampled_from([None, 1, "a", "b", ["a"], ["a", 1], ["a", 2], ["b", 1], {"a": 1}])


@settings(
    max_examples=25,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(data=st.data(), docs=st.lists(st.lists(KEYS, max_size=5), min_size=1, max_size=8))
def test_pages_are_the_whole_view_whatever_is_in_it(couch, data, docs):
    couch = couch.with_style("blocking")
    db = couch.create(f"test-{uuid.uuid4().hex}")
    try:
        fill(db, {f"d{at}": keys for at, keys in enumerate(docs)})
        order = [row.key for row in db.view("round/keys")]
        options = {"descending": data.draw(st.booleans())}
        if order and data.draw(st.booleans()):
            ends = sorted(data.draw(st.tuples(*[st.integers(0, len(order) - 1)] * 2)))
            ends.sort(reverse=options["descending"])
            options |= {"startkey": order[ends[0]], "endkey": order[ends[1]]}
            options["inclusive_end"] = data.draw(st.booleans())
        shapes = [{"reduce": False}, {"group": True}, {"group_level": 1}]
        options |= data.draw(st.sampled_from(shapes))
        check_both_ways(db, "round/sums", data.draw(st.integers(1, 6)), **options)
    finally:
        couch.delete(db.name)


# -- while others write ---------------------------------------------------------------------------


def delete(db, ids):
    for id in ids:
        db.delete(id)


def keys_of(page):
    return [row.key for row in page]


@pytest.fixture
def letters(db):
    """Documents that emit "a" to "i"."""
    fill(db, {letter: [letter] for letter in "abcdefghi"})
    return db.with_style("blocking")


def test_what_comes_and_goes_between_two_pages_moves_no_row(letters):
    first = letters.page("round/keys", 3)
    assert keys_of(first) == ["a", "b", "c"]
    delete(letters, "cd")
    letters.save([{"_id": "0", "keys": ["0", "bb"]}, {"_id": "1", "keys": ["cc", "e"]}])
    second = letters.page("round/keys", 3, first.next)
    assert keys_of(second) == ["cc", "e", "e"]
    third = letters.page("round/keys", 3, second.next)
    assert keys_of(third) == ["f", "g", "h"]
    delete(letters, "ef")
    letters.save({"_id": "2", "keys": ["c"]})
    back = letters.page("round/keys", 3, third.previous)
    assert keys_of(back) == ["c", "cc", "e"]
    assert keys_of(letters.page("round/keys", 3, back.previous)) == ["a", "b", "bb"]
    assert keys_of(letters.page("round/keys", 3, back.next)) == ["g", "h", "i"]


@pytest.mark.parametrize("options", [{"reduce": False}, {"group": True}, {"group_level": 1}])
def test_a_page_that_has_gone_leads_back_to_where_one_came_from(letters, options):
    first = letters.page("round/sums", 7, **options)
    delete(letters, "hi")
    empty = letters.page("round/sums", 7, first.next, **options)
    assert (len(empty), empty.next) == (0, None)
    back = letters.page("round/sums", 7, empty.previous, **options)
    assert plain(back) == plain(first)
    second = letters.page("round/sums", 3, letters.page("round/sums", 3, **options).next, **options)
    delete(letters, "abc")
    empty = letters.page("round/sums", 3, second.previous, **options)
    assert (len(empty), empty.previous) == (0, None)
    onwards = letters.page("round/sums", 3, empty.next, **options)
    assert plain(onwards) == plain(second)


def test_groups_of_a_level_that_have_gone_lead_back_too(db):
    fill(db, {"a": [["a", 1], ["a", 2], ["b", 1], ["b", 2]], "c": [["c", 1], ["c", 2]]})
    db = db.with_style("blocking")
    options = {"group_level": 1, "startkey": ["a", 2]}
    first = db.page("round/sums", 2, **options)
    db.delete("c")
    empty = db.page("round/sums", 2, first.next, **options)
    assert len(empty) == 0
    back = db.page("round/sums", 2, empty.previous, **options)
    assert plain(back) == plain(first) == plain(db.view("round/sums", **options))
    assert back.previous is None


def test_a_document_that_emits_a_key_less_often_is_met_where_it_is(db):
    fill(db, {"a": ["x"] * 5, "b": ["x"]})
    db = db.with_style("blocking")
    page = db.page("round/keys", 4)
    db.patch("a", {"keys": ["x"]})
    following = db.page("round/keys", 4, page.next)
    assert [row.id for row in following] == ["b"]
    assert [row.id for row in db.page("round/keys", 4, following.previous)] == ["a"]


# -- pages as a stream ----------------------------------------------------------------------------


@pytest.fixture(params=["for", "async for", "callback", "all"])
def gone_through(request):
    """``gone_through(db.pages, …)``: a list of pages, in each way to go through them."""

    async def in_loop(method, args, options):
        return [page async for page in method(*args, **options)]

    async def call_back(method, args, options):
        told = []
        await method(*args, callback=lambda pages, status: told.extend(pages), **options)
        return told

    def gone_through(method, *args, **options):
        if request.param == "for":
            return list(method(*args, **options))
        if request.param == "all":
            return method(*args, **options).all()
        run = in_loop if request.param == "async for" else call_back
        return asyncio.run(run(method, args, options))

    return gone_through


def test_all_pages_can_be_gone_through(gone_through, staff):
    pages = gone_through(staff.pages, "employees/byname", per_page=4)
    assert [len(page) for page in pages] == [4, 4, 2]
    assert [row.key for page in pages for row in page][::4] == ["Ann", "Eve", "Ivy"]
    later = gone_through(staff.pages, "employees/byname", 4, cursor=pages[0].next)
    assert [plain(page) for page in later] == [plain(page) for page in pages[1:]]


def test_a_view_without_rows_has_no_pages_to_go_through(gone_through, staff):
    assert gone_through(staff.pages, "employees/byname", key="nobody") == []


def test_pages_go_on_after_a_break_if_that_is_wanted(gone_through, canned, canned_db):
    rows = [{"id": id, "key": 1, "value": None} for id in "abcd"]
    refusals = [503, 500]

    def answer(request):
        if request.path == "/":
            return {"couchdb": "Welcome", "version": "3.5.0"}
        if "startkey_docid" not in request.arguments:
            return {"total_rows": 4, "offset": 0, "rows": rows[:3]}
        if refusals:
            return Canned(refusals.pop(), b'{"error":"busy","reason":"later"}')
        return {"total_rows": 4, "offset": 1, "rows": rows[1:]}

    canned.answer = answer
    pages = gone_through(canned_db.pages, "d/v", 2, resume=True)
    assert [[row.id for row in page] for page in pages] == [["a", "b"], ["c", "d"]]
    assert refusals == []


# -- what a page has ------------------------------------------------------------------------------


def test_documents_come_with_their_rows_and_know_their_database(many):
    many = many.with_style("blocking")
    first = many.page("round/keys", 2, key="x", include_docs=True)
    second = many.page("round/keys", 3, first.next, key="x", include_docs=True)
    assert [row.doc._id for row in second] == ["a", "b", "b"]
    doc = second[0].doc
    assert type(doc) is Document
    doc.seen = True
    doc.store()
    assert many.get("a").seen is True


def test_a_page_tells_how_many_rows_there_are_and_how_many_come_before_it(staff, classic):
    pages = check_both_ways(staff.with_style("blocking"), "employees/byname", 4)
    assert [page.total_rows for page in pages] == [10, 10, 10]
    assert pages[0].offset == 0
    back = staff.with_style("blocking").page("employees/byname", 4, pages[2].previous)
    part = check_both_ways(
        staff.with_style("blocking"),
        "employees/byname",
        3,
        startkey="Hal",
        endkey="Bob",
        descending=True,
    )
    assert [page.offset for page in part] == ([0, None, None] if classic else [2, 5, 8])
    if classic:  # PouchDB Server does not know
        assert [page.offset for page in (*pages[1:], back)] == [None] * 3
    else:
        assert [page.offset for page in (*pages[1:], back)] == [4, 8, 4]


ANOTHER = """
import os, sys, corduroy
db = corduroy.Couch(os.environ["COUCHDB_URL"], style="blocking").database(sys.argv[1])
print(*(row.id for row in db.page("round/keys", 4, sys.argv[2], key="x")))
"""


def test_a_cursor_is_good_in_another_process(many, couchdb_url):
    first = many.with_style("blocking").page("round/keys", 4, key="x")
    ran = subprocess.run(
        [sys.executable, "-c", ANOTHER, many.name, first.next],
        env={**os.environ, "COUCHDB_URL": couchdb_url},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert ran.stdout == "b b c e\n"


# -- cursors that are none ------------------------------------------------------------------------


NONE = r"cursor .* is none that a page"


def forged(back=0, seen=1, key="Bob", id="p1", at=None):
    return Cursor(bool(back), seen, key, id, at).encode()


MALFORMED = [
    "",
    "x",
    "💥",
    "WzAsMV0",  # [0,1]
    "bnVsbA",  # null
    "e30",  # {}
    "//79",
    forged() + "=",
    forged() + "\n",
    forged()[:-1],
    forged()[1:],
    forged(seen=-1),
    forged(seen=1.0),
    forged(seen=2**60),
    forged(id=1),
    forged(at=0),
    forged(at=-1),
    "W" * 10_000,
    "W1tbW1tb" * 10_000,
]


@pytest.mark.parametrize("cursor", MALFORMED, ids=lambda text: f"{text:.12}")
def test_a_cursor_that_no_page_has_given_is_refused_at_the_call(refused, db, cursor):
    refused(ValueError, NONE, db.page, "d/v", cursor=cursor)
    with pytest.raises(ValueError, match=NONE):
        db.pages("d/v", cursor=cursor)


def test_it_must_be_a_str(refused, db):
    refused(TypeError, "cursor must be a str, as a page has it", db.page, "d/v", cursor=b"x")


@pytest.mark.parametrize(
    ("options", "cursor"),
    [
        ({}, forged(at=0)),
        ({}, forged(id=None)),
        ({"group": True}, forged()),
        ({"group_level": 0}, forged(id=None)),
        ({"group_level": 1}, forged(key=["red", "Cy"], id=None)),
        ({"keys": ["a"]}, forged()),
        ({"keys": ["a"]}, forged(at=1)),
    ],
)
def test_one_of_other_options_is_refused_at_the_call(refused, db, options, cursor):
    refused(ValueError, NONE, db.page, "d/v", cursor=cursor, **options)


@pytest.mark.parametrize(
    ("name", "options", "cursor"),
    [
        ("_all_docs", {}, forged(key=5, id=None)),
        ("_all_docs", {}, forged(key="b", id="b")),
        ("_all_docs", {"startkey": "c"}, forged(key="b", id=None)),
        ("_all_docs", {"endkey": "c"}, forged(1, key="d", id=None)),
        ("_all_docs", {"endkey": "c", "inclusive_end": False}, forged(1, key="c", id=None)),
        ("_all_docs", {"startkey": "c", "descending": True}, forged(key="d", id=None)),
        ("_all_docs", {"key": "c"}, forged(key="d", id=None)),
        ("_all_docs", {"keys": ["a"]}, forged(0, 0, None, None, 2)),
        ("_all_docs", {"keys": ["a"]}, forged(0, 0, "b", None, 0)),
        ("_design_docs", {}, forged(1, key="b", id=None)),
        ("_local_docs", {}, forged(key="b", id=None)),
    ],
)
def test_one_that_leads_out_of_a_list_is_refused_at_the_call(refused, db, name, options, cursor):
    refused(ValueError, NONE, db.page, name, cursor=cursor, **options)


@pytest.mark.parametrize(
    ("options", "cursor"),
    [
        ({"startkey": "Cy"}, forged()),
        ({"startkey": "Cy"}, forged(1)),
        ({"endkey": "Ann"}, forged(1)),
        ({"endkey": "Ann"}, forged()),
        ({"startkey": "Ann", "endkey": "Ann"}, forged(key=None)),
        ({"endkey": "Bob", "inclusive_end": False}, forged(1)),
        ({"startkey": "Ann", "descending": True}, forged()),
        ({"endkey": "Cy", "descending": True}, forged(1)),
        ({"endkey": "Bob", "descending": True, "inclusive_end": False}, forged(1)),
    ],
    ids=str,
)
def test_one_that_leads_out_of_a_view_is_refused_by_asking_the_server(call, staff, options, cursor):
    with pytest.raises(ValueError, match=NONE):
        call(staff.page, "employees/byname", cursor=cursor, **options)


@pytest.mark.parametrize(
    ("options", "cursor"),
    [
        ({"startkey": "Bob", "startkey_docid": "p3"}, forged()),
        ({"startkey": "Bob", "startkey_docid": "p0", "descending": True}, forged()),
        ({"key": "Bob", "startkey_docid": "p3"}, forged(key="Ann")),
        ({"endkey": "Bob", "endkey_docid": "p0"}, forged(1)),
        ({"endkey": "Bob", "endkey_docid": "p1", "inclusive_end": False}, forged(1)),
    ],
    ids=str,
)
def test_nor_does_it_lead_out_of_ids(call, staff, classic, options, cursor):
    if classic:  # PouchDB Server takes no notice of ids
        assert call(staff.page, "employees/byname", 1, cursor, **options).name
    else:
        with pytest.raises(ValueError, match=NONE):
            call(staff.page, "employees/byname", 1, cursor, **options)


def test_whatever_a_cursor_says_only_the_rows_of_the_key_come(call, staff):
    for back in (0, 1):
        page = call(staff.page, "employees/byname", cursor=forged(back, 5, "Ann", "p0"), key="Bob")
        assert {row.key for row in page} <= {"Bob"}
        place = forged(back, 5, "Ann", "p0", 1)
        page = call(staff.page, "employees/byname", cursor=place, keys=["Jo", "Bob"])
        assert {row.key for row in page} <= {"Bob", "Jo"}


@pytest.mark.parametrize(
    ("options", "cursor"),
    [
        ({}, forged(key=["red", "Ann"])),  # all rows are reduced to one
        ({"group": True, "startkey": ["red"]}, forged(key=["blue", "Jo"], id=None)),
        ({"group_level": 1, "startkey": ["red", "Cy"]}, forged(key=["blue"], id=None)),
        ({"group_level": 1, "endkey": ["blue", "Dee"]}, forged(1, key=["red"], id=None)),
    ],
    ids=str,
)
def test_one_that_would_tell_of_other_groups_is_refused(call, staff, options, cursor):
    with pytest.raises(ValueError, match=NONE):
        call(staff.page, "employees/byteam", cursor=cursor, **options)


@pytest.mark.parametrize("back", [0, 1])
@pytest.mark.parametrize("seen", [0, 1])
@pytest.mark.parametrize("descending", [False, True])
def test_groups_are_whole_wherever_one_begins(call, staff, back, seen, descending):
    options = {"group_level": 1, "descending": descending}
    whole = plain(call(staff.view, "employees/byteam", **options))
    for key in (["a"], ["blue"], ["c"], ["red"], "text"):
        cursor = forged(back, seen, key, None)
        page = call(staff.page, "employees/byteam", cursor=cursor, **options)
        assert all(row in whole for row in plain(page))


def test_keys_of_a_view_that_is_reduced_need_groups(call, staff):
    with pytest.raises(ValueError, match="group must be True"):
        call(staff.page, "employees/byteam", keys=[["red", "Ann"]])


# -- bad input ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "words", "options"),
    [
        (TypeError, "page has no option 'limit'", {"limit": 3}),
        (TypeError, "page has no option 'skip'", {"skip": 3}),
        (TypeError, "page has no option 'startkay': did you mean 'startkey'", {"startkay": 3}),
        (TypeError, "(page has no option 'resume'|resume must be True or False)", {"resume": 1}),
        (TypeError, "descending must be True or False", {"descending": 1}),
        (ValueError, "per_page must be an int of at least 1, not 0", {"per_page": 0}),
        (ValueError, "per_page must be an int of at least 1, not True", {"per_page": True}),
        (TypeError, "keys must be a list", {"keys": "abc"}),
        (ValueError, "keys and end_key both say which rows", {"keys": ["a"], "end_key": "b"}),
    ],
)
def test_bad_input_is_told_at_the_call(refused, db, kind, words, options):
    refused(kind, words, db.page, "d/v", **options)
    with pytest.raises(kind, match=words):
        db.pages("d/v", **options)


def test_a_view_that_is_not_there_is_not_found(call, staff, gone_through):
    with pytest.raises(NotFound):
        call(staff.page, "employees/bynothing")
