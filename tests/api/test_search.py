"""Full-text search: what is asked, what becomes of the answers, and what servers without it say.

Clouseau and Nouveau are servers of their own. The answers here are those of CouchDB's manual.
"""

from __future__ import annotations

import json
import pickle
from urllib.parse import parse_qsl, urlsplit

import pytest

from corduroy import Document, HTTPError, NotFound, SearchResult
from tests.api.conftest import Canned


@pytest.fixture
def asked(canned):
    """``asked()``: method, path and query of the last request, as JSON where they are JSON."""

    def asked():
        request = canned.asked[-1]
        parts = urlsplit(request.uri)
        return request.method, parts.path, parse_qsl(parts.query)

    return asked


# -- Clouseau -------------------------------------------------------------------------------------

CITIES = {
    "total_rows": 205,
    "bookmark": "g1A...XIU",
    "rows": [
        {
            "id": "city180",
            "order": [8.530665755719783, 18],
            "fields": {"city": "New York, N.Y.", "lat": 40.78333333333333},
            "highlights": {"city": ["New <em>York</em>, N.Y."]},
            "doc": {"_id": "city180", "_rev": "1-a", "mayor": {"name": "Eric"}},
        },
        {"id": "city177", "order": [13.756343205985946, 17], "fields": {}, "doc": None},
    ],
    "counts": {"type": {"sofa": 10, "chair": 100, "lamp": 97}},
    "ranges": {"price": {"expensive": 278682, "cheap": 257023}},
}


def test_hits_come_with_what_the_server_says_of_them(call, canned_db, canned):
    canned.answer = lambda request: CITIES
    found = call(canned_db.search, "places/cities", "new york", include_docs=True)
    assert isinstance(found, SearchResult)
    assert repr(found) == "<places/cities: 2/205 hits>"
    assert (len(found), found.total, found.exact, found.bookmark) == (2, 205, True, "g1A...XIU")
    assert found.counts["type"]["lamp"] == 97
    assert found.ranges["price"]["cheap"] == 257023
    first, second = found
    assert (first.id, first.order[1], first.fields.city) == ("city180", 18, "New York, N.Y.")
    assert first.highlights.city == ["New <em>York</em>, N.Y."]
    assert (type(first.doc), first.doc.mayor.name) == (Document, "Eric")
    assert (second.doc, second.highlights) == (None, None)
    assert [hit.id for hit in found[:1]] == [hit.id for hit in found.rows[:1]] == ["city180"]
    assert pickle.loads(pickle.dumps(found)) == found


def test_a_document_that_was_found_knows_its_database(call, canned_db, canned):
    canned.answer = lambda request: CITIES
    doc = call(canned_db.search, "places/cities", "*:*", include_docs=True)[0].doc
    canned.answer = lambda request: {"ok": True, "id": "city180", "rev": "2-b"}
    call(doc.store)
    assert doc._rev == "2-b"


def test_every_option_is_sent_as_couchdb_takes_it(call, canned_db, canned, asked):
    canned.answer = lambda request: CITIES
    call(
        canned_db.search,
        "_design/a b/c?d",
        'title:"ä" AND n:[1 TO 2]',
        limit=200,
        bookmark="g1A",
        sort=["-n<number>", "title<string>"],
        include_docs=False,
        include_fields=["title"],
        counts=["type"],
        ranges={"n": {"low": "[0 TO 10]"}},
        drilldown={"state": "old", "item": "apple"},
        highlight_fields=["title"],
        highlight_pre_tag="<b>",
        highlight_post_tag="</b>",
        highlight_number=2,
        highlight_size=80,
        stale="ok",
    )
    method, path, query = asked()
    assert (method, path) == ("GET", "/canned/_design/a%20b/_search/c%3Fd")
    assert query == [
        ("q", 'title:"ä" AND n:[1 TO 2]'),
        ("limit", "200"),
        ("bookmark", "g1A"),
        ("sort", '["-n<number>","title<string>"]'),
        ("include_docs", "false"),
        ("include_fields", '["title"]'),
        ("counts", '["type"]'),
        ("ranges", '{"n":{"low":"[0 TO 10]"}}'),
        ("highlight_fields", '["title"]'),
        ("highlight_pre_tag", "<b>"),
        ("highlight_post_tag", "</b>"),
        ("highlight_number", "2"),
        ("highlight_size", "80"),
        ("stale", "ok"),
        ("drilldown", '["state","old"]'),
        ("drilldown", '["item","apple"]'),
    ]


def test_groups_hold_their_hits_and_the_result_all_of_them(call, canned_db, canned, asked):
    hits = [{"id": id, "order": [1.0], "fields": {}} for id in ("a", "b", "c")]
    canned.answer = lambda request: {
        "total_rows": 7,
        "groups": [
            {"by": "sofa", "total_rows": 5, "rows": hits[:2]},
            {"by": None, "total_rows": 2, "rows": hits[2:]},
        ],
    }
    found = call(
        canned_db.search, "d/i", "*:*", group_field="type", group_limit=2, group_sort="type<string>"
    )
    assert asked()[2][1:] == [
        ("group_field", "type"),
        ("group_limit", "2"),
        ("group_sort", '"type<string>"'),
    ]
    sofas, others = found.groups
    assert repr(sofas) == "<sofa: 2/5 hits>"
    assert (others.by, others.total, [hit.id for hit in others]) == (None, 2, ["c"])
    assert (found.total, found.bookmark, [hit.id for hit in found]) == (7, None, ["a", "b", "c"])


def test_an_index_tells_its_figures(call, canned_db, canned, asked):
    told = {"name": "_design/d/i", "search_index": {"doc_count": 1066173, "disk_size": 728305827}}
    canned.answer = lambda request: told
    assert call(canned_db.search_info, "d/i") == told
    assert asked()[:2] == ("GET", "/canned/_design/d/_search_info/i")
    assert call(canned_db.nouveau_info, "d/i") == told
    assert asked()[:2] == ("GET", "/canned/_design/d/_nouveau_info/i")


def test_indexes_are_cleaned_up(call, canned_db, canned, asked):
    canned.answer = Canned(202, b'{"ok":true}')
    for method, path in (
        ("search_cleanup", "_search_cleanup"),
        ("nouveau_cleanup", "_nouveau_cleanup"),
    ):
        assert call(getattr(canned_db, method)) == {"ok": True}
        assert asked()[:2] == ("POST", f"/canned/{path}")


def test_a_text_is_taken_apart(call, canned_couch, canned, asked):
    canned.answer = lambda request: {"tokens": ["run"]}
    for method, path in (
        ("search_analyze", "_search_analyze"),
        ("nouveau_analyze", "_nouveau_analyze"),
    ):
        assert call(getattr(canned_couch, method), "english", "running") == ["run"]
        assert asked()[:2] == ("POST", f"/{path}")
        assert json.loads(canned.asked[-1].body) == {"analyzer": "english", "text": "running"}


# -- Nouveau --------------------------------------------------------------------------------------


def test_nouveau_answers_in_the_same_form(call, canned_db, canned, asked):
    canned.answer = lambda request: {
        "bookmark": "W10=",
        "total_hits": 1000,
        "total_hits_relation": "GREATER_THAN_OR_EQUAL_TO",
        "hits": [
            {
                "id": "a",
                "order": [{"value": 1.5, "@type": "float"}],
                "fields": {"title": "Aria"},
                "doc": {"_id": "a", "_rev": "1-a", "n": 1},
            }
        ],
        "counts": None,
        "ranges": {"n": {"low": 3}},
        "update_latency": 2,
    }
    found = call(
        canned_db.nouveau,
        "d/i",
        "title:aria",
        limit=1,
        sort="-n<double>",
        ranges={"n": [{"label": "low", "min": 0, "max": 10}]},
        counts=["title"],
        top_n=5,
        locale="de",
        update=False,
        include_docs=True,
        bookmark="W11=",
    )
    assert asked() == (
        "GET",
        "/canned/_design/d/_nouveau/i",
        [
            ("q", "title:aria"),
            ("limit", "1"),
            ("sort", '"-n<double>"'),
            ("ranges", '{"n":[{"label":"low","min":0,"max":10}]}'),
            ("counts", '["title"]'),
            ("top_n", "5"),
            ("locale", "de"),
            ("update", "false"),
            ("include_docs", "true"),
            ("bookmark", "W11="),
        ],
    )
    assert (found.total, found.exact, found.bookmark) == (1000, False, "W10=")
    assert (found.counts, found.ranges) == (None, {"n": {"low": 3}})
    assert (found[0].fields.title, found[0].doc.n) == ("Aria", 1)


# -- where there is none --------------------------------------------------------------------------

DESIGN = {"_id": "_design/d", "indexes": {"i": {}}, "nouveau": {"i": {}}}


def check_what_a_server_without_says(call, couch, db):
    for ask in (
        lambda: call(db.search, "d/i", "*:*"),
        lambda: call(db.search_info, "d/i"),
        lambda: call(couch.search_analyze, "english", "running"),
    ):
        with pytest.raises(HTTPError, match="no search: it needs Clouseau") as caught:
            ask()
        assert caught.value.error == "not_offered"
    for ask in (
        lambda: call(db.nouveau, "d/i", "*:*"),
        lambda: call(db.nouveau_info, "d/i"),
        lambda: call(couch.nouveau_analyze, "english", "running"),
    ):
        with pytest.raises(NotFound, match="no Nouveau: start one beside it") as caught:
            ask()
        assert caught.value.error == "not_offered"


def test_couchdb_without_the_servers_of_search_says_what_it_needs(call, couch3, db3, offstage):
    offstage(lambda couch: couch.database(db3.name).save(dict(DESIGN)))
    check_what_a_server_without_says(call, couch3, db3)
    with pytest.raises(HTTPError, match="no search: it needs Clouseau"):
        call(db3.search_cleanup)
    assert call(db3.nouveau_cleanup) == {"ok": True}


def test_so_does_any_other_server(call, couch, db, classic):
    db.with_style("blocking").save(dict(DESIGN))
    check_what_a_server_without_says(call, couch, db)
    if classic:
        for cleanup in (db.search_cleanup, db.nouveau_cleanup):
            with pytest.raises(NotFound, match="does not offer"):
                call(cleanup)


def test_a_design_document_that_is_missing_is_not_found(call, db):
    with pytest.raises(NotFound) as caught:
        call(db.nouveau, "d/i", "*:*")
    assert caught.value.reason == "missing"


def test_bad_input_is_told_at_the_call(refused, couch, db):
    refused(ValueError, "name must be 'ddoc/function', not 'i'", db.search, "i", "a")
    refused(TypeError, "query must be a str, not 3", db.search, "d/i", 3)
    refused(TypeError, "search has no option 'sorted': did you mean 'sort'", db.search, "d/i", "a",
            sorted="n")  # fmt: skip
    refused(TypeError, "nouveau has no option 'stale'", db.nouveau, "d/i", "a", stale="ok")
    refused(TypeError, r"counts\[0\] must be a str", db.search, "d/i", "a", counts=[3])
    refused(TypeError, "counts must be a list", db.search, "d/i", "a", counts="type")
    refused(TypeError, "ranges must be a dict", db.nouveau, "d/i", "a", ranges=[])
    refused(TypeError, r"drilldown\[0\] must be a pair", db.search, "d/i", "a", drilldown=["x"])
    refused(ValueError, "limit must not be negative", db.search, "d/i", "a", limit=-1)
    refused(TypeError, "text must be a str", couch.search_analyze, "english", 3)
    refused(TypeError, "analyzer must be a str", couch.nouveau_analyze, None, "a")
