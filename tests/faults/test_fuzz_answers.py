"""Whole calls, answered with what is no answer, over a real socket: they fail as `HTTPError`, soon, or
give what was in the answer; and the next call on the same Couch is right."""

from __future__ import annotations

import asyncio
import base64
import gzip
import hashlib
import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corduroy import ChangesFeed, Couch, HTTPError, defaults
from tests.faults.fuzz import broken, cuts, pieces
from tests.profiles import times

EXAMPLES = 100
PATIENCE = 0.1  # seconds until a call gives up
HANGS = 10  # seconds

DOC = {"_id": "x", "_rev": "1-a", "text": "é" * 40, "list": [1, {"a": None}]}
ROWS = [{"id": f"x{n}", "key": n, "value": {"rev": "1-a"}, "doc": DOC} for n in range(4)]
CHANGES = [{"seq": n, "id": f"x{n}", "changes": [{"rev": "1-a"}]} for n in range(1, 5)]
CONTENT = b"content \r\n-- \n--b\r\r\n" * 20
DIGEST = base64.b64encode(hashlib.md5(CONTENT, usedforsecurity=False).digest()).decode()
ATTACHED = {
    "content_type": "a/b",
    "follows": True,
    "length": len(CONTENT),
    "digest": f"md5-{DIGEST}",
}
JSON, TAG = "Content-Type: application/json", f'ETag: "{DIGEST}"'


def text(value: Any) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def lines(rows: list[Any]) -> bytes:
    return b'{"total_rows":4,"offset":0,"rows":[\r\n' + b",\r\n".join(map(text, rows)) + b"\r\n]}\n"


MULTIPART = (
    b"--b\r\nContent-Type: application/json\r\n\r\n"
    + text({**DOC, "_attachments": {"f": ATTACHED}})
    + b"\r\n--b\r\nContent-Length: %d\r\n\r\n%b\r\n--b--" % (len(CONTENT), CONTENT)
)


async def listed(stream: Any) -> list[Any]:
    """What a stream gives, before it breaks."""
    items = []
    try:
        async for item in stream:
            items.append(item)  # noqa: PERF401  (it breaks in the middle)
    except HTTPError as error:
        error.items = items  # type: ignore[attr-defined]
        raise
    return items


def feed(kind: str) -> Callable[[Any], Any]:
    options: dict[str, Any] = {
        "feed": kind,
        "max_retries": 0,
        "limit": 4,
        "heartbeat": PATIENCE / 2,
    }
    return lambda db: listed(ChangesFeed(db, **options))


# What is called, the headers and the body of its answer, and what it gives.
CALLS: dict[str, tuple[Callable[[Any], Any], list[str], bytes, Any]] = {
    "get": (lambda db: db.get("x"), [JSON], text(DOC), DOC),
    "view": (lambda db: db.view("d/v", include_docs=True), [JSON], lines(ROWS), ROWS),
    "stream": (lambda db: listed(db.stream("d/v")), [JSON], lines(ROWS), ROWS),
    "docs": (lambda db: listed(db.docs()), [JSON], lines(ROWS), [DOC] * 4),
    "stream_with_docs": (
        lambda db: listed(db.stream("d/v", include_docs=True)),
        [JSON],
        text({"rows": ROWS}),
        ROWS,
    ),
    "get_attachment": (
        lambda db: db.get_attachment("x", "f"),
        ["Content-Type: a/b", TAG],
        CONTENT,
        CONTENT,
    ),
    "stream_attachment": (
        lambda db: joined(db.stream_attachment("x", "f")),
        ["Content-Type: a/b", TAG],
        CONTENT,
        CONTENT,
    ),
    "get_with_attachments": (
        lambda db: db.get_with_attachments("x"),
        ['Content-Type: multipart/related; boundary="b"'],
        MULTIPART,
        {**DOC, "_attachments": {"f": {"content_type": "a/b", "data": CONTENT}}},
    ),
    "changes": (
        lambda db: db.changes(),
        [JSON],
        text({"results": CHANGES, "last_seq": 4}),
        {"results": CHANGES, "last_seq": 4},
    ),
    "continuous": (
        feed("continuous"),
        [JSON],
        b"\n".join(map(text, CHANGES)) + b"\n",
        CHANGES,
    ),
    "eventsource": (
        feed("eventsource"),
        ["Content-Type: text/event-stream"],
        b"".join(b"data: %b\n\n" % text(row) for row in CHANGES),
        CHANGES,
    ),
    "longpoll": (feed("longpoll"), [JSON], text({"results": CHANGES, "last_seq": 4}), CHANGES),
}


async def joined(stream: Any) -> bytes:
    return b"".join(await listed(stream))


FRAMINGS = ("length", "chunked", "close", "gzip", "early hints")


def framed(headers: list[str], body: bytes, framing: str, chunk: int = 50) -> bytes:
    """A whole answer."""
    first = b""
    if framing == "early hints":
        first, framing = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n", "length"
    if framing == "gzip":
        headers, body, framing = [*headers, "Content-Encoding: gzip"], gzip.compress(body), "length"
    if framing == "length":
        headers = [*headers, f"Content-Length: {len(body)}"]
    elif framing == "chunked":
        headers = [*headers, "Transfer-Encoding: chunked"]
        parts = [body[at : at + chunk] for at in range(0, len(body), chunk)]
        body = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts) + b"0\r\n\r\n"
    head = "\r\n".join(["HTTP/1.1 200 OK", *headers, "", ""]).encode()
    return first + head + body


class Answering:
    """A server that answers what it is told to, and a probe with what is in its path.

    Attributes:
        pieces (list of bytes): the answer to the next request.
        hangs_up (bool): whether the connection ends with it.
    """

    def __init__(self) -> None:
        self.pieces: list[bytes] = []
        self.hangs_up = True
        self.url = ""
        self._server: asyncio.Server | None = None
        self._connections: set[Any] = set()

    async def open(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"

    async def close(self) -> None:
        assert self._server is not None
        self._server.close()
        for writer in list(self._connections):
            writer.transport.abort()
        await asyncio.sleep(0.01)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections.add(writer)
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                await self._answer(head.split(b" ", 2)[1], writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _answer(self, target: bytes, writer: asyncio.StreamWriter) -> None:
        if target.startswith(b"/d/probe"):
            body = text({"_id": target[3:].decode(), "_rev": "1-a"})
            writer.write(framed([JSON], body, "length"))
        elif target == b"/":
            writer.write(framed([JSON], b'{"couchdb":"Welcome","version":"3.5.0"}', "length"))
        elif not self.pieces:  # it is asked once
            refusal = framed([JSON], b'{"error":"bad_request","reason":"again"}', "length")
            writer.write(refusal.replace(b"200 OK", b"400 No", 1))
        else:
            sent, self.pieces = self.pieces, []
            for piece in sent:
                writer.write(piece)
                await asyncio.sleep(0)
            if self.hangs_up:
                raise ConnectionResetError
        await writer.drain()


class Bench:
    """A Couch, and the server that answers it."""

    def __init__(self) -> None:
        self.runner = asyncio.Runner()
        self.server = Answering()
        self.probes = 0
        self.runner.run(self._open())

    async def _open(self) -> None:
        await self.server.open()
        self.couch: Couch[Any] = Couch(self.server.url, retries=0)
        await self.couch.database("d").get("probe")

    def close(self) -> None:
        self.runner.run(self._close())
        self.runner.close()

    async def _close(self) -> None:
        await self.couch.close()
        await self.server.close()

    def outcome(self, call: Callable[[Any], Any], sent: list[bytes], hangs_up: bool) -> Any:
        """What a call gives, or the `HTTPError` that it raises; the next one is right."""
        return self.runner.run(self._outcome(call, sent, hangs_up))

    async def _outcome(self, call: Any, sent: list[bytes], hangs_up: bool) -> Any:
        self.server.pieces, self.server.hangs_up = sent, hangs_up
        db = self.couch.database("d")
        async with asyncio.timeout(HANGS):
            defaults.request_timeout = PATIENCE
            try:
                given: Any = await call(db)
            except HTTPError as error:
                given = error
            defaults.request_timeout = HANGS
            self.probes += 1
            probe = await db.get(f"probe{self.probes}")
            assert probe == {"_id": f"probe{self.probes}", "_rev": "1-a"}
        return given


@pytest.fixture(scope="module")
def bench():
    """A Couch, and the server that answers it."""
    bench, usual = Bench(), defaults.request_timeout
    yield bench
    defaults.request_timeout = usual
    bench.close()


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("framing", FRAMINGS)
def test_a_whole_answer_is_that_in_any_pieces(bench, name, framing):
    call, headers, body, truth = CALLS[name]
    whole = framed(headers, body, framing)
    assert given_by(bench.outcome(call, [whole], framing == "close")) == truth
    sent = [whole[at : at + 40] for at in range(0, len(whole), 40)]
    assert given_by(bench.outcome(call, sent, hangs_up=True)) == truth


def given_by(outcome: Any) -> Any:
    if isinstance(outcome, HTTPError):
        raise outcome
    return outcome if isinstance(outcome, bytes | dict) else [dict(each) for each in outcome]


@pytest.mark.parametrize("name", CALLS)
def test_what_is_cut_off_is_never_taken_for_a_whole(bench, name):
    call, headers, body, truth = CALLS[name]

    @settings(max_examples=times(EXAMPLES // 5))
    @given(st.sampled_from(FRAMINGS), st.floats(0, 1), cuts)
    def hold(framing, end, places):
        whole = framed(headers, body, framing)
        cut = whole[: int(end * (len(whole) - 1))]
        outcome = bench.outcome(call, list(pieces(cut, places)), hangs_up=True)
        if isinstance(outcome, HTTPError):
            items = getattr(outcome, "items", [])
            if isinstance(truth, list):
                assert [dict(each) for each in items] == truth[: len(items)]
            elif isinstance(truth, bytes):
                assert truth.startswith(b"".join(items))
        else:  # all of it was there, but for the end of the framing
            assert given_by(outcome) == truth

    hold()


@pytest.mark.parametrize("name", CALLS)
def test_what_is_no_answer_is_an_http_error_or_what_it_says(bench, name):
    call, headers, body, _ = CALLS[name]
    wholes = [framed(headers, body, framing) for framing in FRAMINGS]

    @settings(max_examples=times(EXAMPLES))
    @given(st.sampled_from(wholes).flatmap(broken), cuts, st.integers(0, 19))
    def hold(sent, places, lingers):
        bench.outcome(call, list(pieces(sent, places)), hangs_up=lingers != 13)

    hold()


@pytest.mark.parametrize("name", CALLS)
def test_a_gzip_of_which_nothing_has_come_is_waited_for_no_longer_than_anything_else(bench, name):
    call, headers, body, _ = CALLS[name]
    head = framed(headers, body, "gzip").partition(b"\r\n\r\n")[0]
    outcome = bench.outcome(call, [head + b"\r\n\r\n\x1f"], hangs_up=False)
    assert isinstance(outcome, HTTPError)


@pytest.mark.parametrize("name", CALLS)
def test_a_body_that_is_none_is_an_http_error_or_what_it_says(bench, name):
    call, headers, body, _ = CALLS[name]

    @settings(max_examples=times(EXAMPLES))
    @given(broken(body), st.sampled_from(FRAMINGS[:4]))
    def hold(body, framing):
        bench.outcome(call, [framed(headers, body, framing)], hangs_up=True)

    hold()
