"""Spans: the rows of a view between two keys, asked for from a place among them, either way."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, NamedTuple

from .cursors import Cursor
from .documents import same
from .errors import BadRequest
from .querying import OWN_LISTS
from .views import ViewResult

Row = dict[str, Any]

RANGE = "query_parse_error"
"""The ``error`` of the `BadRequest` for a span that ends before it begins."""

Query = Callable[[Mapping[str, Any]], Awaitable[ViewResult]]
"""Queries the view, with options."""

# Options by their end of the span; going back, the ends change places.
_OTHER_END = {
    "startkey": "endkey",
    "endkey": "startkey",
    "startkey_docid": "endkey_docid",
    "endkey_docid": "startkey_docid",
}

# What CouchDB's own lists have, and nothing else.
_PREFIXES = {"_design_docs": "_design/", "_local_docs": "_local/"}

# Sorts behind whatever else a group of keys may hold.
_LAST = {"\uffff": None}


def _margin(place: Cursor | None, back: bool) -> int:
    """How many rows more have to be asked for than are wanted: the place's own comes again; going
    back, the last one may be a part of what has the same key and id."""
    return (place is not None) + back


class Going(NamedTuple):
    """Rows on either side of a place, the nearest one first.

    Attributes:
        rows (list of dict): the rows; going back they are complete as far as key and id are the same.
        left_out (int): how many rows of the place's own are on its other side.
        passed (int): how many rows have been asked for that are on its other side.
        found (ViewResult): the answer.
    """

    rows: list[Row]
    left_out: int
    passed: int
    found: ViewResult


class Span:
    """The rows of a view between two keys.

    Args:
        name (str): the view.
        options (dict): those of `Database.view`, under their first names; but for ``keys``.
        reverses (bool): whether the server, going down, also has a document's rows of one key in the
            opposite order, as PouchDB Server does. It takes no notice of ``startkey_docid`` either.
        query: queries the view.

    Attributes:
        is_grouped (bool): whether groups of rows are asked for.
    """

    def __init__(self, name: str, options: Mapping[str, Any], reverses: bool, query: Query) -> None:
        self._options = options
        self._reverses = reverses
        self._query = query
        self._name = name
        self._is_list = name in OWN_LISTS
        level = options.get("group_level")
        self._level = level if type(level) is int else 0
        self.is_grouped = options.get("group") is True or level not in (None, 0)

    def id_of(self, row: Mapping[str, Any]) -> str | None:
        """A row's id, where it says more than the key."""
        return None if self._is_list else row.get("id")

    def alike(self, one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
        """Whether two rows have the same key and id."""
        return self.id_of(one) == self.id_of(other) and same(one.get("key"), other.get("key"))

    # -- asking -------------------------------------------------------------------------------

    async def going(
        self, place: Cursor | None, back: bool, want: int, found: ViewResult | None = None
    ) -> Going | None:
        """Ask for the rows on one side of a place.

        Args:
            place (Cursor): the place; None: where the span begins, or ends.
            back (bool): whether those before it are wanted.
            want (int): how many, at least, if there are so many.
            found (ViewResult): what `first` has asked for already.

        Returns:
            Going: the rows; None if the place is no place of such rows.
        """
        limit = want + _margin(place, back)
        while True:
            if found is None:
                found = await self._query({**self.asked(place, back), "limit": limit})
            rows = found._items
            if place is not None and rows and (self.id_of(rows[0]) is None) != (place.id is None):
                return None  # all rows are reduced to one
            whole = len(rows) < limit
            first, run = self._first_run(rows, place, back) if place is not None else (0, 0)
            if place is None or not run:
                left_out = 0
            elif back:
                left_out = max(0, run - place.seen)
            else:
                left_out = min(run, place.seen)
            passed = first + left_out
            kept = self._ordered(rows, whole)[passed:] if back else rows[passed:]
            if whole or len(kept) >= want:
                return Going(kept, left_out, passed, found)
            found, limit = None, limit * 2

    def _first_run(self, rows: list[Row], place: Cursor, back: bool) -> tuple[int, int]:
        """Where the place's own rows begin, and how many they are."""
        first = 0
        if self._reverses and place.id is not None:
            while first < len(rows) and self._comes_before(rows[first], place, back):
                first += 1
        end = first
        own = place.row()
        while end < len(rows) and self.alike(rows[end], own):
            end += 1
        return first, end - first

    def _comes_before(self, row: Row, place: Cursor, back: bool) -> bool:
        """Whether a row of the place's key has an id that comes before the place's, going so."""
        assert place.id is not None
        id = str(row.get("id"))
        upwards = bool(self._options.get("descending")) == back
        before = id < place.id if upwards else id > place.id
        return before and same(row.get("key"), place.key)

    def _ordered(self, rows: list[Row], whole: bool) -> list[Row]:
        """Rows in the opposite of the order that they have going on."""
        runs: list[list[Row]] = []
        for row in rows:
            if runs and self.alike(runs[-1][0], row):
                runs[-1].append(row)
            else:
                runs.append([row])
        if not whole:
            runs.pop()
        return [row for run in runs for row in (run if self._reverses else reversed(run))]

    def first(self, back: bool, want: int) -> dict[str, Any]:
        """The options that ask for the first rows, or going back for the last; as of `going`."""
        return {**self.asked(None, back), "limit": want + _margin(None, back)}

    def asked(self, place: Cursor | None, back: bool) -> dict[str, Any]:
        """The options that ask for what is on one side of a place."""
        asked = dict(self._options)
        if back:
            asked = {_OTHER_END.get(name, name): value for name, value in asked.items()}
            asked["descending"] = not self._options.get("descending")
            asked.pop("inclusive_end", None)
        if place is not None:
            if "key" not in asked:
                asked["startkey"] = self._start(place, back)
            asked.pop("startkey_docid", None)
            if place.id is not None:
                asked["startkey_docid"] = place.id
        return asked

    def _start(self, place: Cursor, back: bool) -> Any:
        """The key from which to ask; a group's may be outside of a span that has a part of it."""
        key, level = place.key, self._level
        if not level or not isinstance(key, list):
            return key
        inclusive = place.seen == back
        ends = ("endkey", "startkey") if back else ("startkey", "endkey")
        for end in ends[:1] if inclusive else ends:
            bound = self._options.get(end)
            if isinstance(bound, list | tuple) and same(bound[:level], key):
                return bound
        downwards = bool(self._options.get("descending")) != back
        return [*key, _LAST] if inclusive and downwards and len(key) == level else key

    # -- cursors from outside -----------------------------------------------------------------

    def can_be(self, place: Cursor) -> bool:
        """Whether there may be such a place, as far as one can tell without asking."""
        if not self._is_list:
            # In the middle of a group one would be told of a part of it.
            in_group = isinstance(place.key, list) and len(place.key) > self._level > 0
            return (place.id is None) == self.is_grouped and not in_group
        key, prefix = place.key, _PREFIXES.get(self._name, "")
        if place.id is not None or not isinstance(key, str) or not key.startswith(prefix):
            return False
        ends = [self._options.get(name) for name in ("startkey", "endkey")]
        low, high = reversed(ends) if self._options.get("descending") else ends
        if "key" in self._options:
            low = high = self._options["key"]
        if self._is_open and key == self._options.get("endkey"):
            return False
        # Of other types than str CouchDB takes no notice here.
        too_low, too_high = isinstance(low, str) and key < low, isinstance(high, str) and key > high
        return not (too_low or too_high)

    @property
    def _is_open(self) -> bool:
        return self._options.get("inclusive_end") is False

    async def is_within(self, place: Cursor, back: bool) -> bool:
        """Ask the server, who alone knows how keys are sorted, whether a place is in the span.

        It is enough to know of the end that the rows are not asked for to: a request for those from
        the place to the other end is refused by the server in its turn.
        """
        end = "endkey" if back else "startkey"
        if self._is_list:
            return True
        if not self._reverses and not self._is_within_ids(place):
            return False
        if end not in self._options:
            return True
        bound, start = self._options[end], self._start(place, back)
        beyond = back and self._is_open
        if same(start, bound):
            return not beyond or bool(self._level) or "endkey_docid" in self._options
        first, last = (start, bound) if back != beyond else (bound, start)
        asked = {k: v for k, v in self._options.items() if k not in (*_OTHER_END, "include_docs")}
        try:
            await self._query({**asked, "startkey": first, "endkey": last, "limit": 0})
        except BadRequest as error:
            if error.error != RANGE:
                raise
            return beyond
        return not beyond

    def _is_within_ids(self, place: Cursor) -> bool:
        """Whether a place at the first key, or at the last, is within the ids given for these."""
        for end, sign in (("startkey", 1), ("endkey", -1)):
            id = self._options.get(f"{end}_docid")
            at_end = "key" in self._options or (
                end in self._options and same(place.key, self._options[end])
            )
            if id is None or place.id is None or not at_end:
                continue
            order = (place.id > id) - (place.id < id)
            if self._options.get("descending"):
                order = -order
            if order == -sign or (order == 0 and end == "endkey" and self._is_open):
                return False
        return True
