"""JSON both ways: numbers of any size, every float, every text. What the wire carries is compared with
Python's own json, through a local server that keeps what it was sent; the rest with the real one."""

from __future__ import annotations

import json
import math
import sys

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from corduroy import Document

FLOATS = [
    5e-324,
    2.2250738585072014e-308,
    1.7976931348623157e308,
    -1.7976931348623157e308,
    0.1 + 0.2,
    1 / 3,
    -0.0,
    0.0,
    1.0,
    1e16,
    1e22,
    1e23,
    123456789.12345678,
    sys.float_info.epsilon,
    math.pi,
]

INTEGERS = [
    0,
    -1,
    2**31,
    2**53 - 1,
    2**53,
    2**53 + 1,
    -(2**53) - 1,
    2**63,
    -(2**63) - 1,
    2**64,
    2**70,
]
INTEGERS += [-(2**70), 10**40 + 1, int("9" * 1000)]

TEXTS = ["", "a", "ä", "😀", "\x00\x1f\x7f", '"\\/', "\u2028\u2029", "\ufeff", "\uffff", "e\u0301"]


class Shelf:
    """Saves values through corduroy, and gives back what the wire carried and what was fetched."""

    def __init__(self, call, canned, db):
        self.call, self.canned, self.db = call, canned, db
        canned.answer = lambda request: {"ok": True, "id": "a", "rev": "1-x"}

    def sent(self, value):
        self.call(self.db.save, {"_id": "a", "value": value})
        return json.loads(self.canned.asked[-1].body)["value"]

    def fetched(self, value):
        self.canned.answer = lambda request: {"_id": "a", "value": value}
        return self.call(self.db.get, "a")["value"]


@pytest.fixture
def shelf(call, canned, canned_db):
    return Shelf(call, canned, canned_db)


def _same(one, other):
    """Equal, of the same types, and of the same sign where they are zero."""
    return repr(one) == repr(other)


@pytest.mark.parametrize("value", FLOATS)
def test_every_float_is_sent_and_fetched_exactly(shelf, value):
    assert _same(shelf.sent(value), value)
    assert _same(shelf.fetched(value), value)


@pytest.mark.parametrize("value", INTEGERS, ids=lambda value: f"{value.bit_length()} bits")
def test_integers_of_any_size_are_sent_and_fetched_exactly(shelf, value):
    assert _same(shelf.sent(value), value)
    assert _same(shelf.fetched(value), value)


def test_every_text_is_sent_and_fetched_exactly(shelf):
    assert shelf.sent(TEXTS) == TEXTS
    assert shelf.fetched(TEXTS) == TEXTS
    keys = dict.fromkeys(TEXTS)
    assert list(shelf.sent(keys)) == TEXTS
    assert list(shelf.fetched(keys)) == TEXTS


def test_subclasses_are_sent_as_what_they_are(shelf):
    class Text(str):
        __slots__ = ()

    class Number(int):
        pass

    class Real(float):
        pass

    class Things(list):
        pass

    sent = shelf.sent([Text("a"), Number(2**70), Real(0.5), Things([True]), Document(a=Text("b"))])
    assert sent == ["a", 2**70, 0.5, [True], {"a": "b"}]
    assert shelf.sent({Text("k"): (1, 2)}) == {"k": [1, 2]}


def test_deep_documents_are_sent_and_fetched(shelf):
    value = 1
    for depth in range(200):
        value = [value] if depth % 2 else {"x": value}
    assert shelf.sent(value) == value
    assert shelf.fetched(value) == value


def test_the_order_of_keys_is_kept(shelf):
    keys = ["z", "a", "_", "10", "9", "ä", "Z"]
    value = dict.fromkeys(keys, 0)
    assert list(shelf.sent(value)) == keys
    assert list(shelf.fetched(value)) == keys


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=30,
)


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(value=json_values)
def test_whatever_json_can_say_is_sent_and_fetched_exactly(shelf, value):
    assert _same(shelf.sent(value), value)
    assert shelf.fetched(value) == value


# -- through the real server ----------------------------------------------------------------------


def test_the_server_keeps_every_float(call, db):
    floats = FLOATS[1:]  # CouchDB answers 0.0 for the smallest of all
    call(db.save, {"_id": "a", "floats": floats})
    assert call(db.get, "a").floats == floats


def test_the_server_keeps_integers_as_exactly_as_its_language_does(call, db, classic):
    integers = [value for value in INTEGERS if abs(value) < 2**128]
    call(db.save, {"_id": "a", "integers": integers})
    fetched = call(db.get, "a").integers
    if classic:  # PouchDB Server is JavaScript, whose numbers are doubles
        assert [float(value) for value in fetched] == [float(value) for value in integers]
        integers = [value for value in integers if abs(value) < 2**53]
        fetched = [value for value in fetched if abs(value) < 2**53]
    assert _same(list(fetched), integers)


def test_the_server_keeps_every_text(call, db):
    call(db.save, {"_id": "a", "texts": TEXTS, "inner": dict.fromkeys(TEXTS, 1)})
    fetched = call(db.get, "a")
    assert fetched.texts == TEXTS
    assert fetched.inner == dict.fromkeys(TEXTS, 1)
