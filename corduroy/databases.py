"""A server's databases: which there are, taking one, creating and deleting it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from . import shapes
from .asking import ask, ask_json, there_is
from .calls import together
from .database import Database, database_of
from .options import DATABASES, check_keys, encode_options
from .server import Served, cutting, database_path
from .styles import S, operation
from .transport.encoding import quote_segment
from .transport.messages import Request

_MOST_INFOS = 100  # what CouchDB gives at once, unless it is configured otherwise


class Databases(Served[S]):
    """The operations of `Couch` on databases as such."""

    @operation
    async def all_dbs(self, /, **options: Any) -> list[str]:
        """List the databases.

        Args:
            **options: ``startkey``, ``endkey`` (str), ``limit``, ``skip`` (int), ``descending``
                (bool).

        Returns:
            list of str: their names.

        Endpoint: ``GET /_all_dbs``.
        """
        return await self._server.names(options)

    @operation
    async def dbs_info(
        self, /, names: Iterable[str] | None = None, **options: Any
    ) -> list[dict[str, Any]]:
        """Ask for the figures of many databases, or of all.

        Args:
            names (list of str): which ones; None: those that the options choose.
            **options: ``startkey``, ``endkey`` (str), ``limit``, ``skip`` (int), ``descending``
                (bool).

        Returns:
            list of dict: ``{"key", "info"}``, the database's name and what `Database.info` gives;
            ``{"key", "error"}`` for a name of the list that no database has.

        Endpoints: ``GET /_dbs_info``, ``POST /_dbs_info``, ``GET /_all_dbs``, ``GET /{db}``. The last
        two on CouchDB 1.x alone.
        """
        server = self._server
        if names is None:
            query = encode_options(options, DATABASES, "dbs_info")
            if not await server.is_classic():
                return list(await ask_json("GET", "/_dbs_info", query, shape=shapes.Objects))
            names = await server.names(options)
        elif options:
            raise TypeError("dbs_info takes names or options, not both")
        else:
            names = check_keys(names, "names")
            for name in names:
                database_path(name)
        ask_for = _infos_one_by_one if await server.is_classic() else _infos
        found = []
        for at in range(0, len(names), _MOST_INFOS):
            found += await ask_for(names[at : at + _MOST_INFOS])
        return found

    def database(self, name: str) -> Database[S]:
        """A database of this server, whether it exists or not. Nothing is sent.

        Args:
            name (str): its name.

        Returns:
            Database: the database, in this server's calling style.

        Raises:
            ValueError: the name breaks CouchDB's rule.
        """
        return database_of(self._server, database_path(name), self._style)

    @operation
    async def db(self, name: str, create_if_missing: bool = False) -> Database[S]:
        """Take a database that exists.

        Args:
            name (str): its name.
            create_if_missing (bool): create it if it does not.

        Returns:
            Database: the database.

        Raises:
            NotFound: there is none, and it was not to be created.

        Endpoints: ``HEAD /{db}``, ``PUT /{db}``, ``GET /{db}``. The last tells why there is none, or
        why nobody is let in.
        """
        path = database_path(name)
        if not await there_is(path):
            if not create_if_missing:
                await ask("GET", path)  # raises, with the reason that HEAD has no body for
            await ask_json("PUT", path, accept=(412,))
        return self.database(name)

    @operation
    async def exists(self, name: str) -> bool:
        """Ask whether a database exists.

        Args:
            name (str): its name.

        Returns:
            bool: True if it does.

        Endpoints: ``HEAD /{db}``, ``GET /{db}``. The latter tells why nobody is let in.
        """
        return await there_is(database_path(name))

    @operation
    async def create(
        self,
        name: str,
        q: int | None = None,
        n: int | None = None,
        partitioned: bool = False,
        exists_ok: bool = False,
    ) -> Database[S]:
        """Create a database.

        Args:
            name (str): its name.
            q (int): into how many shards.
            n (int): how many copies of each shard.
            partitioned (bool): whether its documents are in partitions.
            exists_ok (bool): take the database if it exists already.

        Returns:
            Database: the database.

        Raises:
            PreconditionFailed: it exists already.
            NotFound: the server has no partitioned databases; nothing was created.

        Endpoints: ``PUT /{db}``, ``GET /``. The latter first, where it is to be partitioned.
        """
        path, cut = database_path(name), cutting(q, n, partitioned)
        if partitioned:
            await self._server.check_partitions()
        await ask_json("PUT", path, cut, accept=(412,) if exists_ok else ())
        return self.database(name)

    @operation
    async def delete(self, name: str) -> None:
        """Delete a database and all that is in it.

        Args:
            name (str): its name.

        Raises:
            NotFound: there is none.

        Endpoints: ``DELETE /{db}``, ``GET /{db}``. The latter first, on CouchDB 1.x alone.
        """
        path = database_path(name)
        if await self._server.is_classic():
            await ask("GET", path)  # PouchDB Server deletes what does not exist, too
        await ask_json("DELETE", path)

    @property
    def users(self) -> Database[S]:
        """The database of users."""
        return self.database("_users")

    @property
    def replicator(self) -> Database[S]:
        """The database of lasting replications."""
        return self.database("_replicator")


async def _infos(names: list[str]) -> list[dict[str, Any]]:
    """The figures of some databases."""
    asked, shape = {"keys": names}, shapes.Objects
    path = "/_dbs_info"
    return list(await ask_json("POST", path, shape=shape, json=asked, name="names", safe=True))


async def _infos_one_by_one(names: list[str]) -> list[dict[str, Any]]:
    """The same, of a server that has to be asked for each."""
    answers = await together(
        [Request("GET", "/" + quote_segment(name, "names"), accept=(404,)) for name in names]
    )
    return [
        {"key": name, "error": "not_found"}
        if answer.code == 404
        else {"key": name, "info": answer.json()}
        for name, answer in zip(names, answers, strict=True)
    ]
