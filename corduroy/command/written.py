"""Writes a dump: to a file, or to what reads stdout; and finds out how far one has come."""

from __future__ import annotations

import os
import stat
import sys
import zlib
from dataclasses import dataclass
from typing import BinaryIO

from .failing import CommandFailed
from .form import Header, Mark, NotADump, is_beginning, read_header, read_mark
from .lines import PIECE, Lines

_GZIP = 31  # zlib's word for it
_LEVEL = 6


class Output:
    """Where a dump goes.

    What is packed ends, and begins anew, at each mark, so that a file can be gone on with from there.

    Args:
        file: a file opened for writing bytes.
        gzip (bool): whether to pack.

    Attributes:
        size (int): how many bytes have been written, before they were packed.
    """

    def __init__(self, file: BinaryIO, gzip: bool) -> None:
        self.size = 0
        self._file = file
        self._gzip = gzip
        self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)

    def write(self, line: bytes) -> None:
        """Write a line."""
        self.size += len(line)
        self._file.write(self._packer.compress(line) if self._gzip else line)

    def mark(self, line: bytes) -> None:
        """Write a line after which it can be gone on."""
        self.write(line)
        if self._gzip:
            self._file.write(self._packer.flush())
            self._packer = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP)
        self._file.flush()

    def end(self, line: bytes) -> None:
        """Write the last line; a file is on its disk then."""
        self.mark(line)
        if _is_file(self._file):
            os.fsync(self._file.fileno())


@dataclass
class Found:
    """A dump that was begun.

    Attributes:
        header (Header): its first line.
        mark (Mark): its last mark.
        at (int): the place behind it.
        whole (bool): whether it has its last line.
        gzip (bool): whether it is packed.
    """

    header: Header
    mark: Mark
    at: int
    whole: bool = False
    gzip: bool = False


def look_at(file: BinaryIO) -> Found | None:
    """Read a dump as far as it goes.

    Args:
        file: the file, at its beginning.

    Returns:
        Found: how far it has come; None where there is nothing to go on with: it broke off before its
        first mark.

    Raises:
        NotADump: it is something else.
    """
    lines, header, last, found = Lines(), None, b"", None
    try:
        while data := file.read(PIECE):
            for line, at in lines.feed(data):
                last = line or last
                if header is None:
                    header = read_header(line)
                if found is not None and _mark(line, last=True) is not None:
                    found.whole = True
                elif at is not None and (mark := _mark(last)) is not None:
                    found = Found(header, mark, at)
    except zlib.error:  # what the system had not written when it went down
        if header is None:
            raise NotADump from None
    if header is None and not is_beginning(lines.rest):
        raise NotADump
    if found is not None:
        found.gzip = lines.gzip
        found.whole = found.whole and lines.whole
    return found


def _mark(line: bytes, last: bool = False) -> Mark | None:
    try:
        return read_mark(line, last)
    except ValueError:
        return None


def open_file(path: str, resume: bool, force: bool) -> BinaryIO:
    """Open a file for a dump. What is in it stays.

    Args:
        path (str): its path.
        resume (bool): whether it is to be gone on with, if it is there.
        force (bool): whether it may be written over, if it is there.

    Raises:
        CommandFailed: there is such a file, or somebody else is writing it.
    """
    flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0)
    try:
        number = os.open(path, flags if resume or force else flags | os.O_EXCL, 0o666)
    except FileExistsError:
        raise CommandFailed(
            f"{path} is there already: --resume goes on with it, --force writes it anew"
        ) from None
    try:
        _claim(number, path)
        return os.fdopen(number, "r+b")
    except BaseException:
        os.close(number)
        raise


def cut_off(file: BinaryIO, at: int) -> None:
    """Leave nothing in a file from a place on, and go there."""
    if _is_file(file):
        file.seek(at)
        file.truncate()


def _is_file(file: BinaryIO) -> bool:
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def _claim(number: int, path: str) -> None:
    """See to it that nobody else writes a file, where the system can."""
    try:
        import fcntl
    except ImportError:
        return
    try:
        fcntl.flock(number, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise CommandFailed(f"{path} is being written by another corduroy") from None
    except OSError:  # there are no locks where the file is
        return


def is_to_be_packed(path: str | None) -> bool:
    """Whether the name of the file says so, that of the one that stdout goes to being one, too."""
    if path is None:
        if not stat.S_ISREG(os.fstat(sys.stdout.fileno()).st_mode):
            return False
        try:
            path = os.readlink(f"/proc/self/fd/{sys.stdout.fileno()}")
        except OSError:  # the system does not tell
            return False
    return path.endswith(".gz")
