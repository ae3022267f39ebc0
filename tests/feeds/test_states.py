"""What becomes of a feed can be observed."""

from __future__ import annotations

import json
import logging

import pytest

from corduroy import (
    ChangesFeed,
    ConnectionFailed,
    Couch,
    FeedState,
    NotFound,
    RequestTimeout,
    ServerError,
    Unauthorized,
)
from tests.faults.proxy import CutInLine, Refuse, Silence, error_500
from tests.feeds.conftest import Script, answer
from tests.feeds.test_resuming import row


def names(states):
    return [state.name for state in states]


def test_states_tell_of_a_break_and_its_cure(follow, proxied, proxy, save):
    save("a", "b", "c")
    states = []
    proxy.next(CutInLine(skip=1), error_500())
    follow(proxied, 3, on_state=states.append)
    told = names(states)
    assert told[0] == "connected"
    assert told[1:3] == ["disconnected", "retrying"]
    assert told.count("retrying") == 2
    assert told[-1] == "stopped"
    retrying = [state for state in states if state.name == "retrying"]
    assert all(state.seconds >= 0 and state.reason for state in retrying)
    assert "500" in retrying[1].reason


def test_caught_up_comes_when_all_has_been_handed_out(script, scripted):
    script.answers = [
        answer(row(1) + b'{"last_seq":2,"pending":0}\n'),
        answer(row(3) + b"\n") + Script.HOLD,
    ]
    told = []
    for change in ChangesFeed(scripted, on_state=lambda state: told.append(state.name)):
        told.append(change.seq)
        if change.seq == 3:
            break
    assert told.index(1) < told.index("caught up") < told.index("disconnected") or told[:3] == [
        "connected", "disconnected", 1,
    ]  # fmt: skip
    assert told.index("caught up") > told.index(1)
    assert told[-1] == "stopped"


def test_caught_up_comes_with_a_heartbeat(follow, db, save, later):
    save("a")
    states = []
    later(1.0, save, "b")
    follow(db, 2, heartbeat=0.2, on_state=states.append)
    assert "caught up" in names(states)


def test_pending_is_what_the_server_told(script, scripted):
    script.answers = [
        answer(row(1) + b'{"last_seq":2,"pending":41}\n'),
        answer(row(3)) + Script.HOLD,
    ]
    feed = ChangesFeed(scripted)
    assert feed.pending is None
    for _ in feed:
        assert feed.pending == 41
        break


def test_a_terminal_error_is_the_reason_of_the_end(follow, couch):
    states = []
    with pytest.raises(NotFound):
        follow(couch.database("no-such-database"), on_state=states.append)
    assert states == [FeedState("stopped", f"404 not_found: {follow.feed.exception.reason}")]


def test_a_reason_tells_what_has_happened_and_nothing_of_the_request(
    follow, script, http_client, caplog
):
    seq = "7-" + "g1AAAAC3eJzLYWBgYMxgTmEQTM4vTc5ISXIwNDLXM" * 5
    took_long = b'{"error":"timeout","reason":"The request\\n took too long."}'
    wrong = b'{"error":"unauthorized","reason":"Name or password is incorrect."}'
    script.answers = [
        answer(row(seq)),
        answer(took_long, code=503),
        answer(b"<html>", "text/html"),
        answer(wrong, code=401),
    ]
    states = []
    options = {"filter": "ddoc/mine", "query_params": {"for": "hunter2"}, "heartbeat": 1}
    url = script.url.replace("//", "//me:hunter2@")
    with (
        caplog.at_level(logging.DEBUG, "corduroy.feed"),
        Couch(url, http_client=http_client) as couch,
        pytest.raises(Unauthorized),
    ):
        follow(couch.database("db"), on_state=states.append, **options)
    assert [(state.name, state.reason) for state in states if state.reason] == [
        ("disconnected", "the server ended the response"),
        ("retrying", "503 timeout: The request took too long."),
        ("retrying", "the answer is no feed: a page of HTML"),
        ("stopped", "401 unauthorized: Name or password is incorrect."),
    ]
    assert "503 timeout" in caplog.text
    for told in (caplog.text, repr(follow.feed), repr(states)):
        assert "hunter2" not in told
        assert seq not in told


@pytest.mark.parametrize("fault", [Refuse(), Refuse(reset=True), Silence()])
def test_without_an_answer_the_reason_is_what_happened_instead(follow, proxied, proxy, fault):
    proxy.plan = lambda request: fault
    states = []
    with pytest.raises((ConnectionFailed, RequestTimeout)) as caught:
        follow(proxied, 1, heartbeat=0.2, max_retries=0, on_state=states.append)
    assert states == [FeedState("stopped", caught.value.reason)]
    assert "://" not in states[0].reason


def test_the_source_of_a_filter_is_cut_short(follow, script, scripted):
    source = "function (doc, req) { nonsense ( " * 100
    body = json.dumps({"error": "compilation_error", "reason": f"unexpected ) in {source}"})
    script.answers = [answer(body.encode(), code=500)]
    states = []
    with pytest.raises(ServerError):
        follow(scripted, on_state=states.append)
    assert states[0].reason.startswith("500 compilation_error: unexpected ) in function")
    assert len(states[0].reason) <= 200


def test_the_log_tells_of_breaks(follow, proxied, proxy, save, caplog):
    save("a", "b")
    proxy.next(CutInLine(skip=1))
    with caplog.at_level(logging.DEBUG, "corduroy.feed"):
        follow(proxied, 2)
    levels = {record.levelname for record in caplog.records if "disconnected" in record.message}
    assert levels == {"INFO"}


def test_an_on_state_that_raises_is_logged_and_the_feed_goes_on(follow, db, save, caplog):
    save("a")

    def broken(state):
        raise ZeroDivisionError

    assert len(follow(db, 1, on_state=broken)) == 1
    assert "on_state has failed" in caplog.text


def test_a_state_is_a_value():
    assert FeedState("retrying", "why", 1.5) == FeedState("retrying", "why", 1.5)
    assert hash(FeedState("connected"))
