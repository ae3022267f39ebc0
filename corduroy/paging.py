"""Paging: a view a page at a time, with cursors that lead to the next page and to the previous one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from .cursors import Cursor, decode_cursor, wrong_cursor
from .errors import BadRequest
from .options import VIEW, check_flag, check_int, check_keys, encode_options
from .querying import OWN_LISTS, query_several, query_view, view_path
from .server import Place, Served
from .spans import RANGE, Span
from .streams import Fetch, PageReader, Stream
from .styles import S, operation, streamed
from .views import Page, ViewResult

PER_PAGE = 20
"""How many rows a page has if nobody says otherwise."""

# How many rows there are is what the pages decide; and they need an order.
_NOT_PAGED = ("limit", "skip", "sorted")
_OPTIONS = {name: encoder for name, encoder in VIEW.items() if name not in _NOT_PAGED}

_FIRST_NAMES = {
    "start_key": "startkey",
    "end_key": "endkey",
    "start_key_doc_id": "startkey_docid",
    "end_key_doc_id": "endkey_docid",
}

# So many of the keys are asked for at once, at first and at most.
_FEW, _MANY = 4, 64


class Paging(Place[S]):
    """The operations of `Database` that give a view a page at a time."""

    @operation
    async def page(
        self, /, name: str, per_page: int = PER_PAGE, cursor: str | None = None, **options: Any
    ) -> Page:
        """Fetch one page of a view.

        A cursor tells of a row, not of a number: while others write, no row comes twice or is left out
        that stays where it is, however many rows share its key. It may have gone through a browser: one
        that no page has given is refused, and whatever it says, there is no way out of what the options
        choose.

        Args:
            name (str): ``"ddoc/view"``, ``_all_docs``, ``_design_docs`` or ``_local_docs``.
            per_page (int): how many rows a page has.
            cursor (str): the ``next`` or ``previous`` of a page of the same view and options, be it
                that of another process; None: the first page.
            **options: those of `view`, but for ``limit``, ``skip`` and ``sorted``. With ``keys`` the
                pages go through these, whose rows come in their order. Groups of rows that are reduced
                are counted as rows.

        Returns:
            Page: the rows, and the cursors ``next`` and ``previous``.

        Raises:
            TypeError: an option does not exist (the nearest is named) or is of a wrong type.
            ValueError: no page of these rows has given this cursor.
            NotFound: there is no such view.

        Endpoints: ``GET /{db}/_design/{ddoc}/_view/{view}``,
        ``POST /{db}/_design/{ddoc}/_view/{view}``, ``POST /{db}/_design/{ddoc}/_view/{view}/queries``,
        ``GET /{db}/_all_docs``, ``POST /{db}/_all_docs``, ``GET /{db}/_design_docs``,
        ``POST /{db}/_design_docs``, ``GET /{db}/_local_docs``, ``POST /{db}/_local_docs``.
        """
        return await Paged(self, self._path, self, name, per_page, options).page(cursor)

    @streamed
    def pages(
        self,
        /,
        name: str,
        per_page: int = PER_PAGE,
        cursor: str | None = None,
        resume: bool = False,
        **options: Any,
    ) -> Stream[Page, S]:
        """Go through a view a page at a time, from a cursor on.

        Args:
            name (str): the view; as of `page`.
            per_page (int): how many rows a page has.
            cursor (str): the ``next`` or ``previous`` of a page, where to begin; None: the first.
            resume (bool): ask again for a page that was not answered, once there has been one. It gives
                up after 8 failures in a row.
            **options: as of `page`.

        Returns:
            Stream: of `Page`; none of them is empty.

        Raises:
            TypeError, ValueError, NotFound: as of `page`.

        Endpoints: ``GET /{db}/_design/{ddoc}/_view/{view}``,
        ``POST /{db}/_design/{ddoc}/_view/{view}``, ``POST /{db}/_design/{ddoc}/_view/{view}/queries``,
        ``GET /{db}/_all_docs``, ``POST /{db}/_all_docs``, ``GET /{db}/_design_docs``,
        ``POST /{db}/_design_docs``, ``GET /{db}/_local_docs``, ``POST /{db}/_local_docs``.
        """
        paged = Paged(self, self._path, self, name, per_page, options)
        return stream_pages(self, paged.fetch(cursor), resume)


def stream_pages(of: Served[S], fetch: Fetch[Page], resume: bool) -> Stream[Page, S]:
    """Make a stream of what fetches pages."""
    check_flag(resume, "resume")
    return Stream(of, lambda: PageReader(of._session, fetch, resume))


class _Found(NamedTuple):
    """Rows, the nearest one first, and where in ``keys`` the key of each is."""

    rows: list[dict[str, Any]]
    at: list[int | None]
    left_out: int
    passed: int
    answer: ViewResult | None


class Paged:
    """A view that is gone through by pages.

    Args:
        of (Served): the database, or the partition.
        path (str): its path.
        keeper (Database): which database the documents are to know.
        name, per_page, options: as of `Paging.page`.

    Raises:
        TypeError, ValueError: an option does not exist, or makes no sense; it is named.
    """

    def __init__(
        self,
        of: Served[Any],
        path: str,
        keeper: Any,
        name: str,
        per_page: int,
        options: Mapping[str, Any],
    ) -> None:
        view_path(name)
        check_int(per_page, "per_page")
        options = dict(options)
        keys = options.get("keys")
        if keys is not None:
            options["keys"] = keys = check_keys(keys)
        encode_options(options, _OPTIONS, "page")
        self._name = name
        self._given = options
        self._server = of._server
        self._path = path
        self._keeper = keeper
        self._per_page = per_page
        ends = {"key", *_FIRST_NAMES, *_FIRST_NAMES.values()} & options.keys()
        if keys is not None and ends:
            raise ValueError(f"keys and {min(ends)} both say which rows: give one of them")
        self._options = {
            _FIRST_NAMES.get(option, option): value
            for option, value in options.items()
            if option != "keys" and (value is not None or option in ("key", "startkey", "endkey"))
        }
        self._keys = keys[::-1] if keys and options.get("descending") else keys

    # -- pages --------------------------------------------------------------------------------

    def fetch(self, cursor: str | None) -> Fetch[Page]:
        """What fetches all pages from a cursor on."""
        if cursor is not None:
            self._taken(cursor)

        async def fetch(place: str | None) -> tuple[list[Page], str | None]:
            page = await self.page(cursor if place is None else place, place is not None)
            return [page] if page else [], page.next

        return fetch

    async def page(self, cursor: str | None, trusted: bool = False) -> Page:
        """Fetch a page; arguments as of `Paging.page`.

        Args:
            cursor (str): the cursor.
            trusted (bool): whether it has never left this program.
        """
        place = None if cursor is None else self._taken(cursor)
        if self._keys is not None and self._name in OWN_LISTS:
            return await self._page_of_ids(self._keys, place)
        if cursor is None or place is None:
            found = await self._find(None, False)
            assert found is not None
            return self._page(None, found)
        reverses = await self._server.is_pouchdb()
        try:
            within = trusted or await self._span(reverses).is_within(place, place.back)
            found = await self._find(place, reverses) if within else None
        except BadRequest as error:
            if error.error != RANGE or trusted:
                raise
            found = None
        if found is None:
            raise wrong_cursor(cursor)
        if reverses and found.answer is not None:
            found.answer.offset = None  # PouchDB Server does not know
        return self._page(place, found)

    async def _page_of_ids(self, ids: list[str], place: Cursor | None) -> Page:
        """Fetch a page of a list of ids, each of which has a row."""
        begin, end = 0, self._per_page
        if place is not None and place.at is not None:
            begin, end = place.at, place.at + self._per_page
            if place.back:
                begin, end = max(0, place.at - self._per_page), place.at
        asked = {k: v for k, v in self._options.items() if k != "descending"}
        answer = await self._query({**asked, "keys": ids[begin:end]})
        page = self._made(answer._items, _Found([], [], 0, 0, answer), None)
        if end < len(ids):
            page.next = Cursor(False, 0, None, None, end).encode()
        if begin > 0:
            page.previous = Cursor(True, 0, None, None, begin).encode()
        return page

    def _taken(self, cursor: str) -> Cursor:
        """A cursor from outside, which may be one of these pages as far as one can tell."""
        place = decode_cursor(cursor)
        keys = self._keys
        if keys is None:
            known = place.at is None and self._span(False).can_be(place)
        elif place.at is None:
            known = False
        elif self._name in OWN_LISTS:
            known = place == Cursor(place.back, 0, None, None, place.at) and place.at <= len(keys)
        else:
            known = place.at < len(keys) and self._span(False, place.at).can_be(place)
        if not known:
            raise wrong_cursor(cursor)
        return place

    # -- rows ---------------------------------------------------------------------------------

    def _span(self, reverses: bool, at: int | None = None) -> Span:
        """All that is gone through; or of ``keys`` the rows of one."""
        options = self._options
        if at is not None and self._keys is not None:
            options = {**options, "key": self._keys[at]}
        return Span(self._name, options, reverses, self._query)

    async def _query(self, options: Mapping[str, Any]) -> ViewResult:
        return await query_view(self._path, self._name, options, self._keeper)

    async def _find(self, place: Cursor | None, reverses: bool) -> _Found | None:
        """Fetch the rows of a page, and one more; None if there cannot be such a place."""
        if self._keys is not None:
            return await self._find_by_keys(self._keys, place, reverses)
        back, want = place is not None and place.back, self._per_page + 1
        going = await self._span(reverses).going(place, back, want)
        if going is None:
            return None
        return _Found(
            going.rows, [None] * len(going.rows), going.left_out, going.passed, going.found
        )

    async def _find_by_keys(
        self, keys: list[Any], place: Cursor | None, reverses: bool
    ) -> _Found | None:
        back, want = place is not None and place.back, self._per_page + 1
        found = _Found([], [], 0, 0, None)
        left = range(len(keys))
        if place is not None and place.at is not None:
            going = await self._span(reverses, place.at).going(place, back, want)
            if going is None:
                return None
            found = _Found(going.rows, [place.at] * len(going.rows), going.left_out, 0, going.found)
            left = left[: place.at][::-1] if back else left[place.at + 1 :]
        count = _FEW
        while left and len(found.rows) < want:
            some, left, count = left[:count], left[count:], min(2 * count, _MANY)
            found = await self._add_keys(found, some, back, reverses)
        return found

    async def _add_keys(self, found: _Found, some: range, back: bool, reverses: bool) -> _Found:
        """Add the rows of some keys, as many as are wanted, each key's asked for by itself."""
        want = self._per_page + 1
        spans = [self._span(reverses, at) for at in some]
        queries = [span.first(back, want) for span in spans]
        answers = await query_several(
            self._server, self._path, self._name, queries, {}, self._keeper
        )
        for at, span, answer in zip(some, spans, answers, strict=True):
            if answer._items and "id" not in answer._items[0] and not span.is_grouped:
                raise ValueError("group must be True: keys of a view that is reduced need it")
            if len(found.rows) < want:
                going = await span.going(None, back, want, answer)
                if going is not None:
                    found.rows.extend(going.rows)
                    found.at.extend([at] * len(going.rows))
        return found._replace(answer=found.answer or (answers[0] if answers else None))

    # -- a page of them -----------------------------------------------------------------------

    def _page(self, place: Cursor | None, found: _Found) -> Page:
        """Make a page, and the cursors of those beside it, of what was found."""
        back = place is not None and place.back
        rows = found.rows[: self._per_page]
        more = len(found.rows) > len(rows)
        page = self._made(rows[::-1] if back else rows, found, place)
        if rows:
            first, last = self._first_and_last(place, found, len(rows))
            if more or back:
                page.next = last._replace(back=False).encode()
            if more if back else place is not None:
                page.previous = first._replace(back=True).encode()
        elif place is not None:
            # What the cursor pointed to has gone; there is a way back to where it came from.
            setattr(page, "next" if back else "previous", place._replace(back=not back).encode())
        return page

    def _made(self, rows: list[dict[str, Any]], found: _Found, place: Cursor | None) -> Page:
        said: dict[str, Any] = {"rows": rows}
        answer = found.answer
        if answer is not None:
            said["total_rows"], said["update_seq"] = answer.total_rows, answer.update_seq
            offset, total = answer.offset, answer.total_rows
            if offset is not None and total is not None and self._keys is None:
                offset += found.passed
                back = place is not None and place.back
                said["offset"] = total - offset - len(rows) if back else offset
        return Page(self._name, said, self._given)

    def _first_and_last(
        self, place: Cursor | None, found: _Found, count: int
    ) -> tuple[Cursor, Cursor]:
        """The places before the first row of a page, and behind its last one."""
        span, (rows, at) = self._span(False), found[:2]

        def alike(one: int, other: int) -> bool:
            return at[one] == at[other] and span.alike(rows[one], rows[other])

        def cursor(index: int, before: int) -> Cursor:
            row = rows[index]
            return Cursor(False, before, row.get("key"), span.id_of(row), at[index])

        def run(index: int, step: int) -> int:
            """How many rows from this one on have its key and id."""
            end = index
            while 0 <= end < len(rows) and alike(end, index):
                end += step
            return abs(end - index)

        if place is not None and place.back:
            return cursor(count - 1, run(count - 1, 1) - 1), cursor(0, run(0, 1))
        here = 0  # rows of the first one's key and id on the page before
        if place is not None and at[0] == place.at and span.alike(rows[0], place.row()):
            here = found.left_out
        same = run(count - 1, -1)
        return cursor(0, here), cursor(count - 1, same + (here if same == count else 0))
