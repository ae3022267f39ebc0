"""One node of a cluster: its configuration and its statistics; CouchDB 1.x has them at the root."""

from __future__ import annotations

from typing import Any

from .asking import ask_json
from .errors import NotFound
from .server import Server
from .transport.encoding import quote_segment


async def node_path(server: Server, name: str = "_local") -> str:
    """The path below which a node's affairs are; the root, where the server has no nodes."""
    if await server.is_classic():
        return ""
    return "/_node/" + quote_segment(name, "node")


async def configure(server: Server, name: str | None, value: Any, delete: bool) -> Any:
    """Read, set or remove configuration; arguments and result as of `Couch.config`."""
    steps = _steps(name)
    if delete and value is not None:
        raise ValueError("delete removes a key: it takes no value beside it")
    if (delete or value is not None) and len(steps) != 2:
        raise ValueError(
            f"name must be 'section/key' where a value is set or deleted, not {name!r}"
        )
    if value is not None:
        value = _written(value)
    path = "/".join([await node_path(server) + "/_config", *steps])
    if delete:
        return await ask_json("DELETE", path)
    if value is not None:
        await ask_json("PUT", path, json=value, name="value")
        return None
    return await ask_json("GET", path)


async def statistics(server: Server, name: str | None) -> Any:
    """Read statistics; argument and result as of `Couch.stats`."""
    steps = _steps(name)
    found = await ask_json("GET", "/".join([await node_path(server) + "/_stats", *steps]))
    if found is None:  # CouchDB 3's way to say so
        raise NotFound(None, "not_found", f"there are no statistics {name!r}")
    return found


def _steps(name: str | None) -> list[str]:
    if name is None:
        return []
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {name!r:.80}")
    section, slash, key = name.strip("/").partition("/")
    # Keys may hold slashes (mime types do); sections do not.
    return [quote_segment(step, "name") for step in ([section, key] if slash else [section])]


def _written(value: Any) -> str:
    """A value as CouchDB keeps it: always a text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str | int | float):
        return str(value)
    raise TypeError(f"value must be a str, a number or a bool, not {value!r:.80}")
