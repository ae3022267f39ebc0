"""deploy: design documents are saved where they have changed, and their indexes built if wanted."""

from __future__ import annotations

import asyncio
import copy

import pytest

from corduroy import BadRequest, Conflict, Document, HTTPError, NotFound
from tests.api.conftest import Canned

BY_N = {"map": "function (doc) { if (doc.n) emit(doc.n, null); }"}
SONGS = {"_id": "_design/songs", "views": {"by_n": BY_N}, "language": "javascript"}
PAGES = {"_id": "_design/pages", "shows": {"s": "function (doc, req) { return 'hello'; }"}}


@pytest.fixture
def ddocs():
    """Two design documents of one's own."""
    return copy.deepcopy([SONGS, PAGES])


def test_only_what_has_changed_is_saved(call, db, ddocs):
    assert call(db.deploy, ddocs) == ["_design/songs", "_design/pages"]
    assert call(db.deploy, ddocs) == []
    assert call(db.deploy, copy.deepcopy([SONGS, PAGES])) == []
    ddocs[1]["shows"]["t"] = "function () { return 'bye'; }"
    assert call(db.deploy, ddocs) == ["_design/pages"]
    revs = [call(db.get, ddoc["_id"])._rev for ddoc in ddocs]
    assert [rev[:2] for rev in revs] == ["1-", "2-"]
    assert [ddoc["_rev"] for ddoc in ddocs] == revs
    assert call(db.get, "_design/pages") == ddocs[1]


def test_one_alone_is_deployed_and_what_is_gone_is_removed_from_it(call, db):
    ddoc = Document(copy.deepcopy(SONGS))
    assert call(db.deploy, ddoc) == ["_design/songs"]
    del ddoc["language"]
    assert call(db.deploy, ddoc) == ["_design/songs"]
    assert "language" not in call(db.get, "_design/songs")
    ddoc.options = {"local_seq": True}
    call(ddoc.store)
    assert call(db.deploy, ddoc) == []


def test_a_deleted_design_document_is_deployed_anew(call, db):
    call(db.deploy, dict(SONGS))
    call(db.delete, "_design/songs")
    assert call(db.deploy, dict(SONGS)) == ["_design/songs"]
    assert call(db.view, "songs/by_n").total_rows == 0


def test_the_revision_that_a_document_was_given_with_does_not_matter(call, db):
    assert call(db.deploy, {**SONGS, "_rev": f"7-{'0' * 32}"}) == ["_design/songs"]
    assert call(db.deploy, {**SONGS, "_rev": f"7-{'0' * 32}"}) == []


def test_attachments_that_are_not_given_stay(call, db):
    call(db.deploy, dict(SONGS))
    call(db.put_attachment, "_design/songs", b"hello", "index.html")
    assert call(db.deploy, dict(SONGS)) == []
    assert call(db.deploy, {**SONGS, "views": {}}) == ["_design/songs"]
    assert call(db.get_attachment, "_design/songs", "index.html") == b"hello"


def test_attachments_that_are_given_are_compared_by_what_they_hold(call, db):
    def site(**files):
        return {"_id": "_design/site", "_attachments": files}

    ddoc = site(page=b"<p>hello</p>" * 100, style={"content_type": "text/css", "data": b"a{}"})
    assert call(db.deploy, ddoc) == ["_design/site"]
    assert ddoc["_attachments"]["page"]["stub"] is True
    assert call(db.deploy, ddoc) == []  # of stubs
    files = {"page": b"<p>hello</p>" * 100, "style": {"content_type": "text/css", "data": b"a{}"}}
    assert call(db.deploy, site(**files)) == []
    assert call(db.deploy, site(**files, more=b"more")) == ["_design/site"]
    assert call(db.deploy, site(**{**files, "page": b"new"})) == ["_design/site"]
    assert sorted(call(db.get, "_design/site")._attachments) == ["page", "style"]
    assert call(db.get_attachment, "_design/site", "page") == b"new"


def test_many_programs_deploy_at_once(db):
    async def main():
        return await asyncio.gather(*(db.deploy(copy.deepcopy([SONGS, PAGES])) for _ in range(8)))

    saved = asyncio.run(main())
    assert sorted(id for ids in saved for id in ids) == ["_design/pages", "_design/songs"]


def test_a_conflict_with_nobody_is_no_endless_loop(call, canned_db, canned):
    def answer(request):
        if request.method == "PUT":
            return Canned(409, b'{"error":"conflict","reason":"it is what it is"}')
        return {"_id": "_design/songs", "_rev": "1-a"}

    canned.answer = answer
    with pytest.raises(Conflict):
        call(canned_db.deploy, dict(SONGS))
    assert len(canned.asked) == 4


def test_a_database_that_is_missing_is_not_found(call, couch):
    with pytest.raises(NotFound):
        call(couch.database("nowhere").deploy, dict(SONGS))


# -- waiting --------------------------------------------------------------------------------------


@pytest.fixture
def numbers(db):
    """A database with three hundred documents."""
    db.with_style("blocking").save([{"_id": f"{n:03}", "n": n + 1} for n in range(300)])
    return db


def test_an_index_is_built_when_the_call_returns(call, numbers):
    ddoc = {**SONGS, "views": {"lib": {"x": "exports.x = 1"}, "by_n": BY_N}}
    assert call(numbers.deploy, ddoc, wait=True) == ["_design/songs"]
    assert call(numbers.view, "songs/by_n", stale="ok").total_rows == 300
    call(numbers.save, [{"_id": "x", "n": 1000}])
    assert call(numbers.deploy, ddoc, wait=True) == []
    assert call(numbers.view, "songs/by_n", stale="ok").total_rows == 301


def test_where_there_is_no_index_nothing_is_waited_for(call, db):
    assert call(db.deploy, dict(PAGES), wait=True) == ["_design/pages"]
    assert call(db.deploy, {"_id": "_design/none", "views": {}}, wait=True) == ["_design/none"]


def test_what_the_server_cannot_index_is_told(call, db3):
    with pytest.raises(HTTPError, match="compilation_error"):
        call(db3.deploy, {**SONGS, "views": {"a": {"map": "function (doc) { emit( }"}}}, wait=True)


def test_in_a_partitioned_database_the_server_builds_and_the_call_waits(
    call, couch3, fresh3, offstage
):
    name = fresh3("parted")
    docs = [{"_id": f"p{n % 9}:{n}", "n": n + 1} for n in range(300)]
    offstage(lambda couch: couch.create(name, partitioned=True).save(docs))
    db = couch3.database(name)
    assert call(db.deploy, dict(SONGS), wait=True) == ["_design/songs"]
    index = call(db.info, "songs")["view_index"]
    assert index["updates_pending"]["total"] == 0
    by_hand = {**SONGS, "_id": "_design/late", "autoupdate": False}
    with pytest.raises(BadRequest, match="partition"):
        call(db.deploy, by_hand, wait=True)


def test_search_indexes_are_waited_for_as_well(call, canned_db, canned):
    def answer(request):
        if request.method == "PUT":
            return {"ok": True, "id": "_design/d", "rev": "1-a"}
        if "_search" in request.uri or "_nouveau" in request.uri:
            return {"total_rows": 0, "rows": []}
        return Canned(404, b'{"error":"not_found","reason":"missing"}')

    canned.answer = answer
    ddoc = {"_id": "_design/d", "indexes": {"i": {}}, "nouveau": {"n": {}}}
    call(canned_db.deploy, ddoc, wait=True)
    assert [request.path for request in canned.asked[-2:]] == [
        "/canned/_design/d/_search/i",
        "/canned/_design/d/_nouveau/n",
    ]


def test_bad_input_is_told_at_the_call(refused, db):
    refused(TypeError, "ddocs must be a list, not 'songs'", db.deploy, "songs")
    refused(TypeError, r"ddocs\[1\] must be a dict", db.deploy, [SONGS, 3])
    for bad in ({}, {"_id": "songs"}, {"_id": 3}):
        refused(ValueError, "must have an '_id' that begins with '_design/'", db.deploy, bad)
    refused(ValueError, r"ddocs\['n'\] is nan", db.deploy, {**SONGS, "n": float("nan")})
