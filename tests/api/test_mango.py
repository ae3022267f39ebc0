"""Mango: documents found by a selector, at once or page after page, and how they are found."""

from __future__ import annotations

import asyncio
import json
import pickle
import uuid

import pytest

from corduroy import BadRequest, Couch, Document, FindResult, NotFound

YEARS = {"a": 1741, "b": 1955, "c": 1981, "d": 1957, "e": 1990, "f": 1893, "g": 1800}
SONGS = [
    {"_id": id, "year": year, "by": "Bach" if year < 1800 else "others", "ends": [year, {"n": at}]}
    for at, (id, year) in enumerate(YEARS.items())
]
OLD = {"year": {"$lt": 1900}}


@pytest.fixture(scope="module")
def songs(couchdb_url, http_client):
    """A database of seven songs, with an index of their years. It is the whole module's: read only."""
    name = f"songs-{uuid.uuid4().hex}"
    with Couch(couchdb_url, http_client=http_client) as couch:
        blocking = couch.with_style("blocking").create(name)
        blocking.save([dict(song) for song in SONGS])
        blocking.create_index(["year"], name="years", ddoc="indexes")
        yield couch.database(name)
        couch.with_style("blocking").delete(name)


@pytest.fixture
def songs3(db3, offstage):
    """The same on a CouchDB 3, for this test alone."""

    def fill(couch):
        database = couch.database(db3.name)
        database.save([dict(song) for song in SONGS])
        database.create_index(["year"], name="years", ddoc="indexes")

    offstage(fill)
    return db3


def ids(found):
    return [doc["_id"] for doc in found]


# -- what is found --------------------------------------------------------------------------------


def test_documents_are_found_by_a_selector(call, songs):
    found = call(songs.find, OLD)
    assert type(found) is FindResult
    assert (len(found), repr(found)) == (3, "<_find: 3 docs>")
    assert all(type(doc) is Document for doc in found)
    assert {doc._id: doc.year for doc in found} == {"a": 1741, "f": 1893, "g": 1800}
    assert found[0].ends[1].n == 0


def test_a_result_is_indexed_and_sliced_as_a_list_is(call, songs):
    found = call(songs.find, OLD, sort=["year"])
    assert ids(found.docs) == ids(found) == ["a", "g", "f"]
    assert found[-1]._id == "f"
    assert ids(found[:2]) == ["a", "g"]
    assert found[0] is found[0]
    assert found == call(songs.find, OLD, sort=["year"])
    assert pickle.loads(pickle.dumps(found)) == found
    with pytest.raises(IndexError):
        found[3]


@pytest.mark.parametrize(
    ("selector", "options", "found"),
    [
        ({"_id": "c"}, {}, ["c"]),
        ({"year": 1990, "by": "others"}, {}, ["e"]),
        ({"$or": [{"year": 1741}, {"year": 1800}]}, {"use_index": None}, ["a", "g"]),
        ({"ends": {"$elemMatch": {"$eq": 1955}}}, {}, ["b"]),
        (OLD, {"sort": [{"year": "desc"}]}, ["f", "g", "a"]),
        (OLD, {"sort": ({"year": "asc"},)}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "limit": 1}, ["a"]),
        (OLD, {"sort": ["year"], "limit": 1, "skip": 1}, ["g"]),
        (OLD, {"limit": 0}, []),
        (OLD, {"sort": ["year"], "use_index": "indexes"}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "use_index": "indexes/years"}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "use_index": "_design/indexes/years"}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "use_index": ["_design/indexes", "years"]}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "update": True, "stable": False, "stale": False}, ["a", "g", "f"]),
        (OLD, {"sort": ["year"], "conflicts": True, "allow_fallback": True}, ["a", "g", "f"]),
        ({"year": {"$gt": 2000}}, {}, []),
    ],
    ids=str,
)
def test_options_choose_among_them(call, songs, selector, options, found):
    assert ids(call(songs.find, selector, **options)) == found


def test_an_empty_selector_finds_everything(call, songs):
    assert sorted(ids(call(songs.find, {}))) == sorted(YEARS)


def test_a_part_of_each_document_may_be_asked_for(call, songs):
    found = call(songs.find, OLD, fields=["by", "ends"], sort=["year"], limit=1)
    assert found[0] == {"by": "Bach", "ends": [1741, {"n": 0}]}
    assert type(found[0]) is Document


def test_without_an_index_the_server_warns(call, songs):
    found = call(songs.find, {"by": "Bach"})
    assert ids(found) == ["a"]
    assert "index" in found.warning
    assert repr(found) == "<_find: 1 docs, with a warning>"
    assert call(songs.find, OLD).warning is None


def test_what_is_found_can_be_saved_again_unless_it_is_a_part(call, db):
    call(db.save, {"_id": "a", "year": 1741})
    found = call(db.find, {"year": 1741})[0]
    found.year = 1742
    call(found.store)
    assert call(db.get, "a").year == 1742
    part = call(db.find, {"year": 1742}, fields=["_id", "_rev"])[0]
    with pytest.raises(ValueError, match="db is needed"):
        part.store()


def test_a_large_answer_is_read_line_by_line_to_the_same_end(call, db):
    text = "}\n],\n" * 100
    call(db.save, [{"_id": f"{n:04}", "n": n, "text": text} for n in range(1000)])
    found = call(db.find, {"n": {"$gte": 10}}, limit=990)
    assert ids(found) == [f"{n:04}" for n in range(10, 1000)]
    assert found[-1].text == text
    assert found.warning is not None


# -- what only CouchDB has ------------------------------------------------------------------------


def test_couchdb_gives_no_more_than_25_unless_it_is_told(call, db3, offstage):
    offstage(lambda couch: couch.database(db3.name).save([{"n": n} for n in range(26)]))
    assert len(call(db3.find, {"n": {"$gte": 0}})) == 25
    assert len(call(db3.find, {"n": {"$gte": 0}}, limit=30)) == 26


def test_a_bookmark_leads_to_the_next_page(call, songs3):
    first = call(songs3.find, OLD, sort=["year"], limit=2)
    second = call(songs3.find, OLD, sort=["year"], limit=2, bookmark=first.bookmark)
    assert [ids(first), ids(second)] == [["a", "g"], ["f"]]
    assert len(call(songs3.find, OLD, sort=["year"], limit=2, bookmark=second.bookmark)) == 0
    assert call(songs3.find, {"year": {"$gt": 2000}}).bookmark is None


def test_statistics_come_if_wanted(call, songs3):
    found = call(songs3.find, OLD, execution_stats=True)
    assert found.execution_stats.results_returned == 3
    assert found.execution_stats["total_docs_examined"] == 3
    assert call(songs3.find, OLD).execution_stats is None


def test_more_copies_may_be_read(call, songs3):
    found = call(songs3.find, OLD, r=2, execution_stats=True)
    assert found.execution_stats.total_quorum_docs_examined == 3


def test_an_index_that_does_not_fit_is_passed_over_with_a_warning(call, songs3):
    found = call(songs3.find, {"by": "Bach"}, use_index="indexes/years")
    assert ids(found) == ["a"]
    assert "_design/indexes, years was not used" in found.warning


def test_a_query_may_be_refused_rather_than_read_everything(call, songs3):
    assert len(call(songs3.find, OLD, allow_fallback=False)) == 3
    with pytest.raises(BadRequest, match="no index serves this query: create_index"):
        call(songs3.find, {"by": "Bach"}, allow_fallback=False)
    with pytest.raises(BadRequest, match="indexes specified by `use_index`"):
        call(songs3.find, {"by": "Bach"}, use_index="indexes", allow_fallback=False)


def test_an_index_may_be_used_as_it_is(call, songs3, offstage):
    assert len(call(songs3.find, OLD)) == 3
    offstage(lambda couch: couch.database(songs3.name).save({"_id": "h", "year": 1700}))
    for options in ({"update": False}, {"stale": "ok"}):
        assert len(call(songs3.find, OLD, **options)) in (3, 4)  # it may be up to date by itself
    assert len(call(songs3.find, OLD)) == 4


def test_conflicts_come_if_wanted(call, songs3, offstage):
    leaf = {"_id": "a", "_rev": f"1-{0:032}", "year": 1741}
    offstage(lambda couch: couch.database(songs3.name).save([leaf], new_edits=False))
    (found,) = call(songs3.find, {"year": 1741}, conflicts=True)
    assert found._conflicts == [f"1-{0:032}"]
    (found,) = call(songs3.find, {"year": 1741})
    assert "_conflicts" not in found


# -- what goes wrong ------------------------------------------------------------------------------


def test_a_sort_that_no_index_serves_says_what_to_do(call, songs):
    words = r"no index serves this sort: create_index\(\) of the sort's fields, in their order"
    with pytest.raises(BadRequest, match=words) as raised:
        call(songs.find, {"by": "Bach"}, sort=["by"])
    assert raised.value.response["reason"] != raised.value.reason  # the server's own is still there
    with pytest.raises(BadRequest, match=words):
        call(songs.find_all({"by": "Bach"}, sort=["by"]).all)


def test_an_operator_that_does_not_exist_is_named(call, songs):
    with pytest.raises(BadRequest, match=r"\$greater"):
        call(songs.find, {"year": {"$greater": 1900}})


def test_a_database_that_does_not_exist_is_told(call, couch):
    nowhere = couch.database("nowhere")
    for method, *args in ([nowhere.find, OLD], [nowhere.explain, OLD], [nowhere.find_all(OLD).all]):
        with pytest.raises(NotFound) as raised:
            call(method, *args)
        assert raised.value.error == "not_found"


@pytest.mark.parametrize("method", ["find", "find_all", "explain"])
@pytest.mark.parametrize(
    ("kind", "words", "selector", "options"),
    [
        (TypeError, "selector must be a dict", ["year"], {}),
        (TypeError, "selector must be a dict", None, {}),
        (TypeError, "selector must be a dict", '{"year": 1741}', {}),
        (ValueError, r"selector\['year'\]\['\$gt'\] is nan", {"year": {"$gt": float("nan")}}, {}),
        (TypeError, r"selector\['year'\] is a set", {"year": {1741}}, {}),
        (TypeError, r"selector has the key 1", {1: 2}, {}),
        (TypeError, "'limits': did you mean 'limit'", {}, {"limits": 5}),
        (TypeError, "'use_indexes': did you mean 'use_index'", {}, {"use_indexes": "a"}),
        (TypeError, "has no option 'partition'", {}, {"partition": "a"}),
        (TypeError, "limit must be an int", {}, {"limit": "5"}),
        (ValueError, "limit must not be negative", {}, {"limit": -1}),
        (TypeError, "skip must be an int", {}, {"skip": True}),
        (TypeError, "fields must be a list", {}, {"fields": "year"}),
        (TypeError, r"fields\[1\] must be a str", {}, {"fields": ["year", 5]}),
        (TypeError, "sort must be a list", {}, {"sort": "year"}),
        (TypeError, "sort must be a list", {}, {"sort": {"year": "asc"}}),
        (TypeError, r"sort\[0\] must be a field's name or", {}, {"sort": [5]}),
        (TypeError, r"sort\[0\]", {}, {"sort": [{"a": "asc", "b": "asc"}]}),
        (ValueError, r"sort\[1\] must be one of asc, desc", {}, {"sort": ["a", {"b": "up"}]}),
        (ValueError, "use_index must be 'ddoc' or 'ddoc/name'", {}, {"use_index": ""}),
        (ValueError, "use_index", {}, {"use_index": "ddoc/"}),
        (ValueError, "use_index", {}, {"use_index": ["a", "b", "c"]}),
        (TypeError, "use_index", {}, {"use_index": 5}),
        (TypeError, "bookmark must be a str", {}, {"bookmark": 5}),
        (ValueError, "r must be an int of at least 1", {}, {"r": 0}),
        (TypeError, "conflicts must be True or False", {}, {"conflicts": "yes"}),
        (TypeError, "update must be True or False", {}, {"update": "lazy"}),
        (TypeError, "execution_stats must be", {}, {"execution_stats": 1}),
        (TypeError, "allow_fallback must be", {}, {"allow_fallback": 0}),
        (ValueError, "stale must be one of ok", {}, {"stale": "update_after"}),
    ],
)
def test_bad_arguments_are_named_before_anything_is_sent(
    refused, nobody, method, kind, words, selector, options
):
    db = Couch(nobody).database("db")
    if method == "find_all":
        with pytest.raises(kind, match=words):
            db.find_all(selector, **options)
    else:
        refused(kind, words, getattr(db, method), selector, **options)


def test_a_page_has_at_least_one_document(nobody):
    for page in (0, -1, "5", True, None):
        with pytest.raises(ValueError, match="page"):
            Couch(nobody).database("db").find_all({}, page=page)


# -- page after page ------------------------------------------------------------------------------

IN_ORDER = sorted(YEARS, key=YEARS.__getitem__)
ALL = {"year": {"$gt": 0}}


@pytest.mark.parametrize("page", [1, 2, 3, 7, 8])
@pytest.mark.parametrize(
    ("options", "wanted"),
    [
        ({}, IN_ORDER),
        ({"limit": 4}, IN_ORDER[:4]),
        ({"limit": 6, "skip": 3}, IN_ORDER[3:]),
        ({"limit": 3, "skip": 2}, IN_ORDER[2:5]),
        ({"skip": 7}, []),
        ({"limit": 0}, []),
        ({"limit": 100}, IN_ORDER),
    ],
    ids=str,
)
def test_find_all_finds_all(call, songs, page, options, wanted):
    assert ids(call(songs.find_all(ALL, page, sort=["year"], **options).all)) == wanted


@pytest.mark.parametrize("page", [2, 7])
def test_pages_are_gone_through_as_one(songs, page):
    stream = songs.find_all(ALL, page=page, sort=["year"])

    async def in_loop():
        return [doc._id async for doc in stream]

    assert [doc._id for doc in stream] == IN_ORDER
    assert asyncio.run(in_loop()) == IN_ORDER
    assert [doc._id for doc in stream] == IN_ORDER  # each time from the beginning


def test_find_all_goes_on_by_bookmarks(call, songs3):
    options = {"sort": ["year"], "skip": 1, "execution_stats": True}
    assert ids(call(songs3.find_all(ALL, page=2, **options).all)) == IN_ORDER[1:]
    first = call(songs3.find, ALL, sort=["year"], limit=3)
    rest = songs3.find_all(ALL, page=2, sort=["year"], bookmark=first.bookmark)
    assert ids(call(rest.all)) == IN_ORDER[3:]


def test_where_there_are_no_bookmarks_find_all_skips(canned, canned_db):
    """PouchDB Server, and CouchDB 2.0."""
    docs = [{"_id": str(n)} for n in range(5)]

    def answer(request):
        body = json.loads(request.body)
        start = body.get("skip", 0)
        return {"docs": docs[start : start + body["limit"]]}

    canned.answer = answer
    assert ids(canned_db.find_all({}, page=2, skip=1)) == ["1", "2", "3", "4"]
    bodies = [json.loads(request.body) for request in canned.asked]
    assert [(body["skip"], body["limit"]) for body in bodies] == [(1, 2), (3, 2), (5, 2)]


def test_no_more_pages_are_asked_for_than_are_gone_through(canned, canned_db):
    canned.answer = lambda request: {"docs": [{"_id": "a"}, {"_id": "b"}], "bookmark": "on"}
    stream = canned_db.find_all({}, page=2)
    assert len(canned.asked) == 0
    for doc in stream:
        if doc._id == "b":
            break
    assert len(canned.asked) == 1

    async def in_loop():
        async for doc in stream:
            if doc._id == "b":
                break

    asyncio.run(in_loop())
    assert len(canned.asked) == 2


def test_a_stream_does_not_block_an_event_loop(songs):
    async def in_loop():
        for stream in (songs.find_all(ALL), songs.with_style("future").find_all(ALL)):
            with pytest.raises(RuntimeError, match="use `async for` instead"):
                list(stream)
        with pytest.raises(TypeError, match="gone through by `for`"):
            async for _ in songs.with_style("blocking").find_all(ALL):
                pass
        assert len(list(songs.with_style("blocking").find_all(ALL))) == len(YEARS)

    asyncio.run(in_loop())


# -- how it is found ------------------------------------------------------------------------------


def test_explain_tells_which_index_is_used(call, songs):
    assert call(songs.explain, OLD)["index"]["name"] == "years"
    assert call(songs.explain, {"by": "Bach"})["index"]["name"] == "_all_docs"
    assert call(songs.explain, OLD, sort=["year"], limit=3)["limit"] == 3


def test_explain_tells_why_another_index_is_not_used(call, songs3):
    told = call(songs3.explain, {"by": "Bach"}, fields=["by"], r=1)
    assert told["fields"] == ["by"]
    (other,) = told["index_candidates"]
    assert other["index"]["name"] == "years"
    assert other["analysis"]["reasons"] == [{"name": "field_mismatch"}]
