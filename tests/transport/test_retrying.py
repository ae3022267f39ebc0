"""What failed goes out again where that can do no harm, and nowhere else."""

import contextlib
import socket
import threading
import time

import pytest
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import (
    Conflict,
    ConnectionFailed,
    Couch,
    NotFound,
    ServerError,
    TooManyRequests,
    defaults,
)
from tests.faults.proxy import Lost, Refuse, Reset, bad_gateway, too_many, unavailable

FAULTS = {
    "refused": Refuse(),
    "reset": Reset(after=10),
    "lost": Lost(),
    "429": too_many(0.1),
    "502": bad_gateway(),
    "503": unavailable(),
}


@pytest.fixture
def db(proxy, straight):
    """The same, through the proxy."""
    with Couch(proxy.url, retries=3) as couch:
        yield couch.database(straight.name)


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_read_is_tried_again(db, straight, proxy, call, fault):
    straight.save({"_id": "a", "n": 1})
    proxy.next(fault, fault)
    assert call(db.get, "a")["n"] == 1
    assert proxy.requests == 3


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_save_is_written_once_whatever_befell_it(db, straight, proxy, call, fault):
    doc = {"_id": "b", "n": 1}
    proxy.next(fault, fault)
    call(db.save, doc)
    assert doc == straight.get("b")
    assert doc["_rev"].startswith("1-")
    proxy.next(fault)
    doc["n"] = 2
    call(db.save, doc)
    assert doc == straight.get("b")
    assert doc["_rev"].startswith("2-")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_list_is_written_once(db, straight, proxy, call, fault):
    docs = [{"_id": f"c{n}", "n": n} for n in range(5)]
    proxy.next(fault, fault)
    saved = call(db.save, docs)
    assert saved.saved == 5
    assert not saved.pending
    assert [straight.get(doc["_id"]) for doc in docs] == docs
    assert {doc["_rev"][:2] for doc in docs} == {"1-"}


def test_each_of_two_with_one_id_has_its_own_result(db, straight, proxy, call):
    docs = [{"_id": "twice", "n": 1}, {"_id": "twice", "n": 2}]
    proxy.next(Lost())
    saved = call(db.save, docs)
    assert (saved.saved, list(saved.pending)) == (1, ["twice"])
    assert saved.pending["twice"]["doc"] is docs[1]
    assert straight.get("twice") == docs[0]


def test_a_stub_need_not_tell_its_length(db, straight, proxy, call):
    straight.save({"_id": "stub", "_attachments": {"a": b"content"}})
    doc = straight.get("stub")
    del doc["_attachments"]["a"]["length"]
    proxy.next(Lost())
    call(db.save, doc)
    assert doc["_rev"].startswith("2-")


def test_what_became_of_a_list_is_asked_in_one_request(db, straight, proxy, call):
    docs = [{"_id": f"{n}", "n": n} for n in range(500)]
    proxy.next(Lost())
    assert call(db.save, docs).saved == 500
    assert proxy.requests == 3
    assert [straight.get(doc["_id"]) for doc in docs[::100]] == docs[::100]


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_deletion_is_done_once(db, straight, proxy, call, fault):
    doc = {"_id": "d"}
    straight.save(doc)
    proxy.next(fault)
    said = call(db.delete, doc)
    assert said["ok"]
    assert said["id"] == "d"
    assert said["rev"].startswith("2-")
    with pytest.raises(NotFound):
        straight.get("d")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_an_attachment_is_put_and_removed_once(db, straight, proxy, call, fault):
    doc = {"_id": "e"}
    straight.save(doc)
    proxy.next(fault)
    call(db.put_attachment, doc, b"content", "name.txt")
    assert doc["_rev"].startswith("2-")
    assert straight.get_attachment("e", "name.txt") == b"content"
    proxy.next(fault)
    call(db.delete_attachment, doc, "name.txt")
    assert doc["_rev"].startswith("3-")
    assert "_attachments" not in straight.get("e")


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
def test_a_copy_is_made_once(db, straight, proxy, call, fault):
    straight.save({"_id": "from", "n": 1})
    proxy.next(fault)
    made = call(db.copy, "from", "to")
    assert made["rev"].startswith("1-")
    assert straight.get("to")["n"] == 1


@pytest.mark.parametrize("style", ["mine", "theirs"])
def test_a_conflict_with_somebody_else_is_none_with_ourselves(db, straight, proxy, call, style):
    doc = {"_id": "f", "n": 1}
    straight.save(doc)
    mine, theirs = {**doc, "n": 2}, {**doc, "n": 3}
    if style == "theirs":
        straight.save(theirs)
        proxy.next(Lost())
        with pytest.raises(Conflict):
            call(db.save, mine)
        assert straight.get("f") == theirs
    else:
        proxy.next(Lost())
        call(db.save, mine)
        straight.save({**theirs, "_rev": mine["_rev"]})
        assert mine["_rev"].startswith("2-")


def test_what_was_saved_and_changed_again_by_somebody_was_saved(db, straight, proxy, call):
    """By the time that the lost answer is looked for, the document is another's already."""

    def plan(request):
        if request.method == "PUT" and request.number == first + 1:
            current = straight.get("g")
            straight.save({**current, "n": "theirs"})
        return

    doc = {"_id": "g", "n": "old"}
    straight.save(doc)
    first = proxy.requests + 1
    proxy.plan = plan
    proxy.next(Lost())
    doc["n"] = "mine"
    call(db.save, doc)
    assert doc["_rev"].startswith("2-")
    assert straight.get("g")["n"] == "theirs"


def test_what_begins_anew_is_recognised_though_its_history_is_compacted(db, straight, proxy, call):
    def plan(request):
        if request.method == "PUT" and request.number == first + 1:
            straight.compact()
            while straight.info().get("compact_running"):
                time.sleep(0.05)

    doc = {"_id": "h", "n": "old"}
    straight.save(doc)
    straight.delete(doc)
    first = proxy.requests + 1
    proxy.plan = plan
    proxy.next(Lost())
    again = {"_id": "h", "n": "new"}
    call(db.save, again)
    assert again["_rev"].startswith("3-")


@pytest.mark.parametrize("fault", [Lost(), Reset(after=10), bad_gateway()], ids=repr)
def test_a_post_without_an_id_never_happens_twice(db, straight, proxy, call, fault):
    proxy.next(fault)
    with pytest.raises((ConnectionFailed, ServerError)):
        call(db.post, {"n": 1})
    assert proxy.requests == 1
    assert len(straight.ids().all()) <= 1


@pytest.mark.parametrize("kind", [SimpleAsyncHTTPClient, CurlAsyncHTTPClient])
@pytest.mark.parametrize("fault", [Lost(), Reset(after=10), Refuse(), Refuse(reset=True)], ids=repr)
def test_it_does_not_through_another_client_either(straight, proxy, call, kind, fault):
    with Couch(proxy.url, http_client=kind, retries=3) as couch:
        db = couch.database(straight.name)
        call(db.info)
        proxy.next(fault)
        with pytest.raises(ConnectionFailed):
            call(db.post, {"n": 1})
        assert proxy.requests == 2
        proxy.next(fault)
        doc = {"_id": "b"}
        call(db.save, doc)
        assert doc == straight.get("b")


def test_a_post_that_reached_nobody_goes_out_again(call):
    """Nobody listens; by and by, somebody does."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    heard = []

    def listen_late():
        time.sleep(0.3)
        with socket.create_server(("127.0.0.1", port)) as listener:
            peer, _ = listener.accept()
            with peer:
                heard.append(peer.recv(65536).partition(b" HTTP")[0])
                peer.sendall(
                    b'HTTP/1.1 201 Created\r\nContent-Length: 22\r\n\r\n{"id":"a","rev":"1-a"}'
                )

    thread = threading.Thread(target=listen_late)
    thread.start()
    couch = Couch(f"http://127.0.0.1:{port}", retries=1000)
    assert call(couch.database("db").post, {}, timeout=20)["rev"] == "1-a"
    thread.join()
    assert heard == [b"POST /db"]


def test_a_429_is_waited_out_as_long_as_it_says(db, proxy, call):
    proxy.next(too_many(1))
    began = time.monotonic()
    call(db.info)
    assert time.monotonic() - began >= 1.0


def test_a_429_that_asks_for_more_time_than_there_is_is_told_at_once(db, proxy, call):
    proxy.next(too_many(60))
    began = time.monotonic()
    with pytest.raises(TooManyRequests):
        call(db.exists, timeout=5)
    assert time.monotonic() - began < 4


def test_it_is_tried_as_often_as_it_is_said(db, proxy, call):
    proxy.plan = lambda request: unavailable()
    for retries in (0, 2):
        before = proxy.requests
        with pytest.raises(ServerError):
            call(db.get, "a", retries=retries)
        assert proxy.requests - before == retries + 1


def test_so_is_an_attachment_that_comes_in_pieces(db, straight, proxy, call):
    straight.save({"_id": "whole", "_attachments": {"a": b"content"}})
    call(db.get_with_attachments, "whole")
    for method, *given in ((db.get_attachment, "whole", "a"), (db.get_with_attachments, "whole")):
        for retries in (0, 2):
            proxy.plan = lambda request: unavailable()
            before = proxy.requests
            with pytest.raises(ServerError):
                call(method, *given, to=lambda piece: None, retries=retries)
            assert proxy.requests - before == retries + 1


def test_a_budget_keeps_a_sick_server_from_being_hammered(db, proxy, call, monkeypatch):
    monkeypatch.setattr(defaults, "retry_budget", 5)
    proxy.plan = lambda request: unavailable()
    for _ in range(10):
        with pytest.raises(ServerError):
            call(db.get, "a", retries=2)
    assert proxy.requests == 10 + 5


def test_a_mistake_of_the_programs_is_told_and_does_not_hang(db, proxy, call, monkeypatch):
    call(db.info)
    monkeypatch.setattr(defaults, "retry_budget", "100")
    proxy.next(unavailable())
    with pytest.raises(TypeError):
        call(db.info)


def test_what_the_server_refuses_for_good_is_not_tried_again(db, straight, proxy, call):
    with contextlib.suppress(NotFound):
        call(db.get, "nowhere")
    assert proxy.requests == 1


@pytest.mark.parametrize("retries", [-1, 1.5, "1", True])
def test_nonsense_is_refused(db, call, proxy, retries):
    with pytest.raises((TypeError, ValueError), match="retries"):
        call(db.get, "a", retries=retries)
    with pytest.raises((TypeError, ValueError), match="retries"):
        Couch("http://db", retries=retries)
    assert not proxy.requests
