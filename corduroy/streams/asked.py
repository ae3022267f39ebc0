"""What a stream of rows asks a server for: one answer after another, and what is left after a break."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..asking import JSON
from ..documents import same
from ..options import check_keys
from ..querying import OWN_LISTS, among_designs, view_path, view_query
from ..transport.encoding import encode_json, query_string
from ..transport.messages import Request
from .parsing import Row

# How many keys go in one request.
_KEYS = 1000
_BYTES = 512 * 1024

_STARTS = ("startkey", "start_key", "startkey_docid", "start_key_doc_id")


class Asked:
    """The rows of a view, from their beginning or from where a break was.

    Args:
        path (str): the path of the database, or of the partition.
        name (str): the view; ``"_all_docs"`` and its like, too.
        options (dict): those of `Database.view`; ``keys`` of any number.
        resume (bool): whether a break will have to be gone on from.

    Attributes:
        path (str): what is asked, without a query.
        name (str): the view.
        over (bool): whether nothing is left to be asked for.

    Raises:
        TypeError, ValueError: an option does not exist, or makes no sense; it is named.
    """

    def __init__(self, path: str, name: str, options: Mapping[str, Any], resume: bool) -> None:
        self.name = name
        self.path = path + view_path(name)
        self.over = False
        self._db = path
        self._options = dict(options)
        self._resume = resume
        keys = self._options.pop("keys", None)
        view_query(self._options)
        self._left: int | None = self._options.get("limit")
        self._skip = 0
        self._keys: list[Any] | None = None  # in the order of their rows
        self._at = 0  # so many of them have been answered
        self._chunk: list[Any] = []  # the next ones, which are being asked for
        self._before: dict[str, Any] | None = None  # what is to be asked before these
        if keys is not None:
            self._take_keys(check_keys(keys))
        if resume:
            self._check_order()
        self._last: Row | None = None
        self._same = 0  # how many rows, with the last one, have its key and id
        self._taken = 0  # rows of this answer
        self._resumed = False  # this answer begins with rows that have come already
        self._again = -1  # rows like the last one that come again; -1: they have all come

    def _take_keys(self, keys: list[Any]) -> None:
        encode_json(keys, "keys")
        self._skip = self._options.pop("skip", 0)  # the server would skip rows of each answer
        self._keys = self._in_order(keys)
        self.over = not keys
        if len(keys) > _KEYS and self._options.get("descending") and self.name not in OWN_LISTS:
            raise ValueError(
                f"descending: more than {_KEYS} keys of a view come in the order in which you give them"
            )

    def _check_order(self) -> None:
        options = self._options
        if options.get("sorted") is False:
            raise ValueError("resume: rows that are not sorted have no place to go on from")
        level = options.get("group_level")
        if options.get("descending") and isinstance(level, int) and level and level is not True:
            raise ValueError("resume: groups of a level cannot be gone on with downwards")
        if self._keys is not None and self.name not in OWN_LISTS:
            if options.get("descending"):
                raise ValueError("resume: keys of a view, and descending, exclude each other")
            if len({repr(key) for key in self._keys}) < len(self._keys):
                raise ValueError("resume: the keys of a view must differ from each other")

    # -- asking -------------------------------------------------------------------------------

    def request(self) -> Request:
        """What is to be asked now."""
        options = self._options
        if self._before is not None:
            options = self._before
        elif self._keys is not None:
            self._chunk = self._chunk or self._next_keys(self._keys)
            options = {**options, "keys": self._in_order(self._chunk)}
        if self._left is not None and "limit" in options:
            options = {**options, "limit": self._left + self._skip}
        query, body = view_query(options)
        target = self.path + (query_string(query) if query else "")
        if body is None:
            return Request("GET", target)
        return Request("POST", target, body=encode_json(body, "options"), headers=JSON, safe=True)

    def _next_keys(self, keys: list[Any]) -> list[Any]:
        count = _KEYS
        while True:
            chunk = keys[self._at : self._at + count]
            if len(chunk) == 1 or len(encode_json(chunk, "keys")) <= _BYTES:
                return chunk
            count = len(chunk) // 2

    def _in_order(self, keys: list[Any]) -> list[Any]:
        """Keys in the order of their rows, and the other way round: going down its own lists, a server
        begins with the last. (Of views, some do and some do not.)"""
        down = self._options.get("descending") and self.name in OWN_LISTS
        return keys[::-1] if down else keys

    def answered(self) -> None:
        """The answer has come to its end."""
        self._taken, self._resumed, self._again = 0, False, -1
        if self._before is not None:
            self._before = None
        else:
            self._drop_keys(len(self._chunk))
        self.over = self.over or not self._keys or self._at == len(self._keys)

    def _drop_keys(self, count: int) -> None:
        self._at += count
        self._chunk = []

    def ask_for_all(self) -> bool:
        """Ask for what is wanted among all documents, where there is no list of it.

        Returns:
            bool: False if there is no such way.
        """
        if self.name != "_design_docs":
            return False
        self.name, self.path = "_all_docs", self._db + view_path("_all_docs")
        self._options = among_designs(self._options)
        return True

    # -- taking -------------------------------------------------------------------------------

    def accept(self, rows: list[Row]) -> list[Row]:
        """Take note of rows that have come.

        Args:
            rows (list of dict): the rows.

        Returns:
            list of dict: those that are wanted, and have not come before.
        """
        if self._again >= 0:
            self._drop_seen(rows)
        if rows:
            self._taken += len(rows)
            if self._resume:
                self._note(rows)
        if self._skip:
            skipped = min(self._skip, len(rows))
            self._skip -= skipped
            del rows[:skipped]
        if self._left is not None:
            del rows[self._left :]
            self._left -= len(rows)
            self.over = self._left == 0
        return rows

    def _note(self, rows: list[Row]) -> None:
        last, same = rows[-1], 1
        while same < len(rows) and _alike(rows[-1 - same], last):
            same += 1
        went_on = same == len(rows) and self._last is not None and _alike(self._last, last)
        self._same = same + (self._same if went_on else 0)
        self._last = {"key": last.get("key"), "id": last.get("id")}

    def _drop_seen(self, rows: list[Row]) -> None:
        """Leave out what came before the break: rows that end with the last one."""
        last, seen = self._last, 0
        assert last is not None
        for row in rows:
            if _alike(row, last):
                self._again -= 1
            elif not _same_key(row, last) or not self._comes_before(row.get("id"), last["id"]):
                self._again = -1
            if self._again < 0:
                break
            seen += 1
        del rows[:seen]

    def _comes_before(self, id: Any, other: Any) -> bool:
        """Whether an id comes before another one among rows of one key."""
        one, two = (str(each).encode("utf-8", "surrogatepass") for each in (id, other))
        return one > two if self._options.get("descending") else one < two

    # -- after a break ------------------------------------------------------------------------

    def go_on(self) -> None:
        """Ask for what comes after the rows that have come, from now on."""
        last = self._last
        if last is None or not (self._taken or self._resumed):
            return
        if self._before is not None:
            self._before = self._behind(self._before, last)
        elif self._keys is None:
            self._options = self._behind(self._options, last)
        elif self.name in OWN_LISTS:  # a row for each key
            self._drop_keys(self._taken)
            self._taken = 0
            self.over = self.over or self._at == len(self._keys)
            return
        else:
            at = _place_of(last["key"], self._chunk)
            self._before = self._behind({**self._options, "key": self._chunk[at]}, last)
            self._drop_keys(at + 1)
        self._taken, self._resumed, self._again = 0, True, self._same

    def _behind(self, options: Mapping[str, Any], row: Row) -> dict[str, Any]:
        """Options that ask for a row, and what comes after it."""
        # How many of the rows come again is not known: what is more than the limit is left out here.
        rest = {k: v for k, v in options.items() if k not in (*_STARTS, "limit", "skip")}
        if "key" not in rest:
            rest["startkey"] = row["key"]
        if self.name not in OWN_LISTS and row["id"] is not None:
            rest["startkey_docid"] = row["id"]
        return rest


def _same_key(row: Row, other: Row) -> bool:
    return same(row.get("key"), other.get("key"))


def _alike(row: Row, other: Row) -> bool:
    return row.get("id") == other.get("id") and _same_key(row, other)


def _place_of(key: Any, keys: list[Any]) -> int:
    """Where a row's key is among those that were asked for."""
    alike = [at for at, each in enumerate(keys) if same(each, key)]
    return alike[0] if alike else keys.index(key)  # 1 was asked for, and 1.0 was emitted
