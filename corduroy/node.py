"""Node: one node of a cluster: its configuration, its figures, its restart."""

from __future__ import annotations

from typing import Any, TypeVar

from .asking import TAKEN_FOR_A_DATABASE, ask, ask_json, offering
from .errors import NotFound
from .server import Served, Server
from .styles import S, Style, operation
from .transport.answer import Answer
from .transport.encoding import number_text, quote_segment
from .veil import veiled

LOCAL = "_local"
"""What the node that answers is called by everyone."""

S2 = TypeVar("S2", bound=Style)


class Node(Served[S]):
    """A node of a cluster, whether it exists or not; `Couch.node` makes it. Asking one that does
    not exist raises `NotFound`.

    CouchDB 1.x and PouchDB Server have no nodes: of ``_local`` they have the configuration, the
    statistics and the restart, in another place.
    """

    _name: str

    @property
    def name(self) -> str:
        """The node's name, as it was asked for; `info` tells who ``_local`` is."""
        return self._name

    def with_style(self, style: S2) -> Node[S2]:
        """The same node in another calling style.

        Args:
            style (str): ``"auto"``, ``"blocking"`` or ``"future"``.

        Returns:
            Node: it shares this one's connections.
        """
        return node_of(self._server, self._name, style)

    @operation
    async def info(self) -> dict[str, Any]:
        """Ask the node who it is.

        Returns:
            dict: ``{"name"}`` of ``_local``; of a node asked by its name, what `Couch.info` gives.

        Endpoint: ``GET /_node/{node-name}``.
        """
        return dict((await self._ask("")).json())

    @operation
    async def config(self, name: str | None = None, value: Any = None, delete: bool = False) -> Any:
        """Read or change the node's configuration; as `Couch.config`.

        Endpoints: ``GET /_node/{node-name}/_config``, ``GET /_node/{node-name}/_config/{section}``,
        ``GET /_node/{node-name}/_config/{section}/{key}``,
        ``PUT /_node/{node-name}/_config/{section}/{key}``,
        ``DELETE /_node/{node-name}/_config/{section}/{key}``.
        Endpoints of CouchDB 1.x: ``GET /_config``, ``GET /_config/{section}``,
        ``GET /_config/{section}/{key}``, ``PUT /_config/{section}/{key}``,
        ``DELETE /_config/{section}/{key}``.
        """
        value = veiled(value)
        return await configure(self._server, self._name, name, value, delete)

    @operation
    async def reload_config(self) -> dict[str, Any]:
        """Have the node read its configuration's files again, and forget what is in none of them.

        Returns:
            dict: ``{"ok": true}``.

        Endpoint: ``POST /_node/{node-name}/_config/_reload``.
        """
        return dict((await self._ask("/_config/_reload", "POST", json={})).json())

    @operation
    async def stats(self, name: str | None = None) -> Any:
        """Read the node's statistics; as `Couch.stats`.

        Endpoint: ``GET /_node/{node-name}/_stats``.
        Endpoint of CouchDB 1.x: ``GET /_stats``.
        """
        return await statistics(self._server, self._name, name)

    @operation
    async def system(self) -> dict[str, Any]:
        """Read the figures of the Erlang system that the node runs on.

        Returns:
            dict: ``{"uptime", "memory", "run_queue", "message_queues", …}``.

        Endpoint: ``GET /_node/{node-name}/_system``.
        """
        return dict((await self._ask("/_system")).json())

    @operation
    async def versions(self) -> dict[str, Any]:
        """Ask for the versions of what the node is made of.

        Returns:
            dict: ``{"erlang", "javascript_engine", "collation_driver", …}``.

        Endpoint: ``GET /_node/{node-name}/_versions``.
        """
        return dict((await self._ask("/_versions")).json())

    @operation
    async def prometheus(self) -> str:
        """Read statistics and system figures as Prometheus takes them.

        Returns:
            str: the text, a figure a line.

        Endpoint: ``GET /_node/{node-name}/_prometheus``.
        """
        return (await self._ask("/_prometheus")).body.decode()

    @operation
    async def smoosh(self) -> dict[str, Any]:
        """Ask what automatic compaction does and has before it. CouchDB 3.5 tells so of the node that
        answers, whichever is asked.

        Returns:
            dict: ``{"channels": {name: {"active", "starting", "waiting"}}}``.

        Endpoint: ``GET /_node/{node-name}/_smoosh/status``.
        """
        return dict((await self._ask("/_smoosh/status")).json())

    @operation
    async def restart(self) -> dict[str, Any]:
        """Restart the node; as `Couch.restart`.

        Endpoint: ``POST /_node/{node-name}/_restart``.
        Endpoint of CouchDB 1.x: ``POST /_restart``.
        """
        return await start_again(self._server, self._name)

    async def _ask(self, what: str, method: str = "GET", **options: Any) -> Answer:
        path = node_path(self._name) + what
        with offering(path[1:], TAKEN_FOR_A_DATABASE):
            return await ask(method, path, **options)

    def __repr__(self) -> str:
        return f"<Node {self._session.url}{node_path(self._name)}>"


def node_of(server: Server, name: str, style: S2) -> Node[S2]:
    """A node of a server that is known already.

    Args:
        server (Server): the server.
        name (str): the node's name.
        style (str): the calling style.

    Returns:
        Node: the node.
    """
    node: Node[S2] = Node.__new__(Node)
    node._name = name
    node._set_up(server, style)
    return node


def node_path(node: str) -> str:
    """The path of a node, its name quoted."""
    return "/_node/" + quote_segment(node, "name")


# -- what servers without nodes have at their root ------------------------------------------------


async def _home(server: Server, node: str) -> str:
    """The path below which a node's affairs are; the root, where the server has no nodes."""
    return "" if node == LOCAL and await server.is_classic() else node_path(node)


async def configure(server: Server, node: str, name: str | None, value: Any, delete: bool) -> Any:
    """Read, set or remove a node's configuration; arguments and result as of `Couch.config`."""
    steps = _steps(name)
    if delete and value is not None:
        raise ValueError("delete removes a key: it takes no value beside it")
    if (delete or value is not None) and len(steps) != 2:
        raise ValueError(
            f"name must be 'section/key' where a value is set or deleted, not {name!r}"
        )
    if value is not None:
        value = _written(value)
    path = "/".join([await _home(server, node) + "/_config", *steps])
    with offering(path[1:], TAKEN_FOR_A_DATABASE):
        if delete:
            return await ask_json("DELETE", path, shape=Any)
        if value is not None:
            await ask_json("PUT", path, shape=Any, json=value, name="value")
            return None
        return await ask_json("GET", path, shape=Any if len(steps) == 2 else dict)


async def statistics(server: Server, node: str, name: str | None) -> Any:
    """Read a node's statistics; argument and result as of `Couch.stats`."""
    steps = _steps(name, of_two=False)
    path = "/".join([await _home(server, node) + "/_stats", *steps])
    with offering(path[1:], TAKEN_FOR_A_DATABASE):
        found = await ask_json("GET", path, shape=Any)
    if found is None:  # CouchDB 3's way to say so
        raise NotFound(None, "not_found", f"there are no statistics {name!r}")
    return found


async def start_again(server: Server, node: str) -> dict[str, Any]:
    """Restart a node; result as of `Couch.restart`."""
    path = await _home(server, node) + "/_restart"
    with offering(path[1:], TAKEN_FOR_A_DATABASE):
        return dict(await ask_json("POST", path, json={}))


def _steps(name: str | None, *, of_two: bool = True) -> list[str]:
    if name is None:
        return []
    if not isinstance(name, str):
        raise TypeError(f"name must be a str, not {name!r:.80}")
    # A configuration's keys may hold slashes (mime types do); its sections do not.
    steps = name.strip("/").split("/", 1 if of_two else -1)
    return [quote_segment(step, "name") for step in steps]


def _written(value: Any) -> str:
    """A value as CouchDB keeps it: always a text."""
    if isinstance(value, str | int | float):
        return veiled(value if isinstance(value, str) else number_text(value))
    # Which is not shown: it may be a password.
    raise TypeError(f"value must be a str, a number or a bool, not {type(value).__name__}")
