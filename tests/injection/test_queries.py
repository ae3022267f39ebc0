"""Whatever the value of an option holds, it is the value of that parameter, and of no other: each
encoder of options, and those parameters whose names the program chooses."""

from __future__ import annotations

import enum
import json
from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
from hypothesis import strategies as st

from tests.injection.inputs import drawn, is_text, names, texts
from tests.injection.meaning import Meant

ANY = {"accept": "*/*"}
JSON = {"content-type": "application/json"}


class Encoder(NamedTuple):
    """An encoder of options.

    Attributes:
        argument (str): the option, as its refusals name it.
        call: gives a method an option with such a value.
        meant: the parameters that a text means; None: it has to be refused.
        path (list of str): what is asked.
        headers (dict): what it is asked with.
        every (int): which part of the texts it is tried with: each tenth, say.
    """

    argument: str
    call: Callable[[Any, str], Any]
    meant: Callable[[str], dict[str, str] | None]
    path: tuple[str, ...]
    headers: dict[str, str] = {}  # noqa: RUF012
    every: int = 10


def as_is(name: str, **others: str) -> Callable[[str], dict[str, str] | None]:
    """The text itself, as a parameter."""
    return lambda text: {**others, name: str.__str__(text)} if is_text(text) else None


def as_json(name: str, form: Callable[[str], Any] = str.__str__) -> Any:
    """The text in JSON; where that is long, it goes in the body."""

    def meant(text: str) -> dict[str, str] | None:
        if not is_text(text):
            return None
        return {name: json.dumps(form(text), separators=(",", ":"), ensure_ascii=False)}

    return meant


def function(name: str, own: bool = False) -> Callable[[str], dict[str, str] | None]:
    """``ddoc/function``, which goes as it is."""

    def meant(text: str) -> dict[str, str] | None:
        ddoc, _, rest = text.partition("/")
        taken = ddoc and rest and not text.startswith("_")
        taken = taken or (own and text.startswith("_") and "/" not in text)
        return {name: str.__str__(text)} if taken and is_text(text) else None

    return meant


V = ("d", "_design", "d", "_view", "v")
ENCODERS = {
    "key": Encoder(
        "key", lambda c, key: c.database("d").view("d/v", key=key), as_json("key"), V, every=1
    ),
    "startkey": Encoder(
        "startkey",
        lambda c, key: c.database("d").view("d/v", startkey={"a": [key]}),
        as_json("startkey", lambda key: {"a": [str.__str__(key)]}),
        V,
    ),
    "startkey_docid": Encoder(
        "startkey_docid",
        lambda c, key: c.database("d").view("d/v", startkey_docid=key),
        as_is("startkey_docid"),
        V,
        every=1,
    ),
    "rev": Encoder(
        "rev", lambda c, rev: c.database("d").get("a", rev=rev), as_is("rev"), ("d", "a")
    ),
    "atts_since": Encoder(
        "atts_since",
        lambda c, rev: c.database("d").get("a", atts_since=[rev]),
        as_json("atts_since", lambda rev: [str.__str__(rev)]),
        ("d", "a"),
    ),
    "since": Encoder(
        "since",
        lambda c, seq: c.database("d").changes(since=seq),
        as_is("since"),
        ("d", "_changes"),
    ),
    "filter": Encoder(
        "filter",
        lambda c, name: c.database("d").changes(filter=name),
        function("filter", own=True),
        ("d", "_changes"),
        every=1,
    ),
    "query_params": Encoder(
        "query_params",
        lambda c, text: c.database("d").changes(filter="d/f", query_params={"a": text}),
        as_is("a", filter="d/f"),
        ("d", "_changes"),
    ),
    "view": Encoder(
        "view",
        lambda c, name: c.database("d").changes(filter="_view", view=name),
        lambda text: (found := function("view")(text)) and {"filter": "_view", **found},
        ("d", "_changes"),
    ),
    "nouveau": Encoder(
        "bookmark",
        lambda c, text: c.database("d").nouveau("d/i", "q", bookmark=text),
        as_is("bookmark", q="q"),
        ("d", "_design", "d", "_nouveau", "i"),
    ),
    "all_dbs": Encoder(
        "startkey", lambda c, key: c.all_dbs(startkey=key), as_json("startkey"), ("_all_dbs",)
    ),
    "search": Encoder(
        "query",
        lambda c, text: c.database("d").search("d/i", text),
        as_is("q"),
        ("d", "_design", "d", "_search", "i"),
    ),
    "drilldown": Encoder(
        "drilldown",
        lambda c, text: c.database("d").search("d/i", "q", drilldown=[("a", text)]),
        lambda text: (
            {"q": "q", **as_json("drilldown", lambda one: ["a", str.__str__(one)])(text)}
            if is_text(text)
            else None
        ),
        ("d", "_design", "d", "_search", "i"),
    ),
    "a parameter of its own": Encoder(
        "own",
        lambda c, text: c.database("d").show("d/f", own=text),
        as_is("own"),
        ("d", "_design", "d", "_show", "f"),
        ANY,
        every=1,
    ),
    "a parameter's name": Encoder(
        "",
        lambda c, text: c.database("d").show("d/f", **{text: "x"}),
        lambda text: {str.__str__(text): "x"} if is_text(text) else None,
        ("d", "_design", "d", "_show", "f"),
        ANY,
        every=1,
    ),
}

RESERVED = {
    "name",
    "id",
    "body",
    "callback",
    "timeout",
    "retries",
    *["key", "keys", "startkey", "start_key", "endkey", "end_key"],  # which are JSON
}


@pytest.mark.parametrize("encoder", ENCODERS.values(), ids=ENCODERS)
def test_a_value_is_that_of_its_parameter(wire, encoder):
    def meant(text: str) -> list[Meant] | None:
        query = encoder.meant(text)
        path = list(encoder.path)
        return None if query is None else [Meant("GET", path, query, encoder.headers)]

    given = [text for text in names()[:: encoder.every] if text not in RESERVED]
    wire.hold(encoder.argument, encoder.call, meant, given)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)


def test_a_key_of_any_kind_is_that_key(wire):
    """Each of the texts, in the midst of something."""

    def meant(key: Any) -> list[Meant] | None:
        if not _all_text(key):
            return None
        plain = _plain(key)
        return [
            Meant("POST", list(V), {}, JSON, lambda body: json.loads(body) == {"keys": [plain]})
        ]

    def call(couch: Any, key: Any) -> Any:
        return couch.database("d").view("d/v", keys=[key])

    around = drawn(json_values, 500)
    given = [[around[at % len(around)], {text: text}, text] for at, text in enumerate(names())]
    wire.hold("keys", call, meant, [*around, *given])


def _all_text(value: Any) -> bool:
    if isinstance(value, dict):
        return all(is_text(key) and _all_text(each) for key, each in value.items())
    if isinstance(value, list):
        return all(map(_all_text, value))
    return not isinstance(value, str) or is_text(value)


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str.__str__(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return str.__str__(value) if isinstance(value, str) else value


class Number(int, enum.Enum):
    """Members that call themselves ``Number.SIX``."""

    SIX = 6


class Word(str, enum.Enum):  # noqa: UP042  (it is that kind which calls itself otherwise)
    """Members that call themselves ``Word.LAZY``."""

    LAZY = "lazy"
    EVIL = "a&b"


def test_a_member_of_an_enum_is_its_value(wire):
    options = {
        "limit": (Number.SIX, "6"),
        "update": (Word.LAZY, "lazy"),
        "startkey_docid": (Word.EVIL, "a&b"),
        "key": (Word.EVIL, '"a&b"'),
        "group_level": (Number.SIX, "6"),
    }
    query = {name: text for name, (_, text) in options.items()}

    def call(couch: Any, given: Any) -> Any:
        return couch.database("d").view(Word.EVIL + "/v", **given)

    path = ["d", "_design", "a&b", "_view", "v"]
    given = {name: value for name, (value, _) in options.items()}
    wire.hold("", call, lambda _: [Meant("GET", path, query)], [given])


CONFIG = ["_node", "_local", "_config", "a", "b"]
FORM = {**ANY, "content-type": "application/x-www-form-urlencoded"}
MEMBERS = {
    "a function's number": (
        lambda c: c.database("d").show("d/f", n=Number.SIX),
        Meant("GET", ["d", "_design", "d", "_show", "f"], {"n": "6"}, ANY),
    ),
    "a form's": (
        lambda c: c.database("d").update("d/f", body={"n": Number.SIX, "t": Word.EVIL}),
        Meant("POST", ["d", "_design", "d", "_update", "f"], {}, FORM, b"n=6&t=a%26b"),
    ),
    "a configuration's number": (
        lambda c: c.config("a/b", Number.SIX),
        Meant("PUT", CONFIG, {}, JSON, b'"6"'),
    ),
    "its text": (
        lambda c: c.config("a/b", Word.LAZY),
        Meant("PUT", CONFIG, {}, JSON, b'"lazy"'),
    ),
    "a password": (
        lambda c: c.check_user("a", Word.LAZY),
        Meant("POST", ["_session"], {}, JSON, b'{"name":"a","password":"lazy"}'),
    ),
    "how many shards": (lambda c: c.create("a", q=Number.SIX), Meant("PUT", ["a"], {"q": "6"})),
    "how many uuids": (
        lambda c: c.uuids(Number.SIX),
        Meant("GET", ["_uuids"], {"count": "6"}),
    ),
}


@pytest.mark.parametrize("what", MEMBERS)
def test_so_it_is_elsewhere(wire, what):
    call, meant = MEMBERS[what]
    wire.hold("", lambda couch, _: call(couch), lambda _: [meant], [what])


def test_what_is_no_number_is_no_limit(wire):
    def call(couch: Any, limit: Any) -> Any:
        return couch.database("d").view("d/v", limit=limit)

    given = ["1", "1&a=b", 1.0, True, -1, [1], float("nan")]
    wire.hold("limit", call, lambda _: None, given)
