"""Content to be attached: in whatever form it comes, as a body to send or as base64 in a document."""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import mimetypes
import os
from collections.abc import AsyncIterable, Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .transport.sending import Producer

_PIECE = 64 * 1024


def content_type_of(filename: str) -> str:
    """The content type that a name suggests; a neutral one where it suggests none."""
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def outgoing(content: Any, in_pieces: bool = False) -> tuple[bytes | Producer, int | None]:
    """The body that sends some content.

    Args:
        content: bytes or str at hand; a path or an open file; an iterable or async iterable of bytes.
        in_pieces (bool): whether what is at hand goes in pieces, too.

    Returns:
        (bytes or producer, int | None): the body, and its length where it is known.

    Raises:
        TypeError: it is none of these.
    """
    if isinstance(content, str):
        content = content.encode()
    if isinstance(content, bytes | bytearray | memoryview):
        content = bytes(content)
        return _from_file(io.BytesIO(content)) if in_pieces else content, len(content)
    if isinstance(content, Path):
        path = content
        return _from_path(path), path.stat().st_size
    if callable(getattr(content, "read", None)):
        return _from_file(content), _length(content)
    if isinstance(content, AsyncIterable):
        return _from_async(content), None
    if isinstance(content, Iterable) and not isinstance(content, Mapping):
        return _from_iterable(content), None
    raise TypeError(
        "content must be bytes, str, a file object, a Path, or an iterable of bytes, "
        f"not a {type(content).__name__}"
    )


class Sent:
    """A body on its way, which is measured as it goes.

    Args:
        body (bytes | Producer): what is to be sent.
        progress: is told how many bytes have gone, each time.

    Attributes:
        body (bytes | Producer): what to send in its place.
    """

    def __init__(
        self, body: bytes | Producer, progress: Callable[[int], Any] | None = None
    ) -> None:
        self._size = 0
        self._progress = progress
        self._digest = hashlib.md5(usedforsecurity=False)
        self.body = self._passing_on(body) if callable(body) else self._measured(body)

    def stub(self, content_type: str) -> dict[str, Any]:
        """What stands for the attachment in its document. PouchDB Server knows it by its digest."""
        return {
            "stub": True,
            "content_type": content_type,
            "length": self._size,
            "digest": f"md5-{self.md5}",
        }

    @property
    def md5(self) -> str:
        """Its MD5, base64."""
        return base64.b64encode(self._digest.digest()).decode()

    def _measured(self, piece: bytes) -> bytes:
        self._size += len(piece)
        self._digest.update(piece)
        return piece

    def _passing_on(self, produce: Producer) -> Producer:
        async def measuring(write: Any) -> None:
            async def passing(piece: bytes) -> None:
                await write(self._measured(piece))
                if self._progress is not None:
                    self._progress(len(piece))

            await produce(passing)

        return measuring


@contextlib.contextmanager
def put_back(content: Any) -> Iterator[None]:
    """Put an open file back to where it stands now, if what is done with it fails."""
    here = None
    with contextlib.suppress(AttributeError, OSError, ValueError):
        here = content.tell()
    try:
        yield
    except BaseException:
        if here is not None:
            content.seek(here)
        raise


def _length(file: Any) -> int | None:
    """How many bytes are left in an open file; None where nobody knows."""
    try:
        here = file.tell()
        end = file.seek(0, os.SEEK_END)
        file.seek(here)
    except (AttributeError, OSError, ValueError):
        return None
    return None if isinstance(file.read(0), str) else int(end - here)


def _from_path(path: Path) -> Producer:
    async def produce(write: Any) -> None:
        with path.open("rb") as file:
            await _from_file(file)(write)

    return produce


def _from_file(file: Any) -> Producer:
    async def produce(write: Any) -> None:
        while piece := file.read(_PIECE):
            await write(_checked(piece))

    return produce


def _from_iterable(pieces: Iterable[Any]) -> Producer:
    async def produce(write: Any) -> None:
        for piece in pieces:
            await write(_checked(piece))

    return produce


def _from_async(pieces: AsyncIterable[Any]) -> Producer:
    async def produce(write: Any) -> None:
        async for piece in pieces:
            await write(_checked(piece))

    return produce


def _checked(piece: Any) -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"content must give bytes, not {piece!r:.80}")


Streams = dict[int, tuple[Any, bytes]]
"""What was read of files that cannot be put back, by the file's identity; each beside its file."""


def inlined(
    doc: Mapping[str, Any], name: str, streams: Streams
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """A document whose new attachments are in its JSON, as base64.

    An attachment is new if it is bytes or an open file, or a dict with one of these as its ``data``
    (a str there is base64 already, as CouchDB has it). Files are read, and put back where they were.

    Args:
        doc (dict): the document; it is not changed.
        name (str): the argument's name, for errors.
        streams (dict): what was read of such files as cannot be put back; it grows.

    Returns:
        (dict, dict): the document to encode; and what to replace the new attachments by once it is
        saved, by name.

    Raises:
        TypeError: its ``_attachments`` are no dict, or one of them is no content.
    """
    attachments = doc.get("_attachments")
    if attachments is None:
        return doc, {}
    if not isinstance(attachments, Mapping):
        raise TypeError(f"{name}['_attachments'] must be a dict, not {attachments!r:.80}")
    written, stubs = dict(attachments), {}
    for filename, attachment in attachments.items():
        data, kind = attachment, None
        if isinstance(attachment, Mapping):
            data, kind = attachment.get("data"), attachment.get("content_type")
        if data is None or isinstance(data, str | Mapping):
            continue
        content = _read(data, f"{name}['_attachments'][{filename!r}]", streams)
        kind = kind or content_type_of(filename)
        written[filename] = {"content_type": kind, "data": base64.b64encode(content).decode()}
        stubs[filename] = Sent(content).stub(kind)
    return ({**doc, "_attachments": written}, stubs) if stubs else (doc, {})


def _read(data: Any, name: str, streams: Streams) -> bytes:
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, Path):
        return data.read_bytes()
    if not callable(getattr(data, "read", None)):
        raise TypeError(f"{name} must be bytes, a Path or a file object, not {data!r:.80}")
    if id(data) in streams:
        return streams[id(data)][1]
    seekable = callable(getattr(data, "seekable", None)) and data.seekable()
    here = data.tell() if seekable else 0
    content = data.read()
    content = content.encode() if isinstance(content, str) else bytes(content)
    if seekable:
        data.seek(here)
    else:
        streams[id(data)] = data, content
    return content
