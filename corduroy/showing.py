"""Showing results in notebooks: HTML in which everything that a server sent is mere text."""

from __future__ import annotations

import html
from collections.abc import Iterable, Mapping
from json import JSONEncoder
from typing import Any

from .veil import redacted

MOST_ROWS = 20
"""How many rows are shown."""

_MOST_LETTERS = 100  # of a value
_MOST_COLUMNS = 12

_encoder = JSONEncoder(ensure_ascii=False, default=repr)

# Notebooks have colours of their own, dark or light.
_LEFT = 'style="text-align: left"'


def table(caption: str, names: Iterable[str], rows: Iterable[Iterable[Any]], more: int = 0) -> str:
    """A table of values.

    Args:
        caption (str): what stands above it.
        names (iterable of str): the columns' names.
        rows (iterable of iterables): the values; the first one of each row is its head.
        more (int): how many rows there are beside these.

    Returns:
        str: the HTML.
    """
    lines = [f"<p>{_text(caption)}</p>", "<table>", "<thead><tr>"]
    lines += [f"<th {_LEFT}>{_text(name)}</th>" for name in names]
    lines += ["</tr></thead>", "<tbody>"]
    for head, *values in rows:
        cells = "".join(f"<td {_LEFT}>{_text(value)}</td>" for value in values)
        lines.append(f"<tr><th {_LEFT}>{_text(head)}</th>{cells}</tr>")
    lines += ["</tbody>", "</table>"]
    if more:
        lines.append(f"<p>and {more} more</p>")
    return "\n".join(lines)


def table_of_documents(caption: str, docs: list[dict[str, Any]]) -> str:
    """A table of documents, with a column for each of their first fields."""
    shown = docs[:MOST_ROWS]
    names = dict.fromkeys(["_id", *(name for doc in shown for name in doc)])
    columns = list(names)[:_MOST_COLUMNS]
    left_out = ["…"] if len(columns) < len(names) else []
    rows = (
        [*(discreetly(dict.get(doc, name, ""), doc) for name in columns), *left_out]
        for doc in shown
    )
    return table(caption, [*columns, *left_out], rows, len(docs) - len(shown))


def table_of_fields(caption: str, doc: Mapping[str, Any]) -> str:
    """A table of the fields of one document."""
    fields = list(dict.items(doc)) if isinstance(doc, dict) else list(doc.items())
    shown = [(name, discreetly(value, doc)) for name, value in fields[:100]]
    return table(caption, ["field", "value"], shown, max(0, len(fields) - 100))


def discreetly(value: Any, doc: Mapping[str, Any]) -> Any:
    """A document's value as it may be shown: of a replication, without what authenticates.

    Args:
        value: the value.
        doc (dict): the document.
    """
    return redacted(value) if "source" in doc and "target" in doc else value


def _text(value: Any) -> str:
    """A value as text that is safe in HTML, and not too long."""
    text = value if isinstance(value, str) else _json(value)
    if len(text) > _MOST_LETTERS:
        text = text[:_MOST_LETTERS] + "…"
    return html.escape(text.encode("utf-8", "replace").decode())


def _json(value: Any) -> str:
    """The beginning of a value's JSON; the rest of what is large is not made."""
    text = ""
    try:
        for piece in _encoder.iterencode(value):
            text += piece
            if len(text) > _MOST_LETTERS:
                break
    except (TypeError, ValueError, RecursionError):  # what a program has put into a document
        text = repr(value)
    return text
