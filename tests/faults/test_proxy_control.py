"""What a test can do with the proxy as a whole: order, count, refuse, cut, freeze, and stop."""

from __future__ import annotations

import threading
from urllib.parse import urlsplit

import pytest

from tests.faults.proxy import Answer, Cut, FaultProxy, Refuse, Silence, Stall
from tests.faults.scripted import PATIENCE, answering
from tests.faults.wire import ProtocolError

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
TEAPOT = Answer(418)


@pytest.fixture
def proxy(stand):
    """A proxy in front of a server that answers three requests a connection."""
    return stand(answering(OK, OK, OK))


@pytest.fixture
def fetch(proxy, connect):
    """``fetch(client)``: ask and get the usual answer, on a new connection if none is given."""

    def fetch(client=None):
        client = client or connect(proxy)
        client.ask()
        assert client.read(len(OK)) == OK
        return client

    return fetch


def test_the_url_is_the_servers_with_another_port(proxy):
    upstream = urlsplit("http://user:p%40ss@127.0.0.1:5984/path")
    with FaultProxy(upstream.geturl()) as other:
        url = urlsplit(other.url)
        assert url.port not in (5984, urlsplit(proxy.url).port)
        assert url == upstream._replace(netloc=f"user:p%40ss@127.0.0.1:{url.port}")


def test_only_http_is_understood():
    with pytest.raises(ValueError, match="http"):
        FaultProxy("https://127.0.0.1:6984")


def test_a_plan_sees_each_request(stand, connect):
    seen = []
    proxy = stand(answering(OK, OK))
    proxy.plan = seen.append
    client = connect(proxy)
    client.send(b"GET /a?b=c HTTP/1.1\r\nX-Name: value\r\n\r\n")
    client.read(len(OK))
    client.ask("/d", "DELETE")
    client.read(len(OK))
    assert seen == [
        ("GET", "/a?b=c", {"x-name": "value"}, 1),
        ("DELETE", "/d", {"host": "here"}, 2),
    ]


def test_the_next_faults_come_before_the_plan(proxy, connect):
    proxy.plan = lambda request: Refuse()
    proxy.next(None, TEAPOT)
    client = connect(proxy)
    client.ask()
    assert client.read(len(OK)) == OK
    client.ask()
    assert client.head().startswith(b"HTTP/1.1 418 ")
    client.ask()
    assert client.rest() == b""
    assert proxy.injected == {"Answer": 1, "Refuse": 1}


def test_a_plan_may_be_changed(proxy, connect, fetch):
    proxy.plan = lambda request: TEAPOT
    client = connect(proxy)
    client.ask()
    assert client.head().startswith(b"HTTP/1.1 418 ")
    proxy.plan = None
    fetch(client)


def ask_in_vain(proxy, connect):
    """Be reset by a proxy that then raises what is wrong with it."""
    with proxy:
        client = connect(proxy)
        client.ask()
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_a_plan_that_raises_is_told_of(serve, connect):
    def plan(request):
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        ask_in_vain(FaultProxy(serve(answering()).url, plan), connect)


def test_a_plan_cannot_wait_for_its_own_proxy(serve, connect):
    proxy = FaultProxy(serve(answering()).url, lambda request: proxy.freeze())
    with pytest.raises(AssertionError, match="a plan"):
        ask_in_vain(proxy, connect)


def test_a_server_that_does_not_speak_http_is_told_of(serve, connect):
    with pytest.raises(ProtocolError, match="SSH"):
        ask_in_vain(FaultProxy(serve(answering(b"SSH-2.0\r\n\r\n")).url), connect)


def test_only_what_has_struck_is_counted(proxy, connect, fetch):
    proxy.next(Cut(after=len(OK) + 1), Cut(after=len(OK)))
    client = fetch()
    assert not proxy.injected
    client.ask()
    assert client.rest() == OK
    assert proxy.injected == {"Cut": 1}


def test_connections_are_counted(proxy, fetch):
    assert proxy.connections == 0
    first, second = fetch(), fetch()
    assert proxy.connections == 2
    first.socket.close()
    proxy.wait_until(lambda: proxy.connections == 1)
    second.socket.close()
    proxy.wait_until(lambda: proxy.connections == 0)


def test_what_does_not_come_true_is_not_waited_for_without_end(proxy):
    with pytest.raises(TimeoutError):
        proxy.wait_until(lambda: False, timeout=0)


def test_a_refusing_proxy_resets_new_connections(proxy, connect, fetch):
    client = fetch()
    proxy.refusing = True
    with pytest.raises(ConnectionResetError):
        connect(proxy).rest()
    fetch(client)
    proxy.refusing = False
    fetch()


def test_all_connections_can_be_cut(proxy, fetch):
    clients = [fetch(), fetch()]
    proxy.cut_all()
    assert proxy.connections == 0
    assert [client.rest() for client in clients] == [b"", b""]
    fetch()


def test_all_connections_can_be_reset(proxy, connect, fetch):
    clients = [fetch(), connect(proxy)]
    proxy.next(Stall(after=0))
    clients[1].ask()
    proxy.wait_until(lambda: proxy.injected["Stall"] == 1)
    proxy.cut_all(reset=True)
    for client in clients:
        with pytest.raises(ConnectionResetError):
            client.rest()


def test_the_server_sees_that_a_connection_is_cut(stand, connect):
    gone = threading.Event()

    def script(peer):
        peer.head()
        peer.rest()
        gone.set()

    proxy = stand(script)
    connect(proxy).ask()
    proxy.wait_until(lambda: proxy.requests == 1)
    proxy.cut_all()
    assert gone.wait(PATIENCE)


def test_frozen_connections_pass_nothing_to_the_server(proxy, fetch):
    client = fetch()
    proxy.freeze()
    client.ask()
    fetch()  # while others pass
    assert proxy.requests == 2
    assert not client.has_data()
    proxy.thaw()
    assert client.read(len(OK)) == OK
    assert proxy.requests == 3


def test_frozen_connections_pass_nothing_to_the_client(stand, connect):
    frozen, sent = threading.Event(), threading.Semaphore(0)

    def script(peer):
        peer.head()
        peer.send(OK)
        peer.head()
        assert frozen.wait(PATIENCE)
        peer.send(b"HTTP/1.1 200 OK\r\n")  # and the end of the connection
        sent.release()

    proxy = stand(script)
    old = connect(proxy)
    old.ask()
    assert old.read(len(OK)) == OK
    old.ask()
    proxy.wait_until(lambda: proxy.requests == 2)
    proxy.freeze()
    frozen.set()
    assert sent.acquire(timeout=PATIENCE)
    new = connect(proxy)
    new.ask()
    assert new.read(len(OK)) == OK
    new.ask()
    assert new.rest() == b"HTTP/1.1 200 OK\r\n"
    assert not old.has_data()
    proxy.wait_until(lambda: proxy.connections == 1)
    proxy.thaw()
    assert old.rest() == b"HTTP/1.1 200 OK\r\n"


def test_frozen_connections_do_not_tell_that_the_client_has_gone(proxy, fetch):
    client = fetch()
    proxy.freeze()
    client.socket.close()
    fetch().socket.close()
    proxy.wait_until(lambda: proxy.connections == 1)
    proxy.thaw()
    proxy.wait_until(lambda: proxy.connections == 0)


def test_frozen_connections_can_be_cut(proxy, fetch):
    client = fetch()
    proxy.freeze()
    proxy.cut_all()
    assert client.rest() == b""


def test_stopping_ends_everything(serve, connect):
    with FaultProxy(serve(answering(OK)).url) as proxy:
        clients = [connect(proxy) for _ in range(4)]  # of which one does nothing
        for client, fault in zip(clients, (Stall(), Silence(), Cut()), strict=False):
            proxy.next(fault)
            client.ask()
            name = type(fault).__name__
            proxy.wait_until(lambda name=name: proxy.injected[name] == 1)
        proxy.freeze()
        assert "FaultProxy" in [thread.name for thread in threading.enumerate()]
    assert "FaultProxy" not in [thread.name for thread in threading.enumerate()]
    assert [client.rest() for client in clients] == [b""] * 4
