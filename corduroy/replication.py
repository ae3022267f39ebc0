"""Replication: having a server copy what changes in one database to another, and what it says of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from .replicating import replicate, veiled_end
from .scheduling import cancel, redacting, scheduler_docs, scheduler_jobs, wait
from .server import Served
from .styles import S, operation
from .veil import Veiled


class Replication(Served[S]):
    """The operations of `Couch` that have it replicate databases."""

    @operation
    async def replicate(self, /, source: Any, target: Any, **options: Any) -> dict[str, Any]:
        """Copy what has changed in one database to another.

        Without an id it is over when the call is, unless it is ``continuous``: that goes on until it
        is cancelled, or the server ends. With one it is a document, which outlives the server's end;
        `wait_for_replication` waits for it, and `cancel_replication` removes it.

        Args:
            source, target: a name on this server, an url, a `Database` (with its credentials), or a
                dict as CouchDB takes it: ``{"url", "headers", "auth"}``.
            _id (str): the id of a document in ``_replicator`` to make of it; ``replication_id`` is
                another name for this.
            _rev (str): the revision of that document, if it is there already.
            db (str): another replicator database for it, ``"jobs/_replicator"``.
            continuous (bool): go on with what changes later.
            cancel (bool): end the replication that was started with the same arguments.
            create_target (bool): create the target, with ``create_target_params`` (dict), ``q`` and
                ``n``.
            doc_ids (list of str): copy only these documents; not with ``filter``, ``selector``.
            filter (str): copy only what ``"ddoc/filter"`` lets through, which gets ``query_params``
                (dict of str to str).
            selector (dict): copy only documents that match it.
            since_seq (int | str): copy only what has changed since then.
            winning_revs_only (bool): leave revisions in conflict behind.
            proxy, source_proxy, target_proxy (str): an http, https or socks5 url.
            user_ctx (dict): ``{"name", "roles"}`` to replicate as.
            use_bulk_get, use_checkpoints (bool): how the server goes about it; likewise
                ``checkpoint_interval``, ``connection_timeout`` (int, milliseconds),
                ``http_connections``, ``retries_per_request``, ``worker_batch_size``,
                ``worker_processes`` (int), ``socket_options``, ``ibrowse_options`` (str).

        Returns:
            dict: what the server says of it: ``{"ok", "history", …}``; ``{"ok", "_local_id"}`` if it is
            continuous; ``{"ok", "id", "rev"}`` if it is a document.

        Raises:
            TypeError: there is no such option, or it has a value of a wrong type.
            ValueError: options exclude each other, or an end is no database.
            Conflict: there is such a document already.
            NotFound: the source is missing, on PouchDB Server (others raise `ServerError`, or tell of
                it in the document); or PouchDB Server cannot do it.

        Endpoints: ``POST /_replicate``, ``PUT /{db}/{docid}``, ``HEAD /{db}/{docid}``,
        ``GET /{db}/{docid}``, ``DELETE /{db}/{docid}``, ``HEAD /{db}``. The last one on PouchDB
        Server, the three before it to cancel by a document.
        """
        source, target, options = veiled_end(source), veiled_end(target), Veiled(options)
        with redacting():
            return await replicate(self._server, source, target, options)

    @operation
    async def wait_for_replication(
        self,
        replication: str | Mapping[str, Any],
        timeout: float | None = None,
        poll: float = 1.0,
        attempts: int = 3,
        db: str | None = None,
    ) -> dict[str, Any]:
        """Wait until a replication that is a document has ended.

        Args:
            replication (str | dict): its document's id; or what `replicate`, `scheduler_docs` or
                `scheduler_jobs` have said of it.
            timeout (float): seconds to wait at most; None: as long as the server tries.
            poll (float): seconds between two looks, at most.
            attempts (int): how many times in a row the server may fail, of those that it makes after
                ever longer pauses (30 seconds, a minute, …). What is wrong with the ends themselves
                (one does not exist, or is forbidden) fails at once.
            db (str): the replicator database, if it is not ``_replicator``.

        Returns:
            dict: ``{"state": "completed", "doc_id", "database", "info": {"docs_written",
            "doc_write_failures", …}, "last_updated", …}``. Documents that the target has refused are
            counted in ``doc_write_failures``, and are no failure.

        Raises:
            ReplicationFailed: it has failed, with the reason; CouchDB may try again all the same.
            RequestTimeout: it has not ended in time; it goes on.
            NotFound: there is no such document (any more).
            ValueError: it is continuous, or no document: it does not end, or nobody would know.

        Endpoint: ``GET /_scheduler/docs/{replicator_db}/{docid}``.
        Endpoint of CouchDB 1.x: ``GET /_replicator/{docid}``.
        """
        return await wait(
            self._server, replication, timeout=timeout, poll=poll, attempts=attempts, db=db
        )

    @operation
    async def cancel_replication(
        self, replication: str | Mapping[str, Any], db: str | None = None
    ) -> dict[str, Any]:
        """End a replication, whether it runs or not; its document is deleted.

        Args:
            replication (str | dict): its document's id; or what `replicate`, `scheduler_docs` or
                `scheduler_jobs` have said of it, whether it is a document or not.
            db (str): the replicator database, if it is not ``_replicator``.

        Returns:
            dict: ``{"ok", "id", "rev"}`` of the deleted document; ``{"ok", "_local_id"}`` where there
            was none.

        Raises:
            NotFound: there is no such replication.

        Endpoints: ``HEAD /{db}/{docid}``, ``GET /{db}/{docid}``, ``DELETE /{db}/{docid}``,
        ``POST /_replicate``.
        """
        return await cancel(self._server, replication, db)

    @operation
    async def scheduler_jobs(
        self, limit: int | None = None, skip: int | None = None
    ) -> dict[str, Any]:
        """List the replications that the scheduler runs, or is going to.

        Args:
            limit (int): how many at most; the server's default is 100.
            skip (int): how many to leave out before.

        Returns:
            dict: ``{"total_rows", "offset", "jobs": [{"id", "doc_id", "database", "source", "target",
            "history", "info", …}]}``.

        Raises:
            NotFound: the server has no scheduler (CouchDB 1.x, PouchDB Server).

        Endpoint: ``GET /_scheduler/jobs``.
        """
        return await scheduler_jobs(self._server, {"limit": limit, "skip": skip})

    @operation
    async def scheduler_docs(
        self,
        db: str | None = None,
        docid: str | None = None,
        limit: int | None = None,
        skip: int | None = None,
        states: Iterable[str] | None = None,
    ) -> dict[str, Any]:
        """List the replications that are documents, also those that have ended; or look at one.

        Args:
            db (str): the replicator database; None: ``_replicator``.
            docid (str): look at this document alone.
            limit, skip (int): how many at most, and how many to leave out before.
            states (list of str): only those in these states: ``"initializing"``, ``"running"``,
                ``"pending"``, ``"crashing"``, ``"error"``, ``"completed"``, ``"failed"``.

        Returns:
            dict: ``{"total_rows", "offset", "docs": [{"doc_id", "database", "state", "info",
            "error_count", …}]}``; one of these if there is a docid.

        Raises:
            NotFound: there is no such document; or the server has no scheduler (CouchDB 1.x, PouchDB
                Server).

        Endpoints: ``GET /_scheduler/docs``, ``GET /_scheduler/docs/{replicator_db}``,
        ``GET /_scheduler/docs/{replicator_db}/{docid}``.
        """
        options = {"limit": limit, "skip": skip, "states": states}
        return await scheduler_docs(self._server, db, docid, options)
