"""Requests through any other `AsyncHTTPClient`: Tornado's own, or one that a program brings."""

from __future__ import annotations

import ssl
from collections.abc import Awaitable, Mapping
from typing import Any

from tornado.httpclient import AsyncHTTPClient, HTTPRequest

from .. import defaults
from .messages import Request, Sink
from .reply import Reply


async def fetch(
    client: AsyncHTTPClient,
    request: Request,
    *,
    url: str,
    headers: Mapping[str, str],
    timeout: float,
    ssl_context: ssl.SSLContext | None,
) -> Reply:
    """Send a request through a client that is not corduroy's own.

    Args:
    client (AsyncHTTPClient): the client.
    request (Request): the request.
    url (str): its whole address.
    headers (dict of str to str): its headers.
    timeout (float): seconds for the whole exchange; 0: no limit.
    ssl_context (ssl.SSLContext | None): for ``https``.

    Returns:
    Reply: the answer.

    Raises:
    OSError, HTTPClientError: no answer came.
    """
    body: Any = request.body
    if body is None and request.method in ("POST", "PUT"):
        body = b""
    # Each client has its own Host, and some would send both.
    headers = {name: value for name, value in headers.items() if name != "Host"}
    options: dict[str, Any] = {}
    if callable(body):
        options["body_producer"] = body
    elif body is not None:
        options["body"] = bytes(body)
    refused: list[bytes] = []
    if request.sink is not None:
        options.update(_divert(request.sink, refused))
    response = await client.fetch(
        HTTPRequest(
            url,
            method=request.method,
            headers=headers,
            connect_timeout=defaults.connect_timeout,
            request_timeout=timeout,
            follow_redirects=False,
            allow_nonstandard_methods=True,
            ssl_options=ssl_context,
            **options,
        ),
        raise_error=False,
    )
    if response.code == 599 and isinstance(response.error, Exception):
        raise response.error
    raw = [(name.encode("latin-1"), value.encode()) for name, value in response.headers.get_all()]
    reply = Reply(response.code, response.reason, raw)
    reply.body = b"".join(refused) or response.body
    return reply


def _divert(sink: Sink, refused: list[bytes]) -> dict[str, Any]:
    """`HTTPRequest` arguments that give a success's body to a sink, and keep a refusal's."""
    code = 0

    def on_header(line: str) -> None:
        nonlocal code
        if line.startswith("HTTP/"):
            code = int(line.split(None, 2)[1])

    def on_piece(piece: bytes) -> Awaitable[None] | None:
        if code < 300:
            return sink(piece)
        refused.append(piece)
        return None

    return {"header_callback": on_header, "streaming_callback": on_piece}
