"""The manual's table of endpoints is made of what the methods declare, and that must be true."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

from endpoints import CLASSES, declarations, members, methods_by_endpoint

DOCUMENTED = set((Path(__file__).parent / "couchdb-3.5-endpoints.txt").read_text().splitlines())

PAGES_FOR_PEOPLE = {"GET /favicon.ico", "GET /_utils", "GET /_utils/"}


def test_no_documented_endpoint_is_missing():
    assert DOCUMENTED - PAGES_FOR_PEOPLE - methods_by_endpoint().keys() == set()


def test_no_endpoint_is_invented():
    assert methods_by_endpoint().keys() - DOCUMENTED == set()


def test_those_of_couchdb_1_are_none_of_todays():
    assert methods_by_endpoint(old=True).keys() & DOCUMENTED == set()


def test_every_operation_declares_what_it_reaches():
    operations = {
        f"{name}.{member}"
        for name, kind in CLASSES.items()
        for member in members(kind)
        if _is_operation(getattr(kind, member))
    }
    assert operations - {one.method for one in declarations()} == {"Couch.close"}


def _is_operation(member: Any) -> bool:
    return inspect.isfunction(member) and "callback" in inspect.signature(member).parameters
