"""Inputs that would like to be something else: texts, and what they are put together of."""

from __future__ import annotations

import functools
from typing import Any

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.profiles import times

PIECES = [
    *"/\\?#&=+;:@%\"'<>{}|^`~,.!$()*[]-_ \t\r\n\0\x1f\x7f\x85\xa0",
    *("..", "../", "./", "//", "%2e", "%2E%2E", "%2F", "%5c", "%00", "%0d%0a", "%25", "%zz"),
    *("\r\nX-Evil: 1\r\n", "\r\n\r\nGET /evil HTTP/1.1\r\n\r\n", " HTTP/1.1\r\nHost: evil\r\n"),
    *("_design/", "_local/", "_all_docs", "_view/", "_partition/", "_config", "http://evil/"),
    *(
        "a",
        "b",
        "AZ",
        "09",
        "é",
        "ß",
        "😀",
        "\u2028",
        "\u202e",
        "\ufeff",
        "\uff0f",
        "\uff0e",
        "\u2044",
    ),
    *("\ud800", "\udfff", "e\u0301", "K", "1-a", "rev=2-b", "null", '{"a":1}'),
]
"""What texts are put together of."""


class Other(str):
    """A str that calls itself something else."""

    __slots__ = ()

    def __str__(self) -> str:
        return "../evil?"

    def __format__(self, spec: str) -> str:
        return "../evil?"


texts = st.one_of(
    st.lists(st.sampled_from(PIECES), max_size=5).map("".join),
    st.text(max_size=10),
    st.text("abcAZ019_.~-", max_size=8),
    st.text("ab0_$()+/-", max_size=5).map("d".__add__),
    st.builds(Other, st.text("ab/.", max_size=4)),
)
"""Any text, but sooner one with a meaning somewhere."""

COUNT = 10_000

NASTY = [*PIECES, "", ".", *map(Other, ("a", "a/b", "", "..", "_design/a"))]
"""Each of the pieces by itself, and what is easily forgotten."""


def is_text(text: str) -> bool:
    """Whether it is Unicode."""
    return not any("\ud800" <= letter <= "\udfff" for letter in text)


def drawn(strategy: st.SearchStrategy[Any], count: int = COUNT) -> list[Any]:
    """Have hypothesis make inputs, all of them different; the shortest first, so that what fails first
    is the simplest."""
    found: dict[str, Any] = {}

    # It makes some again, which are not counted.
    @settings(max_examples=times(count) * 6 // 5, phases=[Phase.generate])
    @given(strategy)
    def take(one: Any) -> None:
        found.setdefault(repr(one), one)

    take()
    assert len(found) >= times(count)
    return [found[shown] for shown in sorted(found, key=len)]


@functools.cache
def names() -> list[str]:
    """All texts that names are tried with."""
    return [*NASTY, *drawn(texts)]
