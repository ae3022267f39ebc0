"""Whatever breaks, a feed goes on where it was: every change once, and in order."""

from __future__ import annotations

import json

import pytest

from corduroy import ChangesFeed
from tests.faults.proxy import (
    Answer,
    Cut,
    CutInCharacter,
    CutInLine,
    Delay,
    Lost,
    Refuse,
    Reset,
    Trickle,
    bad_gateway,
    error_500,
    too_many,
    unavailable,
)
from tests.feeds.conftest import Script, answer

FAULTS = {
    "reset at once": Refuse(reset=True),
    "closed at once": Refuse(),
    "cut in the headers": Cut(after=40),
    "cut in the body": Cut(after=900),
    "reset in the body": Reset(after=900),
    "cut in a line": CutInLine(skip=2),
    "reset in a line": CutInLine(skip=1, reset=True),
    "cut in a character": CutInCharacter(skip=1),
    "late": Delay(0.2, after=700),
    "a byte at a time": Trickle(first=3000),
    "lost": Lost(),
    "500": error_500(),
    "502 with a page": bad_gateway(),
    "200 with a page": Answer(200, b"<html>", (("Content-Type", "text/html"),)),
    "200 with other JSON": Answer(200, b'{"ok":true}\n', (("Content-Type", "application/json"),)),
    "503": unavailable(),
    "429": too_many(0.2),
    "408": Answer(408),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_nothing_is_lost_or_comes_twice(follow, proxied, proxy, save, later, fault):
    wanted = save("ä", "b", "ö", "d", "€")
    proxy.next(fault)
    later(0.3, save, "late")
    found = [change.id for change in follow(proxied, 6, heartbeat=0.5)]
    assert sorted(found) == sorted([*wanted, "late"])


@pytest.mark.parametrize("feed", ["eventsource", "longpoll"])
@pytest.mark.parametrize("fault", [FAULTS["cut in a line"], FAULTS["429"], FAULTS["lost"]])
def test_the_other_kinds_of_feed_resume_too(follow, proxied, proxy, save, later, feed, fault):
    wanted = save("ä", "b", "ö", "d", "€")
    proxy.next(fault)
    later(0.3, save, "late")
    found = [change.id for change in follow(proxied, 6, feed=feed, heartbeat=0.5)]
    assert sorted(found) == sorted([*wanted, "late"])


def test_a_restart_is_waited_for(follow, proxied, proxy, save, later):
    save("a")

    def seen(change):
        if change.id == "a":
            proxy.refusing = True
            proxy.cut_all(reset=True)
            save("b")
            later(0.5, setattr, proxy, "refusing", False)

    # After a reset in mid-body Tornado's simple client may never say a word: silence heals that.
    assert [change.id for change in follow(proxied, 2, seen, heartbeat=1)] == ["a", "b"]


def test_changes_without_a_seq_do_not_come_twice(follow, proxied, proxy, save):
    wanted = save(*"abcdefgh")
    proxy.next(CutInLine(skip=6), CutInLine(skip=2))
    found = [change.id for change in follow(proxied, 8, seq_interval=4)]
    assert sorted(found) == wanted


def row(seq, id="x"):
    return json.dumps({"seq": seq, "id": id, "changes": [{"rev": "1-a"}]}).encode() + b"\n"


@pytest.mark.parametrize(
    ("seq", "sent"), [(3, "3"), ("3-x+/", "3-x%2B%2F"), ([3, "x"], "%5B3%2C%22x%22%5D")]
)
def test_a_seq_is_sent_back_as_it_came(follow, script, scripted, seq, sent):
    script.answers = [answer(row(seq)), answer(row("9", "y") + b"\n") + Script.HOLD]
    follow(scripted, 2)
    assert f"since={sent} " in script.asked[1]


def test_the_end_of_a_response_moves_the_place_to_go_on_from(follow, script, scripted):
    script.answers = [
        answer(row(3) + b'{"last_seq":"7-f","pending":0}\n'),
        answer(row(8, "y")) + Script.HOLD,
    ]
    assert len(follow(scripted, 2)) == 2
    assert "since=7-f" in script.asked[1]


def test_now_is_resolved_once(follow, script, scripted):
    script.answers = [
        answer(b'{"results":[],"last_seq":"5-now","pending":0}'),
        answer(b"\n"),
        answer(row(6)) + Script.HOLD,
    ]
    follow(scripted, 1, since="now")
    assert "since=now" in script.asked[0]
    assert [("since=5-now" in line) for line in script.asked[1:]] == [True, True]


def test_a_limit_counts_across_connections(follow, script, scripted):
    script.answers = [answer(row(1) + row(2)), answer(row(3, "y") + row(4, "z")) + Script.HOLD]
    assert [change.seq for change in follow(scripted, limit=3)] == [1, 2, 3]
    assert "limit=3" in script.asked[0]
    assert "limit=1" in script.asked[1]


def test_an_error_line_breaks_the_response(follow, script, scripted):
    script.answers = [
        answer(row(1) + b'{"error":"timeout","reason":"The request took too long."}\n'),
        answer(row(2)) + Script.HOLD,
    ]
    assert [change.seq for change in follow(scripted, 2)] == [1, 2]


def test_malformed_chunks_are_a_break(follow, script, scripted, http_client):
    if http_client is not None:
        pytest.skip("Tornado's own clients keep what came just before to themselves")
    chunked = "Transfer-Encoding: chunked\r\n"
    one = row(1)
    script.answers = [
        answer(b"%x\r\n%b\r\nzz\r\n" % (len(one), one), head=chunked),
        answer(row(2)) + Script.HOLD,
    ]
    assert [change.seq for change in follow(scripted, 2)] == [1, 2]


def test_a_compressed_feed_is_read(follow, script, scripted):
    import gzip

    body = gzip.compress(row(1) + row(2, "y"))
    script.answers = [answer(body, head="Content-Encoding: gzip\r\n")]
    assert [change.seq for change in follow(scripted, 2)] == [1, 2]


async def test_the_feed_goes_on_when_the_couch_was_closed(db, couch, save):
    save("a")
    seen = []
    async for change in ChangesFeed(db):
        seen.append(change.id)
        if change.id == "b":
            break
        await couch.close()
        save("b")
    assert seen == ["a", "b"]
