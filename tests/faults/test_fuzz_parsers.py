"""The parsers of answers, fed with what is none, in any pieces: a ValueError is all that comes of it,
soon; what they give before that is what they say that it is, and of what was cut off, the beginning."""

from __future__ import annotations

import gzip
import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from corduroy.feeds.lines import PARSERS
from corduroy.multipart import MultipartParser
from corduroy.rows import decode_rows
from corduroy.streams.parsing import DocRow, RowParser
from corduroy.transport.answer import BodyTooLarge, MalformedAnswer
from corduroy.transport.encoding import decode_json
from corduroy.transport.gzip import gunzip
from tests.faults.fuzz import broken, cuts, pieces
from tests.profiles import times

EXAMPLES = 400
SOON = 5.0  # seconds

ROWS: list[Any] = [
    {"id": "a", "key": 1, "value": {"rev": "1-a"}, "doc": {"_id": "a", "t": '},{"id":"x"'}},
    {"id": "b", "key": ["é", None], "value": 2**70, "doc": None},
    {"key": "c", "error": "not_found"},
    {"id": "d", "key": {"n": 1.5}, "value": '"rows":[{', "doc": {"_id": "d", "deep": [[[{}]]]}},
]
IN_LINES = (
    b'{"total_rows":4,"offset":0,"rows":[\r\n'
    + b",\r\n".join(json.dumps(row, separators=(",", ":")).encode() for row in ROWS)
    + b"\r\n]}\n"
)
IN_ONE = json.dumps({"total_rows": 4, "rows": ROWS, "more": []}, separators=(",", ":")).encode()

CHANGES: list[Any] = [
    {"seq": n, "id": f"é{n}", "changes": [{"rev": "1-a"}], "doc": {"t": '\n"'}} for n in range(1, 6)
]
FEEDS = {
    "continuous": b"\n".join(json.dumps(row).encode() for row in CHANGES)
    + b'\n\n{"last_seq":5,"pending":0}\n',
    "eventsource": b"".join(
        b"data: %b\nid: %d\n\n" % (json.dumps(row).encode(), row["seq"]) for row in CHANGES
    )
    + b"event: heartbeat\ndata: \n\n",
    "longpoll": json.dumps({"results": CHANGES, "last_seq": 5, "pending": 0}).encode(),
}

PARTS = [b'{"_id":"a"}', b"", b"\r\n--", b"x" * 300 + b"\r\n--B\r"]
MULTIPART = (
    b"".join(
        b"\r\n--b\r\nContent-Type: a/b\r\nContent-Length: %d\r\n\r\n%b" % (len(part), part)
        for part in PARTS
    )[2:]
    + b"\r\n--b--"
)

SEEDS = Path(__file__).parent / "seeds"


def seeds(kind: str) -> list[bytes]:
    """What once went wrong."""
    return [path.read_bytes() for path in sorted(SEEDS.glob(f"{kind}-*"))]


# -- the rows of a stream -------------------------------------------------------------------------


def rows_of(body: bytes, places: list[float], docs_only: bool = False) -> tuple[list[Any], bool]:
    """The rows that the parser of streams makes of a body, and whether it takes it for whole."""
    parser, rows, left = RowParser(docs_only), [], pieces(body, places)
    until = time.monotonic() + SOON
    try:
        while not parser.over:
            assert time.monotonic() < until, "it hangs"
            if found := parser.rows():
                rows += found
            elif piece := next(left, b""):
                parser.feed(piece)
            else:
                parser.finish()
    except ValueError:
        return rows, False
    return rows, parser.error is None


def check_rows(body: bytes, places: list[float]) -> None:
    for docs_only in (False, True):
        rows, _ = rows_of(body, places, docs_only)
        assert {type(row) for row in rows} <= {DocRow if docs_only else dict}
        if docs_only:
            assert all(row.doc is None or isinstance(row.doc, dict) for row in rows)


@settings(max_examples=times(EXAMPLES))
@given(st.sampled_from([IN_LINES, IN_ONE]).flatmap(broken), cuts)
def test_rows_come_of_rows_alone(body, places):
    check_rows(body, places)


@pytest.mark.parametrize("body", seeds("rows"))
def test_rows_that_once_went_wrong(body):
    check_rows(body, [])
    check_rows(body, [n / 10 for n in range(10)])
    check_decoded(body, 1)


@settings(max_examples=times(EXAMPLES // 2))
@given(st.sampled_from([IN_LINES, IN_ONE]), st.floats(0, 1), cuts)
def test_of_an_answer_that_is_cut_off_come_its_first_rows(body, end, places):
    cut = body.rstrip()[: int(end * (len(body.rstrip()) - 1))]
    rows, whole = rows_of(cut, places)
    assert not whole
    assert rows == ROWS[: len(rows)]


def check_decoded(body: bytes, batch: int) -> None:
    try:
        answer = decode_rows(bytearray(body), batch)
    except ValueError:
        return
    assert all(isinstance(row, dict) for row in answer["rows"])


@settings(max_examples=times(EXAMPLES))
@given(st.sampled_from([IN_LINES, IN_ONE]).flatmap(broken), st.integers(1, 60))
def test_rows_that_are_decoded_at_once_are_rows(body, batch):
    check_decoded(body, batch)


# -- feeds ----------------------------------------------------------------------------------------


def changes_of(kind: str, body: bytes, places: list[float]) -> tuple[list[Any], Any]:
    """The changes that a feed's parser makes of a body, and the parser; None: this is no feed."""
    parser, changes = PARSERS[kind](), []
    until = time.monotonic() + SOON
    try:
        for piece in [*pieces(body, places), b""]:
            if piece:
                parser.feed(piece)
            else:
                parser.finish()
            while parser.more:
                assert time.monotonic() < until, "it hangs"
                changes += parser.rows()
    except ValueError:
        return changes, None
    return changes, parser


def check_changes(kind: str, body: bytes, places: list[float]) -> None:
    changes, parser = changes_of(kind, body, places)
    assert all(isinstance(change, dict) for change in changes)
    for change in changes:
        assert isinstance(change.get("seq"), str | int | list | None)
    if parser is not None:
        assert isinstance(parser.last_seq, str | int | list | None)
        assert isinstance(parser.pending, int | None)
        assert isinstance(parser.error, dict | None)


@pytest.mark.parametrize("kind", FEEDS)
def test_changes_come_of_changes_alone(kind):
    @settings(max_examples=times(EXAMPLES))
    @given(broken(FEEDS[kind]), cuts)
    def hold(body, places):
        check_changes(kind, body, places)

    hold()


@pytest.mark.parametrize("kind", FEEDS)
def test_changes_that_once_went_wrong(kind):
    for body in seeds("feed"):
        check_changes(kind, body, [])
        check_changes(kind, body, [n / 10 for n in range(10)])


@pytest.mark.parametrize("kind", FEEDS)
def test_of_a_feed_that_is_cut_off_come_its_first_changes(kind):
    @settings(max_examples=times(EXAMPLES // 4))
    @given(st.floats(0, 1), cuts)
    def hold(end, places):
        changes, _ = changes_of(kind, FEEDS[kind][: int(end * len(FEEDS[kind]))], places)
        assert changes == CHANGES[: len(changes)]

    hold()


# -- parts ----------------------------------------------------------------------------------------


def parts_of(body: bytes, places: list[float]) -> tuple[list[bytes], bool]:
    """The parts of a body that came to their end, and whether it is taken for whole."""
    parser, parts, part = MultipartParser("b"), [], b""
    try:
        for piece in pieces(body, places):
            for event in parser.feed(piece):
                if isinstance(event, bytes):
                    part += event
                elif event is None:
                    parts.append(part)
                else:
                    assert all(name == name.lower() for name in event)
                    part = b""
        parser.finish()
    except ValueError:
        return parts, False
    return parts, True


@settings(max_examples=times(EXAMPLES))
@given(broken(MULTIPART), cuts)
def test_parts_come_of_a_multipart_body_alone(body, places):
    parts, whole = parts_of(body, places)
    bit_by_bit, also_whole = parts_of(body, [n / 50 for n in range(50)])
    assert whole == also_whole
    assert parts == (bit_by_bit if whole else bit_by_bit[: len(parts)])


@pytest.mark.parametrize("body", seeds("multipart"))
def test_parts_that_once_went_wrong(body):
    parts_of(body, [])


@settings(max_examples=times(EXAMPLES // 2))
@given(st.floats(0, 1), cuts)
def test_of_a_multipart_body_that_is_cut_off_come_its_first_parts(end, places):
    parts, whole = parts_of(MULTIPART[: int(end * (len(MULTIPART) - 1))], places)
    assert not whole
    assert parts == PARTS[: len(parts)]


# -- gzip, and JSON -------------------------------------------------------------------------------

PLAIN = b'{"a":"' + b"b" * 5000 + b'"}'
ZIPPED = gzip.compress(PLAIN[:2000]) + gzip.compress(PLAIN[2000:])


@settings(max_examples=times(EXAMPLES))
@given(broken(ZIPPED), st.none() | st.integers(1, 10_000))
def test_a_gzip_is_whole_or_none(body, limit):
    try:
        plain = gunzip(body, limit)
    except (MalformedAnswer, BodyTooLarge):
        return
    assert limit is None or len(plain) <= limit


@settings(max_examples=times(EXAMPLES // 2))
@given(st.integers(1, len(ZIPPED) - 1))
def test_a_gzip_that_is_cut_off_is_none(end):
    if end == len(gzip.compress(PLAIN[:2000])):
        return  # which is one
    with pytest.raises(MalformedAnswer):
        gunzip(ZIPPED[:end], None)


@settings(max_examples=times(EXAMPLES))
@given(broken(IN_ONE))
@example(b"[" * 100_000)
@example(b'{"a":' * 100_000)
@example(b"9" * 5000)
@example(b'"\xed\xa0\x80"')
def test_what_is_no_json_is_a_value_error(body):
    try:
        decode_json(body)
    except ValueError:
        return
