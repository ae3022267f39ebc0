"""Results for those who want everything at once: plain dicts, data frames, tables in notebooks."""

from __future__ import annotations

import sys
from html.parser import HTMLParser

import pytest

from corduroy import Document

# -- plain dicts ----------------------------------------------------------------------------------


def types_in(value):
    yield type(value)
    if isinstance(value, dict | list):
        for inner in value.values() if isinstance(value, dict) else value:
            yield from types_in(inner)


def test_rows_become_plain_dicts_with_all_that_is_in_them(call, staff):
    found = call(staff.view, "employees/byteam", reduce=False, include_docs=True)
    assert found[0].doc.team == found[0].key[0] == "blue"  # touched, and yet
    plain = found.to_dicts()
    assert plain == list(found)
    assert set(types_in(plain)) == {list, dict, str, int}


def test_so_do_documents_and_they_are_copies(call, staff):
    found = call(staff.find, {"first": "Ann"})
    plain = found.to_dicts()
    assert [type(doc) for doc in plain] == [dict]
    plain[0]["age"] = 99
    assert found[0].age == 20


# -- data frames ----------------------------------------------------------------------------------


def test_rows_become_a_frame_of_keys_and_values_by_id(call, staff):
    frame = call(staff.view, "employees/byname", limit=2).to_dataframe()
    assert (frame.index.name, list(frame.index)) == ("id", ["p0", "p1"])
    assert frame.to_dict("list") == {"key": ["Ann", "Bob"], "value": [20, 21]}
    assert frame["value"].dtype == "int64"


def test_an_array_as_a_key_has_a_column_for_each_part(call, staff):
    frame = call(staff.view, "employees/byteam", reduce=False, limit=2).to_dataframe()
    assert frame.to_dict("list") == {
        "key.0": ["blue", "blue"],
        "key.1": ["Bob", "Dee"],
        "value": [21, 23],
    }


def test_reduced_rows_become_a_frame_by_key(call, staff):
    frame = call(staff.view, "employees/byteam", group=True).to_dataframe()
    assert frame.index.names == ["key.0", "key.1"]
    assert frame.loc[("blue", "Bob"), "value"] == 21
    assert frame.groupby("key.0")["value"].sum().to_dict() == {"blue": 125, "red": 120}
    frame = call(staff.view, "employees/byteam", group_level=1).to_dataframe()
    assert (frame.index.name, frame["value"].to_dict()) == ("key.0", {"blue": 125, "red": 120})
    frame = call(staff.view, "employees/byteam").to_dataframe()
    assert (frame.index.name, list(frame.index), list(frame["value"])) == ("key", [None], [245])


def test_documents_become_a_frame_of_their_fields_by_id(call, staff):
    view = call(staff.view, "employees/byname", include_docs=True)
    found = call(staff.find, {"first": {"$gt": None}}, limit=10)
    for frame in (view.to_dataframe(), found.to_dataframe()):
        assert (frame.index.name, frame.loc["p3", "first"]) == ("id", "Dee")
        assert {"_id", "_rev", "first", "age", "team"} == set(frame.columns)
        assert frame.groupby("team")["age"].mean().to_dict() == {"blue": 25, "red": 24}


SHAPES = {
    "_id": "_design/shapes",
    "views": {"by": {"map": "function (d) { if (d.key !== undefined) emit(d.key, d.value); }"}},
}


@pytest.fixture
def shapes(db):
    """``shapes(doc, …)``: a view of documents with "key" and "value"; their ids are "0", "1"…"""

    def save(*docs):
        numbered = [{"_id": str(at), **doc} for at, doc in enumerate(docs)]
        db.with_style("blocking").save([dict(SHAPES), *numbered])
        return db.with_style("blocking")

    return save


def test_objects_have_a_column_for_each_field_at_any_depth(shapes):
    db = shapes(
        {"key": "a", "value": {"at": {"x": 1, "y": [2, {"z": 3}]}}},
        {"key": {"city": "Bonn"}, "value": {"at": {"x": 4, "y": []}, "at.x": 5}},
    )
    frame = db.view("shapes/by").to_dataframe()
    assert list(frame.columns) == ["key", "value.at.x", "value.at.y", "value.at.x_"]
    assert frame.loc["1", "key"] == {"city": "Bonn"}
    assert list(frame["value.at.x"]) == [1, 4]
    assert list(frame["value.at.y"]) == [[2, {"z": 3}], []]
    frame = db.view("_all_docs", keys=["0", "nobody"], include_docs=True).to_dataframe()
    assert frame.loc["0", "value.at.x"] == 1
    assert list(frame["key"].isna()) == [False, True]


def test_what_a_row_has_not_is_a_missing_value(shapes):
    db = shapes(
        {"key": [1], "value": 1}, {"key": [1, "b"], "value": None}, {"key": "c", "value": "x"}
    )
    frame = db.view("shapes/by").to_dataframe()
    assert frame.isna().to_dict("list") == {
        "key": [False, True, True],
        "value": [False, False, True],
        "key.0": [True, False, False],
        "key.1": [True, True, False],
    }


def test_integers_stay_what_they_are(shapes):
    large = 2**60  # PouchDB Server makes another one of it, as large
    db = shapes({"key": large, "n": large}, {"key": -1, "n": 0.5}, {"key": 3})
    found = db.view("_all_docs", startkey="0", endkey="9", include_docs=True)
    frame = found.to_dataframe()
    assert frame["key"].dtype == "int64"
    assert list(frame["key"]) == [row.doc.key for row in found]
    assert type(frame.loc["0", "n"]) is int
    assert list(frame["n"].isna()) == [False, False, True]


def test_no_rows_become_an_empty_frame(call, staff):
    frame = call(staff.view, "employees/byname", key="nobody").to_dataframe()
    assert (len(frame), list(frame.columns)) == (0, ["key", "value"])
    assert len(call(staff.find, {"first": "nobody"}).to_dataframe()) == 0


def test_without_pandas_one_is_told_what_to_install(call, staff, monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    for found in (call(staff.view, "employees/byname"), call(staff.find, {"first": "Ann"})):
        with pytest.raises(ImportError, match=r"pip install 'corduroy\[pandas\]'"):
            found.to_dataframe()


# -- notebooks ------------------------------------------------------------------------------------


class Shown(HTMLParser):
    """What a browser makes of HTML: its elements, and the texts in them."""

    def __init__(self, markup):
        super().__init__()
        self.elements, self.cells, self.notes = set(), [], []
        self.feed(markup)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.elements.add(tag)
        assert not attrs or attrs == [("style", "text-align: left")]
        if tag in ("td", "th"):
            self.cells[-1].append("")
        elif tag == "tr":
            self.cells.append([])
        elif tag == "p":
            self.notes.append("")

    def handle_data(self, data):
        if data.strip() and self.lasttag == "p":
            self.notes[-1] += data
        elif data.strip():
            self.cells[-1][-1] += data


ELEMENTS = {"p", "table", "thead", "tbody", "tr", "th", "td"}


def test_a_view_is_shown_as_a_table(call, staff):
    shown = Shown(call(staff.view, "employees/byteam", reduce=False, limit=2)._repr_html_())
    assert shown.notes == ["employees/byteam: 2/10 rows"]
    assert shown.cells == [
        ["id", "key", "value"],
        ["p1", '["blue", "Bob"]', "21"],
        ["p3", '["blue", "Dee"]', "23"],
    ]
    shown = Shown(call(staff.view, "employees/byteam", group_level=1)._repr_html_())
    assert shown.cells == [["key", "value"], ['["blue"]', "125"], ['["red"]', "120"]]
    shown = Shown(call(staff.page, "employees/byname", 1, include_docs=True)._repr_html_())
    assert '"first": "Ann"' in shown.cells[1][3]


def test_documents_are_shown_with_a_column_for_each_field(call, staff):
    shown = Shown(call(staff.find, {"first": "Ann"})._repr_html_())
    assert shown.notes[0].startswith("_find: 1 docs")
    (names, values) = shown.cells
    assert dict(zip(names, values, strict=True))["team"] == "red"
    shown = Shown(call(staff.get, "p0")._repr_html_())
    assert shown.notes == ["Document p0"]
    assert ["team", "red"] in shown.cells


EVIL = "<script>alert('x')</script><img src=x onerror=\"x\">&amp;</td></table>"


def test_whatever_stands_in_it_is_text(shapes):
    db = shapes({"key": [EVIL], "value": {EVIL: EVIL}}, {"_id": EVIL, "key": EVIL, "value": EVIL})
    results = [
        db.view("shapes/by", include_docs=True),
        db.find({"key": EVIL}),
        db.get(EVIL),
        Document({EVIL: {EVIL: [EVIL]}}),
        db.page("shapes/by", 1, descending=True),
    ]
    for result in results:
        shown = Shown(result._repr_html_())
        assert shown.elements == ELEMENTS
        assert any("<script>alert('x')</script><img" in cell for row in shown.cells for cell in row)


def test_what_is_long_is_shortened(shapes):
    db = shapes(*({"key": at, "value": ["x" * 10_000] * at} for at in range(25)))
    markup = db.view("shapes/by", include_docs=True)._repr_html_()
    assert len(markup) < 15_000
    shown = Shown(markup)
    assert len(shown.cells) == 21
    assert shown.notes == ["shapes/by: 25/25 rows", "and 5 more"]
    wide = Document({f"field {at}": at for at in range(300)})
    assert Shown(wide._repr_html_()).notes == ["Document unsaved", "and 200 more"]
    db.save({"_id": "wide", **wide})
    (names, values) = Shown(db.find({"_id": "wide"})._repr_html_()).cells
    assert len(names) == len(values) == 13
    assert (names[-1], values[-1]) == ("…", "…")


def test_what_a_program_has_put_into_a_document_is_shown_as_well():
    doc = Document({"_id": "a", "set": {1}, "text": "\ud800", "keys": {(1, 2): 3}})
    doc["own"] = doc
    shown = Shown(doc._repr_html_())
    assert shown.elements == ELEMENTS
    assert len(shown.cells) == 6
