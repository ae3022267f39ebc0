"""Content to be attached: in whatever form it comes, as a body to send or as base64 in a document."""

from __future__ import annotations

import base64
import contextlib
import functools
import hashlib
import io
import mimetypes
import os
from collections.abc import AsyncIterable, Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from .transport.sending import Producer

_PIECE = 64 * 1024


def content_type_of(filename: str) -> str:
    """The content type that a name suggests; a neutral one where it suggests none."""
    return mimetypes.guess_type(filename)[0] or "application/octet-stream"


def outgoing(
    content: Any, in_pieces: bool = False, name: str = "content"
) -> tuple[bytes | Producer, int | None]:
    """The body that sends some content.

    Args:
        content: bytes or str at hand; a path or an open file; an iterable or async iterable of bytes.
        in_pieces (bool): whether what is at hand goes in pieces, too.
        name (str): the argument's name, for errors.

    Returns:
        (bytes or producer, int | None): the body, and its length where it is known. A producer may be
        called again where `can_be_made_again` says so.

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
        return _from_iterable(content), _sum(content, name)
    raise TypeError(
        f"{name} must be bytes, str, a file object, a Path, or an iterable of bytes, "
        f"not a {type(content).__name__}"
    )


class Sent:
    """A body on its way, which is measured as it goes.

    It may go more than once; the time that it came farthest counts. (The last may be cut short by the
    refusal of what was written before.)

    Args:
        body (bytes | Producer): what is to be sent.
        progress: is told how many bytes have gone, each time; none is counted twice.

    Attributes:
        body (bytes | Producer): what to send in its place.
        size (int): the bytes that have gone.
    """

    def __init__(
        self, body: bytes | Producer, progress: Callable[[int], Any] | None = None
    ) -> None:
        at_hand = b"" if callable(body) else body
        self.body = self._passing_on(body) if callable(body) else body
        self.size = len(at_hand)
        self._progress = progress
        self._told = 0  # how many of them progress knows of
        self._digest = hashlib.md5(at_hand, usedforsecurity=False)

    def stub(self, content_type: str) -> dict[str, Any]:
        """What stands for the attachment in its document. PouchDB Server knows it by its digest."""
        return {
            "stub": True,
            "content_type": content_type,
            "length": self.size,
            "digest": f"md5-{self.md5}",
        }

    @property
    def md5(self) -> str:
        """Its MD5, base64."""
        return base64.b64encode(self._digest.digest()).decode()

    def _passing_on(self, produce: Producer) -> Producer:
        async def measuring(write: Any) -> None:
            size, digest = 0, hashlib.md5(usedforsecurity=False)

            async def passing(piece: bytes) -> None:
                nonlocal size
                size += len(piece)
                digest.update(piece)
                if size >= self.size:
                    self.size, self._digest = size, digest
                await write(piece)
                if self._progress is not None and size > self._told:
                    more, self._told = size - self._told, size
                    self._progress(more)

            await produce(passing)

        return measuring


def way_back(content: Any) -> Callable[[], Any] | None:
    """What puts an open file back to where it stands now; None where nothing can."""
    seekable = getattr(content, "seekable", None)
    with contextlib.suppress(AttributeError, OSError, ValueError):
        if seekable is None or seekable():
            return functools.partial(content.seek, content.tell())
    return None


@contextlib.contextmanager
def put_back(content: Any) -> Iterator[None]:
    """Put an open file back to where it stands now, if what is done with it fails."""
    back = way_back(content)
    try:
        yield
    except BaseException:
        if back is not None:
            back()
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


def _sum(pieces: Iterable[Any], name: str) -> int | None:
    """How many bytes there are in a list of pieces; None where that is no list."""
    if not isinstance(pieces, list | tuple):
        return None
    return sum(len(_checked(piece, name)) for piece in pieces)


def _from_path(path: Path) -> Producer:
    async def produce(write: Any) -> None:
        with path.open("rb") as file:
            await _from_file(file)(write)

    return produce


def _from_file(file: Any) -> Producer:
    back = way_back(file)

    async def produce(write: Any) -> None:
        if back is not None:
            back()
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


def _checked(piece: Any, name: str = "content") -> bytes:
    if isinstance(piece, str):
        return piece.encode()
    if isinstance(piece, bytes | bytearray | memoryview):
        return bytes(piece)
    raise TypeError(f"{name} must give bytes, not {piece!r:.80}")


Streams = dict[int, tuple[Any, bytes | None]]
"""What was read of content that cannot be read again, by its identity; each beside it. None: it is
known no more."""


class NewAttachment(NamedTuple):
    """An attachment that a document brings with it.

    Attributes:
        filename (str): its name.
        content: what is to be attached.
        kind (str): its content type.
        length (int | None): how long it is, where the document says so.
        name (str): where it stands, for errors.
    """

    filename: str
    content: Any
    kind: str
    length: int | None
    name: str


def new_attachments(doc: Mapping[str, Any], name: str) -> list[NewAttachment]:
    """The new ones among a document's attachments.

    An attachment is new if it is content (bytes, a Path, an open file, an iterable), or a dict that has
    such as its ``data`` (a str there is base64 already, as CouchDB has it).

    Args:
        doc (dict): the document.
        name (str): the argument's name, for errors.

    Returns:
        list of NewAttachment: the new ones.

    Raises:
        TypeError: its ``_attachments`` are no dict, or one of them is no content.
        ValueError: one has a name that no server would take.
    """
    attachments = doc.get("_attachments")
    if attachments is None:
        return []
    if not isinstance(attachments, Mapping):
        raise TypeError(f"{name}['_attachments'] must be a dict, not {attachments!r:.80}")
    found = []
    for filename, attachment in attachments.items():
        data, kind, length = attachment, None, None
        if isinstance(attachment, Mapping):
            data, kind = attachment.get("data"), attachment.get("content_type")
            length = attachment.get("length")
        if data is None or isinstance(data, str | Mapping):
            continue
        where = f"{name}['_attachments'][{filename!r:.80}]"
        if isinstance(filename, str) and (not filename or filename.startswith("_")):
            raise ValueError(f"{where}: its name must not be empty, or start with '_'")
        if not _is_content(data):
            raise TypeError(
                f"{where} must be bytes, a Path, a file object or an iterable of bytes, "
                f"not {data!r:.80}"
            )
        found.append(
            NewAttachment(filename, data, kind or content_type_of(filename), length, where)
        )
    return found


def _is_content(data: Any) -> bool:
    kinds = (bytes, bytearray, memoryview, Path, Iterable, AsyncIterable)
    return isinstance(data, kinds) or callable(getattr(data, "read", None))


def inlined(
    doc: Mapping[str, Any], name: str, streams: Streams
) -> tuple[Mapping[str, Any], dict[str, Any]]:
    """A document whose new attachments are in its JSON, as base64.

    Files are read, and put back where they were.

    Args:
        doc (dict): the document; it is not changed.
        name (str): the argument's name, for errors.
        streams (dict): what was read of such content as cannot be read again; it grows.

    Returns:
        (dict, dict): the document to encode; and what to replace the new attachments by once it is
        saved, by name.

    Raises:
        TypeError: as of `new_attachments`; or it has an async iterable, which nobody can wait for here.
        ValueError: what an attachment has held was sent, in vain, and is known no more.
    """
    written, stubs = {}, {}
    for new in new_attachments(doc, name):
        content = read_whole(new, streams)
        data = base64.b64encode(content).decode()
        written[new.filename] = {"content_type": new.kind, "data": data}
        stubs[new.filename] = Sent(content).stub(new.kind)
    if not stubs:
        return doc, {}
    return {**doc, "_attachments": {**doc["_attachments"], **written}}, stubs


def read_whole(new: NewAttachment, streams: Streams) -> bytes:
    """Read an attachment into memory; arguments and errors as of `inlined`."""
    data = new.content
    if isinstance(data, bytes | bytearray | memoryview):
        return bytes(data)
    if isinstance(data, Path):
        return data.read_bytes()
    if id(data) in streams:
        known = streams[id(data)][1]
        if known is None:
            raise ValueError(f"{new.name} was sent in vain, and cannot be read again: give it anew")
        return known
    return _read_through(new, streams)


def _read_through(new: NewAttachment, streams: Streams) -> bytes:
    """Read content that has to be put back, or remembered."""
    data = new.content
    if not callable(getattr(data, "read", None)):
        if not isinstance(data, Iterable):
            raise TypeError(
                f"{new.name} is an async iterable: it needs a 'length' beside its 'data', and a "
                "server that takes more than base64; put_attachment needs neither"
            )
        content = b"".join(_checked(piece, new.name) for piece in data)
    else:
        back = way_back(data)
        read = data.read()
        content = read.encode() if isinstance(read, str) else bytes(read)
        if back is not None:
            back()
    if not can_be_read_again(data):
        streams[id(data)] = data, content
    return content


def can_be_made_again(content: Any) -> bool:
    """Whether the body that sends some content can be made twice, and be the same.

    Of an iterable that is no collection nobody knows whether there is anything in it a second time.
    """
    if isinstance(content, str | bytes | bytearray | memoryview | Path):
        return True
    if callable(getattr(content, "read", None)):
        return way_back(content) is not None
    return isinstance(content, Collection)


def can_be_read_again(content: Any) -> bool:
    """Whether what is to be attached is still there when it has been read."""
    if callable(getattr(content, "read", None)):
        return way_back(content) is not None
    return not isinstance(content, Iterator | AsyncIterable)
