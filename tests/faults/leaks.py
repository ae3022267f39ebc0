"""Finds secrets in all that comes out of a program: its log, warnings, output, and exceptions with all
that an error reporter takes from them."""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import logging
import pickle
import re
import traceback
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from corduroy import HTTPError

TESTS = str(Path(__file__).parents[1])

USER = "zora"


def secret(name: str) -> str:
    """A password that is itself nowhere else. Its beginning is the same in whatever encoding."""
    return f"{token(name)}/ü +%&'\"\\"


def token(name: str) -> str:
    """A secret that may stand in a header as it is."""
    return f"Xq7{name}Zk9Wv4{name}"


def _forms(word: str) -> Iterator[str]:
    """How a token may be written, and how what it begins."""
    yield word
    yield word[::-1]
    yield word.encode().hex()
    for before in range(3):  # the letters of Base64 hang on how many bytes went before
        coded = base64.b64encode(b"\0" * before + word.encode()).decode()
        yield coded[4 if before else 0 : len(coded) // 4 * 4 - 4]


@functools.cache
def _finder(words: tuple[str, ...]) -> Callable[[str], re.Match[str] | None]:
    forms = {form for word in words for form in _forms(word)}
    assert all(len(form) > 8 for form in forms), "too short to be told from chance"
    return re.compile("|".join(map(re.escape, forms)), re.IGNORECASE).search


class Ears:
    """Hears all that is said between `__enter__` and `__exit__`, and of failures.

    Args:
        words (list of str): what must not be heard.

    Attributes:
        heard (set of (str, str)): where something was said, and what.
    """

    def __init__(self, *words: str) -> None:
        self.heard: set[tuple[str, str]] = set()
        self._secret = _finder(words)
        self._output = io.StringIO()
        self._log = logging.Handler(1)
        self._log.emit = self._record  # type: ignore[method-assign]

    def __enter__(self) -> Ears:
        root, ours = logging.getLogger(), logging.getLogger("corduroy")
        self._stack = contextlib.ExitStack()
        self._stack.enter_context(contextlib.redirect_stdout(self._output))
        self._stack.enter_context(contextlib.redirect_stderr(self._output))
        told = self._stack.enter_context(warnings.catch_warnings(record=True, action="always"))
        self._stack.callback(lambda: self.hear("warning", *(str(each.message) for each in told)))
        for logger in (root, ours):  # the command line's --verbose sets ours
            self._stack.callback(logger.setLevel, logger.level)
        self._stack.callback(root.removeHandler, self._log)
        root.addHandler(self._log)
        root.setLevel(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._stack.close()
        self.hear("output", self._output.getvalue())

    def hear(self, where: str, *what: str) -> None:
        """Listen to what is said."""
        self.heard.update((where, text) for text in what)

    def _record(self, record: logging.LogRecord) -> None:
        self.hear(f"log {record.name}", record.getMessage(), repr(record.args))
        if record.exc_info and record.exc_info[1] is not None:
            self.examine(record.exc_info[1])

    def examine(self, error: BaseException) -> None:
        """Listen to all that an exception tells, those that it came from, and their frames: but for
        those of the tests themselves, which know the secrets."""
        seen: set[int] = set()
        waiting: list[BaseException | None] = [error]
        while waiting:
            each = waiting.pop()
            if each is None or id(each) in seen:
                continue
            seen.add(id(each))
            self._examine_one(each)
            waiting += [each.__cause__, each.__context__, *getattr(each, "exceptions", ())]

    def _examine_one(self, error: BaseException) -> None:
        kind = type(error).__name__
        self.hear(f"{kind}", str(error), repr(error), repr(error.args), repr(vars(error)))
        self.hear(f"notes of {kind}", *getattr(error, "__notes__", ()))
        if isinstance(error, HTTPError):
            status = error.status
            self.hear(f"status of {kind}", str(status), repr(status), repr(dict(status.headers)))
            self.pickled(error)
        frames = traceback.TracebackException.from_exception(error, capture_locals=True).stack
        for frame in frames:
            if not frame.filename.startswith(TESTS):
                where = f"frame of {kind}: {frame.filename}:{frame.lineno} {frame.name}"
                self.hear(
                    where, *(f"{name}={value}" for name, value in (frame.locals or {}).items())
                )

    def pickled(self, value: Any) -> None:
        """Listen to a value's pickle."""
        for protocol in (0, pickle.HIGHEST_PROTOCOL):
            data = pickle.dumps(value, protocol)
            self.hear(f"pickle of {type(value).__name__}", data.decode("latin-1"))
            self.hear(f"pickle of {type(value).__name__}", data.decode("utf-8", "replace"))

    def shown(self, value: Any) -> None:
        """Listen to what shows a value to people."""
        self.hear(f"repr of {type(value).__name__}", repr(value), str(value))

    @property
    def leaks(self) -> list[str]:
        """Where a secret was heard."""
        found = [(where, text, self._secret(text)) for where, text in self.heard]
        return sorted({f"{where}: …{_around(text, hit)}…" for where, text, hit in found if hit})


def _around(text: str, hit: re.Match[str]) -> str:
    return text[max(hit.start() - 60, 0) : hit.end() + 20]
