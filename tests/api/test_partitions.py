"""Partitions: what is in one, its views, and what a selector finds in it."""

from __future__ import annotations

import asyncio

import pytest

from corduroy import (
    BadRequest,
    ChangesFeed,
    Couch,
    Document,
    FindResult,
    NotFound,
    Partition,
    ViewResult,
)
from corduroy.cursors import Cursor

VIEWS = {
    "_id": "_design/songs",
    "views": {
        "years": {"map": "function (doc) { if (doc.year) emit(doc.year, doc.minutes); }"},
        "minutes": {
            "map": "function (doc) { if (doc.year) emit(doc.year, doc.minutes); }",
            "reduce": "_sum",
        },
    },
}
OF_ALL = {**VIEWS, "_id": "_design/all", "options": {"partitioned": False}}
SONGS = [
    {"_id": "bach:goldberg", "year": 1741, "minutes": 51},
    {"_id": "bach:art", "year": 1750, "minutes": 80},
    {"_id": "bach:chaconne", "year": 1720, "minutes": 14},
    {"_id": "ravel:gaspard", "year": 1908, "minutes": 22},
]


@pytest.fixture
def music(couch3, fresh3, offstage):
    """A partitioned database: three songs in the partition "bach", one in "ravel"."""
    database = couch3.database(fresh3("music"))

    def fill(couch):
        couch.create(database.name, partitioned=True)
        docs = [dict(doc) for doc in (*SONGS, VIEWS, OF_ALL)]
        couch.database(database.name).save(docs)
        couch.database(database.name).create_index(["year"], name="years", ddoc="indexes")

    offstage(fill)
    return database


@pytest.fixture
def bach(music):
    return music.partition("bach")


# -- a partition ----------------------------------------------------------------------------------


def test_a_partition_is_had_without_a_request(nobody):
    db = Couch(nobody).database("music")
    partition = db.partition("Bach, J. S./1")
    assert type(partition) is Partition
    assert partition.name == "Bach, J. S./1"
    assert repr(partition) == f"<Partition {nobody}/music/_partition/Bach%2C%20J.%20S.%2F1>"
    assert partition.with_style("blocking").name == partition.name


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (ValueError, ""),
        (ValueError, "_own"),
        (ValueError, "a:b"),
        (ValueError, ":"),
        (ValueError, "\ud800"),
        (TypeError, None),
        (TypeError, 5),
        (TypeError, b"bytes"),
    ],
)
def test_names_of_partitions_are_checked(nobody, kind, name):
    with pytest.raises(kind, match="name"):
        Couch(nobody).database("music").partition(name)


def test_its_figures(call, bach, music):
    told = call(bach.info)
    assert (told["partition"], told["doc_count"], told["doc_del_count"]) == ("bach", 3, 0)
    assert call(music.partition("nobody").info)["doc_count"] == 0


def test_a_name_may_hold_anything_else(call, music):
    name = "J. S./Bäch?&=+"
    call(music.save, {"_id": f"{name}:1", "year": 1})
    assert [row.id for row in call(music.partition(name).all_docs)] == [f"{name}:1"]
    assert call(music.partition(name).info)["doc_count"] == 1


def test_its_documents(call, bach):
    found = call(bach.all_docs)
    assert type(found) is ViewResult
    assert [row.id for row in found] == ["bach:art", "bach:chaconne", "bach:goldberg"]
    found = call(bach.all_docs, include_docs=True, descending=True, limit=1)
    assert [(type(row.doc), row.doc.year) for row in found] == [(Document, 1741)]
    found = call(bach.view, "_all_docs", startkey="bach:b", endkey="ravel:z")
    assert [row.id for row in found] == ["bach:chaconne", "bach:goldberg"]


def test_its_views(call, bach):
    found = call(bach.view, "songs/years")
    assert [(row.key, row.value) for row in found] == [(1720, 14), (1741, 51), (1750, 80)]
    assert len(call(bach.view, "_design/songs/years", startkey=1730, limit=1)) == 1
    assert [row.id for row in call(bach.view, "songs/years", keys=[1908, 1741])] == [
        "bach:goldberg"
    ]
    assert call(bach.view, "songs/minutes")[0].value == 145


def test_pages_of_its_views(call, bach):
    first = call(bach.page, "songs/years", 2)
    assert [row.key for row in first] == [1720, 1741]
    second = call(bach.page, "songs/years", 2, first.next)
    assert ([row.key for row in second], second.next) == ([1750], None)
    back = call(bach.page, "songs/years", 2, second.previous, include_docs=True)
    assert [row.doc.minutes for row in back] == [14, 51]
    assert (back.previous, back.next) == (None, first.next)
    both = call(bach.page, "songs/years", 1, keys=[1750, 1720])
    assert [row.key for row in both] == [1750]
    assert [row.key for row in call(bach.page, "songs/years", 1, both.next, keys=[1750, 1720])] == [
        1720
    ]


def test_all_pages_of_its_documents(call, bach):
    pages = call(bach.pages("_all_docs", 2).all)
    assert [row.id for page in pages for row in page] == [
        "bach:art",
        "bach:chaconne",
        "bach:goldberg",
    ]


@pytest.mark.parametrize("back", [False, True])
def test_a_forged_cursor_does_not_lead_into_another_one(call, bach, back):
    for id in ("aaa", "ravel:gaspard"):
        of_view = Cursor(back, 1, 1800, id).encode()
        of_docs = Cursor(back, 1, id).encode()
        for page in (
            call(bach.page, "songs/years", cursor=of_view),
            call(bach.page, "_all_docs", cursor=of_docs),
        ):
            assert all(row.id.startswith("bach:") for row in page)


def test_what_a_selector_finds_in_it(call, bach, music):
    found = call(bach.find, {"year": {"$gt": 1730}}, sort=["year"])
    assert type(found) is FindResult
    assert [doc._id for doc in found] == ["bach:goldberg", "bach:art"]
    assert found.warning is None
    assert [doc._id for doc in call(bach.find, {}, limit=2)] == ["bach:art", "bach:chaconne"]
    assert len(call(music.find, {})) == 4


def test_pages_of_what_is_found_in_it(call, bach):
    stream = bach.find_all({"year": {"$gt": 0}}, page=2, sort=["year"])
    assert [doc.year for doc in call(stream.all)] == [1720, 1741, 1750]


def test_how_it_is_found(call, bach):
    told = call(bach.explain, {"year": {"$gt": 1730}})
    assert (told["index"]["name"], told["mrargs"]["partition"]) == ("years", "bach")


def test_its_documents_know_their_database(call, bach, music):
    found = call(bach.find, {"year": 1741})[0]
    found.minutes = 52
    call(found.store)
    found = call(bach.view, "songs/years", key=1741, include_docs=True)[0].doc
    found.minutes += 1
    call(found.store)
    assert call(music.get, "bach:goldberg").minutes == 53


def test_it_is_of_any_style(music):
    async def in_loop():
        future = music.with_style("future").partition("bach").info()
        assert isinstance(future, asyncio.Future)
        assert (await future)["doc_count"] == 3
        assert music.partition("bach").with_style("blocking").info()["doc_count"] == 3

    asyncio.run(in_loop())


# -- what goes wrong ------------------------------------------------------------------------------


def every_call(partition):
    return [
        (partition.info,),
        (partition.all_docs,),
        (partition.view, "songs/years"),
        (partition.page, "songs/years"),
        (partition.pages("songs/years").all,),
        (partition.find, {}),
        (partition.find_all({}).all,),
        (partition.explain, {}),
    ]


def test_a_database_that_is_not_partitioned_is_told(call, db3):
    for method, *args in every_call(db3.partition("bach")):
        with pytest.raises(BadRequest, match=r"database is not partitioned: .* partitioned=True"):
            call(method, *args)


def test_a_server_without_partitions_says_so(call, db, classic):
    told = "does not offer _partition" if classic else "this database is not partitioned"
    for method, *args in every_call(db.partition("bach")):
        with pytest.raises(NotFound if classic else BadRequest, match=told):
            call(method, *args)
    with pytest.raises(NotFound if classic else BadRequest, match=told):
        call(db.partition("bach").all_docs, keys=["bach:goldberg"])


def test_a_view_of_the_other_sort_says_where_to_ask_it(call, bach, music):
    with pytest.raises(BadRequest, match=r"view is partitioned: query it by partition\(name\)"):
        call(music.view, "songs/years")
    with pytest.raises(BadRequest, match=r"view is of all partitions: query it by Database\.view"):
        call(bach.view, "all/years")
    assert len(call(music.view, "all/years")) == 4


def test_a_sort_that_no_index_serves_says_which_index_it_takes(call, bach, music):
    with pytest.raises(
        BadRequest, match=r"no partitioned index serves this sort: create_index\(\)"
    ):
        call(bach.find, {"minutes": 14}, sort=["minutes"])
    with pytest.raises(BadRequest, match=r"no index of all .*: create_index\(partitioned=False\)"):
        call(music.find, {"year": 1741}, sort=["year"])


def test_what_does_not_exist_is_told(call, bach, couch3):
    with pytest.raises(NotFound, match="missing") as raised:
        call(bach.view, "nobody/years")
    assert raised.value.error == "not_found"
    for method, *args in every_call(couch3.database("nowhere").partition("bach")):
        with pytest.raises(NotFound, match="Database does not exist"):
            call(method, *args)


def test_bad_arguments_are_named_before_anything_is_sent(refused, nobody):
    partition = Couch(nobody).database("db").partition("bach")
    for name in ("_design_docs", "_local_docs", "songs", ""):
        refused(ValueError, "name", partition.view, name)
    refused(TypeError, "name", partition.view, None)
    refused(TypeError, "'limits': did you mean 'limit'", partition.view, "songs/years", limits=1)
    refused(TypeError, "'limits': did you mean 'limit'", partition.all_docs, limits=1)
    refused(TypeError, "limit must be an int", partition.all_docs, limit="5")
    for method in (partition.find, partition.explain, partition.find_all):
        refused(TypeError, "selector must be a dict", method, [])
        refused(TypeError, "did you mean 'limit'", method, {}, limits=1)


def test_a_partition_has_no_feed(nobody):
    partition = Couch(nobody).database("db").partition("bach")
    with pytest.raises(TypeError, match="db must be a Database, not <Partition"):
        ChangesFeed(partition)
    with pytest.raises(TypeError, match="database must be a Database"):
        Partition(partition, "ravel")
