"""Mango: finding documents by a selector."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import Any

from .asking import ask, ask_json, offering
from .documents import Document
from .found import FindResult
from .options import FIND, check_flag, check_int, check_object, check_options
from .rows import decode_rows
from .server import Place
from .streams import PAGE, Fetch, PageReader, Stream
from .styles import S, operation, streamed

_PLACES = ("bookmark", "skip")  # of a page

_decode = functools.partial(decode_rows, name="docs")


class Mango(Place[S]):
    """The operations of `Database` that find documents by a selector."""

    @operation
    async def find(self, /, selector: Mapping[str, Any], **options: Any) -> FindResult:
        """Find documents.

        Args:
            selector (dict): what the documents have to match, ``{"year": {"$gt": 1950}}`` say.
            **options: ``fields`` (list of str: only these), ``sort`` (list of str or
                ``{field: "asc" or "desc"}``), ``limit`` (int; without it CouchDB gives 25, PouchDB
                Server all), ``skip`` (int), ``bookmark`` (str, of an earlier result: what comes after
                that), ``use_index`` (``"ddoc"`` or ``"ddoc/name"``), ``allow_fallback`` (bool; False:
                by an index that fits, or not at all), ``conflicts`` (bool), ``r`` (int: how many copies
                of each document are read), ``update``, ``stable`` (bool), ``stale`` (``"ok"``),
                ``execution_stats`` (bool).

        Returns:
            FindResult: the documents, with the ``bookmark``, the ``warning`` and the
            ``execution_stats`` that came with them.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.
            BadRequest: no index serves ``sort``, the selector has an operator that does not exist…

        Endpoint: ``POST /{db}/_find``.
        """
        return await find(self._path, "_find", find_body(selector, options, "find"), self)

    @streamed
    def find_all(
        self, /, selector: Mapping[str, Any], page: int = PAGE, resume: bool = False, **options: Any
    ) -> Stream[Document, S]:
        """Find any number of documents, a page at a time.

        Args:
            selector (dict): what the documents have to match.
            page (int): how many are asked for at once.
            resume (bool): ask again for a page that was not answered, once there has been one. It gives
                up after 8 failures in a row.
            **options: those of `find`; ``limit`` is for all pages together, without it there is none.

        Returns:
            Stream: the documents, by ``for`` in scripts, by ``async for`` under a running loop.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.

        Endpoint: ``POST /{db}/_find``.
        """
        check_flag(resume, "resume")
        body = find_body(selector, options, "find_all")
        fetch = find_pages(self._path, "_find", body, page, self)
        return Stream(self, lambda: PageReader(self._session, fetch, resume))

    @operation
    async def explain(self, /, selector: Mapping[str, Any], **options: Any) -> dict[str, Any]:
        """Ask how the server would go about finding documents: by which index, and why by that.

        Args:
            selector (dict): what the documents have to match.
            **options: those of `find`.

        Returns:
            dict: ``{"index", "selector", "opts", "fields", "index_candidates", …}``.

        Endpoint: ``POST /{db}/_explain``.
        """
        return await explain(self._path, "_explain", find_body(selector, options, "explain"))


def find_body(selector: Any, options: Mapping[str, Any], what: str) -> dict[str, Any]:
    """The body of ``_find`` and ``_explain``.

    Args:
        selector (dict): the selector.
        options (dict): the options of `FIND`.
        what (str): whose they are, for errors.

    Returns:
        dict: the body.

    Raises:
        TypeError, ValueError: an option does not exist, or something has a value that makes no sense.
    """
    return {"selector": check_object("selector", selector), **check_options(options, FIND, what)}


async def find(path: str, what: str, body: Mapping[str, Any], keeper: Any) -> FindResult:
    """Find documents of a database, or of a partition.

    Args:
        path (str): its path.
        what (str): what a server lacks that cannot do it.
        body (dict): what `find_body` gave.
        keeper (Database): whose documents they are.

    Returns:
        FindResult: the documents.
    """
    with offering(what):
        answer = await ask("POST", f"{path}/_find", json=body, name="options", safe=True)
    # A part of a document must not be saved in its place.
    return FindResult(answer.json(decode=_decode), None if "fields" in body else keeper)


async def explain(path: str, what: str, body: Mapping[str, Any]) -> dict[str, Any]:
    """Ask how documents would be found; arguments as of `find`."""
    with offering(what):
        url = f"{path}/_explain"
        return dict(await ask_json("POST", url, json=body, name="options", safe=True))


def find_pages(
    path: str, what: str, body: dict[str, Any], size: int, keeper: Any
) -> Fetch[Document]:
    """How a `Stream` fetches what is found.

    Args:
        path (str): the database's path, or the partition's.
        what (str): as of `find`.
        body (dict): what `find_body` gave.
        size (int): how many documents are asked for at once.
        keeper (Database): whose documents they are.

    Returns:
        A function that fetches a page.
    """
    check_int(size, "page")
    limit, skip = body.get("limit"), body.get("skip", 0)
    first = {name: body[name] for name in _PLACES if name in body}
    rest = {name: value for name, value in body.items() if name not in _PLACES}

    async def fetch(place: Any) -> tuple[FindResult, Any]:
        after, start = place or (0, first)
        wanted = size if limit is None else min(size, limit - after)
        found = await find(path, what, {**rest, **start, "limit": wanted}, keeper)
        after += len(found)
        if len(found) < wanted or after == limit:
            return found, None
        if found.bookmark is None:  # PouchDB Server has none
            return found, (after, {"skip": skip + after})
        return found, (after, {"bookmark": found.bookmark})

    return fetch
