"""A cluster: its nodes, and how it is set up of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import shapes
from .asking import TAKEN_FOR_A_DATABASE, ask, ask_json, offering
from .errors import BadRequest, ServerError
from .node import LOCAL, Node, node_of, node_path
from .options import check_int, check_keys
from .resharding import Resharding, resharding_of
from .server import Served
from .styles import S, operation
from .transport.encoding import encode_json, quote_segment
from .veil import Veiled, veiled

_PORT = 5984


class Cluster(Served[S]):
    """The operations of `Couch` on the cluster that the server is part of."""

    def node(self, name: str = LOCAL) -> Node[S]:
        """A node of the cluster, whether it exists or not. Nothing is sent.

        Args:
            name (str): its name, as `membership` tells it; ``"_local"``: the node that answers.

        Returns:
            Node: the node, in this server's calling style.

        Raises:
            ValueError: the name is empty.
        """
        node_path(name)
        return node_of(self._server, name, self._style)

    @property
    def reshard(self) -> Resharding[S]:
        """The splitting of databases' shards."""
        return resharding_of(self._server, self._style)

    @operation
    async def membership(self) -> dict[str, Any]:
        """List the cluster's nodes.

        Returns:
            dict: ``{"all_nodes", "cluster_nodes"}``: the names of those which are connected, and of
            those which should be.

        Endpoint: ``GET /_membership``.
        """
        with offering("_membership", TAKEN_FOR_A_DATABASE):
            return dict(await ask_json("GET", "/_membership"))

    @operation
    async def cluster_setup(self, ensure_dbs_exist: Iterable[str] | None = None) -> dict[str, Any]:
        """Ask how far the server is set up, as a cluster or as a single node.

        Args:
            ensure_dbs_exist (list of str): the databases that have to be there for it to be finished;
                None: ``_users`` and ``_replicator``.

        Returns:
            dict: ``{"state"}``: ``"cluster_disabled"``, ``"cluster_enabled"``, ``"cluster_finished"``,
            ``"single_node_disabled"`` or ``"single_node_enabled"``.

        Endpoint: ``GET /_cluster_setup``.
        """
        names, query = _databases(ensure_dbs_exist), {}
        if names is not None:
            query["ensure_dbs_exist"] = encode_json(names, "ensure_dbs_exist").decode()
        with offering("_cluster_setup", TAKEN_FOR_A_DATABASE):
            return dict(await ask_json("GET", "/_cluster_setup", query))

    @operation
    async def enable_single_node(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        bind_address: str = "127.0.0.1",
        port: int | None = None,
        ensure_dbs_exist: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """Set the server up as a single node: with an administrator, and the system's databases.

        Args:
            username, password (str): the administrator; None: there is one already.
            bind_address (str): the address to listen at from now on; ``"0.0.0.0"``: all of them.
            port (int): the port to listen at from now on; None: as it is.
            ensure_dbs_exist (list of str): the databases to create; None: ``_users`` and
                ``_replicator``.

        Returns:
            dict: ``{"ok": true}``.

        Endpoint: ``POST /_cluster_setup``.
        """
        password = veiled(password)
        return await _step(
            "enable_single_node",
            **_both(username=username, password=password),
            bind_address=_text(bind_address, "bind_address"),
            port=_port(port),
            ensure_dbs_exist=_databases(ensure_dbs_exist),
        )

    @operation
    async def enable_cluster(
        self,
        username: str | None = None,
        password: str | None = None,
        *,
        node_count: int = 3,
        bind_address: str = "0.0.0.0",
        port: int | None = None,
        remote_node: str | None = None,
        remote_current_user: str | None = None,
        remote_current_password: str | None = None,
    ) -> dict[str, Any]:
        """Prepare this node for a cluster; or another one, through this one, which has to be prepared
        first.

        CouchDB says ok even if it could not reach the other node, or was refused by it.

        Args:
            username, password (str): the administrator that the node is to have; None: it has one
                already. For another node, one that this node has.
            node_count (int): how many nodes the cluster is to have; of three and more, three have a
                copy of each shard.
            bind_address (str): the address to listen at from now on, which no cluster can be at
                127.0.0.1; ``"0.0.0.0"``: all of them.
            port (int): the port to listen at from now on; None: as it is. Of another node, where it
                listens already; None: 5984.
            remote_node (str): the host of the other node.
            remote_current_user, remote_current_password (str): an administrator that the other node
                has already.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            BadRequest: the node is in a cluster already.

        Endpoint: ``POST /_cluster_setup``.
        """
        password, remote_current_password = veiled(password), veiled(remote_current_password)
        if remote_node is not None and username is None:
            raise ValueError("username: say which administrator the remote_node is to have")
        if remote_node is None and remote_current_user is not None:
            raise ValueError("remote_current_user needs remote_node beside it")
        check_int(node_count, "node_count")
        return await _step(
            "enable_cluster",
            **_both(username=username, password=password),
            node_count=node_count,
            bind_address=_text(bind_address, "bind_address"),
            # Of no port CouchDB would make "undefined", for another node to listen at.
            port=_port(_PORT if port is None and remote_node is not None else port),
            remote_node=remote_node if remote_node is None else _text(remote_node, "remote_node"),
            **_both(
                remote_current_user=remote_current_user,
                remote_current_password=remote_current_password,
            ),
        )

    @operation
    async def add_node(
        self,
        host: str,
        username: str,
        password: str,
        *,
        port: int = _PORT,
        name: str = "couchdb",
    ) -> dict[str, Any]:
        """Add another node to the cluster. Both have to be prepared (`enable_cluster`).

        Args:
            host (str): its host, as it stands in the node's name.
            username, password (str): its administrator.
            port (int): its port.
            name (str): what stands before the ``@`` in the node's name.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            BadRequest: this node is not prepared, or the other one is not there, or refuses.
            Conflict: it has been added before.

        Endpoints: ``POST /_cluster_setup``, ``GET /_membership``. The former says ok even if the other
        node refuses, so this looks for it, in the node's own ``_nodes`` or else by the latter.
        """
        password = veiled(password)
        done = await _step(
            "add_node",
            host=_text(host, "host"),
            port=_port(port),
            name=_text(name, "name"),
            username=_text(username, "username"),
            password=_text(password, "password"),
        )
        if not await _is_member(added := name + "@" + host):
            raise BadRequest(
                400,
                "not_added",
                f"node {added!r} was not added, though the server said ok: see whether username and "
                "password are those of an administrator there",
            )
        return done

    @operation
    async def finish_cluster(self, ensure_dbs_exist: Iterable[str] | None = None) -> dict[str, Any]:
        """Finish the cluster once its nodes are added: with the same administrators everywhere, and
        the system's databases.

        Args:
            ensure_dbs_exist (list of str): the databases to create; None: ``_users`` and
                ``_replicator``.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            BadRequest: it has been finished before.
            ServerError: a node is not there; or this one's configuration has no
                ``chttpd_auth/secret``.

        Endpoint: ``POST /_cluster_setup``.
        """
        names = _databases(ensure_dbs_exist)
        try:
            return await _step("finish_cluster", ensure_dbs_exist=names)
        except ServerError as error:
            if "unable to sync" not in error.reason:
                raise
            # What CouchDB calls admin passwords is more: 3.5 stumbles over a secret that is not there.
            said = f"{error.reason}: if there is no config('chttpd_auth/secret'), set one and try again"
            raise ServerError(
                error.code, error.error, said, method=error.method, url=error.url
            ) from None


async def _step(action: str, **fields: Any) -> dict[str, Any]:
    """Do a step of the set-up; fields that are None are left out."""
    given = {name: value for name, value in fields.items() if value is not None}
    said = Veiled({"action": action, **given})
    del fields, given
    with offering("_cluster_setup", TAKEN_FOR_A_DATABASE):
        return dict(await ask_json("POST", "/_cluster_setup", json=said, name="fields"))


async def _is_member(node: str) -> bool:
    """Whether a node has been added to the cluster."""
    # The list of members lags behind; what it is made of does not, but is out of reach on CouchDB 2.
    path = f"{node_path(LOCAL)}/_nodes/{quote_segment(node, 'name')}"
    if (await ask("HEAD", path, accept=(404,))).code != 404:
        return True
    return node in (await ask_json("GET", "/_membership", shape=shapes.Members))["cluster_nodes"]


def _both(**fields: str | None) -> dict[str, str]:
    """Two fields, of which neither goes without the other."""
    given = {name: _text(value, name) for name, value in fields.items() if value is not None}
    if len(given) == 1:
        raise ValueError(f"{' and '.join(fields)} belong together: give both, or neither")
    return given


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):  # which is not shown: it may be a password
        raise TypeError(f"{name} must be a str, not {type(value).__name__}")
    if not value:
        raise ValueError(f"{name} must not be empty")
    return value


def _port(port: int | None) -> int | None:
    if port is not None:
        check_int(port, "port", most=65535)
    return port


def _databases(names: Iterable[str] | None) -> list[str] | None:
    return None if names is None else check_keys(names, "ensure_dbs_exist")
