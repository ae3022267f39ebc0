"""When trying again is of no use, or has been of none: what is told, and what becomes of the rest."""

from __future__ import annotations

import ssl

import pytest
import trustme

from corduroy import (
    BadRequest,
    ConnectionFailed,
    Couch,
    NotFound,
    ServerError,
    TooManyRequests,
)
from tests.faults.proxy import Answer, Refuse, too_many, unavailable
from tests.transport.conftest import Server


def numbered(count):
    return [{"_id": f"{n:05}", "n": n} for n in range(count)]


def account(writer):
    names = ("written", "conflicts", "refused", "unsent", "unknown")
    return {name: number for name in names if (number := getattr(writer, name))}


def test_a_writer_gives_up_after_so_many_failures(write, proxied, proxy, strike, other):
    strike(Refuse(), times=1000)
    with pytest.raises(ConnectionFailed) as raised:
        write(proxied, numbered(100), count=10, in_flight=1, max_retries=3)
    writer = write.writer
    assert writer.written == 0
    assert writer.unknown + writer.unsent == len(writer.failures)
    # The first batch went out four times; in callback style the program stops putting then.
    assert proxy.injected["Refuse"] == 4
    assert writer.unknown == 10
    assert raised.value.__notes__ == [repr(writer)]
    assert {entry["error"] for entry in writer.failures} == {"unknown", "unsent"}
    assert all(entry["reason"] for entry in writer.failures)


def test_no_retries_are_none(write, proxied, proxy, strike):
    strike(unavailable())
    with pytest.raises(ServerError):
        write(proxied, numbered(3), max_retries=0)
    assert account(write.writer) == {"unknown": 3}


def test_patience_is_what_the_server_asks_for(write, proxy, db, strike, http_client):
    strike(too_many(1))
    with Couch(proxy.url, http_client=http_client) as couch:
        times = []
        write(couch.database(db.name), numbered(3), progress=times.append)
    assert times == [3]


def test_a_server_without_patience_is_told(write, proxied, strike):
    strike(too_many(0), times=100)
    with pytest.raises(TooManyRequests):
        write(proxied, numbered(3), max_retries=2)
    assert account(write.writer) == {"unsent": 3}


def test_a_database_that_is_missing_is_no_reason_to_try_again(write, couch, proxy, http_client):
    with Couch(proxy.url, http_client=http_client) as far, pytest.raises(NotFound):
        write(far.database("nowhere-at-all"), numbered(3))
    assert proxy.requests == 1
    assert account(write.writer) == {"unsent": 3}


def test_putting_after_the_end_raises_and_is_not_counted(call, proxied, strike):
    strike(Answer(400, b"{}"), times=9)
    writer = proxied.writer(count=2)
    call(writer.put, {"_id": "a"})
    with pytest.raises(BadRequest):
        call(writer.flush)
    with pytest.raises(BadRequest):
        call(writer.put, {"_id": "c"})
    assert account(writer) == {"unsent": 1}
    with pytest.raises(BadRequest):
        call(writer.close)


def test_leaving_by_an_exception_does_not_wait_for_a_server_that_is_down(
    write_in_block, proxied, strike
):
    strike(too_many(3600), times=100)

    def docs():
        yield from numbered(9)
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_in_block(proxied, docs(), count=3, in_flight=4)
    assert account(write_in_block.writer) == {"unsent": 9}


@pytest.fixture
def stranger():
    """A server whose certificate nobody vouches for, and a list of how often it has been called."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    calls = []
    context.sni_callback = lambda connection, name, context: calls.append(name)
    server = Server(tls=context)
    yield server, calls
    server.close()


def test_a_server_that_is_not_to_be_trusted_is_not_called_again(write, stranger, http_client):
    server, calls = stranger
    couch = Couch(server.url, http_client=http_client)
    with couch, pytest.raises(ConnectionFailed, match=r"(?i)certificate"):
        write(couch.database("x"), numbered(3))
    assert len(calls) == 1
    assert account(write.writer) == {"unsent": 3}
