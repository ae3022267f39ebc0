"""Where the pieces of an attachment go: to a file that is named, to one that is open, to a function."""

from __future__ import annotations

import errno
import os
import secrets
from collections.abc import Awaitable
from typing import Any, BinaryIO, Self


class Receiver:
    """Takes the pieces of an attachment, and lets go of them; a context manager, which hears how it
    ended.

    Attributes:
        size (int): how many bytes it has taken.
    """

    size = 0

    def take(self, piece: bytes) -> Awaitable[Any] | None:
        """Take the next piece.

        Args:
            piece (bytes): the piece.

        Returns:
            Awaitable | None: what is to be awaited before the next one.
        """
        self.size += len(piece)
        return None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        """Know whether it was all."""


class InMemory(Receiver):
    """Holds an attachment.

    Attributes:
        content (bytearray): what has come of it.
    """

    def __init__(self) -> None:
        self.content = bytearray()

    def take(self, piece: bytes) -> None:
        """See `Receiver.take`."""
        self.content += piece
        self.size += len(piece)


class _ToFile(Receiver):
    """An open file."""

    def __init__(self, file: Any) -> None:
        self._file = file

    def take(self, piece: bytes) -> None:
        """See `Receiver.take`."""
        rest = memoryview(piece)
        while rest:  # a file without a buffer takes what it can
            taken = self._file.write(rest)
            rest = rest[taken:] if isinstance(taken, int) else rest[len(rest) :]
        self.size += len(piece)


class _ToPath(_ToFile):
    """A file that is named: it is there, and has its name, once it is whole."""

    def __init__(self, path: str) -> None:
        self._path = os.path.realpath(path)
        if os.path.isdir(self._path):
            raise IsADirectoryError(errno.EISDIR, "to is a directory: name a file in it", path)
        folder, name = os.path.split(self._path)
        whole = os.path.isfile(self._path) or not os.path.exists(self._path)
        beside = os.path.join(folder, f".{name[:200]}.{secrets.token_hex(4)}.part")
        self._beside = beside if whole else None  # a device is written to, and stays what it is
        self._file: BinaryIO

    def __enter__(self) -> Self:
        self._file = open(self._beside or self._path, "wb")  # see __exit__
        return self

    def __exit__(self, kind: Any, error: Any, traceback: Any) -> None:
        try:
            self._file.close()
            if self._beside is not None and kind is None:
                os.replace(self._beside, self._path)
                self._beside = None
        finally:
            if self._beside is not None:
                os.unlink(self._beside)


class _ToFunction(Receiver):
    """A function, which may return an awaitable."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def take(self, piece: bytes) -> Awaitable[Any] | None:
        """See `Receiver.take`."""
        self.size += len(piece)
        return self._function(piece)  # type: ignore[no-any-return]


def receiver(to: Any, name: str = "to") -> Receiver:
    """What takes an attachment for somebody.

    Args:
        to: a path (str or Path), a file open for writing bytes, or a callable.
        name (str): the argument's name, for errors.

    Returns:
        Receiver: what takes it.

    Raises:
        TypeError: it is none of these.
        IsADirectoryError: it is a directory.
    """
    if isinstance(to, str | os.PathLike):
        return _ToPath(os.fspath(to))
    if callable(getattr(to, "write", None)):
        return _ToFile(to)
    if callable(to):
        return _ToFunction(to)
    raise TypeError(f"{name} must be a path, a file object or callable, not {to!r:.80}")
