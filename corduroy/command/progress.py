"""What a command tells on stderr while it works: how far it is, and what it had to bear."""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from typing import Any

_EVERY = 0.2  # seconds between two looks of a terminal's line
_EVERY_LINE = 10.0  # and between two lines of a log
_CLEAR = "\r\x1b[K"


def add_verbosity(parser: argparse.ArgumentParser) -> Any:
    """Give a command the option that has it tell all; gives the group that it is in."""
    saying = parser.add_argument_group("what it says on stderr")
    saying.add_argument(
        "-v", "--verbose", action="store_true", help="all that happens, and where it went wrong"
    )
    return saying


def add_progress(parser: argparse.ArgumentParser) -> None:
    """Give a command the options that tell how much it says."""
    saying = add_verbosity(parser)
    saying.add_argument(
        "--progress",
        action=argparse.BooleanOptionalAction,
        help="show how far it is (if stderr is a terminal)",
    )
    saying.add_argument("-q", "--quiet", action="store_true", help="say nothing but what is wrong")


def say(text: str) -> None:
    """Say something, in a line of its own."""
    print(f"corduroy: {text}", file=sys.stderr)


def size(count: float) -> str:
    """So many bytes, for people."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000:
            return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"
        count /= 1000
    return f"{count:,.1f} TB"


def span(seconds: float) -> str:
    """So many seconds, for people."""
    if seconds < 60:
        return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def counted(count: int, one: str) -> str:
    """A number of things."""
    return f"{count:,} {one}" if count == 1 else f"{count:,} {one}s"


class Progress:
    """How far a command is: one line that changes, on a terminal; elsewhere one now and then.

    Args:
        options: those of `add_progress`.
        what (str): what it is about.

    Attributes:
        what (str): the same.
    """

    def __init__(self, options: argparse.Namespace, what: str) -> None:
        self._terminal = sys.stderr.isatty()
        shown = self._terminal if options.progress is None else bool(options.progress)
        self._every = (_EVERY if self._terminal else _EVERY_LINE) if shown else None
        self._quiet = options.quiet
        self.what = what
        self._began = time.monotonic()
        self._told = float("-inf")
        self._share: float | None = None  # when it was known first, and how much that was
        self._share_at = 0.0
        self._there = False  # whether the line is on the screen

    @property
    def seconds(self) -> float:
        """Since when it has been going on."""
        return time.monotonic() - self._began

    def update(self, documents: int, done: int, share: float | None) -> None:
        """Tell how far it is, if it is time to.

        Args:
            documents (int): how many documents are done.
            done (int): how many bytes.
            share (float | None): how much of the whole, from 0 to 1.
        """
        now = time.monotonic()
        if self._every is None or now - self._told < self._every:
            return
        self._told = now
        said = [self.what, counted(documents, "document"), size(done)]
        if share is not None:
            said.append(f"{share:.0%}{self._left(share, now)}")
        self._show("  ".join(said))

    def _left(self, share: float, now: float) -> str:
        if self._share is None:
            self._share, self._share_at = share, now
        gained = share - self._share
        if gained <= 0:
            return ""
        return f", {span((now - self._share_at) * (1 - share) / gained)} left"

    def _show(self, text: str) -> None:
        if self._terminal:
            width = shutil.get_terminal_size().columns - 1
            print(_CLEAR + text[:width], end="", file=sys.stderr, flush=True)
            self._there = True
        else:
            say(text)

    def clear(self) -> None:
        """Take the line from the screen."""
        if self._there:
            print(_CLEAR, end="", file=sys.stderr, flush=True)
            self._there = False

    def warn(self, text: str) -> None:
        """Say what has to be known, in any case."""
        self.clear()
        say(text)

    def tell(self, text: str) -> None:
        """Say what became of it, unless nobody wants to hear."""
        self.clear()
        if not self._quiet:
            say(text)
