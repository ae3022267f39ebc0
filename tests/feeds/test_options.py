"""Arguments that make no sense are refused at the call, and named."""

from __future__ import annotations

import pytest

from corduroy import ChangesFeed
from tests.feeds.conftest import Script, answer
from tests.feeds.test_resuming import row


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        (ValueError, {"feed": "normal"}),
        (ValueError, {"feed": "x"}),
        (ValueError, {"heartbeat": -1}),
        (TypeError, {"heartbeat": "x"}),
        (ValueError, {"latency": -1}),
        (TypeError, {"latency": None}),
        (ValueError, {"timeout": -1}),
        (TypeError, {"timeout": "x"}),
        (ValueError, {"limit": 0}),
        (ValueError, {"limit": "x"}),
        (ValueError, {"max_retries": -1}),
        (TypeError, {"max_retries": 1.5}),
        (ValueError, {"retry_for": -1}),
        (TypeError, {"checkpoint": 3}),
        (TypeError, {"checkpoint_every": "x"}),
        (TypeError, {"on_state": 3}),
        (TypeError, {"callback": 3}),
        pytest.param(TypeError, {"callback": lambda seq: None}, id="a callback of too little"),
        pytest.param(TypeError, {"callback": lambda a, b, c, d: None}, id="one of too much"),
        (TypeError, {"since": 1.5}),
        (TypeError, {"include_docs": 1}),
        (TypeError, {"includedocs": True}),
        (ValueError, {"style": "x"}),
        (TypeError, {"filter": 3}),
        (ValueError, {"filter": "mine"}),
        (TypeError, {"doc_ids": "abc"}),
        (ValueError, {"doc_ids": ["a"], "selector": {}}),
        (ValueError, {"filter": "a/b", "doc_ids": ["a"]}),
        (TypeError, {"selector": {"a": {1}}}),
    ],
    ids=str,
)
def test_bad_arguments_are_refused_at_the_call(scripted, script, kind, options):
    name = next(reversed(options))
    words = "filter|selector|doc_ids" if name in ("doc_ids", "selector") else name
    with pytest.raises(kind, match=words):
        ChangesFeed(scripted, **options)
    assert script.asked == []


def test_on_state_is_a_plain_function(scripted):
    async def told(state):
        pass

    with pytest.raises(TypeError, match="on_state"):
        ChangesFeed(scripted, on_state=told)


def test_a_feed_is_of_a_database(couch):
    with pytest.raises(TypeError, match="db"):
        ChangesFeed(couch)


def test_listening_takes_a_callback(scripted):
    with pytest.raises(RuntimeError, match="callback"):
        ChangesFeed(scripted).listen()


def test_an_object_that_blocks_takes_no_callback(scripted):
    with pytest.raises(TypeError, match="blocking"):
        scripted.with_style("blocking").changes(feed="continuous", callback=print)


def test_options_go_into_the_query(follow, script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    follow(
        scripted, 1, since="5-x", include_docs=True, conflicts=True, attachments=True,
        att_encoding_info=True, style="all_docs", filter="_view", view="a/b", seq_interval=10,
        heartbeat=1.5, query_params={"q": "ä"},
    )  # fmt: skip
    query = script.asked[0].split()[1].partition("?")[2].split("&")
    assert sorted(query) == sorted(
        [
            "feed=continuous", "since=5-x", "heartbeat=1500", "include_docs=true", "conflicts=true",
            "attachments=true", "att_encoding_info=true", "style=all_docs", "filter=_view",
            "view=a%2Fb", "seq_interval=10", "q=%C3%A4",
        ]
    )  # fmt: skip


def test_ids_go_into_a_body(follow, script, scripted):
    script.answers = [answer(row(1)) + Script.HOLD]
    follow(scripted, 1, doc_ids=["a", "ä"], heartbeat=None)
    assert script.asked[0].startswith("POST /db/_changes?")
    assert "filter=_doc_ids" in script.asked[0]
    assert "heartbeat" not in script.asked[0]
    assert script.bodies[0] == '{"doc_ids":["a","ä"]}'.encode()


def test_a_feed_shows_what_it_is(scripted):
    feed = ChangesFeed(scripted, since="7-x")
    assert repr(feed) == "<ChangesFeed /db/_changes: not listening>"
    assert (feed.seq, feed.pending, feed.exception, feed.listening) == ("7-x", None, None, False)
