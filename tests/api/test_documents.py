"""Document, Row, ViewResult: the values that calls return. No server is needed."""

from __future__ import annotations

import collections
import copy
import json
import pickle

import pytest

from corduroy import Document, Row, ViewResult, defaults

LACKEY = {"_id": "lackey-129", "_rev": "1-abc", "first": "Tom", "pay": {"base": [{"eur": 9}]}}


def test_a_dot_reads_keys_at_any_depth_and_inside_lists():
    doc = Document(LACKEY)
    assert doc.first == "Tom"
    assert doc.pay.base[0].eur == 9
    assert [pay.eur for pay in doc.pay.base] == [9]
    assert doc._id == "lackey-129"


def test_a_dot_writes_and_deletes_keys_at_any_depth_and_inside_lists():
    doc = Document(copy.deepcopy(LACKEY))
    doc.last = "Thumb"
    doc.pay.base[0].eur = 10
    doc.pay.currency = "EUR"
    del doc.first
    assert doc == {
        "_id": "lackey-129",
        "_rev": "1-abc",
        "pay": {"base": [{"eur": 10}], "currency": "EUR"},
        "last": "Thumb",
    }


def test_a_written_object_can_be_reached_by_dots_as_well():
    doc = Document()
    doc.address = {"town": {"name": "Ulm"}}
    doc["tags"] = [{"a": 1}]
    assert doc.address.town.name == "Ulm"
    doc.address.town.name = "Bern"
    assert doc["address"]["town"]["name"] == "Bern"
    assert doc.tags[-1].a == 1


def test_both_ways_lead_to_the_same_object():
    doc = Document(copy.deepcopy(LACKEY))
    assert doc.pay is doc["pay"]
    assert doc.get("pay") is doc.pay
    assert doc.pay.base is doc["pay"]["base"]
    assert next(iter(doc.pay.base)) is doc.pay.base[0]
    assert dict(doc.items())["pay"] is doc.pay
    assert list(doc.values())[-1] is doc.pay


@pytest.mark.parametrize(
    "reach",
    [
        lambda doc: doc.pop("pay"),
        lambda doc: doc.popitem()[1],
        lambda doc: doc.setdefault("pay", None),
        lambda doc: doc.get("pay"),
        lambda doc: doc.copy()["pay"],
        lambda doc: next(reversed([*doc.values()])),
        lambda doc: (doc | {"x": 1})["pay"],
        lambda doc: copy.deepcopy(doc)["pay"],
        lambda doc: pickle.loads(pickle.dumps(doc))["pay"],
    ],
)
def test_whatever_way_an_object_is_reached_it_knows_the_dot(reach):
    assert reach(Document(copy.deepcopy(LACKEY))).base[0].eur == 9


def test_slices_copies_and_reversed_lists_know_the_dot():
    base = Document({"base": [{"n": 0}, {"n": 1}, [{"n": 2}]]}).base
    assert [one.n for one in base[:2]] == [0, 1]
    assert base.copy()[2][0].n == 2
    assert next(reversed(base))[0].n == 2
    assert base.pop(0).n == 0
    assert base.pop()[0].n == 2


def test_a_missing_key_is_an_attribute_error_and_a_key_error():
    doc = Document(LACKEY)
    with pytest.raises(AttributeError, match="salary"):
        doc.salary  # noqa: B018
    with pytest.raises(KeyError, match="salary"):
        doc["salary"]
    with pytest.raises(AttributeError, match="salary"):
        del doc.salary
    assert not hasattr(doc, "salary")
    assert getattr(doc, "salary", 7) == 7
    assert doc.get("salary") is None
    assert doc.get("salary", 7) == 7
    assert doc.pop("salary", 7) == 7


def test_names_that_dict_has_are_reached_by_brackets():
    doc = Document({"items": [1], "get": 2})
    assert callable(doc.items)
    assert doc["items"] == [1]
    assert doc["get"] == 2
    with pytest.raises(AttributeError, match=r"doc\['items'\]"):
        doc.items = 3
    doc["items"] = 3
    assert doc["items"] == 3


def test_a_document_keeps_the_order_of_its_keys():
    names = ["z", "a", "_id", "m"]
    assert list(Document(dict.fromkeys(names))) == names
    assert list(Document(dict.fromkeys(names)).copy()) == names
    assert json.dumps(Document(dict.fromkeys(names, 0))) == '{"z": 0, "a": 0, "_id": 0, "m": 0}'


def test_a_document_is_a_dict_and_equals_one():
    doc = Document(copy.deepcopy(LACKEY))
    assert isinstance(doc, dict)
    assert doc == LACKEY
    assert dict(LACKEY).__eq__(doc)
    doc.pay.base[0].eur  # noqa: B018  (reached, and equal still)
    assert doc == LACKEY
    assert json.loads(json.dumps(doc)) == LACKEY


def test_a_document_pickles():
    doc = Document(copy.deepcopy(LACKEY))
    doc.pay.base[0]["eur"] = 11
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        again = pickle.loads(pickle.dumps(doc, protocol))
        assert type(again) is Document
        assert again == doc
        assert again is not doc


def test_a_copy_is_a_document_of_its_own():
    doc = Document(copy.deepcopy(LACKEY))
    for other in (doc.copy(), copy.copy(doc), copy.deepcopy(doc), doc | {}):
        assert type(other) is Document
        assert other == doc
        other.first = "Kim"
    assert doc.first == "Tom"


def test_a_deep_copy_shares_nothing():
    doc = Document(copy.deepcopy(LACKEY))
    copy.deepcopy(doc).pay.base[0].eur = 0
    assert doc.pay.base[0].eur == 9


def test_the_dict_that_a_document_is_made_of_stays_as_it_was():
    content = copy.deepcopy(LACKEY)
    doc = Document(content)
    doc.pay.more = 1
    doc.last = "Thumb"
    del doc.first
    assert content == LACKEY


@pytest.mark.parametrize(
    ("doc", "shown"),
    [
        ({"_id": "lackey-129", "_rev": "1-abc", "first": "Tom", "b": 1}, "first: 'Tom', …"),
        ({"_id": "lackey-129", "_rev": "1-abc", "first": "Tom"}, "first: 'Tom'"),
        ({"_id": "lackey-129", "_rev": "1-abc"}, ""),
    ],
)
def test_repr_tells_id_generation_and_the_first_field(doc, shown):
    assert repr(Document(doc)) == f"<Document lackey-129[1] {{{shown}}}>"


def test_repr_of_an_unsaved_document_and_of_a_long_field_is_short():
    assert repr(Document(first="Tom")) == "<Document unsaved {first: 'Tom'}>"
    assert len(repr(Document(_id="x", _rev="12-abc", text="a" * 1000))) < 80


def test_dir_lists_the_keys_for_whoever_presses_tab():
    assert {"first", "pay", "items"} <= set(dir(Document(LACKEY)))


# -- rows ---------------------------------------------------------------------------------------


def test_a_row_has_id_key_value_doc_and_error_whether_the_server_sent_them_or_not():
    row = Row({"id": "a", "key": [1, {"k": 2}], "value": {"rev": "1-x"}, "doc": {"_id": "a"}})
    assert (row.id, row.error) == ("a", None)
    assert row.key[1].k == 2
    assert row.value.rev == "1-x"
    assert type(row.doc) is Document
    empty = Row({"key": None, "value": 3})
    assert (empty.id, empty.key, empty.value, empty.doc, empty.error) == (None, None, 3, None, None)
    assert Row({"key": "x", "error": "not_found"}).error == "not_found"


def test_a_row_is_a_dict_and_its_document_is_the_same_by_every_way():
    row = Row({"id": "a", "key": 1, "value": 2, "doc": {"_id": "a", "n": {"m": 1}}})
    assert row == {"id": "a", "key": 1, "value": 2, "doc": {"_id": "a", "n": {"m": 1}}}
    assert row["doc"] is row.doc
    assert row.get("doc") is row.doc
    assert dict(row.items())["doc"] is row.doc
    row.doc.n.m = 5
    assert row["doc"]["n"]["m"] == 5


def test_a_row_s_document_is_none_where_the_server_says_null():
    row = Row({"id": "a", "key": "a", "value": {"rev": "2-x", "deleted": True}, "doc": None})
    assert row.doc is None
    assert row["doc"] is None


def test_a_row_pickles():
    row = Row({"id": "a", "key": 1, "value": 2, "doc": {"_id": "a"}})
    assert row.doc._id == "a"
    again = pickle.loads(pickle.dumps(row))
    assert type(again) is Row
    assert again == row
    assert type(again.doc) is Document


# -- results of views -----------------------------------------------------------------------------


def _result(count=3, **more):
    rows = [{"id": str(n), "key": n, "value": n * n} for n in range(count)]
    return ViewResult("employees/byname", {"rows": rows, **more}, {"limit": count})


def test_a_result_is_a_sequence_of_rows():
    found = _result(total_rows=17, offset=4)
    assert isinstance(found, collections.abc.Sequence)
    assert len(found) == 3
    assert found[0].value == 0
    assert found[-1].value == 4
    assert [row.key for row in found] == [0, 1, 2]
    assert [row.key for row in found[1:]] == [1, 2]
    assert [row.key for row in reversed(found)] == [2, 1, 0]
    assert found.rows == list(found)
    assert all(type(row) is Row for row in [*found, *found[:], *found.rows])
    assert {"id": "1", "key": 1, "value": 1} in found
    with pytest.raises(IndexError):
        found[3]


def test_a_result_gives_the_same_row_each_time():
    found = _result()
    assert found[1] is found[1]
    assert found.rows[1] is found[1]
    assert next(iter(found)) is found[0]
    found[1].value = "mine"
    assert found.rows[1].value == "mine"


def test_a_result_tells_what_the_server_said_of_it():
    found = _result(total_rows=17, offset=4, update_seq="9-abc")
    assert (found.total_rows, found.offset, found.update_seq) == (17, 4, "9-abc")
    assert found.options == {"limit": 3}
    assert (_result().total_rows, _result().offset, _result().update_seq) == (None, None, None)


def test_a_result_s_repr_counts_its_rows():
    assert repr(_result(3, total_rows=17)) == "<employees/byname: 3/17 rows>"
    assert repr(_result(3)) == "<employees/byname: 3 rows>"


def test_an_empty_result_is_false():
    assert not _result(0)
    assert _result(1)


def test_a_result_pickles_and_compares():
    found = _result(3, total_rows=17)
    assert found[0].id == "0"
    again = pickle.loads(pickle.dumps(found))
    assert again == found
    assert repr(again) == repr(found)
    assert again != _result(2)


def test_the_classes_of_documents_and_of_their_objects_can_be_chosen(monkeypatch):
    class Special(Document):
        __slots__ = ()

    class Plain(dict):
        pass

    monkeypatch.setattr(defaults, "document", Special)
    monkeypatch.setattr(defaults, "mapping", Plain)
    row = Row({"id": "a", "doc": {"_id": "a", "nested": {"x": 1}}})
    assert type(row.doc) is Special
    assert type(row.doc.nested) is Plain
