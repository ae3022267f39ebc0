"""An exchange as it is recorded: what of a request and of its answer matters, as values of JSON."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import parse_qsl

from tornado.httputil import HTTPServerRequest

from tests.replay.veil import Veil

# What clients do each in their own way, or the connection alone is told of.
_NOT_OF_REQUESTS = {
    "Accept-Encoding", "Connection", "Content-Length", "Expect", "Host", "Transfer-Encoding",
    "User-Agent",
}  # fmt: skip
_NOT_OF_ANSWERS = {
    "Cache-Control", "Connection", "Content-Length", "Date", "Expires", "Pragma", "Server",
    "Transfer-Encoding", "X-Couch-Request-Id", "X-Couchdb-Body-Time",
}  # fmt: skip
WIDTH = 96
_PARTS = ("method", "path", "query", "headers", "json", "text", "base64")
_JSON = "application/json"
_EXPIRES = re.compile(r" Expires=[^;]*;")  # of a cookie, which has a Max-Age as well


def describe_request(request: HTTPServerRequest, veil: Veil) -> dict[str, Any]:
    """What is recorded of a request.

    Args:
        request (HTTPServerRequest): the request.
        veil (Veil): hides what must not be recorded.

    Returns:
        dict: ``method``, ``path``, ``query`` (in order), ``headers`` and the body; without what is
        empty, and without ``Content-Type`` and ``Accept`` if they are those of JSON.
    """
    assert request.method is not None
    path, _, query = (request.uri or "").partition("?")
    headers = {
        name: veil.hide_header(name, value)
        for name, value in sorted(request.headers.get_all())
        if name not in _NOT_OF_REQUESTS
    }
    path = veil.hide(path)  # before the body, which may repeat what is made up in it
    content = _content_of_request(_hidden(request.body, veil), headers)
    if headers.get("Accept") == _JSON:
        del headers["Accept"]
    pairs = sorted(parse_qsl(query, keep_blank_values=True))
    described = {
        "method": request.method,
        "path": path,
        "query": [veil.hide(f"{name}={value}") for name, value in pairs],
        "headers": headers,
        **content,
    }
    return {name: value for name, value in described.items() if value or name == "json"}


def _content_of_request(body: bytes, headers: dict[str, str]) -> dict[str, Any]:
    if headers.get("Content-Type") == _JSON:
        try:
            value = json.loads(body)
        except ValueError:
            return _content(body)
        del headers["Content-Type"]
        return {"json": value}
    return _content(body)


def describe_answer(
    method: str, status: int, headers: Iterable[tuple[str, str]], body: bytes, veil: Veil
) -> dict[str, Any]:
    """What is recorded of an answer.

    Args:
        method (str): the request's.
        status (int): its status.
        headers: its headers.
        body (bytes): its body.
        veil (Veil): hides what must not be recorded.

    Returns:
        dict: ``status``, ``headers`` and the body, without what is empty.
    """
    kept = [
        [name, veil.hide(_EXPIRES.sub("", value))]
        for name, value in sorted(headers)
        # Of an answer to HEAD, the length is all that there is of the body.
        if name not in _NOT_OF_ANSWERS or (name == "Content-Length" and method == "HEAD")
    ]
    described = {"status": status, "headers": kept, **_content(_hidden(body, veil))}
    return {name: value for name, value in described.items() if value or name == "json"}


def is_feed(request: HTTPServerRequest) -> bool:
    """Whether the answer to a request may have no end."""
    return any(
        kind in request.arguments.get("feed", []) for kind in (b"continuous", b"eventsource")
    )


def describe_feed(
    status: int,
    headers: list[tuple[str, str]],
    pieces: list[tuple[int, bytes]],
    left: bool,
    veil: Veil,
) -> dict[str, Any]:
    """What is recorded of a feed.

    Args:
        status (int): its status.
        headers: its headers.
        pieces: how many requests had come when a piece of it came, and the piece.
        left (bool): whether the client has left it before its end.
        veil (Veil): hides what must not be recorded.

    Returns:
        dict: as of `describe_answer`, but ``pieces`` (list of dict) for the body: each has ``after``,
        the number of requests, and what came then; heartbeats are left out.
    """
    gathered: dict[int, bytes] = {}
    for after, piece in pieces:
        if piece.strip():
            gathered[after] = gathered.get(after, b"") + piece
    return {
        **describe_answer("GET", status, headers, b"", veil),
        "pieces": [
            {"after": after, "text": _hidden(piece, veil).decode().splitlines(keepends=True)}
            for after, piece in gathered.items()
        ],
        **({"left": True} if left else {}),
    }


def _hidden(body: bytes, veil: Veil) -> bytes:
    return veil.hide(body.decode("latin-1")).encode("latin-1")


def _content(body: bytes) -> dict[str, Any]:
    """A body such that it can be read, if it is text, and made again byte by byte."""
    try:
        text = body.decode()
    except UnicodeDecodeError:
        return {"base64": base64.b64encode(body).decode()}
    try:
        value = json.loads(text)
        if _as_couchdb(value) == body:
            return {"json": value}
    except ValueError:
        pass
    return {"text": text.splitlines(keepends=True)} if text else {}


def content_of(answer: dict[str, Any], veil: Veil) -> bytes:
    """The body of a recorded answer."""
    if "base64" in answer:
        body = base64.b64decode(answer["base64"])
    elif "json" in answer:
        body = _as_couchdb(answer["json"])
    else:
        body = "".join(answer.get("text", [])).encode()
    return veil.show(body.decode("latin-1")).encode("latin-1")


def _as_couchdb(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def as_text(request: dict[str, Any]) -> str:
    """A described request, a line or more for each part; two of the same text are equal."""
    parts = json.loads(json.dumps(request, sort_keys=True))
    return "\n".join(f"{name}: {in_lines(parts[name])}" for name in _PARTS if name in parts)


def in_lines(value: Any, indent: str = "") -> str:
    """JSON that is easy to read and to compare: what does not fit in a line gets one for each part."""
    whole = json.dumps(value, ensure_ascii=False)
    if len(indent) + len(whole) <= WIDTH or not value or not isinstance(value, (dict, list)):
        return whole
    deeper = indent + " "
    if isinstance(value, list):
        parts = [in_lines(part, deeper) for part in value]
        first, last = "[]"
    else:
        parts = [
            f"{json.dumps(key, ensure_ascii=False)}: {in_lines(value[key], deeper)}"
            for key in value
        ]
        first, last = "{}"
    return f"{first}\n{deeper}" + f",\n{deeper}".join(parts) + f"\n{indent}{last}"
