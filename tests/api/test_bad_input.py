"""Bad arguments: a ValueError or TypeError that names them, at the call, in every style; and nothing
is sent. Nobody listens at the address of these tests: a request would be a ConnectionFailed."""

from __future__ import annotations

import datetime
import decimal
import io

import pytest

from corduroy import Couch, Database


@pytest.fixture
def couch(nobody):
    return Couch(nobody)


@pytest.fixture
def db(couch):
    return couch.database("db")


NAMES = [
    "",
    "Upper",
    "1st",
    "_own",
    "-dash",
    "a b",
    "a\n",
    "a\r\nX: y",
    "ä",
    "a?b",
    "a#b",
    "a%2fb",
    "a.",
]


@pytest.mark.parametrize("name", NAMES)
def test_names_of_databases_follow_couchdb_s_rule(refused, couch, name):
    for method in (couch.db, couch.create, couch.delete, couch.exists):
        refused(ValueError, "name", method, name)
    for make in (couch.database, Database):
        with pytest.raises(ValueError, match="name"):
            make(name)


@pytest.mark.parametrize("name", [None, 5, b"bytes", ["a"]])
def test_names_of_databases_are_str(refused, couch, name):
    for method in (couch.db, couch.create, couch.delete, couch.exists):
        refused(TypeError, "name", method, name)
    for make in (couch.database, Database):
        with pytest.raises(TypeError, match="name"):
            make(name)


IDS = [
    ("", ValueError),
    ("_own", ValueError),
    ("_design", ValueError),
    ("_design/", ValueError),
    ("_designs/x", ValueError),
    ("_local/", ValueError),
    ("_all_docs", ValueError),
    ("\ud800", ValueError),
    (None, TypeError),
    (5, TypeError),
    (b"bytes", TypeError),
    (("a",), TypeError),
]


@pytest.mark.parametrize(("id", "kind"), IDS)
def test_ids_are_checked_wherever_they_go(refused, db, id, kind):
    calls = [
        (db.head, id),
        (db.revisions, id),
        (db.delete, {"_id": id}),
        (db.delete, {"_id": id, "_rev": "1-x"}),
        (db.save, {"_id": id}),
        (db.save, [{"_id": "a"}, {"_id": id}]),
        (db.get, ["a", id]),
        (db.bulk_get, [{"id": id}]),
        (db.copy, {"_id": id}, "b"),
        (db.copy, "a", {"_id": id}),
        (db.put_attachment, {"_id": id}, b"", "f"),
        (db.get_attachment, {"_id": id}, "f"),
        (db.delete_attachment, {"_id": id}, "f"),
    ]
    if not isinstance(id, tuple):
        calls += [(db.get, id)]
        calls += [(db.delete, id), (db.copy, id, "b"), (db.copy, "a", id)]
    if id is not None:
        calls += [(db.show, "d/s", id), (db.update, "d/u", id)]
    for method, *args in calls:
        refused(kind, "id|doc|source|dest", method, *args)


def test_an_error_says_which_id_of_many_it_is(refused, db):
    refused(ValueError, r"docs\[1\]\['_id'\]", db.save, [{"_id": "a"}, {"_id": "_b"}])
    refused(ValueError, r"id\[2\]", db.get, ["a", "b", ""])
    refused(TypeError, r"docs\[1\]", db.bulk_get, [{"id": "a"}, "b"])
    refused(ValueError, r"docs\[0\]", db.bulk_get, [{}])


def test_a_document_without_an_id_is_told_so(refused, db):
    for method, *args in [
        (db.delete, {}),
        (db.copy, {}, "b"),
        (db.copy, "a", {}),
        (db.put_attachment, {}, b"", "f"),
        (db.get_attachment, {}, "f"),
        (db.delete_attachment, {}, "f"),
    ]:
        refused(ValueError, "no '_id'", method, *args)


@pytest.mark.parametrize("docs", [None, 5, "text", b"bytes", [1], ["a"], [None], [[]], object()])
def test_only_documents_are_saved(refused, db, docs):
    refused(TypeError, "docs", db.save, docs)


# -- what JSON cannot say -------------------------------------------------------------------------

NAN, INFINITY = float("nan"), float("inf")


class Unknown:
    pass


UNSAYABLE = [
    (NAN, ValueError),
    (INFINITY, ValueError),
    (-INFINITY, ValueError),
    ({1, 2}, TypeError),
    (frozenset(), TypeError),
    (b"bytes", TypeError),
    (1j, TypeError),
    (Unknown(), TypeError),
    (Unknown, TypeError),
    (decimal.Decimal("1.5"), TypeError),
    (datetime.datetime(2026, 1, 1), TypeError),
    (range(3), TypeError),
    (iter([1]), TypeError),
    (io.BytesIO(), TypeError),
    ("\ud800", ValueError),
    ({1: 2}, TypeError),
    ({None: 2}, TypeError),
    ({("a",): 2}, TypeError),
]


@pytest.mark.parametrize(("value", "kind"), UNSAYABLE, ids=lambda value: repr(value)[:20])
def test_what_json_cannot_say_is_named_with_its_path(refused, db, value, kind):
    path = r"\['a'\]\[1\]\['b'\]"
    doc = {"_id": "x", "a": [0, {"b": value}]}
    refused(kind, f"doc{path}", db.save, doc)
    refused(kind, rf"docs\[1\]{path}", db.save, [{}, doc])
    refused(kind, f"value{path}", db.security, {"a": [0, {"b": value}]})
    refused(kind, "key", db.view, "d/v", key=[value])
    refused(kind, "startkey", db.view, "d/v", startkey=value)
    refused(kind, "keys", db.view, "d/v", keys=["a", value])
    refused(kind, "keys", db.view, "d/v", queries=[{"keys": [value]}])
    refused(kind, "keys", db.query, "function () {}", keys=[value])
    refused(kind, "selector|filter", db.changes, selector={"x": value})
    refused((TypeError, ValueError), "docs", db.purge, {"a": [value]})


def test_a_document_that_contains_itself_is_told_so(refused, db):
    doc = {"_id": "a"}
    doc["self"] = [doc]
    refused(ValueError, "doc contains itself", db.save, doc)


def test_after_what_json_cannot_say_the_document_is_as_it_was(refused, db):
    inner = {"b": NAN}
    docs = [{"n": 1}, {"a": inner}]
    refused(ValueError, r"docs\[1\]\['a'\]\['b'\] is nan", db.save, docs)
    assert docs[0] == {"n": 1}
    assert list(docs[1]) == ["a"]
    assert docs[1]["a"] is inner


def test_an_attachment_of_a_wrong_kind_is_named(refused, db):
    for wrong in (5, [1], object()):
        doc = {"_id": "a", "_attachments": {"f": wrong}}
        refused(TypeError, r"doc\['_attachments'\]\['f'\]", db.save, doc)
        doc = {"_id": "a", "_attachments": {"f": {"data": wrong}}}
        refused(TypeError, r"doc\['_attachments'\]\['f'\]", db.save, doc)


# -- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "nearest"),
    [
        ("strtkey", "startkey"),
        ("include_doc", "include_docs"),
        ("startKey", "startkey"),
        ("desc", "descending"),
        ("limits", "limit"),
        ("grouplevel", "group_level"),
    ],
)
def test_an_unknown_option_of_a_view_names_the_nearest(refused, db, option, nearest):
    words = f"'{option}': did you mean '{nearest}'"
    refused(TypeError, words, db.view, "d/v", **{option: 1})
    refused(TypeError, words, db.view, "_all_docs", **{option: 1})
    refused(TypeError, words, db.get, ["a"], **{option: 1})
    refused(TypeError, words, db.query, "function () {}", **{option: 1})
    refused(TypeError, words, db.view, "d/v", queries=[{}, {option: 1}])


def test_unknown_options_elsewhere_are_named_as_well(refused, db, couch):
    refused(TypeError, "'conflict': did you mean 'conflicts'", db.get, "a", conflict=True)
    refused(TypeError, "'sinse': did you mean 'since'", db.changes, sinse=1)
    refused(TypeError, "'start': did you mean 'startkey'|'start'", couch.all_dbs, start="a")
    refused(TypeError, "xyz", db.view, "d/v", xyz=1)
    for method, *args in [(db.save, {}), (db.delete, "a"), (db.info,), (couch.create, "a")]:
        refused(TypeError, "unexpected keyword argument 'xyz'", method, *args, xyz=1)


@pytest.mark.parametrize(
    ("kind", "option", "value"),
    [
        (TypeError, "limit", "5"),
        (TypeError, "limit", 5.0),
        (TypeError, "limit", True),
        (ValueError, "limit", -1),
        (ValueError, "skip", -1),
        (TypeError, "descending", 1),
        (TypeError, "descending", "true"),
        (TypeError, "include_docs", 0),
        (TypeError, "startkey_docid", 1),
        (TypeError, "keys", "abc"),
        (TypeError, "keys", b"abc"),
        (TypeError, "keys", {"a": 1}),
        (TypeError, "keys", 5),
        (ValueError, "stale", "maybe"),
        (ValueError, "stale", True),
        (ValueError, "update", "soon"),
        (TypeError, "group_level", "all"),
    ],
)
def test_options_of_a_wrong_kind_are_named(refused, db, kind, option, value):
    refused(kind, option, db.view, "d/v", **{option: value})
    refused(kind, option, db.view, "d/v", queries=[{option: value}])


@pytest.mark.parametrize(
    ("kind", "words", "option", "value"),
    [
        (TypeError, "rev", "rev", 5),
        (TypeError, "conflicts", "conflicts", "yes"),
        (TypeError, "open_revs", "open_revs", "1-x"),
        (TypeError, "atts_since", "atts_since", "1-x"),
    ],
)
def test_options_of_documents_of_a_wrong_kind_are_named(refused, db, kind, words, option, value):
    refused(kind, words, db.get, "a", **{option: value})


def test_names_of_functions_have_two_parts(refused, db):
    for name in ("", "d", "d/", "/v", "_design/d", "_all_doc"):
        for method in (db.view, db.show, db.update):
            refused(ValueError, "name", method, name)
        refused(ValueError, "name", db.list, name, "v")
    for name in (None, 5, b"d/v", ["d/v"]):
        for method in (db.view, db.show, db.update):
            refused(TypeError, "name", method, name)
        refused(TypeError, "name", db.list, name, "v")
    refused(ValueError, "view", db.list, "d/l", "")
    refused(TypeError, "view", db.list, "d/l", None)


def test_other_arguments_of_a_wrong_kind_are_named(refused, db, couch):
    for count in (0, -1, True, "5", 1.5, None):
        refused(ValueError, "count", couch.uuids, count)
    for number in (0, -1, "2", True, 1.5):
        refused(ValueError, "^q", couch.create, "a", q=number)
        refused(ValueError, "^n", couch.create, "a", n=number)
    for limit in (0, -1, "5", True):
        refused(ValueError, "value", db.revs_limit, limit)
    refused(TypeError, "merge", db.save, {}, merge=5)
    refused(TypeError, "value", db.security, "admins")
    refused(TypeError, "value", db.security, 5)
    refused(TypeError, "map_src", db.query, None)
    refused(TypeError, "reduce_src", db.query, "function () {}", 5)
    refused(TypeError, "ddoc", db.info, 5)
    refused(ValueError, "ddoc", db.info, "")
    refused(TypeError, "ddoc", db.compact, 5)
    refused(ValueError, "batch", db.save, [{}], batch=True)
    for name in ("new_edits", "all_or_nothing", "batch", "force"):
        for wrong in ("x", 0, 1, []):
            words = f"{name} must be True or False"
            for docs in ({"_id": "a"}, [{"_id": "a"}]):
                refused(TypeError, words, db.save, docs, **{name: wrong})
    refused(TypeError, "batch must be True or False", db.post, {}, batch="ok")
    refused(ValueError, "feed", db.changes, feed="hose")
    refused(TypeError, "since", db.changes, since=1.5)
    refused(TypeError, "doc_ids", db.changes, doc_ids="abc")
    refused(TypeError, "id must be a str or a list of str", db.get, 5)
    refused(TypeError, r"docs\[1\]\['rev'\]", db.bulk_get, [{"id": "a"}, {"id": "b", "rev": 5}])
    refused(ValueError, "timeout", db.changes, feed="longpoll", timeout=-1)
    refused(TypeError, "timeout", db.changes, feed="longpoll", timeout="5")
    refused(TypeError, "wanted", db.changes, filter="d/f", query_params={"wanted": 5})
    refused(TypeError, "query_params", db.changes, filter="d/f", query_params=5)
    refused(TypeError, "selector", db.changes, selector=5)
    refused(TypeError, r"doc_ids\[1\]", db.changes, doc_ids=["a", 5])
    refused(TypeError, "if_none_match", db.get, "a", if_none_match=5)
    refused(ValueError, "rev must not be empty", db.delete, "a", "")
    refused(ValueError, "map_src", db.query, "")
    for method in (db.revs_diff, db.missing_revs):
        refused(TypeError, r"revs\['a'\]\[0\]", method, {"a": [5]})
    refused(TypeError, r"docs\['a'\]\[0\]", db.purge, {"a": [5]})
    refused(TypeError, "queries", db.view, "d/v", queries="abc")
    refused(TypeError, r"queries\[0\]", db.view, "d/v", queries=[5])
    refused(TypeError, "docs", db.bulk_get, "abc")
    refused(TypeError, r"docs\['a'\]", db.purge, {"a": "1-x"})
    refused(ValueError, r"docs\[0\]", db.purge, [{"_id": "a"}])
    refused(TypeError, "docs", db.purge, 5)
    refused(TypeError, r"revs\['a'\]", db.missing_revs, {"a": "1-x"})
    refused(TypeError, "body", db.update, "d/u", body=5)
    refused(TypeError, "param", db.show, "d/s", param=[1])
    refused(TypeError, "path", db.rewrite, "d", 5)
    refused(TypeError, "name", couch.config, 5)
    refused(ValueError, "name", couch.config, "section", "value")
    refused(ValueError, "name", couch.config, delete=True)
    refused(ValueError, "delete", couch.config, "section/key", 0, delete=True)
    refused(TypeError, "value", couch.config, "section/key", {"a": 1})
    refused(TypeError, "name", couch.stats, 5)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"filter": "a/b", "doc_ids": ["x"]}, "filter and doc_ids"),
        ({"filter": "a/b", "selector": {}}, "filter and selector"),
        ({"filter": "_doc_ids", "selector": {}}, "filter and selector"),
        ({"doc_ids": ["x"], "selector": {}}, "doc_ids and selector"),
    ],
)
def test_filters_that_exclude_each_other_are_named(refused, db, options, named):
    refused(ValueError, named, db.changes, **options)


def test_a_filter_is_named_by_its_design_document_too(refused, db):
    for name in ("", "mine", "mine/", "/mine", "_design/some/mine"):
        for method, args in ((db.changes, ()), (db.push, ("x",)), (db.pull, ("x",))):
            refused(ValueError, "filter must be 'ddoc/filter'", method, *args, filter=name)
    refused(ValueError, "filter must be", db.push, "x", filter="_design")
    refused(ValueError, "view must be 'ddoc/view'", db.changes, filter="_view", view="mine")


def test_attachments_are_checked(refused, db, tmp_path):
    refused(TypeError, r"doc\['_attachments'\]", db.save, {"_attachments": ["f"]})
    for id, kind in (("", ValueError), (5, TypeError)):
        refused(kind, "doc must", db.put_attachment, id, b"", "f")
        refused(kind, "doc must", db.get_attachment, id, "f")
        refused(kind, "doc must", db.delete_attachment, id, "f")
    for name, kind in (("", ValueError), (5, TypeError), ("_own", ValueError)):
        for method, *args in [
            (db.put_attachment, "a", b""),
            (db.get_attachment, "a"),
            (db.delete_attachment, "a"),
        ]:
            refused(kind, "filename", method, *args, filename=name)
    for content in (None, 5, {"a": 1}, object()):
        refused(TypeError, "content", db.put_attachment, "a", content, "f")
    refused(FileNotFoundError, "nothing", db.put_attachment, "a", tmp_path / "nothing")
    for part in (5, (1,), "ab"):
        refused((TypeError, ValueError), "range", db.get_attachment, "a", "f", range=part)
    for part in ((-1, 5), (5, 1), (None, 5), (0, "5")):
        refused(ValueError, "range", db.get_attachment, "a", "f", range=part)
    refused(TypeError, "to must", db.get_attachment, "a", "f", to=5)


@pytest.mark.parametrize("style", ["auto", "blocking", "future"])
@pytest.mark.parametrize("callback", [5, "name", True, object()])
def test_a_callback_that_is_not_callable_is_told_so(db, style, callback):
    with pytest.raises(TypeError, match="callback must be callable"):
        db.with_style(style).get("a", callback=callback)
