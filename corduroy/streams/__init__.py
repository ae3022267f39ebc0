"""Streams: results of any number, which are handed out as they come."""

from .asked import Asked
from .parsing import DocRow
from .reader import Fetch, PageReader, RowReader
from .stream import RowStream, Stream

PAGE = 200
"""How many results are asked for at once where they come in pages, if nobody says otherwise."""

__all__ = ["PAGE", "Asked", "DocRow", "Fetch", "PageReader", "RowReader", "RowStream", "Stream"]
