"""A program is told of each request, by a hook and in the log."""

import asyncio
import contextvars
import logging

import pytest

import corduroy
from corduroy import Couch, NotFound, RequestTimeout, ServerError
from corduroy.transport.events import RequestEvent

OK = b'{"ok":true}'


@pytest.fixture
def events():
    return []


def answering(*statuses):
    def behave(peer):
        for status in statuses:
            peer.request()
            peer.answer(OK, status=status)
        peer.wait_for_end()

    return behave


def test_each_request_is_told_of_once_it_is_over(serve, call, events):
    server = serve(answering("200 OK", "404 Object Not Found"))
    host = server.url.removeprefix("http://")
    couch = Couch(f"http://user:secret@{host}", on_request=events.append)
    call(couch.info)
    with pytest.raises(NotFound):
        call(couch.database("db").save, {"_id": "a/b"})
    first, second = events
    assert first == RequestEvent("GET", f"http://{host}/", 200, first.seconds, 0, len(OK), 1, False)
    assert 0 < first.seconds < 10
    assert (second.method, second.url) == ("PUT", f"http://{host}/db/a%2Fb")
    assert (second.status, second.sent, second.reused) == (404, 13, True)
    assert not second.error
    assert "secret" not in repr(events)


def test_so_is_each_attempt(serve, call, events):
    server = serve(answering("503 Service Unavailable", "502 Bad Gateway", "200 OK"))
    call(Couch(server.url, on_request=events.append, retries=5).info)
    assert [(event.attempt, event.status) for event in events] == [(1, 503), (2, 502), (3, 200)]


def test_a_failure_says_what_it_was(serve, call, events):
    couch = Couch(serve(answering()).url, on_request=events.append, timeout=0.3, retries=0)
    with pytest.raises(RequestTimeout):
        call(couch.info)
    (event,) = events
    assert event.status == 599
    assert "time" in event.error
    assert event.seconds > 0.2


def test_so_does_one_that_a_calls_own_timeout_ends(serve, call, events):
    couch = Couch(serve(answering()).url, on_request=events.append)
    with pytest.raises(RequestTimeout) as raised:
        call(couch.info, timeout=0.3)
    (event,) = events
    assert (event.status, event.error) == (599, "no whole answer in time")
    assert (raised.value.method, raised.value.url) == (event.method, event.url)


@pytest.mark.usefixtures("runner")
@pytest.mark.parametrize("at_hand", [False, True], ids=["a new connection", "one at hand"])
async def test_a_request_that_is_cancelled_is_told_of(serve, events, at_hand):
    couch = Couch(serve(answering(*["200 OK"] * at_hand)).url, on_request=events.append)
    if at_hand:
        await couch.info()
    call = couch.info()
    await asyncio.sleep(0.1)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert (events[-1].status, events[-1].error) == (599, "cancelled")
    assert len(events) == 1 + at_hand


def test_an_answer_that_is_streamed_is_told_of_when_it_is_over(serve, events):
    body = (
        b'{"total_rows":1,"offset":0,"rows":[\r\n{"id":"a","key":"a","value":{"rev":"1-a"}}\r\n]}'
    )

    def behave(peer):
        peer.request()
        peer.answer(body)
        peer.wait_for_end()

    couch = Couch(serve(behave).url, style="blocking", on_request=events.append)
    stream = iter(couch.database("db").stream("_all_docs"))
    assert not events
    assert len(list(stream)) == 1
    (event,) = events
    assert (event.method, event.status, event.received) == ("GET", 200, len(body))


@pytest.mark.usefixtures("runner")
async def test_the_hook_runs_in_the_context_of_the_call(serve):
    """A trace's spans belong to whoever has asked, whoever has opened the connection."""
    caller = contextvars.ContextVar("caller")
    callers = []
    server = serve(answering("200 OK", "200 OK", "503 Service Unavailable", "200 OK"))
    couch = Couch(server.url, on_request=lambda event: callers.append(caller.get()), retries=1)

    async def ask(name):
        caller.set(name)
        await couch.info()

    for name in "abc":
        await asyncio.create_task(ask(name))
    assert callers == ["a", "b", "c", "c"]
    assert server.connections == 1


def test_what_the_hook_raises_does_no_harm(serve, call, caplog):
    def hook(event):
        raise KeyError("mine")

    assert call(Couch(serve(answering("200 OK")).url, on_request=hook).info) == {"ok": True}
    assert "on_request has failed" in caplog.text


def test_nor_does_it_if_that_looks_like_a_cancellation(serve, call, caplog):
    def hook(event):
        raise asyncio.CancelledError

    couch = Couch(serve(answering("200 OK", "200 OK")).url, on_request=hook)
    assert call(couch.info) == call(couch.info) == {"ok": True}
    assert "on_request has failed" in caplog.text


@pytest.mark.usefixtures("runner")
async def test_a_kept_connection_that_was_closed_is_no_event(serve, events):
    def behave(peer):
        peer.request()
        peer.answer(OK)
        if len(events) < 2:
            peer.request()  # and leaves

    couch = Couch(serve(behave).url, on_request=events.append, retries=0)
    for _ in range(2):
        await couch.info()
    told = [(event.status, event.attempt, event.reused, event.error) for event in events]
    assert told == [(200, 1, False, "")] * 2


def test_a_hook_that_cannot_be_called_is_refused():
    async def late(event):
        pass

    for hook in (3, late):
        with pytest.raises(TypeError, match="on_request"):
            Couch("http://db", on_request=hook)


def test_rooms_have_loggers_of_their_own(serve, call, caplog):
    caplog.set_level(logging.DEBUG)
    server = serve(answering("503 Service Unavailable", "200 OK"))
    call(Couch(server.url, retries=1).info)
    said = [(record.name, record.levelname) for record in caplog.records]
    assert ("corduroy.http", "DEBUG") in said
    assert ("corduroy.retry", "INFO") in said


def test_without_a_hook_and_debugging_nothing_is_said(serve, call, caplog):
    caplog.set_level(logging.INFO)
    call(Couch(serve(answering("200 OK")).url).info)
    assert not [record for record in caplog.records if record.name.startswith("corduroy")]


def test_a_server_error_is_an_answer(serve, call, events):
    couch = Couch(serve(answering("500 Internal Server Error")).url, on_request=events.append)
    with pytest.raises(ServerError):
        call(couch.info)
    assert [event.status for event in events] == [500]


def test_the_event_is_public():
    assert corduroy.RequestEvent is RequestEvent
