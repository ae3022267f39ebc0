"""Answers that are broken: what hypothesis makes of whole ones, and how their parsers are fed."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

from hypothesis import strategies as st

GARBAGE = [
    *(
        b"\0",
        b"\xff",
        b"\xc3",
        b"\xed\xa0\x80",
        b"\xef\xbb\xbf",
        b'"',
        b"\\",
        b"\\u",
        b"\\ud800",
        b"'",
    ),
    *(b"{", b"}", b"[", b"]", b",", b":", b"\n", b"\r\n", b"\r\n\r\n", b" ", b"-", b"."),
    *(b"null", b"true", b"7", b"-0", b"1e999", b"9" * 5000, b"NaN", b'""', b"[]", b"{}", b"[1]"),
    *(b"[" * 3000, b'{"a":' * 3000, b"]" * 3000, b'{"":{"":"'),
    *(b'"rows":[', b'{"rows":[', b"]}", b"},\r\n{", b'{"error":"e","reason":"r"}', b'"error":7,'),
    *(b'"seq":{},', b'"last_seq":[]', b'{"last_seq":1}\n', b"data: ", b"event: e\n", b"id: 1\n\n"),
    *(
        b"--b",
        b"\r\n--b\r\n",
        b"\r\n--b--",
        b"Content-Length: 3\r\n",
        b"0\r\n\r\n",
        b"ffffffffffffffff\r\n",
    ),
    *(b"HTTP/1.1 200 OK\r\n\r\n", b"HTTP/1.1 100 C\r\n\r\n", b"Transfer-Encoding: chunked\r\n"),
    *(b"\x1f\x8b\x08", b"Content-Encoding: gzip\r\n", b"X: " + b"y" * 70_000 + b"\r\n"),
    *(
        b'"_attachments":7,',
        b'"_attachments":{"a":7},',
        b'"follows":true,',
        b'"doc":7,',
        b'"id":null,',
    ),
]
"""What gets into answers."""


@st.composite
def broken(draw: st.DrawFn, whole: bytes) -> bytes:
    """An answer in which something is different: a part is missing, is there twice, or is garbage."""
    body = bytearray(whole)
    for _ in range(draw(st.integers(1, 4))):
        seams = [found.end() for found in re.finditer(rb"[\n,:{}\[\]]", body)]
        at = draw(st.sampled_from([0, len(body), *seams]) | st.integers(0, len(body)))
        end = draw(st.sampled_from([at, *(seam for seam in seams if seam > at)][:9]))
        end = draw(st.just(end) | st.integers(at, min(len(body), at + 40)))
        kind = draw(st.sampled_from("mmmdxcb"))
        if kind == "m":  # something else instead
            body[at:end] = draw(st.sampled_from(GARBAGE))
        elif kind == "d":
            del body[at:end]
        elif kind == "x":  # twice
            body[at:at] = body[at:end]
        elif kind == "c":  # cut off
            del body[at:]
        else:
            body[at:end] = draw(st.binary(max_size=8))
    return bytes(body)


cuts = st.lists(st.floats(0, 1), max_size=8)
"""Where a body is cut into pieces."""


def pieces(body: bytes, places: list[float]) -> Iterator[bytes]:
    """The pieces of a body; none of them is empty."""
    ends = [0, *sorted(int(place * len(body)) for place in places), len(body)]
    return (body[a:b] for a, b in itertools.pairwise(ends) if a < b)
