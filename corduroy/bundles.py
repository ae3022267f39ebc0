"""Bundles: a document, and what is to be attached to it, in one request: ``multipart/related``."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from .attachments import attachment_path, check_stored
from .content import (
    NewAttachment,
    Sent,
    Streams,
    can_be_made_again,
    can_be_read_again,
    new_attachments,
    outgoing,
    read_whole,
    way_back,
)
from .drafts import Draft
from .multipart import closing, opening
from .transport.encoding import check_header
from .transport.sending import Producer

# So many bytes at hand are no more trouble as base64, which every server takes.
_LITTLE = 64 * 1024


class _Part:
    """An attachment on its way.

    Args:
        new (NewAttachment): the attachment.
        streams, again: as of `bundled`.
    """

    def __init__(self, new: NewAttachment, streams: Streams, again: bool) -> None:
        body, known = outgoing(new.content, name=new.name)
        length = new.length if known is None else known
        if length is None or (again and not can_be_read_again(new.content)):
            body = read_whole(new, streams)
            length = len(body)
        if isinstance(length, bool) or not isinstance(length, int):
            raise TypeError(f"{new.name}['length'] must be an int, not {length!r:.80}")
        check_header("content_type", new.kind)
        self.filename = new.filename
        self.content = new.content
        self.kind = new.kind
        self.length = length
        self.in_pieces = callable(body)
        self.again = not self.in_pieces or can_be_made_again(new.content)
        self.sent = Sent(_of_length(body, length, new.name) if callable(body) else body)

    @property
    def announced(self) -> dict[str, Any]:
        """What stands for it in its document until it follows. The server checks its digest."""
        said = {"follows": True, "content_type": self.kind, "length": self.length}
        return said if self.in_pieces else {**said, "digest": f"md5-{self.sent.md5}"}

    @property
    def headers(self) -> dict[str, str]:
        """The headers of its part of the body."""
        quoted = self.filename.translate({ord(c): f"%{ord(c):02X}" for c in '"\r\n'})
        return {
            "Content-Disposition": f'attachment; filename="{quoted}"',
            "Content-Type": self.kind,
            "Content-Length": str(self.length),
        }

    async def produce(self, write: Callable[[bytes], Any]) -> None:
        """Send its content."""
        if callable(self.sent.body):
            await self.sent.body(write)
        else:
            await write(self.sent.body)


def _of_length(produce: Producer, length: int, name: str) -> Producer:
    """A producer which raises where it would make more, or less, than a number of bytes."""

    async def exact(write: Callable[[bytes], Any]) -> None:
        left = length

        async def passing(piece: bytes) -> None:
            nonlocal left
            left -= len(piece)
            if left < 0:
                raise ValueError(f"{name} is longer than its length, {length}")
            await write(piece)

        await produce(passing)
        if left:
            raise ValueError(f"{name} is {left} bytes shorter than its length, {length}")

    return exact


class Bundle(Draft):
    """A document on its way with what is attached to it.

    Args:
        doc (dict): the document.
        name (str): the argument's name, for errors.
        streams (dict): takes note of content that was sent, and cannot be read again.
        parts (list): its new attachments.
    """

    __slots__ = ("_boundary", "_parts")

    def __init__(
        self, doc: Mapping[str, Any], name: str, streams: Streams, parts: list[_Part]
    ) -> None:
        follow = {part.filename: part.announced for part in parts}
        content = {**doc, "_attachments": {**doc["_attachments"], **follow}}
        super().__init__(content, name, streams)
        self.doc = doc
        self._parts = parts
        self._boundary = secrets.token_hex(16)

    @contextlib.contextmanager
    def sending(self) -> Iterator[dict[str, Any]]:
        """What a `Request` takes that sends it. Files are back where they stood when that is over."""
        heads = self._heads()
        length = sum(map(len, heads)) + sum(part.length for part in self._parts)
        headers = {
            "Content-Type": f'multipart/related; boundary="{self._boundary}"',
            "Content-Length": str(length),
        }
        again = all(part.again for part in self._parts)
        with contextlib.ExitStack() as undoing:
            for part in self._parts:
                undoing.callback(self._undo, part.content, way_back(part.content))
            yield {"body": self._producer(heads), "headers": headers, "anew": again}

    def _undo(self, content: Any, back: Callable[[], Any] | None) -> None:
        """Put content back where it stood; take note if that cannot be."""
        if back is not None:
            back()
        elif not can_be_read_again(content):
            self.streams.setdefault(id(content), (content, None))

    def _heads(self) -> list[bytes]:
        """What stands before each of the attachments, and behind the last one."""
        document = opening(self._boundary, {"Content-Type": "application/json"}, first=True)
        heads = [opening(self._boundary, part.headers) for part in self._parts]
        heads[0] = document + self.body + heads[0]
        return [*heads, closing(self._boundary)]

    def _producer(self, heads: list[bytes]) -> Producer:
        async def produce(write: Callable[[bytes], Any]) -> None:
            for head, part in zip(heads[:-1], self._parts, strict=True):
                await write(head)
                await part.produce(write)
            await write(heads[-1])

        return produce

    def saved(self, rev: str | None) -> None:
        """See `Draft.saved`."""
        self.stubs = {part.filename: part.sent.stub(part.kind) for part in self._parts}
        super().saved(rev)

    async def check(self, path: str, rev: str) -> None:
        """Compare what was sent in pieces with what the server says that it has.

        Args:
            path (str): the database's path.
            rev (str): the revision that it was saved as.

        Raises:
            DigestMismatch: it has something else.

        Endpoint: ``HEAD /{db}/{docid}/{attname}``.
        """
        assert self.id is not None
        for part in self._parts:
            if part.in_pieces:
                target = path + attachment_path(self.id, part.filename)
                await check_stored(target, rev, part.sent)


def bundled(doc: Mapping[str, Any], name: str, streams: Streams, again: bool) -> Bundle | None:
    """A document as a bundle, if that is of use.

    Args:
        doc (dict): the document.
        name (str): the argument's name, for errors.
        streams (dict): what was read of such content as cannot be read again; it grows. That is read
            into memory where nobody knows how long it is, or where it may have to be sent again.
        again (bool): whether the document may have to be sent again.

    Returns:
        Bundle | None: None where it has nothing new attached, or so little that base64 will do.

    Raises:
        TypeError: it cannot be attached.
    """
    parts = [_Part(new, streams, again) for new in new_attachments(doc, name)]
    if all(not part.in_pieces for part in parts) and sum(part.length for part in parts) <= _LITTLE:
        return None
    return Bundle(doc, name, streams, parts)
