"""How replications fare: what their server says of them, waiting for their end, ending them."""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

from . import defaults
from .asking import NOT_OFFERED, ask, ask_json, current_rev, doc_path
from .calls import pause
from .errors import Conflict, NotFound, ReplicationFailed, RequestTimeout
from .options import SCHEDULER, check_int, check_seconds, encode_options
from .server import Server, database_path

_FIRST_PAUSE = 0.05  # seconds between the first two looks; the next ones are longer
_LEAST_PATIENCE = 1.0  # seconds that a look gets, however little time is left
_TRIES = 10  # to delete a document which the replicator writes to

# CouchDB tries these again, too; but it is the document, or somebody's rights, that have to change.
_HOPELESS = re.compile(r"db_not_found|unauthorized|forbidden|\{replication_auth_error").match
_CREDENTIALS = re.compile(r"(?<=://)[^\s/@]*@")


async def scheduler_jobs(server: Server, options: Mapping[str, Any]) -> dict[str, Any]:
    """List jobs; arguments and result as of `Couch.scheduler_jobs`."""
    query = encode_options(options, SCHEDULER, "scheduler_jobs")
    await _check_scheduler(server)
    return dict(await ask_json("GET", "/_scheduler/jobs", query))


async def scheduler_docs(
    server: Server, db: str | None, docid: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """List replication documents; arguments and result as of `Couch.scheduler_docs`."""
    query = encode_options(options, SCHEDULER, "scheduler_docs")
    path = "" if db is None else replicator_path(db)
    if docid is not None:
        if query:
            raise ValueError(f"{min(query)} is for lists: docid names one document")
        path = replicator_path(db) + doc_path(docid, "docid")
    await _check_scheduler(server)
    return dict(await ask_json("GET", "/_scheduler/docs" + path, query))


async def _check_scheduler(server: Server) -> None:
    if await server.is_classic():
        said = "this server has no scheduler: the documents in _replicator tell how they fare"
        raise NotFound(None, NOT_OFFERED, said)


def replicator_path(db: str | None) -> str:
    """The path of a replicator database; None: that of ``_replicator``."""
    if db is None:
        return "/_replicator"
    path = database_path(db)
    if db != "_replicator" and not db.endswith("/_replicator"):
        raise ValueError(
            f"db {db!r:.80} is no replicator database: those are '_replicator', and all whose "
            "names end with '/_replicator'"
        )
    return path


# -- which replication ----------------------------------------------------------------------------


def _document(replication: Any, db: str | None) -> tuple[str, str | None]:
    """The database's path and the id of the document that makes a replication.

    Args:
        replication (str | dict): as of `Couch.wait_for_replication`.
        db (str | None): the replicator database's name, where the replication does not tell.

    Returns:
        (str, str | None): the path, and the id; None for a replication without a document.
    """
    if isinstance(replication, str):
        id: Any = replication
    elif not isinstance(replication, Mapping):
        raise TypeError(f"replication must be a str or a dict, not {replication!r:.80}")
    elif "doc_id" in replication:  # the scheduler has told of it
        id, db = replication["doc_id"], replication.get("database") or db
    else:
        id = replication.get("_id", replication.get("id"))
        if id is None and "_local_id" not in replication:
            raise ValueError("replication must have an 'id', a 'doc_id' or a '_local_id'")
    path = replicator_path(db)
    if id is not None:
        doc_path(id, "replication")
    return path, id


# -- waiting --------------------------------------------------------------------------------------


async def wait(
    server: Server,
    replication: Any,
    *,
    timeout: float | None = None,
    poll: float = 1.0,
    attempts: int = 3,
    db: str | None = None,
) -> dict[str, Any]:
    """Wait for a replication's end; arguments and result as of `Couch.wait_for_replication`."""
    path, id = _document(replication, db)
    if id is None:
        raise ValueError("replication has no document that would tell of its end: give it an '_id'")
    if timeout is not None:
        check_seconds(timeout)
    check_seconds(poll, "poll")
    if not poll:
        raise ValueError("poll must be above 0: the server would do nothing but answer")
    check_int(attempts, "attempts")
    deadline = None if timeout is None else time.monotonic() + timeout
    between = _FIRST_PAUSE
    while True:
        left = None if deadline is None else deadline - time.monotonic()
        state, continuous = await _look(server, path, id, left)
        if state["state"] == "completed":
            return state
        _check_hope(state, attempts)
        if continuous:
            raise ValueError(f"replication {id!r:.80} is continuous: it has no end to wait for")
        between = min(poll, between)
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _late(id, state, timeout)
            between = min(left, between)
        await pause(between)
        between *= 2


async def _look(
    server: Server, db: str, id: str, left: float | None
) -> tuple[dict[str, Any], bool]:
    """What the server says of a replication, and whether that is continuous.

    Args:
        server (Server): the server.
        db (str): the replicator database's path.
        id (str): the document's id.
        left (float | None): the seconds that there are.
    """
    within = _patience(server, left)
    if await server.is_classic():
        doc = await ask_json("GET", db + doc_path(id), timeout=within)
        return _told_by(doc, db), bool(doc.get("continuous"))
    state = await ask_json("GET", f"/_scheduler/docs{db}{doc_path(id)}", timeout=within)
    return dict(state), "+continuous" in (state["id"] or "")


def _patience(server: Server, left: float | None) -> float | None:
    """The timeout of a look; None: the usual one."""
    if left is None:
        return None
    usual = server.session.timeout
    usual = defaults.request_timeout if usual is None else usual
    left = max(left, _LEAST_PATIENCE)
    return left if left < usual or not usual else None


def _told_by(doc: Mapping[str, Any], db: str) -> dict[str, Any]:
    """What the scheduler would say, from a document as the replicator of CouchDB 1.x writes it."""
    state, reason = doc.get("_replication_state"), doc.get("_replication_state_reason")
    info = {"error": _veiled(reason)} if reason else doc.get("_replication_stats")
    return {
        "database": unquote(db[1:]),
        "doc_id": doc["_id"],
        "id": doc.get("_replication_id"),
        "state": "running" if state == "triggered" else state,
        "info": info,
        "last_updated": doc.get("_replication_state_time"),
    }


def _veiled(reason: Any) -> str:
    """A server's reason in one line, without the credentials of urls."""
    return _CREDENTIALS.sub("", " ".join(str(reason).split()))


def _reason(state: Mapping[str, Any]) -> str:
    info = state["info"] or {}
    return _veiled(info if isinstance(info, str) else info.get("error") or "")  # a str before 3.0


def _check_hope(state: Mapping[str, Any], attempts: int) -> None:
    """Raise `ReplicationFailed` if a replication will not succeed, for all that one can tell."""
    told, reason = state["state"], _reason(state)
    # CouchDB 1.x does not count.
    failed = told in ("error", "crashing") and state.get("error_count", attempts) >= attempts
    if told == "failed" or failed or (told == "crashing" and _HOPELESS(reason)):
        raise ReplicationFailed(None, told, reason, response=state)


def _late(id: str, state: Mapping[str, Any], timeout: float | None) -> RequestTimeout:
    reason = _reason(state)
    said = f"replication {id!r:.80} is {state['state'] or 'not begun'} after {timeout:g} s"
    said += f": {reason}" if reason else ""
    return RequestTimeout(None, "timeout", said, response=state)


# -- ending ---------------------------------------------------------------------------------------


async def cancel(server: Server, replication: Any, db: str | None = None) -> dict[str, Any]:
    """End a replication; arguments and result as of `Couch.cancel_replication`."""
    path, id = _document(replication, db)
    if id is not None:
        return await _delete(path, id)
    body = {"cancel": True, "replication_id": replication.get("_local_id", replication.get("id"))}
    await check_cancelling(server)
    return dict(await ask_json("POST", "/_replicate", json=body))


async def check_cancelling(server: Server) -> None:
    """Refuse to cancel a replication without a document, where the server would start one instead."""
    if await server.is_pouchdb():
        said = "PouchDB Server ends no replication that has no document: start it with an '_id'"
        raise NotFound(None, NOT_OFFERED, said)


async def _delete(db: str, id: str) -> dict[str, Any]:
    """Delete a document, whatever the replicator writes to it meanwhile."""
    path = db + doc_path(id)
    for _ in range(_TRIES):
        rev = await current_rev(db, id)
        if rev is None:
            await ask("GET", path)  # raises, with the reason that HEAD has no body for
        try:
            return dict(await ask_json("DELETE", path, {"rev": str(rev)}))
        except Conflict as error:
            conflict = error
    raise conflict
