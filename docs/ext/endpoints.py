"""Which method reaches which endpoint, as the methods themselves declare it.

A docstring of the public API says what its method may send, in the words of CouchDB's own manual:

    Endpoints: ``GET /{db}/_index``, ``POST /{db}/_index``.

What CouchDB 3 has no more is declared apart, as ``Endpoint of CouchDB 1.x``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from typing import NamedTuple

import corduroy

_ENDPOINT = r"``[A-Z]+ /[^`\s]*``"
_DECLARED = re.compile(
    rf"^Endpoints?(?P<old> of CouchDB 1\.x)?:(?P<all>\s+{_ENDPOINT}(?:,\s+{_ENDPOINT})*)\.",
    re.MULTILINE,
)
_MEANT = re.compile(r"^\s*Endpoints?\b", re.MULTILINE)

CLASSES: dict[str, type] = {
    name: kind
    for name, kind in ((name, getattr(corduroy, name)) for name in corduroy.__all__)
    if isinstance(kind, type)
}
"""The public classes, by name."""


class Declaration(NamedTuple):
    """That a method reaches an endpoint.

    Attributes:
        endpoint (str): ``"GET /{db}"``.
        method (str): ``"Database.info"``; or the name of a class that does so by itself.
        place (int): how many others the method has declared before.
        old (bool): whether CouchDB 1.x has it, and CouchDB 3 has not.
    """

    endpoint: str
    method: str
    place: int
    old: bool


def members(kind: type) -> list[str]:
    """The names of a class's public members, in the order of their definition."""
    names = dict.fromkeys(name for base in kind.__mro__ for name in vars(base))
    return [name for name in names if not name.startswith("_")]


def declarations() -> Iterator[Declaration]:
    """What the public classes and their members declare."""
    for name, kind in CLASSES.items():
        yield from _declared_by(name, inspect.getdoc(kind))
        for member in members(kind):
            yield from _declared_by(f"{name}.{member}", inspect.getdoc(getattr(kind, member)))


def _declared_by(method: str, docstring: str | None) -> Iterator[Declaration]:
    """What one docstring declares.

    Raises:
        ValueError: it speaks of endpoints in other words than those of a declaration.
    """
    found = list(_DECLARED.finditer(docstring or ""))
    if len(found) != len(_MEANT.findall(docstring or "")):
        raise ValueError(f"{method} declares endpoints in words that nobody can read")
    for declared in found:
        for place, endpoint in enumerate(re.findall(_ENDPOINT, declared["all"])):
            yield Declaration(endpoint.strip("`"), method, place, declared["old"] is not None)


def methods_by_endpoint(*, old: bool = False) -> dict[str, list[str]]:
    """The table: endpoints by path, each with its methods, first those that do little else.

    Args:
        old (bool): those of CouchDB 1.x alone, instead of CouchDB 3's.
    """
    table: dict[str, list[str]] = {}
    for one in sorted(declarations(), key=lambda one: one.place):
        if one.old == old:
            table.setdefault(one.endpoint, []).append(one.method)
    return dict(sorted(table.items(), key=lambda row: row[0].split()[::-1]))
