"""Requests through any other `AsyncHTTPClient`: Tornado's own, or one that a program brings."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest
from tornado.iostream import UnsatisfiableReadError
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from .. import defaults
from .answer import Answer, ConnectionBroken, MalformedAnswer
from .messages import Request
from .sending import Producer
from .tls import Trust


async def fetch(
    client: AsyncHTTPClient,
    request: Request,
    *,
    url: str,
    headers: Mapping[str, str],
    timeout: float,
    trust: Trust | None,
) -> Answer:
    """Send a request through a client that is not corduroy's own.

    Args:
        client (AsyncHTTPClient): the client.
        request (Request): the request.
        url (str): its whole address.
        headers (dict of str to str): its headers.
        timeout (float): seconds for the whole exchange; 0: no limit.
        trust (Trust | None): for ``https``.

    Returns:
        Answer: the answer.

    Raises:
        OSError, HTTPClientError: no answer came.
    """
    # Each client has its own Host, and some would send both.
    own = {"Host"}
    body: Any = request.body
    options = tls_options(client, trust)
    if callable(body) and isinstance(client, SimpleAsyncHTTPClient):
        options["body_producer"] = body
    elif callable(body):  # other clients of Tornado's would send nothing, without a word
        options["body"] = await _gathered(body)
        own.add("Content-Length")
    elif body is not None or request.method in ("POST", "PUT"):
        options["body"] = bytes(body or b"")
    sent = HTTPRequest(
        url,
        method=request.method,
        headers={name: value for name, value in headers.items() if name not in own},
        connect_timeout=defaults.connect_timeout,
        request_timeout=timeout,
        follow_redirects=False,
        allow_nonstandard_methods=True,
        prepare_curl_callback=set_up_curl if request.safe else _set_up_curl_once,
        decompress_response=not request.raw,
        **options,
    )
    del body, options  # an error's traceback would show what is in them: passwords
    try:
        response = await client.fetch(sent, raise_error=False)
    except UnsatisfiableReadError as error:  # the simple client's, for headers without end
        raise MalformedAnswer(str(error)) from None
    except (ConnectionResetError, ConnectionAbortedError, BrokenPipeError) as error:
        if request.has_raised(error):
            raise
        # The simple client's, as they came from the socket: others are of what could not be reached.
        raise ConnectionBroken(str(error)) from None
    if response.code == 599 and isinstance(response.error, Exception):
        raise response.error
    lines = [f"HTTP/1.1 {response.code} {response.reason}"]
    lines += [f"{name}: {value}" for name, value in response.headers.get_all()]
    answer = Answer(response.code, "\r\n".join(lines).encode())
    answer.body = response.body
    return answer


def set_up_curl(curl: Any) -> None:
    """Have curl send a path as it is ("%2E%2E" is an id), and no credentials to the log."""
    curl.setopt(curl.PATH_AS_IS, 1)
    curl.setopt(curl.VERBOSE, 0)
    curl.setopt(curl.FRESH_CONNECT, 0)


def _set_up_curl_once(curl: Any) -> None:
    """Have curl send a request once: what a kept connection has died of, it would send again, whatever
    that is, and say nothing of it."""
    set_up_curl(curl)
    curl.setopt(curl.FRESH_CONNECT, 1)


def tls_options(client: AsyncHTTPClient, trust: Trust | None) -> dict[str, Any]:
    if trust is None:
        return {}
    if isinstance(client, SimpleAsyncHTTPClient):
        return {"ssl_options": trust.context}
    if trust.own:
        raise ValueError(
            f"ssl_context: {type(client).__name__} takes none: use verify, ca_certs and client_cert "
            "instead"
        )
    files = {
        "ca_certs": trust.ca_certs,
        "client_cert": trust.client_cert,
        "client_key": trust.client_key,
    }
    told = {name: os.fspath(path) for name, path in files.items() if path is not None}
    return {"validate_cert": trust.verify, **told}


async def _gathered(producer: Producer) -> bytes:
    pieces: list[bytes] = []

    def write(piece: bytes) -> asyncio.Future[None]:
        pieces.append(piece)
        ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        ready.set_result(None)
        return ready

    await producer(write)
    return b"".join(pieces)
