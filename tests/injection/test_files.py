"""Whatever an attachment is called, its file is in the directory that is meant for it; a cursor that
somebody has made up is refused."""

from __future__ import annotations

import base64
import json
import os
import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from corduroy.cursors import Cursor, decode_cursor
from corduroy.unbundling import Destination
from tests.injection.inputs import is_text, names, texts
from tests.profiles import times


def test_an_attachment_has_its_file_in_the_directory_or_nowhere(tmp_path):
    folder = tmp_path / "in"
    folder.mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    (folder / "link").symlink_to(tmp_path)
    given = ["link/secret", "link", "../secret", "/etc/passwd", *map(str.__str__, names())]
    written = {}
    for name in given:
        destination = Destination(folder)
        try:
            destination.check([name])
            with destination.receiver(name) as receiver:
                receiver.take(name.encode())
        except ValueError as error:
            refusal = str(error)
        except OSError:  # one that is a directory, or is in a file; or too long
            continue
        else:
            written[folder / name] = name.encode()
            continue
        assert "attachment" in refusal or not is_text(name)
    assert len(written) > 100
    assert sorted(os.listdir(tmp_path)) == ["in", "secret"]
    assert (tmp_path / "secret").read_bytes() == b"secret"
    for path, content in written.items():
        assert path.read_bytes() == content
    assert sum(len(files) for _, _, files in os.walk(folder)) == len(written)


keys = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | texts


@settings(max_examples=times(1000))
@given(keys, st.none() | texts, st.integers(0, 2**53), st.booleans(), st.none() | st.integers(0, 9))
def test_a_cursor_comes_back_as_what_it_was(key, id, seen, back, at):
    try:
        text = Cursor(back, seen, key, id, at).encode()
    except ValueError:
        assert not all(is_text(one) for one in (key, id) if isinstance(one, str)) or key in INFINITE
        return
    assert decode_cursor(text) == Cursor(back, seen, key, id, at)


INFINITE = (float("inf"), float("-inf"))


def test_so_does_one_between_any_rows():
    for at, text in enumerate(names()):
        cursor = Cursor(at % 2 == 0, at % 5, {text: [at, text]}, text, at % 3 or None)
        try:
            encoded = cursor.encode()
        except ValueError:
            assert not is_text(text)
        else:
            assert re.fullmatch("[A-Za-z0-9_-]+", encoded), "it can stand in an url"
            assert decode_cursor(encoded) == cursor


made_up: Any = st.recursive(keys, lambda inner: st.lists(inner, max_size=6), max_leaves=8)


@settings(max_examples=times(1000))
@given(made_up | st.binary(max_size=20) | texts)
def test_a_cursor_that_somebody_has_made_up_is_refused_or_one(value):
    if isinstance(value, str):
        take(value)
    else:
        take(packed(value if isinstance(value, bytes) else json.dumps(value).encode()))


def packed(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def take(text: str) -> None:
    """Take a cursor; what is one has no other form."""
    try:
        cursor = decode_cursor(text)
    except ValueError:
        return
    assert cursor.encode() == text


def test_whatever_text_it_is_and_whatever_text_is_in_it():
    for text in map(str.__str__, names()):
        raw = text.encode("utf-8", "surrogatepass")
        for made in (raw, b"[0,0,%b,null,null]" % raw, b'[0,1,"%b","%b",null]' % (raw, raw)):
            take(packed(made))
        take(text)


def test_a_cursor_of_any_depth_is_refused():
    for deep in (b"[" * 100_000, b"[0,0," + b"[" * 5000 + b"]" * 5000 + b",null,null]"):
        with pytest.raises(ValueError, match="cursor"):
            decode_cursor(base64.urlsafe_b64encode(deep).decode().rstrip("="))
