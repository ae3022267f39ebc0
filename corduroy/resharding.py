"""Resharding: databases' shards are split, while the databases go on."""

from __future__ import annotations

from typing import Any, TypeVar

from . import shapes
from .asking import TAKEN_FOR_A_DATABASE, ask_json, offering
from .server import Served, Server, database_path
from .styles import S, Style, operation
from .transport.encoding import quote_segment

S2 = TypeVar("S2", bound=Style)


class Resharding(Served[S]):
    """The splitting of shards, on all nodes of a cluster; `Couch.reshard` is it.

    Each copy of a shard is split by a job of its own, on its node. Jobs stay in the list when they are
    done, until they are deleted.
    """

    def with_style(self, style: S2) -> Resharding[S2]:
        """The same in another calling style.

        Args:
            style (str): ``"auto"``, ``"blocking"`` or ``"future"``.

        Returns:
            Resharding: it shares this one's connections.
        """
        return resharding_of(self._server, style)

    @operation
    async def info(self) -> dict[str, Any]:
        """Ask how it stands.

        Returns:
            dict: ``{"state", "state_reason", "completed", "failed", "running", "stopped", "total"}``:
            the state is that of all of it, the figures count jobs.

        Endpoint: ``GET /_reshard``.
        """
        return dict(await _asked("GET"))

    @operation
    async def state(self) -> dict[str, Any]:
        """Ask whether jobs may run.

        Returns:
            dict: ``{"state", "reason"}``; the state is ``"running"`` or ``"stopped"``.

        Endpoint: ``GET /_reshard/state``.
        """
        return dict(await _asked("GET", "/state"))

    @operation
    async def start(self) -> dict[str, Any]:
        """Let jobs run again after `stop`.

        Returns:
            dict: ``{"ok": true}``.

        Endpoint: ``PUT /_reshard/state``.
        """
        return await _set_state("/state", "running")

    @operation
    async def stop(self, reason: str | None = None) -> dict[str, Any]:
        """Stop all jobs, on all nodes, until `start`.

        Args:
            reason (str): why, for whoever asks for the state.

        Returns:
            dict: ``{"ok": true}``.

        Endpoint: ``PUT /_reshard/state``.
        """
        return await _set_state("/state", "stopped", reason)

    @operation
    async def jobs(self) -> list[dict[str, Any]]:
        """List the jobs.

        Returns:
            list of dict: what `job` gives of each.

        Endpoint: ``GET /_reshard/jobs``.
        """
        return list((await _asked("GET", "/jobs", shape=shapes.Jobs))["jobs"])

    @operation
    async def split(
        self,
        db: str | None = None,
        *,
        shard: str | None = None,
        range: str | None = None,
        node: str | None = None,
    ) -> list[dict[str, Any]]:
        """Split shards into two of half their size, each copy of them by a job.

        Args:
            db (str): the database whose shards are split; or
            shard (str): one shard, ``"shards/00000000-7fffffff/music.1554148353"``.
            range (str): of the database only the shard of this range, ``"00000000-7fffffff"``.
            node (str): only the copies on this node.

        Returns:
            list of dict: ``{"ok", "id", "node", "shard"}`` of each job that was made;
            ``{"error", "node", "shard"}`` of each that was not.

        Raises:
            BadRequest: there is no such database or node.
            NotFound: there is no such shard on that node.
            ServerError: no job could be made.

        Endpoint: ``POST /_reshard/jobs``.
        """
        if (db is None) == (shard is None):
            raise ValueError("give either db, to split all its shards, or one shard")
        if shard is not None and range is not None:
            raise ValueError("range goes with db: a shard has its own")
        if db is not None:
            database_path(db, "db")
        chosen = {"db": db, "shard": shard, "range": range, "node": node}
        job = {"type": "split"} | {
            name: value for name, value in chosen.items() if value is not None
        }
        return list(await _asked("POST", "/jobs", shape=shapes.Objects, json=job, name="job"))

    @operation
    async def job(self, jobid: str) -> dict[str, Any]:
        """Ask for a job.

        Args:
            jobid (str): its id.

        Returns:
            dict: ``{"id", "type", "job_state", "split_state", "source", "target", "node", …}``; the
            first state is ``"new"``, ``"running"``, ``"stopped"``, ``"completed"`` or ``"failed"``,
            the second tells how far it has come.

        Raises:
            NotFound: there is no such job.

        Endpoint: ``GET /_reshard/jobs/{jobid}``.
        """
        return dict(await _asked("GET", _job_path(jobid)))

    @operation
    async def job_state(self, jobid: str) -> dict[str, Any]:
        """Ask for a job's state.

        Args:
            jobid (str): its id.

        Returns:
            dict: ``{"state", "reason"}``; the state is `job`'s ``job_state``.

        Raises:
            NotFound: there is no such job.

        Endpoint: ``GET /_reshard/jobs/{jobid}/state``.
        """
        return dict(await _asked("GET", _job_path(jobid) + "/state"))

    @operation
    async def start_job(self, jobid: str) -> dict[str, Any]:
        """Let a job run again after `stop_job`.

        Args:
            jobid (str): its id.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            NotFound: there is no such job.

        Endpoint: ``PUT /_reshard/jobs/{jobid}/state``.
        """
        return await _set_state(_job_path(jobid) + "/state", "running")

    @operation
    async def stop_job(self, jobid: str, reason: str | None = None) -> dict[str, Any]:
        """Stop a job until `start_job`.

        Args:
            jobid (str): its id.
            reason (str): why, for whoever asks for the job's state.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            NotFound: there is no such job.

        Endpoint: ``PUT /_reshard/jobs/{jobid}/state``.
        """
        return await _set_state(_job_path(jobid) + "/state", "stopped", reason)

    @operation
    async def delete_job(self, jobid: str) -> dict[str, Any]:
        """Take a job off the list; it stops if it runs.

        Args:
            jobid (str): its id.

        Returns:
            dict: ``{"ok": true}``.

        Raises:
            NotFound: there is no such job.

        Endpoint: ``DELETE /_reshard/jobs/{jobid}``.
        """
        return dict(await _asked("DELETE", _job_path(jobid)))

    def __repr__(self) -> str:
        return f"<Resharding {self._session.url}/_reshard>"


def resharding_of(server: Server, style: S2) -> Resharding[S2]:
    """The resharding of a server that is known already.

    Args:
        server (Server): the server.
        style (str): the calling style.

    Returns:
        Resharding: the resharding.
    """
    resharding: Resharding[S2] = Resharding.__new__(Resharding)
    resharding._set_up(server, style)
    return resharding


async def _asked(method: str, what: str = "", **options: Any) -> Any:
    with offering("_reshard", TAKEN_FOR_A_DATABASE):
        return await ask_json(method, "/_reshard" + what, **options)


async def _set_state(what: str, state: str, reason: str | None = None) -> dict[str, Any]:
    body = {"state": state} if reason is None else {"state": state, "reason": reason}
    return dict(await _asked("PUT", what, json=body, name="reason"))


def _job_path(jobid: str) -> str:
    return "/jobs/" + quote_segment(jobid, "jobid")
