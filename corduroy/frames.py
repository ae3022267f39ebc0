"""Data frames: rows and documents as columns of pandas, which is imported here alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas

# Floats do not hold all integers beyond.
_EXACT = 2**53


def frame_of_documents(
    docs: Iterable[Mapping[str, Any] | None], ids: list[Any]
) -> pandas.DataFrame:
    """Make a frame whose columns are the fields of documents.

    Args:
        docs (iterable of dict): the documents; None: there is none.
        ids (list): the index.
    """
    pd = _pandas()
    columns = _columns(pd, [_spread("", doc or {}) for doc in docs])
    frame: pandas.DataFrame = pd.DataFrame(columns, index=pd.Index(ids, name="id"))
    return frame


def frame_of_rows(rows: list[dict[str, Any]]) -> pandas.DataFrame:
    """Make a frame of the rows of a view: of their keys and values, by id; or if they are reduced, of
    their values, by key.

    Args:
        rows (list of dict): the rows.
    """
    pd = _pandas()
    keys = [row.get("key") for row in rows]
    parts = [_spread("value", row.get("value")) for row in rows]
    if rows and not any("id" in row or "error" in row for row in rows):
        columns, index = _columns(pd, parts), _index(pd, keys)
    else:
        spread = [_spread_key(key) | part for key, part in zip(keys, parts, strict=True)]
        columns = _columns(pd, spread) if rows else {"key": [], "value": []}
        index = pd.Index([row.get("id") for row in rows], name="id")
    frame: pandas.DataFrame = pd.DataFrame(columns, index=index)
    return frame


def _pandas() -> Any:
    try:
        import pandas
    except ImportError as error:
        raise ImportError("to_dataframe needs pandas: pip install 'corduroy[pandas]'") from error
    return pandas


def _spread(name: str, value: Any) -> dict[str, Any]:
    """A value as columns: an object's fields have one each, at any depth."""
    fields: dict[str, Any] = {}
    if isinstance(value, dict) and (value or not name):
        _add_fields(fields, f"{name}." if name else "", value)
    else:
        fields[name] = value
    return fields


def _add_fields(fields: dict[str, Any], prefix: str, value: dict[str, Any]) -> None:
    for key, inner in value.items():
        column = prefix + key
        if isinstance(inner, dict) and inner:
            _add_fields(fields, column + ".", inner)
            continue
        while column in fields:  # an object "a" with a "b", beside an "a.b"
            column += "_"
        fields[column] = inner


def _spread_key(key: Any) -> dict[str, Any]:
    """A row's key as columns, one for each part of an array."""
    if isinstance(key, list) and key:
        return {f"key.{at}": part for at, part in enumerate(key)}
    return {"key": key}


def _index(pd: Any, keys: list[Any]) -> Any:
    """The keys of reduced rows as an index; arrays as one of several levels."""
    if not all(isinstance(key, list) and key for key in keys):
        return pd.Index([_hashable(key) for key in keys], name="key", tupleize_cols=False)
    width = max(len(key) for key in keys)
    levels = [
        [_hashable(key[at]) if at < len(key) else None for key in keys] for at in range(width)
    ]
    if width == 1:
        return pd.Index(levels[0], name="key.0", tupleize_cols=False)
    return pd.MultiIndex.from_arrays(levels, names=[f"key.{at}" for at in range(width)])


def _hashable(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(map(_hashable, value))
    if isinstance(value, dict):
        return tuple((key, _hashable(inner)) for key, inner in value.items())
    return value


def _columns(pd: Any, rows: list[dict[str, Any]]) -> dict[str, Any]:
    """Columns of rows; those that a row has not are missing values in it."""
    names = dict.fromkeys(name for row in rows for name in row)
    return {name: _column(pd, [row.get(name) for row in rows]) for name in names}


def _column(pd: Any, values: list[Any]) -> Any:
    """The values of a column, as pandas would have them, but with integers of any size as they are."""
    integers = [value for value in values if type(value) is int]
    large = any(abs(value) > _EXACT for value in integers)
    if large and len(integers) < len(values):
        return pd.Series(values, dtype=object).array
    return pd.Series(values).array
