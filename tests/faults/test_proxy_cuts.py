"""Cuts within lines and characters find them in the content, however it is framed."""

from __future__ import annotations

import pytest

from tests.faults.proxy import CutInCharacter, CutInLine
from tests.faults.scripted import answering

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
ROWS = [b'{"seq":1}\n', b"\n", b'{"seq":22}\r\n', b"\r\n", b"\n", b"x\n", b'{"seq":4}\n']
HALVES = [b'{"se', b'\n{"seq', b"\r\n\nx", b'{"se']  # of the lines that are not empty


def as_counted(pieces):
    body = b"".join(pieces)
    return [b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body), body]


def as_chunks(pieces):
    chunks = [b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces]
    return [CHUNKED, *chunks, b"0\r\n\r\n"]


def content(answer):
    """What the client has got of a body in chunks that breaks off."""
    found = b""
    rest = answer.removeprefix(CHUNKED)
    while rest:
        size, _, rest = rest.partition(b"\r\n")
        found += rest[: int(size, 16)]
        rest = rest[int(size, 16) + 2 :]
    return found


@pytest.mark.parametrize("skip", range(4))
def test_cut_in_line_counts_lines_that_are_not_empty(skip, stand, connect):
    proxy = stand(answering(b"".join(as_counted(ROWS))))
    proxy.next(CutInLine(skip))
    client = connect(proxy)
    client.ask()
    body = client.rest().partition(b"\r\n\r\n")[2]
    whole = b"".join(ROWS)
    assert whole.startswith(body)
    assert body.endswith(HALVES[skip])
    assert len([line for line in body.split(b"\n")[:-1] if line.strip()]) == skip


@pytest.mark.parametrize("skip", range(4))
def test_cut_in_line_sees_lines_through_chunks(skip, stand, connect):
    half = len(ROWS[0]) // 2
    rows = [ROWS[0][:half], ROWS[0][half:] + ROWS[1], *ROWS[2:]]
    answer = b"".join(as_chunks(rows))
    proxy = stand(answering(answer))
    proxy.next(CutInLine(skip))
    client = connect(proxy)
    client.ask()
    got = client.rest()
    assert answer.startswith(got)
    assert len([line for line in content(got).split(b"\n")[:-1] if line.strip()]) == skip
    assert content(got).rpartition(b"\n")[2].strip()


def test_cut_in_line_passes_a_body_with_too_few_lines(stand, connect):
    answer = b"".join(as_counted(ROWS))
    proxy = stand(answering(answer))
    proxy.next(CutInLine(skip=4))
    client = connect(proxy)
    client.ask()
    assert client.read(len(answer)) == answer
    assert not proxy.injected


TEXT = "a é € 𝄞 ü".encode()
BEFORE = [3, 6, 10, 15]  # the bytes up to the first of each of these characters


@pytest.mark.parametrize("framed", [as_counted, as_chunks])
@pytest.mark.parametrize("skip", range(4))
def test_cut_in_character_leaves_one_byte_of_it(skip, framed, stand, connect):
    answer = b"".join(framed([TEXT]))
    proxy = stand(answering(answer))
    proxy.next(CutInCharacter(skip))
    client = connect(proxy)
    client.ask()
    expected = answer[: answer.index(TEXT) + BEFORE[skip]]
    assert client.rest() == expected
    with pytest.raises(UnicodeDecodeError, match="unexpected end"):
        expected.decode()


@pytest.mark.parametrize("fault", [CutInLine(reset=True), CutInCharacter(reset=True)])
def test_cuts_in_lines_and_characters_may_be_resets(fault, stand, connect):
    proxy = stand(answering(b"".join(as_counted(["é".encode() * 4 + b"\n"]))))
    proxy.next(fault)
    client = connect(proxy)
    client.ask()
    with pytest.raises(ConnectionResetError):
        client.rest()
