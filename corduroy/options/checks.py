"""Checks: what an argument must be; the errors name it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from typing import Any

from ..transport.encoding import encode_json


def check_flag(value: Any, name: str) -> None:
    """Refuse what is neither True nor False.

    Args:
        value (bool): the flag.
        name (str): the argument's name.
    """
    if not isinstance(value, bool):
        raise TypeError(f"{name} must be True or False, not {value!r:.80}")


def check_text(value: Any, name: str) -> None:
    """Refuse what is no str.

    Args:
        value (str): the text.
        name (str): the argument's name.
    """
    if not isinstance(value, str):
        raise TypeError(f"{name} must be a str, not {value!r:.80}")


def check_keys(keys: Iterable[Any], name: str = "keys") -> list[Any]:
    """Take a list of keys, however it comes.

    Args:
        keys (iterable): the keys; not a str or a dict, which would fall apart.
        name (str): the argument's name.

    Returns:
        list: the keys.
    """
    if isinstance(keys, str | bytes | Mapping) or not isinstance(keys, Iterable):
        raise TypeError(f"{name} must be a list, not {keys!r:.80}")
    return list(keys)


def check_int(value: Any, name: str, most: int | None = None) -> None:
    """Refuse what is no int of at least 1; True is none either.

    Args:
        value (int): the number.
        name (str): the argument's name.
        most (int): the greatest that it may be.
    """
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= (most or value):
        bounds = "of at least 1" if most is None else f"from 1 to {most}"
        raise ValueError(f"{name} must be an int {bounds}, not {value!r:.80}")


def check_count(value: Any, name: str) -> None:
    """Refuse what is no int of at least 0.

    Args:
        value (int): the number.
        name (str): the argument's name.
    """
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError(f"{name} must be an int, not {value!r:.80}")
    if value < 0:
        raise ValueError(f"{name} must not be negative, as {value} is")


def check_seconds(seconds: Any, name: str = "timeout") -> None:
    """Refuse what is no number of seconds.

    Args:
        seconds (float): the number.
        name (str): the argument's name.
    """
    if isinstance(seconds, bool) or not isinstance(seconds, int | float):
        raise TypeError(f"{name} must be a number of seconds, not {seconds!r:.80}")
    if not seconds >= 0:
        raise ValueError(f"{name} must be at least 0, not {seconds!r:.80}")
    if isinstance(seconds, int) and seconds > sys.float_info.max:
        raise ValueError(f"{name} must be fewer seconds: no clock counts so many")


def check_names(name: str, value: Any) -> list[str]:
    """Take a list of names: fields, or ids.

    Args:
        name (str): the argument's name.
        value (list of str): the names.

    Returns:
        list of str: the names.
    """
    names = check_keys(value, name)
    for at, one in enumerate(names):
        check_text(one, f"{name}[{at}]")
    return names


def check_order(name: str, value: Any) -> list[Any]:
    """Take the fields by which documents are to be sorted, or indexed.

    Args:
        name (str): the argument's name.
        value (list): fields, each a str or ``{field: "asc" or "desc"}``.

    Returns:
        list: the fields.
    """
    order = check_keys(value, name)
    for at, one in enumerate(order):
        if isinstance(one, str):
            continue
        if not isinstance(one, Mapping) or len(one) != 1:
            raise TypeError(
                f"{name}[{at}] must be a field's name or {{name: 'asc' or 'desc'}}, not {one!r:.80}"
            )
        (direction,) = one.values()
        if direction not in ("asc", "desc"):
            raise ValueError(f"{name}[{at}] must be one of asc, desc, not {direction!r:.80}")
    return order


def check_object(name: str, value: Any) -> Any:
    """Take a dict that JSON can say: a selector, say.

    Args:
        name (str): the argument's name.
        value (dict): the dict.

    Returns:
        dict: the same.
    """
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict, not {value!r:.80}")
    encode_json(value, name)
    return value
