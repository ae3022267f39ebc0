"""Attachments of documents: put, fetched and removed one by one."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, MutableMapping
from typing import Any

from .asking import ask, ask_json, current_rev, doc_path, id_and_rev
from .content import Sent, content_type_of, outgoing, put_back
from .documents import AttrDict
from .server import Place
from .styles import S, operation
from .transport.encoding import check_header, quote_segment


class Attachments(Place[S]):
    """The operations of `Database` on attachments."""

    @operation
    async def put_attachment(
        self,
        doc: Mapping[str, Any] | str,
        content: Any,
        filename: str | None = None,
        content_type: str | None = None,
    ) -> dict[str, Any]:
        """Attach a file to a document.

        Args:
            doc (dict | str): the document, whose ``_rev`` and ``_attachments`` follow; or the id of
                one, which is created where it does not exist.
            content: bytes, str, an open file, a Path, or an iterable or async iterable of bytes, sent
                in pieces as it comes. A file is back where it stood if it could not be attached.
            filename (str): the attachment's name; None: the file's own.
            content_type (str): None: what the name suggests.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Endpoints: ``PUT /{db}/{docid}/{attname}``, ``PUT /{db}/_design/{ddoc}/{attname}``,
        ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``. HEAD looks up the revision, and GET where the ``ETag`` is no
        revision.
        """
        id, rev = id_and_rev(doc)
        if filename is None:
            own = getattr(content, "name", None)  # a number, where a file has none
            filename = os.path.basename(own) if isinstance(own, str) else ""
            if not filename:
                raise ValueError("filename is needed: the content has no name of its own")
        target = self._path + attachment_path(id, filename)
        body, length = outgoing(content)
        sent = Sent(body)
        kind = content_type or content_type_of(filename)
        headers = {"Content-Type": kind}
        check_header("content_type", kind)
        if length is not None and callable(body):
            headers["Content-Length"] = str(length)
        if rev is None and not isinstance(doc, Mapping):
            rev = await current_rev(self._path, id)
        query = {"rev": rev} if rev else None
        with put_back(content):
            answer = await ask("PUT", target, query, body=sent.body, headers=headers)
            said: dict[str, Any] = answer.json()
        if isinstance(doc, MutableMapping):
            stub = {**sent.stub(kind), "revpos": int(said["rev"].partition("-")[0])}
            doc["_rev"] = said["rev"]
            doc["_attachments"] = {**(doc.get("_attachments") or {}), filename: stub}
        return said

    @operation
    async def get_attachment(
        self,
        doc: Mapping[str, Any] | str,
        filename: str,
        *,
        rev: str | None = None,
        range: tuple[int, int | None] | None = None,
        to: Any = None,
    ) -> Any:
        """Fetch an attachment.

        Args:
            doc (dict | str): the document or its id.
            filename (str): the attachment's name.
            rev (str): of which revision of the document; None: the current one.
            range ((int, int | None)): the first and the last byte wanted, counted from 0; None for the
                last one: to the end.
            to: a file object open for writing bytes, or a callable that takes bytes, and may return an
                awaitable: where the pieces go, as they come.

        Returns:
            bytes: the content; or, with ``to``, how many bytes went there.

        Raises:
            NotFound: there is no such attachment.

        Endpoints: ``GET /{db}/{docid}/{attname}``, ``GET /{db}/_design/{ddoc}/{attname}``.
        """
        id, _ = id_and_rev(doc)
        headers = {"Accept": "*/*"}
        first, last = _range(range)
        if range is not None:
            headers["Range"] = f"bytes={first}-{'' if last is None else last}"
            headers["Accept-Encoding"] = "identity"
        target = self._path + attachment_path(id, filename)
        query = {"rev": rev} if rev else None
        if to is None:
            answer = await ask("GET", target, query, headers=headers)
            body = bytes(answer.body)
            whole = range is not None and answer.code != 206
            return body[first : None if last is None else last + 1] if whole else body
        if range is not None:
            raise ValueError("to and range exclude each other: a range is given back as bytes")
        receiver = _Receiver(to)
        await ask("GET", target, query, headers=headers, sink=receiver)
        return receiver.size

    @operation
    async def head_attachment(
        self, doc: Mapping[str, Any] | str, filename: str, *, rev: str | None = None
    ) -> AttrDict:
        """Ask about an attachment without fetching it.

        Args:
            doc (dict | str): the document or its id.
            filename (str): the attachment's name.
            rev (str): of which revision of the document; None: the current one.

        Returns:
            dict: ``size`` (bytes), ``content_type``, ``digest`` (str, ``"md5-…"`` as in the document)
            and ``ranges`` (bool: whether the server can send a part of it), which can be reached by
            dots, too. None stands for what the server does not say.

        Raises:
            NotFound: there is no such attachment.

        Endpoints: ``HEAD /{db}/{docid}/{attname}``, ``HEAD /{db}/_design/{ddoc}/{attname}``.
        """
        id, _ = id_and_rev(doc)
        # Of what goes compressed the server would tell another size.
        headers = {"Accept": "*/*", "Accept-Encoding": "identity"}
        target = self._path + attachment_path(id, filename)
        answer = await ask("HEAD", target, {"rev": rev} if rev else None, headers=headers)
        size, tag = answer.header("content-length"), (answer.header("etag") or "").strip('"')
        return AttrDict(
            size=int(size) if size else None,
            content_type=answer.header("content-type"),
            digest=f"md5-{tag}" if tag else None,
            ranges=answer.header("accept-ranges") == "bytes",
        )

    @operation
    async def delete_attachment(
        self, doc: Mapping[str, Any] | str, filename: str
    ) -> dict[str, Any]:
        """Remove an attachment.

        Args:
            doc (dict | str): the document, whose ``_rev`` and ``_attachments`` follow; or its id.
            filename (str): the attachment's name.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Endpoints: ``DELETE /{db}/{docid}/{attname}``, ``DELETE /{db}/_design/{ddoc}/{attname}``,
        ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``. HEAD looks up the revision, and GET where the ``ETag`` is no
        revision.
        """
        id, rev = id_and_rev(doc)
        target = self._path + attachment_path(id, filename)
        if rev is None:
            rev = await current_rev(self._path, id)
        said: dict[str, Any] = await ask_json("DELETE", target, {"rev": rev or ""})
        if isinstance(doc, MutableMapping):
            doc["_rev"] = said["rev"]
            left = {
                name: stub
                for name, stub in (doc.get("_attachments") or {}).items()
                if name != filename
            }
            if left:
                doc["_attachments"] = left
            else:
                doc.pop("_attachments", None)
        return said


def attachment_path(id: str, filename: str) -> str:
    """The path of an attachment below its database.

    Args:
        id (str): the document's id.
        filename (str): the attachment's name, which may hold slashes.

    Returns:
        str: the encoded path.
    """
    quoted = quote_segment(filename, "filename")
    if filename.startswith("_"):
        raise ValueError(f"filename {filename!r:.80}: names that start with '_' are CouchDB's own")
    return f"{doc_path(id, 'doc')}/{quoted}"


def _range(range: tuple[int, int | None] | None) -> tuple[int, int | None]:
    if range is None:
        return 0, None
    try:
        first, last = range
    except (TypeError, ValueError):
        raise TypeError(f"range must be (first, last), not {range!r:.80}") from None
    if not isinstance(first, int) or first < 0 or not (last is None or isinstance(last, int)):
        raise ValueError(f"range must be two byte positions, or one and None, not {range!r:.80}")
    if last is not None and last < first:
        raise ValueError(f"range ends before it begins: {range!r:.80}")
    return first, last


class _Receiver:
    """Where the pieces of an attachment go: an open file, or a function."""

    def __init__(self, to: Any) -> None:
        self._take: Callable[[bytes], Any] = to.write if hasattr(to, "write") else to
        if not callable(self._take):
            raise TypeError(f"to must be a file object or callable, not {to!r:.80}")
        self._awaits = not hasattr(to, "write")
        self.size = 0

    def __call__(self, piece: bytes) -> Any:
        self.size += len(piece)
        taken = self._take(piece)
        return taken if self._awaits else None
