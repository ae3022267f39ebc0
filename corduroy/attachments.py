"""Attachments of documents: put, fetched and removed, one by one."""

from __future__ import annotations

import os
from collections.abc import Mapping, MutableMapping
from typing import Any

from . import shapes
from .asking import ask, ask_json, current_rev, doc_path, id_and_rev
from .calls import aside
from .content import Sent, can_be_made_again, content_type_of, outgoing, put_back
from .documents import AttrDict, Document, bound
from .doubts import IsIt, ask_guarded, written
from .errors import DigestMismatch
from .incoming import PieceReader, Progress, Span, check_progress, told_md5, whole
from .receivers import InMemory, receiver
from .server import Place
from .streams import Stream
from .styles import S, operation, streamed
from .transport.encoding import check_header, query_string, quote_segment
from .transport.limits import Allowance
from .transport.messages import Request
from .unbundling import Destination, fetch_whole


class Attachments(Place[S]):
    """The operations of `Database` on attachments."""

    @operation
    async def put_attachment(
        self,
        doc: Mapping[str, Any] | str,
        content: Any,
        filename: str | None = None,
        content_type: str | None = None,
        *,
        progress: Progress | None = None,
    ) -> dict[str, Any]:
        """Attach a file to a document.

        Args:
            doc (dict | str): the document, whose ``_rev`` and ``_attachments`` follow; or the id of
                one, which is created where it does not exist.
            content: bytes, str, an open file, a Path, or an iterable or async iterable of bytes, sent
                in pieces as it comes. A file is back where it stood if it could not be attached. Files
                that cannot be put back, and iterables that are no lists, go out once: nobody can read
                them again after a failure.
            filename (str): the attachment's name; None: the file's own.
            content_type (str): None: what the name suggests.
            progress: is called with the number of bytes that have gone, again and again, as tqdm's
                ``bar.update``. Those that go a second time are not told of.

        Returns:
            dict: ``{"ok", "id", "rev"}``.

        Raises:
            Conflict: the document has been saved in between.
            DigestMismatch: what the server has stored is not what was sent, of content that went in
                pieces. It is not known of a text that the server has compressed.

        Endpoints: ``PUT /{db}/{docid}/{attname}``, ``PUT /{db}/_design/{ddoc}/{attname}``,
        ``HEAD /{db}/{docid}/{attname}``, ``HEAD /{db}/_design/{ddoc}/{attname}``,
        ``HEAD /{db}/{docid}``, ``HEAD /{db}/_design/{ddoc}``, ``GET /{db}/{docid}``,
        ``GET /{db}/_design/{ddoc}``, ``POST /{db}/_all_docs``. HEAD of the attachment tells its
        digest, that of the document its revision, and GET where the ``ETag`` is no revision; POST and
        GET look up what came of an upload whose answer was lost.
        """
        check_progress(progress)
        id, rev = id_and_rev(doc)
        if filename is None:
            own = getattr(content, "name", None)  # a number, where a file has none
            filename = os.path.basename(own) if isinstance(own, str) else ""
            if not filename:
                raise ValueError("filename is needed: the content has no name of its own")
        target = self._path + attachment_path(id, filename)
        body, length = outgoing(content, in_pieces=progress is not None)
        sent = Sent(body, progress)
        kind = content_type or content_type_of(filename)
        headers = {"Content-Type": kind}
        check_header("content_type", kind)
        if not callable(body):
            headers["Content-MD5"] = sent.md5  # CouchDB 1.x checks it
        elif length is not None:
            headers["Content-Length"] = str(length)
        if rev is None and not isinstance(doc, Mapping):
            rev = await current_rev(self._path, id)
        query = {"rev": rev} if rev else None

        async def written_as() -> str | None:
            return await written(self._path, id, rev, _having(filename, sent))

        with put_back(content):
            said = await ask_guarded(
                "PUT",
                target,
                query,
                looked_up=written_as,
                shape=shapes.Stored,
                body=sent.body,
                headers=headers,
                anew=can_be_made_again(content),
            )
        said = {"id": id, **said}
        if isinstance(doc, MutableMapping):
            stub = {**sent.stub(kind), "revpos": int(said["rev"].partition("-")[0])}
            doc["_rev"] = said["rev"]
            doc["_attachments"] = {**(doc.get("_attachments") or {}), filename: stub}
        if callable(body):
            await check_stored(target, said["rev"], sent)
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
        progress: Progress | None = None,
    ) -> Any:
        """Fetch an attachment.

        Args:
            doc (dict | str): the document or its id.
            filename (str): the attachment's name.
            rev (str): of which revision of the document; None: the current one.
            range ((int, int | None)): the first and the last byte wanted, counted from 0; None for the
                last one: to the end.
            to: where the pieces go, as they come: a path (str or Path), where the file appears once it
                is whole; a file open for writing bytes; or a callable that takes bytes, and may return
                an awaitable.
            progress: is called with the number of bytes that have come, again and again, as tqdm's
                ``bar.update``.

        Returns:
            bytes: the content; or, with ``to``, how many bytes went there.

        Raises:
            NotFound: there is no such attachment.
            ConnectionFailed: it has not come as a whole; or, as a `DigestMismatch`, not as the server
                has it. A range is not compared, nor a text that CouchDB has to decompress for it.

        Endpoints: ``GET /{db}/{docid}/{attname}``, ``GET /{db}/_design/{ddoc}/{attname}``.
        """
        check_progress(progress)
        request, span = self._asking(doc, filename, rev, range)
        if to is None and progress is None:
            return whole(await request, span, self._session.max_body_size)
        taking = InMemory() if to is None else receiver(to)
        held = self._allowance() if to is None else None
        reader = PieceReader(self._session, request, span, progress, apart=False, held=held)
        await aside(reader.pour, taking, sender=reader)
        return bytes(taking.content) if isinstance(taking, InMemory) else taking.size

    @streamed
    def stream_attachment(
        self,
        doc: Mapping[str, Any] | str,
        filename: str,
        *,
        rev: str | None = None,
        range: tuple[int, int | None] | None = None,
        progress: Progress | None = None,
    ) -> Stream[bytes, S]:
        """Go through an attachment, piece by piece, as the server sends it.

        Args:
            doc, filename, rev, range, progress: as of `get_attachment`.

        Returns:
            Stream: of bytes, pieces of whatever size. Whoever is slow slows the server, and memory
            stays flat.

        Raises:
            NotFound, ConnectionFailed: as of `get_attachment`; the latter after the pieces that have
                come.

        Endpoints: ``GET /{db}/{docid}/{attname}``, ``GET /{db}/_design/{ddoc}/{attname}``.
        """
        check_progress(progress)
        self._asking(doc, filename, rev, range)  # bad input is told of here

        def begin() -> PieceReader:
            return PieceReader(self._session, *self._asking(doc, filename, rev, range), progress)

        return Stream(self, begin)

    @operation
    async def get_with_attachments(
        self,
        doc: Mapping[str, Any] | str,
        *,
        rev: str | None = None,
        to: Any = None,
        progress: Progress | None = None,
    ) -> Document:
        """Fetch a document and all that is attached to it, in one request.

        Args:
            doc (dict | str): the document or its id.
            rev (str): which revision; None: the current one.
            to: where the attachments go, as they come: a directory (str or Path), where each appears
                under its name once it is whole; or a callable that is given a name, and returns what
                `get_attachment` takes as its ``to``, or None for those that nobody wants; None: into
                the document.
            progress: is called with the number of bytes of attachments that have come, again and again,
                as tqdm's ``bar.update``.

        Returns:
            Document: the document; with ``to``, its attachments are stubs as in any other. Otherwise
            each has its content (bytes) as its ``data``, in the form in which `save` takes it.

        Raises:
            NotFound: there is no such document.
            ConnectionFailed: it has not come as a whole; or, as a `DigestMismatch`, not as the server
                has it.
            ValueError: an attachment's name would lead out of the directory; none was written.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``,
        ``GET /{db}/{docid}/{attname}``, ``GET /{db}/_design/{ddoc}/{attname}``. PouchDB Server sends
        attachments one by one.
        """
        check_progress(progress)
        id, _ = id_and_rev(doc)
        destination, path = Destination(to), self._path + doc_path(id, "doc")
        query = {"rev": rev} if rev else {}
        asking = query_string({**query, "attachments": "true"})
        if await self._server.is_pouchdb():
            found = await ask_json("GET", path, query, shape=shapes.WithAttachments)
            await self._fetch_each(found, destination, progress)
        else:
            headers = {"Accept": "multipart/related, application/json"}
            request = Request("GET", path + asking, headers=headers)
            fetching = self._session, request, destination, progress
            found = await aside(fetch_whole, *fetching, sender=request)
        return bound(found, self)

    async def _fetch_each(
        self, doc: dict[str, Any], destination: Destination, progress: Progress | None
    ) -> None:
        """Fetch what is attached to a document that has come without."""
        names = doc.get("_attachments", {})
        destination.check(names)
        allowance = self._allowance()
        for name in names:
            request, span = self._asking(doc, name, doc["_rev"], None)
            taking = destination.receiver(name)
            held = allowance if isinstance(taking, InMemory) else None
            reader = PieceReader(self._session, request, span, progress, apart=False, held=held)
            await aside(reader.pour, taking, sender=reader)
        destination.settle(doc)

    def _allowance(self) -> Allowance:
        return Allowance("what is attached", self._session.max_body_size)

    def _asking(
        self,
        doc: Mapping[str, Any] | str,
        filename: str,
        rev: str | None,
        range: tuple[int, int | None] | None,
    ) -> tuple[Request, Span]:
        """What asks for an attachment, and what is wanted of it."""
        id, _ = id_and_rev(doc)
        span = Span(range)
        target = self._path + attachment_path(id, filename)
        if rev:
            target += query_string({"rev": rev})
        return Request("GET", target, headers=span.headers, raw=True), span

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
        query = {"rev": rev} if rev else None
        answer = await ask("HEAD", target, query, headers=headers, raw=True)
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
        ``GET /{db}/_design/{ddoc}``, ``POST /{db}/_all_docs``. HEAD looks up the revision, and GET
        where the ``ETag`` is no revision; POST and GET look up what came of a removal whose answer was
        lost.
        """
        id, rev = id_and_rev(doc)
        target = self._path + attachment_path(id, filename)
        if rev is None:
            rev = await current_rev(self._path, id)

        async def written_as() -> str | None:
            return await written(self._path, id, rev, lambda doc: filename not in _attached(doc))

        query, shape = {"rev": rev or ""}, shapes.Stored
        said = await ask_guarded("DELETE", target, query, looked_up=written_as, shape=shape)
        said = {"id": id, **said}
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


def _attached(doc: Mapping[str, Any]) -> Mapping[str, Any]:
    return doc.get("_attachments") or {}


def _having(filename: str, sent: Sent) -> IsIt:
    """Tells of a document's revision whether it is the one that got what was sent."""

    def is_it(doc: Mapping[str, Any]) -> bool:
        stub = _attached(doc).get(filename, {})
        generation = int(str(doc.get("_rev", "0")).partition("-")[0])
        return bool(stub) and (stub["length"], stub["revpos"]) == (sent.size, generation)

    return is_it


async def check_stored(target: str, rev: str, sent: Sent) -> None:
    """Compare what was sent with what the server says that it has.

    Args:
        target (str): the attachment's path.
        rev (str): the revision that it was stored with.
        sent (Sent): what was sent.

    Raises:
        DigestMismatch: it is something else.

    Endpoint: ``HEAD /{db}/{docid}/{attname}``.
    """
    # For its HEAD CouchDB reads as much from its disk as for a GET: hence one byte.
    headers = {"Accept": "*/*", "Range": "bytes=0-0"}
    query = {"rev": rev}
    answer = await ask("HEAD", target, query, headers=headers, accept=(416,), raw=True)
    # What the server has compressed has no ranges, and the digest of what it was made.
    plain = answer.code < 300 and answer.header("accept-ranges") != "none"
    said = told_md5(answer) if plain else None
    if said is not None and said != sent.md5:
        raise DigestMismatch(
            None,
            "digest_mismatch",
            f"what was sent has the MD5 {sent.md5}, and what is stored {said}",
            method=answer.method,
            url=answer.url,
        )


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
