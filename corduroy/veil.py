"""Secrets on their way: what holds one shows nothing of it.

What reports errors shows the variables of the frames that they came through, by their ``repr``. So a
secret that comes in as an argument is `veiled` at once, and `discreet` functions leave no frames.
"""

from __future__ import annotations

import base64
import functools
import re
from collections.abc import Callable, Container, Mapping
from types import TracebackType
from typing import Any, NoReturn, ParamSpec, Self, TypeVar, overload

_userinfo = re.compile(r"(?<=://)[^\s/?#]*@").sub
_leading_userinfo = re.compile(r"//[^\s/?#]*@").sub
_basic = re.compile(r"\b(Basic +)([A-Za-z0-9+/]{4,}={0,2})", re.IGNORECASE).sub
_bearer = re.compile(
    r"(\bBearer +(?=\S{16}|\S*[0-9])|\bAuthSession=)[^\s\"'<>,;&]+", re.IGNORECASE
).sub
_TELLING = ("auth", "headers")  # of a replication's source or target
_STARS = "*****"
_OURS = __name__.partition(".")[0]

P = ParamSpec("P")
T = TypeVar("T")


class Secret(str):
    """A text that does not show."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


class _Bytes(bytes):
    """Bytes that do not show, given for a text by mistake; errors know them by their usual name."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "<secret>"


_Bytes.__name__ = "bytes"


class Veiled(dict[str, T]):
    """A dict that shows nothing but its keys."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"<{', '.join(map(str, self))}>"


class Unpickled:
    """What is not pickled, since secrets would go with it. Its copies are itself."""

    __slots__ = ()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        raise TypeError(
            f"a {type(self).__name__} holds credentials, and is not pickled: pickle what it takes to "
            "make one, and make another where that is read"
        )

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: Any) -> Self:
        return self


@overload
def veiled(value: str) -> str: ...
@overload
def veiled(value: Mapping[str, T]) -> Mapping[str, T]: ...
@overload
def veiled(value: Any) -> Any: ...
def veiled(value: Any) -> Any:
    """What is the same as a value, but does not show.

    Args:
        value: a str, bytes or a mapping; anything else, such as None, is given back as it is.

    Returns:
        The value.
    """
    if isinstance(value, str):
        return Secret(str.__str__(value))  # whatever it calls itself: an Enum's member, say
    if isinstance(value, bytes):
        return _Bytes(value)
    return Veiled(value) if isinstance(value, Mapping) else value


def discreet(function: Callable[P, T]) -> Callable[P, T]:
    """Have a function leave no trace of its variables in what it raises.

    Args:
        function: the function. Where it has called a program's own, those frames are kept.

    Returns:
        The same, for its caller.
    """

    @functools.wraps(function)
    def called(*args: P.args, **options: P.kwargs) -> T:
        try:
            return function(*args, **options)
        except Exception as error:
            failure = error.with_traceback(_of_others(error.__traceback__))
            failure.__context__ = None
        finally:
            del args, options
        try:
            raise failure
        finally:
            del failure  # it holds this frame

    return called


def _of_others(trace: TracebackType | None) -> TracebackType | None:
    """A traceback without corduroy's frames."""
    if trace is None:
        return None
    rest = _of_others(trace.tb_next)
    if str(trace.tb_frame.f_globals.get("__name__")).partition(".")[0] == _OURS:
        return rest
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)


def redacted(value: Any, telling: Container[str] = _TELLING) -> Any:
    """What a server says of a replication, or in a refusal, without credentials.

    Args:
        value: its JSON, or a part of it, or a text.
        telling (container of str): the fields of which nothing is kept.

    Returns:
        The same without user and password in urls, with ``"*****"`` for what authenticates: some who
        refuse a request show it.
    """
    if isinstance(value, str):
        return _of_nobody(value)
    if isinstance(value, Mapping):
        return {
            name: _STARS if name in telling else redacted(value[name], telling) for name in value
        }
    return [redacted(each, telling) for each in value] if isinstance(value, list) else value


def refused(body: Any) -> Any:
    """What a server says in a refusal, of whatever form; see `redacted`."""
    return redacted(body, ())


def place_of(location: str) -> str:
    """Where a redirect leads, without credentials, and without what is only for who gets there."""
    place = re.split("[?#]", location, maxsplit=1)[0]
    return _of_nobody(_leading_userinfo("//", place))


def _of_nobody(text: str) -> str:
    """A text without what says who is asking."""
    if "@" in text:
        text = _userinfo("", text)
    text = _basic(lambda found: found[0] if _is_word(found[2]) else found[1] + _STARS, text)
    return _bearer(r"\1" + _STARS, text)


def _is_word(coded: str) -> bool:
    """Whether what follows "Basic" is a word of a sentence, and not a name and a password."""
    return b":" not in base64.b64decode(coded[: len(coded) // 4 * 4])
