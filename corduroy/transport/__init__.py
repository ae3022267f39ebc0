"""Everything that knows HTTP, and nothing that knows documents."""

from .client import KeepAliveHTTPClient

__all__ = ["KeepAliveHTTPClient"]
