"""The server itself: what it is, how it fares, what it is busy with, and how it is configured."""

from __future__ import annotations

from typing import Any

from . import shapes
from .asking import NOT_OFFERED, ask, ask_json
from .errors import HTTPError, NotFound
from .node import LOCAL, configure, start_again, statistics
from .options import check_count, check_int
from .server import Served
from .styles import S, operation
from .transport.encoding import number_text
from .veil import redacted, veiled


class Serving(Served[S]):
    """The operations of `Couch` on the server itself."""

    @operation
    async def info(self) -> dict[str, Any]:
        """Ask the server what it is.

        Returns:
            dict: ``{"couchdb", "version", "vendor", …}``.

        Endpoint: ``GET /``.
        """
        return dict(await ask_json("GET", "/"))

    @operation
    async def version(self) -> str:
        """Ask for the server's version.

        Returns:
            str: ``"3.5.0"``, say.

        Endpoint: ``GET /``.
        """
        return str((await ask_json("GET", "/", shape=shapes.Welcome))["version"])

    @operation
    async def up(self, raise_exception: bool = False) -> bool:
        """Ask whether the server is there, and ready for requests.

        Args:
            raise_exception (bool): raise what tells why it is not, instead of returning False.

        Returns:
            bool: True if it is.

        Endpoints: ``GET /_up``, ``GET /``. The latter where there is no ``_up``.
        """
        try:
            await self._server.check_up()
        except HTTPError:
            if raise_exception:
                raise
            return False
        return True

    @operation
    async def uuids(self, count: int = 1) -> list[str]:
        """Ask for fresh uuids.

        Args:
            count (int): how many, at least 1.

        Returns:
            list of str: the uuids.

        Endpoint: ``GET /_uuids``.
        """
        check_int(count, "count")
        return await self._server.uuids(count)

    @operation
    async def tasks(self) -> list[dict[str, Any]]:
        """List what the server is busy with: compactions, indexing, replications.

        Returns:
            list of dict: the active tasks.

        Endpoint: ``GET /_active_tasks``.
        """
        return list(redacted(await ask_json("GET", "/_active_tasks", shape=shapes.Objects)))

    @operation
    async def config(self, name: str | None = None, value: Any = None, delete: bool = False) -> Any:
        """Read or change the server's configuration.

        Args:
            name (str): ``"section"`` or ``"section/key"``; None: all of it.
            value: what to set the key to: a str, or a number or bool that becomes one.
            delete (bool): remove the key.

        Returns:
            The whole configuration or a section (dict), or a key's value (str); None where a value
            was set; the old value where a key was removed.

        Raises:
            NotFound: there is no such key; a section that does not exist is empty.

        Endpoints: ``GET /_node/{node-name}/_config``, ``GET /_node/{node-name}/_config/{section}``,
        ``GET /_node/{node-name}/_config/{section}/{key}``,
        ``PUT /_node/{node-name}/_config/{section}/{key}``,
        ``DELETE /_node/{node-name}/_config/{section}/{key}``.
        Endpoints of CouchDB 1.x: ``GET /_config``, ``GET /_config/{section}``,
        ``GET /_config/{section}/{key}``, ``PUT /_config/{section}/{key}``,
        ``DELETE /_config/{section}/{key}``.
        """
        value = veiled(value)
        return await configure(self._server, LOCAL, name, value, delete)

    @operation
    async def stats(self, name: str | None = None) -> Any:
        """Read the server's statistics.

        Args:
            name (str): the path of one, ``"couchdb/database_reads"``; None: all.

        Returns:
            dict: the statistics below that path.

        Raises:
            NotFound: there is no such path.

        Endpoint: ``GET /_node/{node-name}/_stats``.
        Endpoint of CouchDB 1.x: ``GET /_stats``.
        """
        return await statistics(self._server, LOCAL, name)

    @operation
    async def log(self, bytes: int | None = None, offset: int | None = None) -> str:
        """Read the end of the server's log, where the server still gives it: CouchDB 1.x does, and
        PouchDB Server.

        Args:
            bytes (int): how much of it; None: 1000.
            offset (int): how many bytes before the end to stop; None: none.

        Returns:
            str: the text.

        Raises:
            NotFound: this is CouchDB 2 or later, whose log is in a file, or the system's.

        Endpoint of CouchDB 1.x: ``GET /_log``.
        """
        query = {}
        for name, number in (("bytes", bytes), ("offset", offset)):
            if number is not None:
                check_count(number, name)
                query[name] = number_text(number)
        if not await self._server.is_classic():
            raise NotFound(
                404,
                NOT_OFFERED,
                "CouchDB gives its log no more since 2.0: read what config('log') names, "
                "a file or the system's log",
            )
        return (await ask("GET", "/_log", query)).body.decode("utf-8", "replace")

    @operation
    async def restart(self) -> dict[str, Any]:
        """Restart the server; of a cluster, the node that answers. It answers before it goes down:
        `up` tells when it is there again.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            NotFound: the server cannot, as PouchDB Server cannot.

        Endpoint: ``POST /_node/{node-name}/_restart``.
        Endpoint of CouchDB 1.x: ``POST /_restart``.
        """
        return await start_again(self._server, LOCAL)
