"""Design documents: their views, and the functions that render, rewrite and update.

`Database` has these as methods, which take the short names ``"ddoc/function"``.
"""

from __future__ import annotations

import builtins
from collections.abc import Iterable, Mapping
from typing import Any

from .asking import JSON, ask, doc_path
from .options import KEYS, VIEW, check_keys
from .querying import function_path, query_once, query_several, query_view, view_options
from .server import Place
from .status import tornados
from .styles import S, either, operation
from .transport.answer import Answer
from .transport.encoding import encode_json, encode_text, number_text, query_string, quote_segment
from .views import ViewResult


class Functions(Place[S]):
    """The operations of `Database` that design documents offer."""

    async def _view(self, /, name: str, **options: Any) -> ViewResult:
        """Query a view.

        Args:
            name (str): ``"ddoc/view"``, or ``_all_docs``, ``_design_docs``, ``_local_docs``.
            queries (list of dict): several queries, each a dict of options, in one request.
            **options: ``key``, ``startkey``, ``endkey`` (anything that JSON can say), ``keys`` (list),
                ``startkey_docid``, ``endkey_docid`` (str), ``inclusive_end``, ``descending`` (bool),
                ``limit``, ``skip`` (int), ``include_docs``, ``conflicts``, ``attachments``, ``reduce``,
                ``group`` (bool), ``group_level`` (int or ``"exact"``), ``update_seq``, ``sorted``,
                ``stable`` (bool), ``update`` (bool or ``"lazy"``), ``stale`` (``"ok"`` or
                ``"update_after"``).

        Returns:
            ViewResult: the rows; a list of them where ``queries`` were given.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.
            NotFound: there is no such view.

        Endpoints: ``GET /{db}/_design/{ddoc}/_view/{view}``,
        ``POST /{db}/_design/{ddoc}/_view/{view}``, ``POST /{db}/_design/{ddoc}/_view/{view}/queries``,
        ``GET /{db}/_all_docs``, ``POST /{db}/_all_docs``, ``POST /{db}/_all_docs/queries``,
        ``GET /{db}/_design_docs``, ``POST /{db}/_design_docs``, ``POST /{db}/_design_docs/queries``,
        ``GET /{db}/_local_docs``, ``POST /{db}/_local_docs``, ``POST /{db}/_local_docs/queries``.
        """
        return await query_view(self._path, name, options, self)

    async def _view_queries(
        self, /, name: str, *, queries: Iterable[Mapping[str, Any]], **options: Any
    ) -> builtins.list[ViewResult]:
        return await query_several(self._server, self._path, name, queries, options, self)

    view = either(_view_queries, _view, lambda _, options: "queries" not in options)

    @operation
    async def query(
        self, /, map_src: str, reduce_src: str | None = None, **options: Any
    ) -> ViewResult:
        """Query a view that exists for this once. It reads the whole database: not for production.

        Args:
            map_src (str): the map function's source.
            reduce_src (str): the reduce function's source, or the name of a built-in one.
            **options: those of `view`.

        Returns:
            ViewResult: the rows.

        Endpoints: ``GET /{db}/_design/{ddoc}/_view/{view}``,
        ``POST /{db}/_design/{ddoc}/_view/{view}``, ``PUT /{db}/_design/{ddoc}``. PUT makes the view,
        and deletes it in any case.
        Endpoint of CouchDB 1.x: ``POST /{db}/_temp_view``.
        """
        return await query_once(self._server, self._path, map_src, reduce_src, options, self)

    @operation
    async def show(
        self, /, name: str, id: str | None = None, body: Any = None, **params: Any
    ) -> Rendered:
        """Have a show function render a document.

        Args:
            name (str): ``"ddoc/function"``.
            id (str): the document's id; None: the function gets null.
            body (dict | str | bytes): what the function gets beside it, by POST; as of `update`.
            **params: the function's query parameters.

        Returns:
            Rendered: its ``headers``, and its ``body`` as JSON, str or bytes.

        Endpoints: ``GET /{db}/_design/{ddoc}/_show/{func}``,
        ``GET /{db}/_design/{ddoc}/_show/{func}/{docid}``,
        ``POST /{db}/_design/{ddoc}/_show/{func}``,
        ``POST /{db}/_design/{ddoc}/_show/{func}/{docid}``.
        """
        path = self._path + function_path(name, "_show")
        method = "GET" if body is None else "POST"
        return await _render(method, path + (doc_path(id) if id is not None else ""), params, body)

    @operation
    async def list(
        self, /, name: str, view: str, body: Mapping[str, Any] | None = None, **options: Any
    ) -> Rendered:
        """Have a list function render the rows of a view.

        Args:
            name (str): ``"ddoc/function"``.
            view (str): the view's name, or ``"ddoc/view"`` of another design document.
            body (dict): what the function gets beside the rows, as JSON by POST.
            **options: those of `view`, and the function's own query parameters. ``keys`` travel in the
                body.

        Returns:
            Rendered: its ``headers``, and its ``body`` as JSON, str or bytes.

        Endpoints: ``GET /{db}/_design/{ddoc}/_list/{func}/{view}``,
        ``GET /{db}/_design/{ddoc}/_list/{func}/{other-ddoc}/{view}``,
        ``POST /{db}/_design/{ddoc}/_list/{func}/{view}``,
        ``POST /{db}/_design/{ddoc}/_list/{func}/{other-ddoc}/{view}``.
        """
        path = self._path + _list_path(name, view)
        if body is not None and not isinstance(body, Mapping):
            raise TypeError(f"body must be a dict, not {body!r:.80}")
        keys = options.pop("keys", None)
        own = {key: value for key, value in options.items() if key not in VIEW or key in KEYS}
        query = {**own, **view_options({key: options[key] for key in options.keys() - own.keys()})}
        if body is None and keys is None:
            return await _render("GET", path, query)
        sent = {**(body or {}), **({} if keys is None else {"keys": check_keys(keys)})}
        return await _render("POST", path, query, encode_json(sent, "body"), JSON, safe=True)

    @operation
    async def update(
        self, /, name: str, id: str | None = None, body: Any = None, **params: Any
    ) -> Rendered:
        """Have an update function change a document.

        Args:
            name (str): ``"ddoc/function"``.
            id (str): the document's id; None: the function gets null.
            body (dict | str | bytes): a dict is sent as a form; the others as they are.
            **params: the function's query parameters.

        Returns:
            Rendered: its ``headers``, and its ``body`` as JSON, str or bytes.

        Endpoints: ``POST /{db}/_design/{ddoc}/_update/{func}``,
        ``PUT /{db}/_design/{ddoc}/_update/{func}/{docid}``.
        """
        path = self._path + function_path(name, "_update")
        method = "POST" if id is None else "PUT"
        return await _render(method, path + (doc_path(id) if id is not None else ""), params, body)

    @operation
    async def rewrite(
        self, /, ddoc: str, path: str, method: str = "GET", body: Any = None, **params: Any
    ) -> Rendered:
        """Ask for a path behind a design document's rewrite rules.

        Args:
            ddoc (str): the design document's name.
            path (str): the path.
            method (str): the HTTP method.
            body (dict | str | bytes): a dict is sent as a form; the others as they are.
            **params: query parameters.

        Returns:
            Rendered: the answer's ``headers``, and its ``body`` as JSON, str or bytes.

        Endpoint: ``ANY /{db}/_design/{ddoc}/_rewrite/{path}``.
        """
        if method not in _METHODS:
            raise ValueError(f"method must be one of {', '.join(_METHODS)}, not {method!r:.80}")
        return await _render(method, self._path + _rewrite_path(ddoc, path), params, body)


_METHODS = ("GET", "HEAD", "POST", "PUT", "DELETE", "COPY")


def ddoc_name(name: str) -> str:
    """A design document's name, encoded; given with or without ``_design/`` before it."""
    return quote_segment(name.removeprefix("_design/") if isinstance(name, str) else name, "ddoc")


class Rendered:
    """What a show, list, update or rewrite function answered.

    Attributes:
        code (int): the HTTP status; a redirection (3xx) is given back, not followed.
        headers (tornado.httputil.HTTPHeaders): the answer's headers; names are matched in any case.
        body: decoded JSON, str for any other text, bytes for the rest; by the content type. None
            where JSON was announced and nothing came (a HEAD, say).
    """

    def __init__(self, answer: Answer) -> None:
        self.code = answer.code
        self.headers = tornados(answer.headers)
        kind, _, parameters = (answer.header("content-type") or "").partition(";")
        kind = kind.strip().lower()
        self.body: Any
        if kind in ("application/json", "text/json") or kind.endswith("+json"):
            self.body = answer.json(Any) if answer.body else None
        elif kind.startswith("text/") or kind.endswith(("xml", "javascript")):
            _, _, charset = parameters.partition("charset=")
            self.body = _as_text(bytes(answer.body), charset.strip(' "') or "utf-8")
        else:
            self.body = bytes(answer.body)

    def __repr__(self) -> str:
        return f"<Rendered {self.code}: {self.body!r:.60}>"


def _as_text(body: bytes, charset: str) -> str:
    try:
        return body.decode(charset, "replace")
    except LookupError:
        return body.decode("utf-8", "replace")


async def _render(
    method: str,
    path: str,
    query: Mapping[str, Any] | None = None,
    body: Any = None,
    headers: Mapping[str, str] | None = None,
    safe: bool | None = None,
) -> Rendered:
    """Call a function whose answer may be anything.

    Args:
        method (str): the HTTP method.
        path (str): the function's path.
        query (dict): parameters for the function; str as they are, other values and keys as JSON.
        body: a dict is sent as a form; bytes and str as they are; None: nothing.
        headers (dict of str to str): more headers.
        safe (bool): whether it may be sent twice; None: as HTTP has it for the method.

    Returns:
        Rendered: what it made.
    """
    sent = {"Accept": "*/*", **(headers or {})}
    if isinstance(body, Mapping):
        words = {key: _field(value) for key, value in body.items()}
        body = query_string(words)[1:]
        sent.setdefault("Content-Type", "application/x-www-form-urlencoded")
    if isinstance(body, str):
        body = encode_text(body, "body")
    if body is not None and not isinstance(body, bytes):
        raise TypeError(f"body must be a dict, str or bytes, not {type(body).__name__}")
    words = {key: _word(key, value) for key, value in (query or {}).items()}
    redirections = range(300, 400)
    return Rendered(
        await ask(method, path, words, body=body, headers=sent, accept=redirections, safe=safe)
    )


def _field(value: Any) -> str:
    """A form's field: a bool is as Python has it."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return number_text(value)
    return value if isinstance(value, str) else str(value)


def _word(key: str, value: Any) -> str:
    if key in KEYS:  # CouchDB decodes these for whatever function
        return VIEW[key](key, value)
    if isinstance(value, str):
        return value
    if isinstance(value, bool | int | float):
        return number_text(value)
    raise TypeError(f"{key} must be a str, a number or a bool, not {value!r:.80}")


def _list_path(name: str, view_name: str) -> str:
    """The path of a list function applied to a view, which may be another design document's."""
    if not isinstance(view_name, str):
        raise TypeError(f"view must be a str, not {view_name!r:.80}")
    path = function_path(name, "_list")
    ddoc, _, _ = name.removeprefix("_design/").partition("/")
    steps = view_name.removeprefix("_design/").split("/", 1)
    if len(steps) == 2 and steps[0] == ddoc:
        del steps[0]
    return "/".join([path, *(quote_segment(step, "view") for step in steps)])


def _rewrite_path(ddoc: str, path: str) -> str:
    """The path of something behind a design document's rewrite rules."""
    if not isinstance(path, str):
        raise TypeError(f"path must be a str, not {path!r:.80}")
    # Each by itself: "." and ".." would lead out of the rules, for whoever normalises the path.
    steps = path.lstrip("/").split("/")
    quoted = "/".join(quote_segment(step, "path") if step else "" for step in steps)
    return f"/_design/{ddoc_name(ddoc)}/_rewrite/{quoted}"
