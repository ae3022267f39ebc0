"""The recordings themselves: whose they are, and that no credentials are in them."""

from __future__ import annotations

import ast
import base64
import binascii
import contextlib
import json
import os
import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.replay.plugin import FOLDER
from tests.replay.veil import HIDDEN

TESTS = FOLDER.parent.parent
FILES = sorted(FOLDER.rglob("*.json"))

pytestmark = pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(FOLDER)))


def _exchanges(file):
    return [each for found in json.loads(file.read_text())["tests"].values() for each in found]


def _strings(value):
    """All strings in a value, names included."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for name, each in value.items():
            yield name
            yield from _strings(each)
    elif isinstance(value, list):
        for each in value:
            yield from _strings(each)


def test_each_belongs_to_a_test(file: Path):
    source = (TESTS / file.relative_to(FOLDER)).with_suffix(".py")
    functions = {
        node.name for node in ast.walk(ast.parse(source.read_text())) if hasattr(node, "name")
    }
    recorded = {name.partition("[")[0] for name in json.loads(file.read_text())["tests"]}
    assert recorded <= functions


def test_headers_tell_how_somebody_has_authenticated_and_nothing_else(file: Path):
    for exchange in _exchanges(file):
        headers = exchange["request"].get("headers", {})
        for name, value in headers.items():
            if "auth" in name.lower() and "Couchdb-User" not in name and "Role" not in name:
                assert re.fullmatch(rf"(\w+ )?{re.escape(HIDDEN)}", value), (name, value)
        for pair in headers.get("Cookie", "").split("; "):
            assert re.fullmatch(r"|[^=]+=\{\{(cookie-\d+|hidden)\}\}", pair)
        for name, value in exchange["answer"].get("headers", []):
            if name == "Set-Cookie":
                assert re.match(r"AuthSession=(\{\{cookie-\d+\}\})?;", value)


def test_no_credentials_are_in_bodies(file: Path):
    for text in _strings(_exchanges(file)):
        assert not re.search(r"Bearer (?!\{\{)[\w-]+\.[\w-]+\.", text)
        assert not re.search(r"://[^/@\s]+:[^/@\s]+@", text)
        assert not re.search(r"-(pbkdf2|hashed)[:-]", text)
        assert not re.search(r"AuthSession=(?!\{\{)[^;]", text)
        for pair in re.findall(r"Basic ([A-Za-z0-9+/]{4,}={0,2})", text):
            with contextlib.suppress(binascii.Error):  # a word of prose
                assert b":" not in base64.b64decode(pair, validate=True)


def test_nothing_is_known_of_the_server_that_this_run_uses(file: Path):
    parts = urlsplit(os.environ.get("COUCHDB_URL", "http://nobody:no-password@no-server"))
    password = unquote(parts.password or "no-password")
    pair = base64.b64encode(f"{unquote(parts.username or '')}:{password}".encode()).decode()
    for text in _strings(_exchanges(file)):
        assert text != password
        assert pair not in text
        assert parts.netloc.rpartition("@")[2] not in text
