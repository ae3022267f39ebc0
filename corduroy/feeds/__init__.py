"""Feeds: changes as they happen, for as long as a program wants them."""

from .feed import ChangesFeed
from .values import Change, DatabaseUpdate, FeedState

__all__ = ["Change", "ChangesFeed", "DatabaseUpdate", "FeedState"]
