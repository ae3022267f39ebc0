"""Going through a database: the rows of a view, all documents, their ids, or those with conflicts."""

from __future__ import annotations

import copy
import functools
from collections.abc import Callable, Mapping
from typing import Any

from .documents import Document, bound_docs
from .options import VIEW, check_flag, check_keys, encode_options
from .server import Place, Served
from .shapes import check_all
from .streams import Asked, DocRow, RowReader, RowStream
from .styles import S, streamed
from .views import Row

_RANGE = ("startkey", "endkey", "inclusive_end", "descending", "limit", "skip")
_OF_IDS = {name: VIEW[name] for name in _RANGE}
_OF_DOCS = {
    name: VIEW[name]
    for name in (*_RANGE, "keys", "conflicts", "attachments", "att_encoding_info", "update_seq")
}

# Lists of CouchDB's own that not every server has.
_NOT_EVERYWHERE = ("_design_docs", "_local_docs")


class Browsing(Place[S]):
    """The operations of `Database` that go through any number of rows or documents."""

    @streamed
    def stream(self, /, name: str, resume: bool = False, **options: Any) -> RowStream[Row, S]:
        """Go through the rows of a view, as the server sends them.

        Args:
            name (str): ``"ddoc/view"``, ``_all_docs``, ``_design_docs`` or ``_local_docs``.
            resume (bool): go on behind the last row where the answer breaks off, by its key and its id:
                no row comes twice, and none is left out that stayed where it was. It gives up after 8
                failures without a row between them.
            **options: those of `view`; ``keys`` of any number go in several requests.

        Returns:
            RowStream: of `Row`. A key of ``_all_docs`` that is no document's comes as a row with an
            ``error``, ``"not_found"``.

        Raises:
            TypeError, ValueError: an option does not exist (the nearest is named), makes no sense, or
                leaves the rows in no order that could be gone on with.
            NotFound: there is no such view.
            ConnectionFailed: the answer broke off.
            HTTPError: the server told of an error amid the rows.

        Endpoints: ``GET /{db}/_design/{ddoc}/_view/{view}``,
        ``POST /{db}/_design/{ddoc}/_view/{view}``, ``GET /{db}/_all_docs``,
        ``POST /{db}/_all_docs``, ``GET /{db}/_design_docs``,
        ``POST /{db}/_design_docs``, ``GET /{db}/_local_docs``, ``POST /{db}/_local_docs``.
        """
        lacking = name if name in _NOT_EVERYWHERE else ""
        return stream_rows(self, self._path, self, name, options, resume, lacking)

    @streamed
    def docs(self, /, resume: bool = False, **options: Any) -> RowStream[Document, S]:
        """Go through all documents, as the server sends them.

        Documents that are saved or deleted meanwhile may be among them, or not; all others are, once.

        Args:
            resume (bool): go on behind the last document where the answer breaks off; as of `stream`.
            **options: ``keys`` (list of str: the ids of the documents, of any number), ``startkey``,
                ``endkey`` (str), ``inclusive_end``, ``descending``, ``conflicts``, ``attachments``,
                ``att_encoding_info``, ``update_seq`` (bool), ``limit``, ``skip`` (int).

        Returns:
            RowStream: of `Document`, design documents among them, in the order of their ids; with
            ``keys`` in that order, and None for each id that is no document's.

        Raises:
            TypeError, ValueError, ConnectionFailed, HTTPError: as of `stream`.

        Endpoints: ``GET /{db}/_all_docs``, ``POST /{db}/_all_docs``.
        """
        return stream_docs(self, self._path, self, options, resume)

    @streamed
    def ids(self, /, resume: bool = False, **options: Any) -> RowStream[str, S]:
        """Go through the ids of all documents.

        Args:
            resume (bool): go on behind the last id where the answer breaks off; as of `stream`.
            **options: ``startkey``, ``endkey`` (str), ``inclusive_end``, ``descending`` (bool),
                ``limit``, ``skip`` (int).

        Returns:
            RowStream: of str, in their order, the ids of design documents among them.

        Raises:
            TypeError, ValueError, ConnectionFailed, HTTPError: as of `stream`.

        Endpoint: ``GET /{db}/_all_docs``.
        """
        encode_options(options, _OF_IDS, "ids")
        return _stream(self, self._path, "_all_docs", options, resume, _ids)

    @streamed
    def conflicted(self, resume: bool = False) -> RowStream[Document, S]:
        """Go through the documents of which replication has left several revisions side by side.

        The server has to look at every document for this. `conflicts` tells of the revisions of one.

        Args:
            resume (bool): go on where the answer breaks off; as of `stream`.

        Returns:
            RowStream: of `Document`, with their other revisions in ``_conflicts``.

        Endpoint: ``GET /{db}/_all_docs``.
        """
        make = functools.partial(_conflicted, keeper=self)
        options = {"conflicts": True, "include_docs": True}
        return _stream(self, self._path, "_all_docs", options, resume, make, docs_only=not resume)


def stream_rows(
    of: Served[S],
    path: str,
    keeper: Any,
    name: str,
    options: Mapping[str, Any],
    resume: bool,
    lacking: str = "",
) -> RowStream[Row, S]:
    """Stream the rows of a view; arguments as of `Browsing.stream`.

    Args:
        of (Served): the database, or the partition.
        path (str): its path.
        keeper (Database): which database the documents are to know.
        lacking (str): as of `RowReader`.
    """
    options = _with_list(options)
    make = functools.partial(_bound_rows, keeper=keeper) if options.get("include_docs") else _rows
    return _stream(of, path, name, options, resume, make, lacking)


def stream_docs(
    of: Served[S],
    path: str,
    keeper: Any,
    options: Mapping[str, Any],
    resume: bool,
    lacking: str = "",
) -> RowStream[Document, S]:
    """Stream documents; arguments as of `Browsing.docs`, and of `stream_rows`."""
    options = _with_list(options)
    encode_options(options, _OF_DOCS, "docs")
    make = functools.partial(_docs, keeper=keeper)
    options = {**options, "include_docs": True}
    # To go on, a row's key and id have to be known.
    return _stream(of, path, "_all_docs", options, resume, make, lacking, docs_only=not resume)


def _stream(
    of: Served[S],
    path: str,
    name: str,
    options: Mapping[str, Any],
    resume: bool,
    make: Callable[[list[Any]], list[Any]],
    lacking: str = "",
    docs_only: bool = False,
) -> RowStream[Any, S]:
    check_flag(resume, "resume")
    asked = Asked(path, name, options, resume)  # bad input is told of here, and looked for once
    return RowStream(of, lambda: RowReader(of, copy.copy(asked), make, resume, docs_only, lacking))


def _with_list(options: Mapping[str, Any]) -> Mapping[str, Any]:
    """Options whose keys, however they come, can be gone through more than once."""
    keys = options.get("keys")
    return options if keys is None else {**options, "keys": check_keys(keys)}


def _rows(rows: list[Any]) -> list[Row]:
    return list(map(Row, rows))


def _bound_rows(rows: list[Any], keeper: Any) -> list[Row]:
    for row, doc in zip(rows, _docs(rows, keeper), strict=True):
        row["doc"] = doc
    return list(map(Row, rows))


def _docs(rows: list[Any], keeper: Any) -> list[Any]:
    return bound_docs(_contents(rows), keeper)


def _conflicted(rows: list[Any], keeper: Any) -> list[Any]:
    return bound_docs([doc for doc in _contents(rows) if doc and "_conflicts" in doc], keeper)


def _contents(rows: list[Any]) -> list[Any]:
    """The documents of rows, as the server sent them."""
    docs = [row.doc if type(row) is DocRow else row.get("doc") for row in rows]
    check_all(docs, "a document", dict, type(None))
    return docs


def _ids(rows: list[Any]) -> list[str]:
    ids = [row.get("id") for row in rows]
    check_all(ids, "an id", str)
    return ids
