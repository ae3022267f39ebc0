"""What programs know from Tornado's simple client holds for ours: redirects, bodies, refusals."""

import asyncio
import errno
import socket

import pytest
from tornado import gen, version
from tornado.httpclient import AsyncHTTPClient, HTTPClient, HTTPClientError, HTTPRequest
from tornado.httputil import HTTPHeaders

from corduroy.transport import KeepAliveHTTPClient

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


@pytest.fixture
def configured():
    """`AsyncHTTPClient` as a program configures it, and afterwards as it was."""
    saved = AsyncHTTPClient._save_configuration()
    AsyncHTTPClient.configure("corduroy.transport.KeepAliveHTTPClient", max_clients=3)
    yield
    AsyncHTTPClient._restore_configuration(saved)


async def test_a_program_selects_it_by_configure(configured, serve, runner):
    server = serve()
    client = AsyncHTTPClient()
    assert isinstance(client, KeepAliveHTTPClient)
    assert client.pool.max_clients == 3
    assert (await client.fetch(server.url)).body == b"ok"


def test_there_is_one_client_a_loop(configured):
    async def client():
        await asyncio.sleep(0)
        assert KeepAliveHTTPClient() is KeepAliveHTTPClient()
        assert AsyncHTTPClient() is AsyncHTTPClient()
        assert AsyncHTTPClient(force_instance=True) is not AsyncHTTPClient()
        return AsyncHTTPClient()

    with asyncio.Runner() as one, asyncio.Runner() as other:
        assert one.run(client()) is one.run(client())
        assert one.run(client()) is not other.run(client())


def test_the_client_that_was_closed_is_replaced(runner):
    async def replace():
        client = KeepAliveHTTPClient()
        client.close()
        return client is not KeepAliveHTTPClient()

    assert runner.run(replace())


def test_tornados_synchronous_client_can_use_it(serve):
    server = serve()
    client = HTTPClient(KeepAliveHTTPClient, max_clients=1)
    assert client.fetch(server.url).body == b"ok"
    assert client.fetch(server.url).body == b"ok"
    client.close()
    assert server.connections == 1


async def test_defaults_reach_every_request(serve, new_client):
    server = serve()
    client = new_client(defaults={"user_agent": "mine"})
    await client.fetch(server.url)
    assert server.requests[0].headers["user-agent"] == "mine"


async def test_what_a_plain_request_says(serve, client):
    server = serve()
    await client.fetch(server.url + "?a=b#fragment")
    request = server.requests[0]
    assert (request.method, request.target) == ("GET", "/?a=b")
    assert request.headers == {
        "host": f"127.0.0.1:{server.port}",
        "user-agent": f"Tornado/{version}",
        "accept-encoding": "gzip",
    }


async def test_the_callers_headers_stay_as_they_are(serve, client):
    headers = HTTPHeaders({"User-Agent": "Foo"})
    await client.fetch(serve().url, headers=headers)
    assert list(headers.get_all()) == [("User-Agent", "Foo")]


async def test_credentials_in_the_url_are_sent_but_not_shown(serve, client):
    server = serve()
    response = await client.fetch(server.url.replace("//", "//me:s%40y@"))
    headers = server.requests[0].headers
    assert headers["authorization"] == "Basic bWU6c0B5"
    assert headers["host"] == f"127.0.0.1:{server.port}"
    assert response.effective_url == server.url


# -- redirects ----------------------------------------------------------------------------------


def countdown(peer):
    """Points from /5 to /4, and so on to /0."""
    while True:
        left = int(peer.request().target[1:])
        if left:
            peer.answer(b"", f"Location: /{left - 1}", status="302 Found")
        else:
            peer.answer(b"arrived")


async def test_redirects_take_no_second_slot(serve, new_client):
    server = serve(countdown)
    response = await new_client(max_clients=1).fetch(server.url + "/3")
    assert response.body == b"arrived"
    assert response.effective_url == server.url + "/0"
    assert server.connections == 1


async def test_redirects_end_where_the_caller_says_so(serve, client):
    url = serve(countdown).url + "/5"
    response = await client.fetch(url, max_redirects=3, raise_error=False)
    assert response.code == 302
    assert response.request.url == url
    assert response.effective_url.endswith("/2")
    assert response.headers["Location"] == "/1"
    response = await client.fetch(url, follow_redirects=False, raise_error=False)
    assert response.headers["Location"] == "/4"


@pytest.mark.parametrize(
    ("code", "method", "then"),
    [
        (301, "POST", "GET"),
        (302, "POST", "GET"),
        (303, "POST", "GET"),
        (303, "PUT", "GET"),
        (302, "PUT", "PUT"),
        (307, "POST", "POST"),
        (308, "POST", "POST"),
    ],
)
async def test_the_method_after_a_redirect(serve, client, code, method, then):
    def behave(peer):
        peer.request()
        peer.answer(b"", "Location: there", status=f"{code} Elsewhere")
        peer.request()
        peer.answer()

    server = serve(behave)
    request = HTTPRequest(server.url, method=method, body=b"body")
    response = await client.fetch(request)
    assert response.request is request
    first, second = server.requests
    assert first.body == b"body"
    assert (second.method, second.target) == (then, "/there")
    assert second.body == (b"" if then == "GET" else b"body")
    assert ("content-length" in second.headers) == (then != "GET")


@pytest.mark.parametrize("location", ["ftp://example.com/", "h:5"])
async def test_a_redirect_to_what_is_no_http_fails(serve, client, location):
    head = f"HTTP/1.1 302 Found\r\nContent-Length: 0\r\nLocation: {location}\r\n\r\n"
    server = serve(head.encode())
    with pytest.raises(ValueError, match="Unsupported url scheme"):
        await client.fetch(server.url)


async def test_credentials_do_not_follow_a_redirect_to_another_server(serve, client):
    other = serve()

    def behave(peer):
        peer.request()
        peer.answer(b"", f"Location: {other.url}", status="302 Found")

    server = serve(behave)
    await client.fetch(
        server.url, auth_username="me", auth_password="secret", headers={"Cookie": "a=b"}
    )
    assert "authorization" in server.requests[0].headers
    assert not {"authorization", "cookie"} & set(other.requests[0].headers)


async def test_callbacks_hear_of_the_last_answer_only(serve, client):
    lines, pieces = [], []
    await client.fetch(
        serve(countdown).url + "/2",
        header_callback=lines.append,
        streaming_callback=pieces.append,
    )
    assert lines == ["HTTP/1.1 200 OK\r\n", "Content-Length: 7\r\n", "\r\n"]
    assert pieces == [b"arrived"]


# -- what cannot be reached, and what is not offered --------------------------------------------


async def test_a_refused_connection_is_the_systems_error(client):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(ConnectionRefusedError) as caught:
        await client.fetch(url)
    assert caught.value.errno == errno.ECONNREFUSED


async def test_a_name_that_does_not_exist_is_the_systems_error(client):
    with pytest.raises(socket.gaierror):
        await client.fetch("http://no-such-host.invalid/")


def has_ipv6():
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no IPv6")
async def test_ipv6(serve, client):
    server = serve(host="::1")
    assert (await client.fetch(server.url)).body == b"ok"
    assert server.requests[0].headers["host"] == f"[::1]:{server.port}"
    with pytest.raises(socket.gaierror):
        await client.fetch(server.url, allow_ipv6=False)


@pytest.mark.parametrize(
    "option",
    [
        {"proxy_host": "proxy", "proxy_port": 8080},
        {"prepare_curl_callback": print},
    ],
    ids=["proxy", "curl"],
)
async def test_what_is_not_offered_names_what_is(serve, client, option):
    server = serve()
    with pytest.raises(NotImplementedError, match="CurlAsyncHTTPClient"):
        await client.fetch(server.url, **option)
    assert server.connections == 0


async def test_a_network_interface_is_an_address(serve, client):
    server = serve()
    await client.fetch(server.url, network_interface="127.0.0.1")
    with pytest.raises(ValueError, match="network_interface must be an IP address"):
        await client.fetch(server.url, network_interface="eth0")


async def test_an_error_status_is_tornados_exception(serve, client):
    server = serve(b"HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone")
    with pytest.raises(HTTPClientError) as caught:
        await client.fetch(server.url)
    assert caught.value.code == 404
    assert caught.value.response.body == b"gone"


# -- bodies that are made as they go ------------------------------------------------------------


def plain(write):
    write(b"1234")
    write(b"")
    write(b"5678")


@gen.coroutine
def generator(write):
    yield write(b"1234")
    yield gen.moment
    yield write(b"5678")


async def native(write):
    await write(b"1234")
    await asyncio.sleep(0)
    await write(b"5678")


@pytest.mark.parametrize("producer", [plain, generator, native])
@pytest.mark.parametrize("headers", [{}, {"Content-Length": "8"}], ids=["chunked", "length"])
async def test_body_producers_of_every_kind(serve, client, producer, headers):
    server = serve()
    for _ in range(2):
        await client.fetch(server.url, method="POST", body_producer=producer, headers=headers)
    assert [request.body for request in server.requests] == [b"12345678"] * 2
    assert ("transfer-encoding" in server.requests[0].headers) == (not headers)
    assert server.connections == 1
