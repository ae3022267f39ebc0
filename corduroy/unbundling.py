"""A document that comes with all that is attached to it, in one answer: ``multipart/related``."""

from __future__ import annotations

import collections
import os
from collections.abc import Iterable, Mapping
from functools import partial
from pathlib import PureWindowsPath
from typing import Any

import msgspec

from . import shapes
from .incoming import Progress, Seal, failing, pour
from .multipart import Event, MultipartParser, boundary_of
from .receivers import InMemory, Receiver, receiver
from .transport.encoding import decode_json
from .transport.gzip import limited_reader, plain_reader
from .transport.limits import Allowance
from .transport.messages import Request
from .transport.session import Session
from .transport.stream import Stream as Body

# What stands in the place of an attachment that follows, and not in a stub.
_FOLLOWING = ("follows", "encoding", "encoded_length")


class Destination:
    """Where the attachments of a document go.

    Args:
        to: a directory (str or Path); a callable that is given a name, and gives what `receiver` takes,
            or None; None: into the document.

    Raises:
        TypeError: it is none of these.
        NotADirectoryError: it is a path, and there is something else.
    """

    def __init__(self, to: Any) -> None:
        self._folder = self._function = None
        self._held: dict[str, InMemory] = {}
        if isinstance(to, str | os.PathLike):
            self._folder = os.path.realpath(to)
            if os.path.exists(self._folder) and not os.path.isdir(self._folder):
                raise NotADirectoryError(f"to is no directory: {os.fspath(to)!r:.200}")
        elif callable(to):
            self._function = to
        elif to is not None:
            raise TypeError(f"to must be a directory or callable, not {to!r:.80}")

    def check(self, names: Iterable[str]) -> None:
        """Refuse attachments that have no place there, before any has come.

        Args:
            names (iterable of str): their names.

        Raises:
            ValueError: a name would lead out of the directory, or nowhere.
        """
        if self._folder is not None:
            for name in names:
                _place(self._folder, name)

    def receiver(self, name: str) -> Receiver:
        """What takes an attachment.

        Args:
            name (str): its name.

        Returns:
            Receiver: what takes it.
        """
        if self._folder is not None:
            path = _place(self._folder, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            return receiver(path)
        if self._function is not None:
            to = self._function(name)
            return Receiver() if to is None else receiver(to, f"to({name!r:.80})")
        self._held[name] = InMemory()
        return self._held[name]

    def settle(self, doc: dict[str, Any]) -> dict[str, Any]:
        """Let the document know where its attachments are.

        Args:
            doc (dict): the document, as it has come.

        Returns:
            dict: the same.
        """
        for name, said in doc.get("_attachments", {}).items():
            if name in self._held:
                content = bytes(self._held.pop(name).content)
                doc["_attachments"][name] = {"content_type": said["content_type"], "data": content}
            else:
                stub = {key: value for key, value in said.items() if key not in _FOLLOWING}
                doc["_attachments"][name] = {**stub, "stub": True}
        return doc


def _place(folder: str, name: str) -> str:
    """The path of an attachment in a directory; slashes in its name make directories there."""
    parts = name.split("/")
    path = os.path.join(folder, *parts)
    inside = os.path.join(folder, "")
    # It is looked at what links there may be, too.
    if not all(map(_is_file_name, parts)) or not os.path.realpath(path).startswith(inside):
        raise ValueError(
            f"attachment {name!r:.80} has no place in a directory: let to be a function of its name"
        )
    return path


def _is_file_name(part: str) -> bool:
    if part in ("", ".", "..") or "\0" in part:
        return False
    if os.name != "nt":
        return True
    path = PureWindowsPath(part)
    return path.name == part and ":" not in part and not path.is_reserved()


class _Parts:
    """The parts of a multipart answer, read one after another.

    Args:
        body (Body): the answer.
        boundary (str): what stands between them.
        within (float): seconds in which something must come.
    """

    def __init__(self, body: Body, boundary: str, within: float) -> None:
        self._body = body
        self._parser = MultipartParser(boundary)
        self._within = within
        self._events: collections.deque[Event] = collections.deque()

    async def open(self) -> bool:
        """Begin with the next part; tells whether there is one.

        Raises:
            OSError, HTTPClientError, ValueError: the rest does not come, or is no such answer.
        """
        while not self._events:
            if not await self._feed():
                self._parser.finish()
                return False
        self._events.popleft()  # its headers; what they say, the document has said
        return True

    async def read(self) -> bytes:
        """The next piece of the part; empty at its end. Raises as `open` does."""
        while not self._events:
            if not await self._feed():
                self._parser.finish()
        piece = self._events.popleft()
        return piece if isinstance(piece, bytes) else b""

    async def _feed(self) -> bool:
        piece = await self._body.read(self._within)
        self._events.extend(self._parser.feed(piece))
        return bool(piece)


async def fetch_whole(
    session: Session, request: Request, destination: Destination, progress: Progress | None
) -> dict[str, Any]:
    """Fetch a document and all that is attached to it.

    Args:
        session (Session): the way to the server.
        request (Request): what asks for both, in one answer.
        destination (Destination): where the attachments go.
        progress: is told how many bytes of them have come, each time.

    Returns:
        dict: the document.

    Raises:
        ConnectionFailed: it has not come as a whole, or not as the server has it.
        ValueError: an attachment has no place there; none was put anywhere.
    """
    within = session.timeout_of(request)
    held = Allowance("what is held of the answer", session.max_body_size)
    body = await session.stream(request, within, apart=False)
    try:
        with failing(body.answer):
            boundary = boundary_of(body.answer.header("content-type") or "")
            parts = None if boundary is None else _Parts(body, boundary, within)
            doc = await _document(body, parts, within, held)
        said = doc.get("_attachments", {})
        following = {name: each for name, each in said.items() if each.get("follows")}
        destination.check(following)
        for name, each in following.items():
            await _take(body, parts, each, destination.receiver(name), progress, held)
        with failing(body.answer):
            if parts is not None and await parts.open():
                raise ValueError("there are more parts than attachments")
    finally:
        body.close()
    return destination.settle(doc)


async def _document(
    body: Body, parts: _Parts | None, within: float, held: Allowance
) -> dict[str, Any]:
    """The document, which comes first; or alone, where nothing is attached to it."""
    text = bytearray()
    if parts is None or await parts.open():
        read = limited_reader(partial(body.read, within) if parts is None else parts.read, held)
        while piece := await read():
            text += piece
    doc = decode_json(text)
    if not isinstance(doc, dict):
        raise ValueError("the answer does not begin with a document")
    msgspec.convert(doc, shapes.WithAttachments)
    return doc


async def _take(
    body: Body,
    parts: _Parts | None,
    said: Mapping[str, Any],
    receiver: Receiver,
    progress: Progress | None,
    held: Allowance,
) -> None:
    """Take the next attachment; they come in the order in which the document names them."""
    answer, zipped = body.answer, said.get("encoding") == "gzip"
    with failing(answer):
        if parts is None or not await parts.open():
            raise ValueError("there are fewer parts than attachments")
    seal = Seal(answer, str(said.get("digest", "")).removeprefix("md5-") or None)
    take, read_part = seal.came, parts.read

    async def raw() -> bytes:
        piece = await read_part()
        take(piece)
        return piece

    inflated = plain_reader(raw, zipped)
    if isinstance(receiver, InMemory):
        inflated = limited_reader(inflated, held)

    async def read() -> bytes:
        with failing(answer):
            piece = await inflated()
        if not piece:
            seal.check()
        elif progress is not None:
            progress(len(piece))
        return piece

    await pour(read, receiver)
