"""Row streams: every option, any number of keys, what the server says, and what goes wrong."""

from __future__ import annotations

import asyncio
import copy
import gc
import itertools
import json
import threading

import pytest

from corduroy import ConnectionFailed, Document, NotFound, Row, ServerError, relax
from tests.api.conftest import Canned

DDOC = {
    "_id": "_design/songs",
    "views": {
        "by_year": {"map": "function (doc) { if (doc.year) emit(doc.year, doc.by); }"},
        "minutes": {
            "map": "function (doc) { if (doc.year) emit([doc.by, doc.year], doc.minutes); }",
            "reduce": "_sum",
        },
    },
}
SONGS = [
    {"_id": f"song-{n:03}", "year": 1900 + n // 4, "by": "xyz"[n % 3], "minutes": n}
    for n in range(1, 401)
]


@pytest.fixture
def songs(db):
    """A database of four hundred songs, four of each year, and two views."""
    db.with_style("blocking").save(copy.deepcopy([*SONGS, DDOC]))
    return db


def in_view(songs, **options):
    """What `Database.view` gives, to compare with."""
    return list(songs.with_style("blocking").view("songs/by_year", **options))


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"startkey": 1950, "endkey": 1960},
        {"descending": True, "startkey": 1960, "endkey": 1950, "inclusive_end": False},
        {"key": 1920},
        {"limit": 7, "skip": 3},
        {"limit": 0},
        {"startkey": 1910, "startkey_docid": "song-041", "limit": 5},
        {"include_docs": True, "key": 1930},
        {"keys": [1910, 1999, 1902, 1850]},
        {"key": 1850},
    ],
    ids=str,
)
def test_a_stream_gives_what_the_view_gives(gone_through, songs, options):
    rows = gone_through(songs.stream, "songs/by_year", **options)
    assert rows == in_view(songs, **options)
    assert {type(row) for row in rows} <= {Row}


def test_reduced_rows_are_streamed_too(gone_through, songs):
    groups = gone_through(songs.stream, "songs/minutes", group_level=1)
    assert [row.key for row in groups] == [["x"], ["y"], ["z"]]
    (whole,) = gone_through(songs.stream, "songs/minutes")
    assert whole.value == sum(song["minutes"] for song in SONGS) == sum(row.value for row in groups)


def test_documents_of_rows_know_their_database(gone_through, songs):
    (row, *_) = gone_through(songs.stream, "songs/by_year", key=1910, include_docs=True)
    assert type(row.doc) is Document
    doc = row.doc
    doc.year = 1800
    songs.with_style("blocking").save(doc)
    assert doc._rev.startswith("2-")


def test_keys_of_any_number_keep_their_order(gone_through, songs, monkeypatch):
    monkeypatch.setattr("corduroy.streams.asked._KEYS", 7)
    ids = [song["_id"] for song in SONGS[::5]]
    wanted = [*reversed(ids), "nobody", ids[3], ids[3]]
    rows = gone_through(songs.stream, "_all_docs", keys=wanted)
    assert [row.key for row in rows] == wanted
    assert [row.error for row in rows if row.error] == ["not_found"]
    years = [1995, *range(1901, 1931)]
    assert gone_through(songs.stream, "songs/by_year", keys=years) == in_view(songs, keys=years)
    part = gone_through(songs.stream, "songs/by_year", keys=years, skip=3, limit=40)
    assert part == in_view(songs, keys=years)[3:43]


def test_going_down_the_keys_gives_what_one_request_would(gone_through, songs, monkeypatch):
    ids, years = [song["_id"] for song in SONGS[::9]], list(range(1901, 1931))
    documents, view = {"keys": ids, "descending": True}, {"keys": years, "descending": True}
    wanted = list(songs.with_style("blocking").view("_all_docs", **documents))
    assert gone_through(songs.stream, "songs/by_year", **view) == in_view(songs, **view)
    monkeypatch.setattr("corduroy.streams.asked._KEYS", 7)
    assert gone_through(songs.stream, "_all_docs", **documents) == wanted
    with pytest.raises(ValueError, match="descending: more than 7 keys of a view"):
        songs.stream("songs/by_year", **view)


def test_keys_go_in_requests_that_are_small(canned, canned_db, monkeypatch):
    monkeypatch.setattr("corduroy.streams.asked._BYTES", 200)
    canned.answer = lambda request: {
        "rows": [{"id": key, "key": key} for key in json.loads(request.body)["keys"]]
    }
    keys = [f"a-rather-long-key-{n}" for n in range(50)]
    assert [row.key for row in canned_db.stream("_all_docs", keys=keys)] == keys
    assert max(len(request.body) for request in canned.asked) < 250


def test_lists_of_couchdbs_own(gone_through, songs, classic):
    assert [row.id for row in gone_through(songs.stream, "_design_docs")] == ["_design/songs"]
    blocking = songs.with_style("blocking")
    blocking.local("a").save({"n": 1})
    if classic:
        with pytest.raises(NotFound, match="this server does not offer _local_docs"):
            gone_through(songs.stream, "_local_docs")
    else:
        assert [row.id for row in gone_through(songs.stream, "_local_docs")] == ["_local/a"]


def test_what_the_view_says_of_itself_is_there_with_the_first_row(songs, classic):
    stream = songs.stream("songs/by_year", skip=5)
    assert stream.total_rows is None
    for _ in stream:
        break
    assert (stream.total_rows, stream.offset) == (400, 5)

    async def in_loop():
        stream = songs.stream("_all_docs", update_seq=True)
        async for _ in stream:
            break
        return stream

    stream = asyncio.run(in_loop())
    assert stream.total_rows == 401
    assert (stream.update_seq is None) is classic  # PouchDB Server does not tell


def test_a_stream_can_be_gone_through_again(songs):
    stream = songs.stream("songs/by_year", limit=3)
    assert list(stream) == list(stream)


def test_two_loops_over_one_stream_do_not_meddle(songs):
    stream = songs.stream("songs/by_year", limit=9)
    assert [(a.id, b.id) for a, b in itertools.product(stream, stream)] == [
        (a.id, b.id) for a, b in itertools.product(list(stream), repeat=2)
    ]


def test_rows_are_not_asked_for_before_they_are_gone_through(canned, canned_db):
    canned_db.stream("a/b")
    canned_db.docs()
    assert not canned.asked


def test_a_stream_in_a_running_loop_does_not_block(songs):
    async def in_loop():
        with pytest.raises(RuntimeError, match="use `async for`"):
            iter(songs.docs())
        with pytest.raises(TypeError, match="is gone through by `for`"):
            aiter(songs.with_style("blocking").docs())
        assert len(list(songs.with_style("blocking").stream("songs/by_year"))) == 400

    asyncio.run(in_loop())


def test_calls_can_be_made_amid_a_stream(songs):
    blocking = songs.with_style("blocking")
    assert all(blocking.get(row.id).year == row.key for row in blocking.stream("songs/by_year"))

    async def in_loop():
        return [
            (await songs.get(row.id)).year == row.key async for row in songs.stream("songs/by_year")
        ]

    assert all(asyncio.run(in_loop()))


def test_streams_in_several_threads_share_nothing(songs):
    counts = []

    def count():
        counts.append(sum(1 for _ in songs.stream("songs/by_year")))

    threads = [threading.Thread(target=count) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counts == [400] * 4


# -- callbacks --------------------------------------------------------------------------------


def test_an_awaitable_of_the_callback_is_awaited_before_the_next_rows(songs, monkeypatch):
    monkeypatch.setattr("corduroy.streams.parsing._SOME", 10)
    monkeypatch.setattr("corduroy.streams.parsing._PORTION", 600)
    under_way, sizes = [], []

    async def got(rows, status):
        assert not under_way
        under_way.append(1)
        await asyncio.sleep(0)
        under_way.pop()
        sizes.append(len(rows))

    async def in_loop():
        await songs.stream("songs/by_year", callback=got)

    asyncio.run(in_loop())
    assert sum(sizes) == 400
    assert len(sizes) > 5
    assert sizes[-1] == 0


def test_a_callback_that_raises_ends_the_stream_and_is_heard_of(songs):
    calls = []

    def got(rows, status):
        calls.append(rows)
        raise KeyError("mine")

    async def in_loop():
        await songs.stream("songs/by_year", callback=got)

    with pytest.raises(KeyError, match="mine"):
        asyncio.run(in_loop())
    assert len(calls) == 1


def test_a_failure_is_told_to_the_callback_once(couch):
    told = []

    async def in_loop():
        await couch.database("nowhere").docs(callback=lambda *said: told.append(said))

    asyncio.run(in_loop())
    ((data, status),) = told
    assert status.error is NotFound
    assert data["error"] == "not_found"


def test_cancelling_the_future_ends_the_calls(songs):
    async def in_loop():
        begun = asyncio.Event()

        async def got(rows, status):
            begun.set()
            await asyncio.sleep(60)

        future = songs.stream("songs/by_year", callback=got)
        await begun.wait()
        future.cancel()
        with pytest.raises(asyncio.CancelledError):
            await future

    asyncio.run(in_loop())


def test_a_stream_can_be_yielded_under_relax(songs):
    @relax
    def years():
        rows = yield songs.stream("songs/by_year", limit=2)
        return [row.key for row in rows]

    async def in_loop():
        return await years()

    assert asyncio.run(in_loop()) == [1900, 1900]


def test_a_blocking_object_takes_no_callback(songs):
    with pytest.raises(TypeError, match="of style 'blocking' takes none"):
        songs.with_style("blocking").docs(callback=print)


# -- what servers send ------------------------------------------------------------------------

HEAD = b'{"total_rows":3,"offset":0,"rows":[\r\n'
ROW = b'{"id":"%b","key":"%b","value":1}'


def lines(*rows, end=b"\r\n]}\n"):
    return Canned(body=HEAD + b",\r\n".join(rows) + end)


def rows(*ids):
    return [ROW % (id, id) for id in ids]


@pytest.mark.parametrize(
    "body",
    [
        HEAD + b",\r\n".join(rows(b"a", b"b", b"c")) + b"\r\n]}\n",
        b'{"total_rows":3,"offset":0,"rows":[%b]}' % b",".join(rows(b"a", b"b", b"c")),
        json.dumps(
            {"rows": [{"id": id, "key": id, "value": 1} for id in "abc"], "total_rows": 3}, indent=2
        ).encode(),
    ],
    ids=["in lines", "in one line", "indented"],
)
def test_rows_come_however_they_are_laid_out(gone_through, canned, canned_db, body):
    canned.answer = Canned(body=body)
    assert [row.id for row in gone_through(canned_db.stream, "_all_docs")] == ["a", "b", "c"]


def test_an_error_row_is_raised_after_the_rows_before_it(canned, canned_db):
    broken = b'{"key":"b","error":"timeout","reason":"The shard was lost."}'
    canned.answer = lines(*rows(b"a"), broken, *rows(b"c"))
    with pytest.raises(ServerError, match=r"timeout.*The shard was lost"):
        list(canned_db.stream("a/b"))


def test_an_error_of_the_server_amid_its_rows_is_raised_after_them(gone_through, canned, canned_db):
    canned.answer = lines(
        *rows(b"a", b"b"), end=b'\n{"error":"timeout","reason":"The request took too long."}\n'
    )
    with pytest.raises(ServerError, match="The request took too long"):
        gone_through(canned_db.stream, "a/b")
    seen = iter(canned_db.stream("a/b"))
    assert [next(seen).id, next(seen).id] == ["a", "b"]
    with pytest.raises(ServerError):
        next(seen)


def test_an_answer_that_ends_amid_its_rows_is_a_broken_one(gone_through, canned, canned_db):
    canned.answer = lines(*rows(b"a", b"b"), end=b',\r\n{"id":"c","k')
    with pytest.raises(ConnectionFailed, match="ends amid its rows"):
        gone_through(canned_db.stream, "a/b")


@pytest.mark.parametrize("body", [b"", b"<html>hello</html>", b"[]", b'{"ok":true}', b'{"rows":3}'])
def test_what_has_no_rows_is_refused(gone_through, canned, canned_db, body):
    canned.answer = Canned(body=body)
    with pytest.raises(ServerError, match="the answer has no rows"):
        gone_through(canned_db.stream, "a/b")


def test_leaving_a_loop_closes_the_connection(canned, canned_db):
    canned.answer = lines(*rows(*[b"%06d" % n for n in range(50_000)]))
    for _ in canned_db.stream("a/b"):
        break

    async def in_loop():
        async for _ in canned_db.stream("a/b"):
            break
        gc.collect()
        await asyncio.sleep(0.01)
        assert len(asyncio.all_tasks()) == 1

    asyncio.run(in_loop())
    assert len(canned.asked) == 2


def test_a_document_that_is_no_unicode_does_not_keep_the_others_back(
    gone_through, canned, canned_db
):
    docs = [b'{"_id":"a"}', rb'{"_id":"b","text":"\ud800"}', b'{"_id":"c"}']
    canned.answer = lines(*[b'{"id":"x","key":"x","doc":%b}' % doc for doc in docs])
    assert [doc._id for doc in gone_through(canned_db.docs)] == ["a", "b", "c"]


def test_a_document_class_of_the_program_is_made(songs, monkeypatch):
    class Song(dict):
        pass

    monkeypatch.setattr("corduroy.defaults.document", Song)
    assert {type(doc) for doc in songs.docs(limit=3)} == {Song}
    rows = songs.stream("songs/by_year", include_docs=True, limit=3)
    assert {type(row.doc) for row in rows} == {Song}


def test_a_stream_that_was_read_to_its_end_leaves_its_connection_to_the_next(
    canned, canned_db, http_client, monkeypatch
):
    if http_client is not None:
        pytest.skip("other clients have connections of their own")
    monkeypatch.setattr("corduroy.streams.asked._KEYS", 1)
    canned.answer = lines(*rows(b"a"))
    for _ in range(3):
        list(canned_db.stream("_all_docs", keys=["a", "b"]))
    canned_db.with_style("blocking").info()
    addresses = {request.connection.context.address for request in canned.asked}
    assert len(canned.asked) == 7
    assert len(addresses) == 1
