"""The parsers of feeds: fed chunk by chunk, without a socket."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from corduroy.feeds.lines import Body, Events, Lines

ROWS = [
    {"seq": 1, "id": "äöü", "changes": [{"rev": "1-a"}]},
    {"seq": "2-x", "id": "b", "changes": [{"rev": "1-b"}], "deleted": True},
    {"seq": None, "id": "c\n€𝄞", "changes": [{"rev": "1-c"}], "doc": {"n": 2**70}},
]
LINES = [json.dumps(row, ensure_ascii=False).encode() for row in ROWS]
CONTINUOUS = LINES[0] + b"\n\n" + LINES[1] + b"\r\n\n\n" + LINES[2] + b"\n"
END = b'{"last_seq":"9-z","pending":0}\n'
EVENTS = b"".join(
    [
        b": hello\n\n",
        b"data: " + LINES[0] + b"\nid: 1\n\n",
        b"event: heartbeat\ndata: \n\n",
        b"id: 2-x\r\ndata:" + LINES[1] + b"\r\n\r\n",
        b"data: " + LINES[2].replace(b', "changes"', b',\ndata: "changes"') + b"\n\n",
    ]
)
LONGPOLL = b'{"results":[\n\n\n' + b",\n".join(LINES) + b'\n],\n"last_seq":"9-z","pending":0}\n'


def fed(parser, pieces):
    """All rows that a parser makes of pieces, its end included."""
    rows = []
    for piece in pieces:
        parser.feed(piece)
        rows += taken(parser)
    parser.finish()
    return rows + taken(parser)


def taken(parser):
    """All rows that there are, portion after portion."""
    rows = []
    while parser.more:
        rows += parser.rows()
    return rows


def split(body, at):
    return [piece for piece in (body[:at], body[at:]) if piece]


@pytest.mark.parametrize(
    ("kind", "body"), [(Lines, CONTINUOUS), (Events, EVENTS), (Body, LONGPOLL)]
)
def test_rows_are_the_same_wherever_the_body_is_split(kind, body):
    for at in range(len(body)):
        assert fed(kind(), split(body, at)) == ROWS, at


@pytest.mark.parametrize(
    ("kind", "body"), [(Lines, CONTINUOUS), (Events, EVENTS), (Body, LONGPOLL)]
)
def test_rows_may_come_a_byte_at_a_time(kind, body):
    assert fed(kind(), [body[at : at + 1] for at in range(len(body))]) == ROWS


@given(st.lists(st.integers(0, len(CONTINUOUS)), max_size=12))
def test_rows_are_the_same_in_any_number_of_pieces(cuts):
    places = [0, *sorted(cuts), len(CONTINUOUS)]
    pieces = [CONTINUOUS[a:b] for a, b in itertools.pairwise(places) if a < b]
    assert fed(Lines(), pieces) == ROWS


@pytest.mark.parametrize(("kind", "body"), [(Lines, CONTINUOUS), (Events, EVENTS)])
def test_a_line_that_is_not_whole_gives_nothing(kind, body):
    whole = 0
    for at in range(len(body)):
        parser = kind()
        parser.feed(body[:at])
        rows = taken(parser)
        assert rows == ROWS[: len(rows)]
        assert len(rows) >= whole
        whole = len(rows)
    assert whole == len(ROWS) - 1


def test_the_end_of_a_response_is_no_change():
    parser = Lines()
    assert fed(parser, [CONTINUOUS + END]) == ROWS
    assert (parser.last_seq, parser.pending) == ("9-z", 0)


def test_the_end_of_a_response_may_come_without_its_line_break():
    parser = Lines()
    assert fed(parser, [CONTINUOUS, END[:-1]]) == ROWS
    assert parser.last_seq == "9-z"


def test_half_a_line_at_the_end_of_a_response_is_an_error():
    parser = Lines()
    parser.feed(LINES[0][:-3])
    parser.finish()
    with pytest.raises(ValueError, match=r"truncated|Expecting"):
        parser.rows()


def test_a_longpoll_tells_where_it_ends():
    parser = Body()
    fed(parser, [LONGPOLL])
    assert (parser.last_seq, parser.pending) == ("9-z", 0)


def test_a_longpoll_that_is_not_whole_is_an_error():
    for at in range(len(LONGPOLL) - 3):
        with pytest.raises(ValueError):  # noqa: PT011  (the codec's own words)
            fed(Body(), split(LONGPOLL[:at], 5))


def test_an_error_in_mid_feed_is_told_apart():
    parser = Lines()
    assert fed(parser, [CONTINUOUS + b'{"error":"e","reason":"r"}\n']) == ROWS
    assert parser.error == {"error": "e", "reason": "r"}


def test_a_sign_of_life_is_a_beat():
    assert beats(Lines(), b"\n")
    assert not beats(Lines(), LINES[0] + b"\n")
    assert not beats(Lines(), b"\n" + LINES[1][:5])
    assert beats(Events(), b"event: heartbeat\ndata: \n\n")
    assert not beats(Events(), b"data: 1\n")


def beats(parser, piece):
    parser.feed(piece)
    taken(parser)
    return parser.beat


def test_rows_come_in_portions_whatever_their_size():
    for filling in (0, 3000):
        row = {"seq": 1, "id": "x" * filling, "changes": []}
        parser = Lines()
        parser.feed((json.dumps(row).encode() + b"\n") * 1000)
        portions = []
        while parser.more:
            portions.append(len(parser.rows()))
        assert sum(portions) == 1000
        assert len(portions) > 5
        assert set(portions[1:-1]) <= {149, 150, 151}


@pytest.mark.parametrize("kind", [Lines, Body])
@pytest.mark.parametrize("body", [b"<html>\n", b"[1]\n", b"7\n", b'{"ok":true}\n', b'"x"\n'])
def test_what_is_no_feed_is_an_error(kind, body):
    with pytest.raises(ValueError):  # noqa: PT011
        fed(kind(), [body])


def test_a_line_of_several_megabytes_is_put_together_once():
    big = {"seq": 1, "id": "x", "changes": [], "doc": {"text": "ä" * 3_000_000}}
    body = json.dumps(big, ensure_ascii=False).encode() + b"\n"
    pieces = [body[at : at + 65536] for at in range(0, len(body), 65536)]
    assert fed(Lines(), pieces) == [big]


def test_a_document_with_a_lone_surrogate_does_not_end_the_feed():
    assert fed(Lines(), [b'{"seq":1,"id":"\\ud800","changes":[]}\n'])[0]["id"] == "\ud800"
