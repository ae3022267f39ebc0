"""Paths, query strings and JSON: pure functions between Python's values and what HTTP carries.

JSON goes through msgspec, which keeps integers of any size in both directions. What it would change
without a word (NaN to null, sets to lists, bytes to base64…) is refused here first, with the path at
which it stands.
"""

from __future__ import annotations

import contextlib
import gc
import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any
from urllib.parse import SplitResult, quote, unquote, urlsplit

import msgspec

# Fewer bytes than this never hold enough objects for the collector to matter.
_LARGE = 64 * 1024
_HUGE = 1024 * 1024

# How many bytes' worth of values go to the oldest generation before it is looked through.
_PROMOTED = 16 * 1024 * 1024
_promoted: list[int] = []

_ATOMS = frozenset({str, int, bool, type(None)})
_ARRAYS = (list, tuple)  # tuples: `list | tuple` would be made anew for each value
_SCALARS = (str, int)

_plain = re.compile(r"[A-Za-z0-9_~-][A-Za-z0-9_.~-]*").fullmatch
_header_value = re.compile(r"[\t\x20-\x7e\x80-\xff]*").fullmatch
_host = re.compile(r"[a-z0-9._-]+|(?=[^%]*:)[0-9a-f:.]+(%[A-Za-z0-9._~-]+)?").fullmatch
_url_path = re.compile(r"(/([A-Za-z0-9._~!$&'()*+,;=:-]|%[0-9A-Fa-f]{2})*)*").fullmatch
_token = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+").fullmatch

_decode = msgspec.json.Decoder().decode


def decode_json(body: bytes | bytearray | memoryview) -> Any:
    """Decode a JSON text.

    The cyclic garbage collector pauses while a large body is decoded: every object that it would
    look at is still alive, and looking makes up most of the time that decoding takes.

    Args:
        body (bytes): the JSON text, UTF-8.

    Returns:
        The decoded value; integers of any size are kept.

    Raises:
        ValueError: it is no JSON, or nested more deeply than Python can take.
    """
    try:
        if len(body) < _LARGE:
            return _decode(body)
        with collector_paused(len(body)):
            return _decode(body)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None


@contextlib.contextmanager
def collector_paused(size: int) -> Iterator[None]:
    """Pause the cyclic garbage collector while a body is decoded.

    Of a very large body, the values go to its oldest generation at once: looking through all of them
    when the pause is over would take almost as long as decoding them did. The collector does not count
    what gets there in this way, so it is run here, now and then, before the next ones come.

    Args:
        size (int): how many bytes are decoded.
    """
    if not gc.isenabled():  # by the program, or by a caller of ours
        yield
        return
    promote = size >= _HUGE and gc.get_freeze_count() == 0
    if promote:
        full = sum(_promoted) >= _PROMOTED
        gc.collect(2 if full else 1)  # so that no young garbage is promoted with them
        if full:
            _promoted.clear()
        _promoted.append(size)
    gc.disable()
    try:
        yield
    finally:
        if promote:
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def encode_json(value: Any, name: str) -> bytes:
    """Encode a value as JSON.

    Args:
        value: objects (any `Mapping` with str keys), lists or tuples, str, int, float, bool, None.
        name (str): what to call the value in an error.

    Returns:
        bytes: the JSON text, UTF-8.

    Raises:
        TypeError: something in it is none of these; its path is named.
        ValueError: it holds NaN, an infinity, a lone surrogate or itself; its path is named.
    """
    try:
        _check(value)
        return _encode(value)
    except _Refused as refused:
        where = name + "".join(f"[{step!r}]" for step in reversed(refused.path))
        failure = refused.kind(f"{where} {refused.why}")
    except RecursionError:
        failure = ValueError(f"{name} contains itself, or is nested too deeply for JSON")
    except UnicodeEncodeError:
        where = name + "".join(f"[{step!r}]" for step in _way_to_stray_text(value) or ())
        failure = ValueError(f"{where} is no Unicode text: it holds a lone surrogate")
    try:
        raise failure  # not where it was met: what is in the value would go with it
    finally:
        del failure  # it holds this frame


class _Refused(Exception):
    """Something that JSON has no form for; the path to it grows as the exception rises."""

    def __init__(self, kind: type[Exception], why: str) -> None:
        self.kind = kind
        self.why = why
        self.path: list[str | int] = []


def _check(value: Any) -> None:
    """Raise `_Refused` for what JSON cannot say, or what the codec would say differently."""
    if isinstance(value, dict):
        _check_items(dict.items(value), str)
    elif isinstance(value, _ARRAYS):
        _check_items(enumerate(value), int)
    elif isinstance(value, float):
        if value - value != 0.0:
            raise _Refused(ValueError, f"is {float(value)!r}, which JSON cannot say")
    elif value is not None and not isinstance(value, _SCALARS):
        if not isinstance(value, Mapping):
            raise _Refused(TypeError, f"is a {type(value).__name__}, which JSON has no form for")
        _check(dict(value))


def _check_items(items: Iterable[tuple[Any, Any]], kind_of_step: type[Any]) -> None:
    for step, item in items:
        if type(step) is not kind_of_step and not isinstance(step, kind_of_step):
            raise _Refused(TypeError, f"has the key {step!r}: JSON keys are str")
        kind = type(item)
        if kind not in _ATOMS and not (kind is float and item - item == 0.0):
            try:
                _check(item)
            except _Refused as refused:
                refused.path.append(step)
                raise


def _way_to_stray_text(value: Any) -> list[str | int] | None:
    """The path to a str that UTF-8 cannot say; None where there is none."""
    if isinstance(value, str):
        return None if _is_text(value) else []
    items: Iterable[tuple[Any, Any]] = ()
    if isinstance(value, Mapping):
        items = value.items()
    elif isinstance(value, _ARRAYS):
        items = enumerate(value)
    for step, item in items:
        if isinstance(step, str) and not _is_text(step):
            return [step]
        way = _way_to_stray_text(item)
        if way is not None:
            return [step, *way]
    return None


def _is_text(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _plain_form(value: Any) -> Any:
    """What the codec asks for: the plain form of a subclass or of a dict-like."""
    if isinstance(value, str):  # whatever it calls itself: an Enum's member has a name of its own
        return str.__str__(value)
    if isinstance(value, int):
        return int.__pos__(value)
    if isinstance(value, float):
        return float.__pos__(value)
    return dict(value) if isinstance(value, Mapping) else list(value)


_encode = msgspec.json.Encoder(enc_hook=_plain_form).encode


def quote_segment(text: str, name: str) -> str:
    """Quote one segment of a path, so that it stays one segment whatever it holds.

    Args:
        text (str): an id, a database's or an attachment's name…
        name (str): the argument's name, for errors.

    Returns:
        str: the segment, percent-encoded where needed.

    Raises:
        TypeError: it is no str.
        ValueError: it is empty, or no Unicode text.
    """
    if type(text) is str and _plain(text):  # a subclass may call itself something else
        return text
    if text == "":
        raise ValueError(f"{name} must not be empty")
    quoted = _quoted(text, name)
    # A segment of nothing but dots means "here" or "up" to whoever normalises the path.
    return quoted.replace(".", "%2E") if text in (".", "..") else quoted


def _quoted(text: str, name: str) -> str:
    if not isinstance(text, str):
        raise TypeError(f"{name} must be a str, not {text!r:.80}")
    try:
        return quote(text, safe="")
    except UnicodeEncodeError as error:
        raise ValueError(f"{name} is no Unicode text: {error}") from None


def encode_text(text: str, name: str) -> bytes:
    """Encode a text as UTF-8.

    Args:
        text (str): the text.
        name (str): the argument's name, for errors.

    Returns:
        bytes: the UTF-8.

    Raises:
        ValueError: it is no Unicode text.
    """
    try:
        return text.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{name} is no Unicode text: it holds a lone surrogate") from None


def number_text(number: float) -> str:
    """A number, or a bool, as a text.

    Args:
        number (int | float | bool): the number.

    Returns:
        str: ``"true"`` or ``"false"`` of a bool; of an Enum's member, which calls itself something
        else, its value.
    """
    if isinstance(number, bool):
        return "true" if number else "false"
    return int.__repr__(number) if isinstance(number, int) else float.__repr__(number)


def query_string(query: Mapping[str, str]) -> str:
    """The query part of a target, ``"?a=1&b=2"``; empty for an empty mapping.

    Args:
        query (dict of str to str): the parameters, not yet encoded.

    Returns:
        str: the encoded query with its question mark.

    Raises:
        TypeError: a value is no str; its parameter is named.
        ValueError: a value is no Unicode text.
    """
    if not query:
        return ""
    return "?" + "&".join(
        [_quoted(key, key) + "=" + _quoted(value, key) for key, value in query.items()]
    )


def check_header(name: str, value: str) -> None:
    """Refuse a header that would break out of its line.

    Args:
        name (str): the header's name.
        value (str): its value; not shown in an error, since it may be a secret.

    Raises:
        TypeError: one of them is no str.
        ValueError: the name is no HTTP token, or the value holds a line break or control character.
    """
    if not isinstance(name, str) or not isinstance(value, str):
        raise TypeError(f"headers: {name!r} and its value must both be str")
    if not _token(name):
        raise ValueError(f"headers: {name!r} is no header name")
    if not _header_value(value):
        raise ValueError(f"headers: the value of {name} holds a line break or control character")


def check_target(target: str) -> None:
    """Refuse a request target that would break out of the request line.

    Args:
        target (str): the path and query, encoded.

    Raises:
        ValueError: it holds a space, a line break, a control character or a letter beyond ASCII.
    """
    if not target.isascii() or not target.isprintable() or " " in target:
        raise ValueError(f"path: {target!r:.120} holds characters that no path may hold unquoted")


def render_headers(headers: Mapping[str, str]) -> str:
    """Headers as they go over the wire, a line each.

    Args:
        headers (dict of str to str): names and values, checked already.

    Returns:
        str: the lines; they fit into Latin-1.
    """
    # Put together by `+`: a str that calls itself something else would have its say in an f-string.
    return "".join([name + ": " + value + "\r\n" for name, value in headers.items()])


def check_url(url: str, name: str = "url") -> SplitResult:
    """Take an url apart, if all who may read it would find the same host and path in it.

    Args:
        url (str): the url of a server or database.
        name (str): where it was given, for errors.

    Returns:
        SplitResult: its parts; the host as it goes over the wire, in ASCII.

    Raises:
        TypeError: it is no str.
        ValueError: it is no http or https url, names no host, or carries a query; or its path leads
            elsewhere once it is normalised. Credentials in it are not shown.
    """
    if not isinstance(url, str):
        raise TypeError(f"{name} must be a str, not {type(url).__name__}")
    if not url.isprintable() or " " in url or "\\" in url:
        raise ValueError(f"{name} holds a space, a line break, a control character or a backslash")
    try:
        parts = urlsplit(url)
        host = (parts.hostname or "").encode("idna").decode()
        port = parts.port
        unquote(parts.netloc, errors="strict")
    except ValueError:  # urllib's own words may quote a password
        raise ValueError(
            f"{name} has a host or port that cannot be; is its password quoted?"
        ) from None
    userinfo, at, _ = parts.netloc.rpartition("@")
    shown = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    if any("@" in part for part in (parts.path, parts.query, parts.fragment)):
        raise ValueError(
            f"{name} has an '@' behind its host: percent-encode the password's special letters"
        )
    if parts.scheme not in ("http", "https"):
        raise ValueError(f"{name} must start with http:// or https://, not {shown!r:.80}")
    if not host:
        raise ValueError(f"{name} {shown!r:.80} names no host")
    if not _host(host) or port == 0:
        raise ValueError(f"{name} {shown!r:.80} has a host or port that cannot be")
    if userinfo.startswith(":") and userinfo != ":":
        raise ValueError(f"{name} has a password, and no user before it")
    if "?" in url or "#" in url:
        raise ValueError(f"{name} {shown!r:.80} must not have a query or fragment")
    if not _url_path(parts.path):
        raise ValueError(f"{name} {shown!r:.80} must have its path percent-encoded")
    if not {"", ".", ".."}.isdisjoint(map(unquote, parts.path.rstrip("/").split("/")[1:])):
        raise ValueError(f"{name} {shown!r:.80} must not have '//', '.' or '..' in its path")
    where = f"[{host}]" if ":" in host else host
    netloc = userinfo + at + (where if port is None else f"{where}:{port}")
    return parts._replace(netloc=netloc)
