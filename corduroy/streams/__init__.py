"""Streams: results of any number, which are handed out as they come."""

from .stream import PAGE, Fetch, Stream

__all__ = ["PAGE", "Fetch", "Stream"]
