"""Mango's indexes: made once, listed, used, deleted one by one and together."""

from __future__ import annotations

import json

import pytest

from corduroy import Couch, NotFound, ServerError

TEXTS = {"type": "text"}


@pytest.fixture
def unreachable(nobody):
    return Couch(nobody).database("db")


def named(indexes):
    return [(index["ddoc"], index["name"]) for index in indexes]


# -- making ---------------------------------------------------------------------------------------


def test_an_index_is_created_once(call, db):
    made = call(db.create_index, ["year"])
    assert made["result"] == "created"
    assert call(db.create_index, ["year"]) == {**made, "result": "exists"}
    first, second = call(db.indexes)
    assert first["name"] == "_all_docs"
    assert (second["ddoc"], second["name"]) == (made["id"], made["name"])
    assert (second["type"], second["def"]) == ("json", {"fields": [{"year": "asc"}]})
    assert call(db.find, {"year": 1}, sort=["year"], use_index=made["id"]).warning is None


@pytest.mark.parametrize("ddoc", ["mine", "_design/mine"])
def test_an_index_goes_where_it_is_told(call, db, ddoc):
    made = call(db.create_index, [{"by": "desc"}, {"year": "desc"}], "by-year", ddoc)
    assert made == {"result": "created", "id": "_design/mine", "name": "by-year"}
    call(db.create_index, ("year",), name="year", ddoc=ddoc, type="json")
    assert named(call(db.indexes))[1:] == [("_design/mine", "by-year"), ("_design/mine", "year")]
    call(db.save, [{"_id": "a", "by": "B", "year": 1}, {"_id": "b", "by": "B", "year": 2}])
    sort = [{"by": "desc"}, {"year": "desc"}]
    assert [doc._id for doc in call(db.find, {"by": "B"}, sort=sort)] == ["b", "a"]


OLD = {"year": {"$lt": 1900}}


def test_an_index_may_be_for_some_documents_alone(call, db):
    call(db.create_index, ["by"], name="old", ddoc="mine", partial_filter_selector=OLD)
    assert call(db.indexes)[1]["def"]["partial_filter_selector"] == OLD


def test_an_index_has_no_other_documents_then(call, db3):  # PouchDB Server's has
    call(db3.create_index, ["by"], name="old", ddoc="mine", partial_filter_selector=OLD)
    call(db3.save, [{"_id": "a", "by": "B", "year": 1800}, {"_id": "b", "by": "B", "year": 1950}])
    assert [doc._id for doc in call(db3.find, {"by": "B"}, use_index="mine/old")] == ["a"]


def test_an_index_may_be_of_all_partitions(call, couch3, fresh3, offstage):
    parted = couch3.database(fresh3("parted"))
    offstage(lambda couch: couch.create(parted.name, partitioned=True))
    call(parted.create_index, ["year"], name="year", ddoc="each")
    call(parted.create_index, ["year"], name="year", ddoc="all", partitioned=False)
    assert [index["partitioned"] for index in call(parted.indexes)[1:]] == [False, True]


def test_partitioned_indexes_are_for_partitioned_databases(call, db3):
    with pytest.raises(ServerError, match="partitioned=True is for indexes of partitioned"):
        call(db3.create_index, ["year"], partitioned=True)


@pytest.mark.parametrize("kind", ["text", "nouveau"])
def test_indexes_of_texts_need_what_they_are_made_with(call, db3, kind):
    with pytest.raises(ServerError, match="'text' needs Clouseau, and type 'nouveau' Nouveau"):
        call(db3.create_index, type=kind)


def test_a_server_without_indexes_of_texts_says_so(call, db, classic):
    told = "does not offer indexes of type 'text'" if classic else "'text' needs Clouseau"
    with pytest.raises(NotFound if classic else ServerError, match=told):
        call(db.create_index, type="text")


def test_what_makes_an_index_of_texts(canned, canned_db):
    """As CouchDB documents it; there is neither Clouseau nor Nouveau here to make one."""
    canned.answer = lambda request: {"couchdb": "Welcome", "version": "3.5.0", "result": "created"}
    fields = [{"name": "title", "type": "string"}, {"name": "year", "type": "number"}]
    sent = canned_db.create_index(
        fields,
        type="text",
        default_field={"enabled": True, "analyzer": "german"},
        default_analyzer="keyword",
        index_array_lengths=False,
        partial_filter_selector={"year": {"$gt": 1900}},
    )
    assert sent["result"] == "created"
    assert json.loads(canned.asked[-1].body) == {
        "type": "text",
        "index": {
            "fields": fields,
            "default_field": {"enabled": True, "analyzer": "german"},
            "default_analyzer": "keyword",
            "index_array_lengths": False,
            "partial_filter_selector": {"year": {"$gt": 1900}},
        },
    }
    canned_db.create_index(type="nouveau", name="all", default_field=False)
    assert json.loads(canned.asked[-1].body) == {
        "type": "nouveau",
        "name": "all",
        "index": {"default_field": False},
    }


@pytest.mark.parametrize(
    ("kind", "words", "args", "options"),
    [
        (TypeError, "fields must be a list", [], {}),
        (TypeError, "fields must be a list", ["year"], {}),
        (ValueError, "fields must name at least one", [[]], {}),
        (TypeError, r"fields\[1\] must be a field's name", [["a", 5]], {}),
        (TypeError, r"fields\[0\]", [[{"name": "a", "type": "string"}]], {}),
        (ValueError, r"fields\[0\] must be one of asc, desc", [[{"a": "up"}]], {}),
        (TypeError, "name must be a str", [["a"], 5], {}),
        (ValueError, "name must not be empty", [["a"], ""], {}),
        (TypeError, "ddoc must be a str", [["a"], "n", 5], {}),
        (ValueError, "ddoc must not be empty", [["a"], "n", "_design/"], {}),
        (ValueError, "type must be one of json, text, nouveau", [["a"]], {"type": "xml"}),
        (TypeError, "'partition': did you mean 'partitioned'", [["a"]], {"partition": True}),
        (TypeError, "partitioned must be True or False", [["a"]], {"partitioned": "no"}),
        (TypeError, "partial_filter_selector must", [["a"]], {"partial_filter_selector": "a"}),
        (
            ValueError,
            r"partial_filter_selector\['a'\] is nan",
            [["a"]],
            {"partial_filter_selector": {"a": float("nan")}},
        ),
        (ValueError, "default_field is for indexes of type", [["a"]], {"default_field": True}),
        (TypeError, "default_field must be", [], {**TEXTS, "default_field": "title"}),
        (TypeError, "default_analyzer must be", [], {**TEXTS, "default_analyzer": 5}),
        (TypeError, "index_array_lengths must be", [], {**TEXTS, "index_array_lengths": 1}),
        (ValueError, "fields must name at least one", [[]], TEXTS),
        (ValueError, r"fields\[0\] must be", [["title"]], TEXTS),
        (ValueError, r"fields\[0\] must be", [[{"name": "a"}]], TEXTS),
        (ValueError, r"fields\[0\] must be", [[{"name": "a", "type": "date"}]], TEXTS),
        (ValueError, r"fields\[0\] must be", [[{"name": 5, "type": "string"}]], TEXTS),
    ],
)
def test_bad_definitions_are_named_before_anything_is_sent(
    refused, unreachable, kind, words, args, options
):
    refused(kind, words, unreachable.create_index, *args, **options)


# -- deleting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("ddoc", ["mine", "_design/mine"])
def test_an_index_is_deleted(call, db, ddoc):
    for name in ("a", "b c?"):
        call(db.create_index, [name], name=name, ddoc="mine")
    assert call(db.delete_index, ddoc, "b c?") == {"ok": True}
    assert named(call(db.indexes))[1:] == [("_design/mine", "a")]
    call(db.delete_index, ddoc, "a", type="json")
    assert len(call(db.indexes)) == 1


def test_the_name_of_an_index_may_hold_anything(call, db3):
    call(db3.create_index, ["a"], name="ä/b?c=%", ddoc="mine/too?")
    assert named(call(db3.indexes))[1:] == [("_design/mine/too?", "ä/b?c=%")]
    call(db3.delete_index, "mine/too?", "ä/b?c=%")
    assert len(call(db3.indexes)) == 1


def test_an_index_that_does_not_exist_is_told(call, db):
    call(db.create_index, ["a"], name="a", ddoc="mine")
    for ddoc, name in (("mine", "b"), ("others", "a")):
        with pytest.raises(NotFound) as raised:
            call(db.delete_index, ddoc, name)
        assert raised.value.error == "not_found"
    assert len(call(db.indexes)) == 2


def test_indexes_of_several_design_documents_are_deleted(call, db):
    for ddoc, name in (("mine", "a"), ("other", "b"), ("kept", "c")):
        call(db.create_index, [name], name=name, ddoc=ddoc)
    told = call(db.delete_indexes, ["mine", "_design/other", "nobody"])
    assert sorted(one["id"] for one in told["success"]) == ["_design/mine", "_design/other"]
    assert told["fail"] == [{"id": "_design/nobody", "error": "not_found"}]
    assert named(call(db.indexes))[1:] == [("_design/kept", "c")]


def test_how_many_copies_are_deleted_may_be_told(call, db3):
    call(db3.create_index, ["a"], name="a", ddoc="mine")
    told = call(db3.delete_indexes, ["mine"], w=1)
    assert told == {"success": [{"id": "_design/mine", "ok": True}], "fail": []}


def test_a_database_that_does_not_exist_is_told(call, couch):
    nowhere = couch.database("nowhere")
    for method, *args in (
        [nowhere.indexes],
        [nowhere.create_index, ["a"]],
        [nowhere.delete_index, "a", "b"],
        [nowhere.delete_indexes, ["a"]],
    ):
        with pytest.raises(NotFound) as raised:
            call(method, *args)
        assert raised.value.error == "not_found"


def test_names_are_checked_before_anything_is_sent(refused, unreachable):
    refused(TypeError, "ddoc", unreachable.delete_index, 5, "a")
    refused(ValueError, "ddoc", unreachable.delete_index, "", "a")
    refused(TypeError, "name", unreachable.delete_index, "a", None)
    refused(ValueError, "name", unreachable.delete_index, "a", "")
    refused(ValueError, "type", unreachable.delete_index, "a", "b", type="special")
    refused(TypeError, "ddocs must be a list", unreachable.delete_indexes, "a")
    refused(TypeError, r"ddocs\[1\] must be a str", unreachable.delete_indexes, ["a", 5])
    refused(ValueError, r"ddocs\[0\] must not be empty", unreachable.delete_indexes, [""])
    refused(ValueError, "w must be an int", unreachable.delete_indexes, ["a"], w=0)
