"""What a text means where it is given; said anew here, and not as corduroy has it. None: nothing, and
it has to be refused."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.injection.inputs import is_text
from tests.injection.recorder import Arrived

Path = list[str] | None

DATABASES = re.compile("[a-z][a-z0-9_$()+/-]*")
OWN_DATABASES = ("_users", "_replicator", "_global_changes", "_metadata", "_nodes", "_dbs")


class Meant(NamedTuple):
    """A request that is meant.

    Attributes:
        method (str): its method.
        path (list of str): the segments of its path.
        query (dict of str to str): its parameters.
        headers (dict): its headers, or what judges them, beside those that every request has.
        body (bytes | Callable | None): its body, or what judges it; None: any.
    """

    method: str
    path: list[str]
    query: dict[str, str] = {}  # noqa: RUF012  (nobody changes it)
    headers: dict[str, Any] = {}  # noqa: RUF012
    body: Any = None

    def check(self, arrived: Arrived, usual: dict[str, str]) -> None:
        """Compare with what has arrived; ``usual`` are the headers that every request has."""
        assert arrived.method == self.method
        assert arrived.segments == self.path
        pairs = arrived.parameters
        assert sorted(pairs) == sorted(self.query.items())
        headers = dict(arrived.headers)
        assert len(headers) == len(arrived.headers), "a header has come twice"
        length = headers.pop("content-length", "0")
        assert headers.pop("transfer-encoding", "chunked") == "chunked"
        assert length in ("0", str(len(arrived.body)))
        for name, judge in self.headers.items():
            if callable(judge):
                assert judge(headers.get(name))
                headers[name] = judge
        assert headers == {**usual, **self.headers}
        if callable(self.body):
            assert self.body(arrived.body)
        elif self.body is not None:
            assert arrived.body == self.body


def segment(text: str) -> Path:
    """Anything, as one segment."""
    return [str.__str__(text)] if text and is_text(text) else None


def below(*before: Any) -> Callable[[str], Path]:
    """One segment, with others before it."""

    def path(text: str) -> Path:
        found = segment(text)
        return None if found is None else [*before, *found]

    return path


def document(text: str) -> Path:
    """A document's id."""
    if not text.startswith("_"):
        return segment(text)
    kind, _, rest = text.partition("/")
    return [kind, rest] if kind in ("_design", "_local") and segment(rest) else None


def database(text: str) -> Path:
    """A database's name."""
    found = DATABASES.fullmatch(text) or text in OWN_DATABASES
    return segment(text) if found else None


def function(kind: str) -> Callable[[str], Path]:
    """``ddoc/function``."""

    def path(text: str) -> Path:
        ddoc, _, name = text.removeprefix("_design/").partition("/")
        return ["_design", ddoc, kind, name] if segment(ddoc) and segment(name) else None

    return path


def view(text: str) -> Path:
    """A view, or one of CouchDB's own lists."""
    if text in ("_all_docs", "_design_docs", "_local_docs"):
        return segment(text)
    return function("_view")(text)


def listed(text: str) -> Path:
    """The view of ``list("d/f", text)``."""
    ddoc, slash, name = text.removeprefix("_design/").partition("/")
    if not slash:
        ddoc, name = "", ddoc
    elif not segment(ddoc):
        return None
    if not segment(name):
        return None
    own = [name] if ddoc in ("", "d") else [ddoc, name]
    return ["_design", "d", "_list", "f", *own]


def design(text: str) -> Path:
    """A design document's name."""
    return segment(text.removeprefix("_design/"))


def attachment(text: str) -> Path:
    """An attachment's name."""
    return None if text.startswith("_") else segment(text)


def partition(text: str) -> Path:
    """A partition's name."""
    return None if text.startswith("_") or ":" in text else segment(text)


def local(text: str) -> Path:
    """A local document's name."""
    found = segment(text.removeprefix("_local/"))
    return None if found is None else ["_local", *found]


def rewritten(text: str) -> Path:
    """A path behind rewrite rules: it has several segments, and none that leads out of it."""
    if not is_text(text):
        return None
    return [*text.lstrip("/").split("/")]


def key_of(section: bool = True) -> Callable[[str], Path]:
    """``section/key`` of a configuration; or the way to a figure of the statistics."""

    def path(text: str) -> Path:
        steps = text.strip("/").split("/", 1 if section else -1)
        return steps if all(map(segment, steps)) else None

    return path


def admin(text: str) -> Path:
    """An administrator's name."""
    refused = text.startswith("_") or ":" in text or text.endswith("/")
    return None if refused else segment(text)


def user(text: str) -> Path:
    """A user's name."""
    bare = text.removeprefix("org.couchdb.user:")
    found = None if bare.startswith("_") or ":" in bare else segment(bare)
    return None if found is None else [f"org.couchdb.user:{found[0]}"]


def any_text(text: str) -> Path:
    """A text, which may be empty."""
    return [str.__str__(text)] if is_text(text) else None
