"""Document: a CouchDB document as a dict whose keys can be reached by a dot, at any depth.

Nothing is copied when a server's answer becomes a `Document`. The objects and lists inside stay the
plain ones that the JSON codec made until somebody reaches for them; then each is replaced, in place
and once, by a dict or list of the same content that knows the dot. Both ``doc["a"]`` and ``doc.a`` do
so, hence both are the same object ever after, and what is written to one is written to the document.
So is a plain dict or list that a program has put in: once read, it is changed through the document.

A document that a database gave knows that database, without knowing what a database is: it hands itself
over to be saved or fetched anew.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, ItemsView, Iterable, Iterator, Mapping, ValuesView
from typing import Any, Protocol, Self, SupportsIndex, overload

from . import defaults
from .showing import discreetly, table_of_fields

# Quicker than super(), on a path that every row and document goes.
_get = dict.__getitem__
_find = dict.get


def _reached(value: Any) -> Any:
    """The attribute form of a value fresh from the codec; whatever else it is, itself."""
    kind = type(value)
    if kind is dict:
        return defaults.mapping(value)
    if kind is list:
        return AttrList(value)
    return value


class AttrDict(dict[str, Any]):
    """A dict whose keys are attributes too: ``d.key`` is ``d["key"]``, reading, writing, deleting.

    Names that dict has itself (``items``, ``get``, ``copy``…) are reached by ``d["items"]``.
    """

    __slots__ = ()

    def __getitem__(self, key: str) -> Any:
        value = _get(self, key)
        kind = type(value)
        if kind is dict or kind is list:
            value = _reached(value)
            dict.__setitem__(self, key, value)
        return value

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no key {name!r}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        taken = getattr(type(self), name, None)
        if taken is not None and not isinstance(taken, property):  # a Row's read the key itself
            raise AttributeError(
                f"{name!r} is a method of {type(self).__name__}: write doc[{name!r}] = … instead"
            )
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"{type(self).__name__} has no key {name!r}") from None

    def get(self, key: str, default: Any = None) -> Any:
        """``d[key]``, or ``default`` where the key is missing."""
        return self[key] if key in self else default  # noqa: SIM401  (this is get)

    def setdefault(self, key: str, default: Any = None) -> Any:
        """``d[key]``, which is set to ``default`` first where the key is missing."""
        if key not in self:
            self[key] = default
        return self[key]

    def pop(self, key: str, *default: Any) -> Any:
        """Remove a key and return its value, or ``default`` where there is one."""
        return _reached(super().pop(key, *default))

    def popitem(self) -> tuple[str, Any]:
        """Remove and return the last ``(key, value)``."""
        key, value = super().popitem()
        return key, _reached(value)

    def values(self) -> ValuesView[Any]:  # type: ignore[override]
        """The values, as `dict.values`."""
        self._reach_all()
        return super().values()

    def items(self) -> ItemsView[str, Any]:  # type: ignore[override]
        """The ``(key, value)`` pairs, as `dict.items`."""
        self._reach_all()
        return super().items()

    def copy(self) -> Self:
        """A shallow copy of the same class."""
        return type(self)(self)

    __copy__ = copy

    def __or__(self, other: Mapping[str, Any]) -> Self:  # type: ignore[override]
        merged = self.copy()
        merged.update(other)
        return merged

    def __dir__(self) -> Iterable[str]:
        return [*super().__dir__(), *(key for key in self if key.isidentifier())]

    def __reduce__(self) -> tuple[Any, ...]:
        return (type(self), (dict(self),))

    def _reach_all(self) -> None:
        for key in self:
            self[key]


class AttrList(list[Any]):
    """A list inside a document; its objects know the dot."""

    __slots__ = ()

    @overload
    def __getitem__(self, index: SupportsIndex) -> Any: ...
    @overload
    def __getitem__(self, index: slice) -> list[Any]: ...
    def __getitem__(self, index: SupportsIndex | slice) -> Any:
        value = super().__getitem__(index)
        if isinstance(index, slice):
            self._reach_all()
            return AttrList(super().__getitem__(index))
        kind = type(value)
        if kind is dict or kind is list:
            value = _reached(value)
            super().__setitem__(index, value)
        return value

    def __iter__(self) -> Iterator[Any]:
        self._reach_all()
        return super().__iter__()

    def __reversed__(self) -> Iterator[Any]:
        self._reach_all()
        return super().__reversed__()

    def pop(self, index: SupportsIndex = -1) -> Any:
        """Remove and return the item at ``index``."""
        return _reached(super().pop(index))

    def sort(self, *, key: Any = None, reverse: bool = False) -> None:
        """Sort in place, as `list.sort`."""
        self._reach_all()
        super().sort(key=key, reverse=reverse)

    def copy(self) -> AttrList:
        """A shallow copy."""
        self._reach_all()
        return AttrList(self)

    def __reduce__(self) -> tuple[Any, ...]:
        return (AttrList, (list(self),))

    def _reach_all(self) -> None:
        for index in range(len(self)):
            self[index]


class Keeper(Protocol):
    """A database, as its documents see it: by the methods that they are handed over to."""

    @property
    def save(self) -> Any: ...

    @property
    def reload(self) -> Any: ...


class Document(AttrDict):
    """A CouchDB document: a dict that keeps its keys' order and lets a dot reach them.

    A document that a `Database` gave, or that was saved to one, knows it (`store`, `reload`). What is
    made of a document, by `copy`, ``|`` or pickling, knows none.

    Args:
        content (dict): the fields. The dict itself is not changed by what is done to the document.
        **fields: further fields.
    """

    __slots__ = ("_keeper",)

    @classmethod
    def load(
        cls,
        db: Keeper,
        id: str,
        rev: str | None = None,
        callback: Callable[[Any, Any], Any] | None = None,
    ) -> Any:
        """Fetch a document, in the calling style of its database.

        Args:
            db (Database): where it is.
            id (str): its id.
            rev (str): which revision; None: the current one.

        Returns:
            Document: of the class that this is called on.

        Raises:
            NotFound: there is no such document.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        return _checked(db).reload(cls(_id=id), rev=rev, callback=callback)

    def store(self, db: Keeper | None = None, **options: Any) -> Any:
        """Save the document, in the calling style of its database.

        Args:
            db (Database): where to; None: where it came from.
            **options: those of `Database.save`; arguments, result and exceptions are the same.

        Raises:
            ValueError: it came from no database, and none is given.

        Endpoints: ``PUT /{db}/{docid}``, ``PUT /{db}/_design/{ddoc}``, ``PUT /{db}/_local/{docid}``.
        """
        return (self._known_keeper() if db is None else _checked(db)).save(self, **options)

    def reload(self, callback: Callable[[Any, Any], Any] | None = None) -> Any:
        """Replace all fields by those that the database has now, in its calling style.

        Returns:
            Document: this one.

        Raises:
            NotFound: there is no such document any more; this one stays as it is.
            ValueError: it came from no database.

        Endpoints: ``GET /{db}/{docid}``, ``GET /{db}/_design/{ddoc}``, ``GET /{db}/_local/{docid}``.
        """
        return self._known_keeper().reload(self, rev=None, callback=callback)

    def _known_keeper(self) -> Any:
        try:
            return _keeper_of(self)
        except AttributeError:
            raise ValueError(
                "db is needed: this document came from no database, and was saved to none"
            ) from None

    def __repr__(self) -> str:
        name = self.get("_id", "unsaved")
        generation = str(self.get("_rev", "")).partition("-")[0]
        fields = [key for key in self if not key.startswith("_")]
        shown = f"{fields[0]}: {discreetly(self[fields[0]], self)!r:.40}" if fields else ""
        more = ", …" if len(fields) > 1 else ""
        revision = f"[{generation}]" if generation else ""
        return f"<Document {name}{revision} {{{shown}{more}}}>"

    def _repr_html_(self) -> str:
        return table_of_fields(f"Document {_find(self, '_id', 'unsaved')}", self)


# The slot itself: a dot would go through the keys.
_keeper_of = Document._keeper.__get__  # type: ignore[attr-defined]
_set_keeper = Document._keeper.__set__  # type: ignore[attr-defined]


def bound(content: dict[str, Any], keeper: Any) -> Document:
    """A document that knows its database.

    Args:
        content (dict): what the server sent.
        keeper (Database): whose it is.

    Returns:
        Document: of the class that `defaults` name.
    """
    doc: Any = defaults.document(content)
    try:  # noqa: SIM105  (a `with` would cost more than all the rest)
        _set_keeper(doc, keeper)
    except TypeError:  # a class of the program's own, and no `Document`
        pass
    return doc  # type: ignore[no-any-return]


def bound_docs(contents: list[dict[str, Any] | None], keeper: Any) -> list[Document | None]:
    """Documents that know their database; None where there is none. `bound`, for many at once."""
    if None in contents:
        return [None if content is None else bound(content, keeper) for content in contents]
    make: Callable[[Any], Any] = defaults.document
    docs = list(map(make, contents))
    with contextlib.suppress(TypeError):  # a class of the program's own, and no `Document`
        for doc in docs:
            _set_keeper(doc, keeper)
    return docs


def bind_docs(rows: Iterable[dict[str, Any]], keeper: Any) -> None:
    """Have the documents among rows know their database."""
    for row in rows:
        if type(doc := row.get("doc")) is dict:
            row["doc"] = bound(doc, keeper)
            # The key of `_all_docs` is the id: one string will do, and makes up for the database.
            if (id := row.get("id")) == row.get("key"):
                row["key"] = id


def bind(doc: Any, keeper: Any) -> None:
    """Let a document know its database; nothing happens to what is no `Document`."""
    if isinstance(doc, Document):
        _set_keeper(doc, keeper)


def same(one: Any, other: Any) -> bool:
    """Whether two values are the same in JSON, where 1, 1.0 and true are not; the order of keys is
    none of its business."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    alike = all(isinstance(one, kind) is isinstance(other, kind) for kind in (bool, float))
    return alike and bool(one == other)


def _checked(db: Any) -> Any:
    if not (hasattr(db, "save") and hasattr(db, "reload")):
        raise TypeError(f"db must be a Database, not {db!r:.80}")
    return db


class WithDocument(AttrDict):
    """A row or a change: its ``doc`` becomes a document when it is first reached for."""

    __slots__ = ()

    @property
    def doc(self) -> Any:
        """The document (`Document`) where ``include_docs`` was asked for; else None."""
        found = _find(self, "doc")
        if type(found) is dict:
            found = self["doc"] = defaults.document(found)
        return found

    def __getitem__(self, key: str) -> Any:
        return self.doc if key == "doc" and "doc" in self else super().__getitem__(key)


defaults.document = Document
defaults.mapping = AttrDict
