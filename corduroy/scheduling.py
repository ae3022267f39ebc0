"""How replications fare: what their server says of them, waiting for their end, ending them."""

from __future__ import annotations

import contextlib
import re
import time
from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import unquote

from . import shapes
from .asking import NOT_OFFERED, ask, ask_json, doc_path, revision_of
from .calls import pause
from .errors import HTTPError, NotFound, ReplicationFailed, RequestTimeout
from .options import SCHEDULER, check_int, check_seconds, encode_options
from .server import Server, database_path
from .veil import Veiled, redacted

_FIRST_PAUSE = 0.05  # seconds between the first two looks; the next ones are longer
_LEAST_PATIENCE = 1.0  # seconds that a look gets, however little time is left
_TRIES = 10  # to delete a document which the replicator writes to

# CouchDB tries these again, too; but it is the document, or somebody's rights, that have to change.
_HOPELESS = re.compile(r"db_not_found|unauthorized|forbidden|\{replication_auth_error").match


async def scheduler_jobs(server: Server, options: Mapping[str, Any]) -> dict[str, Any]:
    """List jobs; arguments and result as of `Couch.scheduler_jobs`."""
    query = encode_options(options, SCHEDULER, "scheduler_jobs")
    await _check_scheduler(server)
    return dict(redacted(await ask_json("GET", "/_scheduler/jobs", query)))


async def scheduler_docs(
    server: Server, db: str | None, docid: str | None, options: Mapping[str, Any]
) -> dict[str, Any]:
    """List replication documents; arguments and result as of `Couch.scheduler_docs`."""
    query = encode_options(options, SCHEDULER, "scheduler_docs")
    path = "" if db is None else replicator_path(db)
    if docid is not None:
        if query:
            raise ValueError(f"{min(query)} is for lists: docid names one document")
        path = document_path(db, docid, "docid")
    await _check_scheduler(server)
    return dict(redacted(await ask_json("GET", "/_scheduler/docs" + path, query)))


async def _check_scheduler(server: Server) -> None:
    if await server.is_classic():
        said = "this server has no scheduler: the documents in _replicator tell how they fare"
        raise NotFound(None, NOT_OFFERED, said)


def replicator_path(db: str | None) -> str:
    """The path of a replicator database; None: that of ``_replicator``."""
    if db is None:
        return "/_replicator"
    path = database_path(db, "db")
    if db != "_replicator" and not db.endswith("/_replicator"):
        raise ValueError(
            f"db {db!r:.80} is no replicator database: those are '_replicator', and all whose "
            "names end with '/_replicator'"
        )
    return path


def document_path(db: str | None, id: str, name: str) -> str:
    """The path of a document that makes a replication.

    Args:
        db (str | None): the replicator database's name.
        id (str): the document's id.
        name (str): what errors call the id.
    """
    path = replicator_path(db) + doc_path(id, name)
    if id.startswith("_"):
        raise ValueError(f"{name} {id!r:.80}: the replicator takes no notice of such documents")
    return path


# -- which replication ----------------------------------------------------------------------------


def _document(replication: Any, db: str | None) -> str | None:
    """The path of the document that makes a replication; None: it has none.

    Args:
        replication (str | dict): as of `Couch.wait_for_replication`.
        db (str | None): the replicator database's name, where the replication does not tell.
    """
    if isinstance(replication, str):
        return document_path(db, replication, "replication")
    if not isinstance(replication, Mapping):
        raise TypeError(f"replication must be a str or a dict, not {replication!r:.80}")
    if "doc_id" in replication:  # the scheduler has told of it
        id, db = replication["doc_id"], replication.get("database") or db
    else:
        id = replication.get("_id", replication.get("id"))
        if id is None and "_local_id" not in replication:
            raise ValueError("replication must have an 'id', a 'doc_id' or a '_local_id'")
    return None if id is None else document_path(db, id, "replication")


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
    path = _document(replication, db)
    if path is None:
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
        state, continuous = await _look(server, path, left)
        if state["state"] == "completed":
            return state
        _check_hope(state, attempts)
        if continuous:
            raise ValueError(f"{_named(state)} is continuous: it has no end to wait for")
        between = min(poll, between)
        if deadline is not None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise _late(state, timeout)
            between = min(left, between)
        await pause(between)
        between *= 2


async def _look(server: Server, path: str, left: float | None) -> tuple[dict[str, Any], bool]:
    """What the server says of a replication, and whether that is continuous.

    Args:
        server (Server): the server.
        path (str): the document's path.
        left (float | None): the seconds that there are.
    """
    within = _patience(server, left)
    if await server.is_classic():
        doc = Veiled(await ask_json("GET", path, shape=shapes.Revised, timeout=within))
        return _told_by(doc, path), bool(doc.get("continuous"))
    path = "/_scheduler/docs" + path
    state = redacted(await ask_json("GET", path, shape=shapes.Scheduled, timeout=within))
    return dict(state), "+continuous" in (state["id"] or "")


def _patience(server: Server, left: float | None) -> float | None:
    """The timeout of a look; None: the usual one."""
    if left is None:
        return None
    usual = server.session.usual_timeout
    left = max(left, _LEAST_PATIENCE)
    return left if left < usual or not usual else None


def _told_by(doc: Mapping[str, Any], path: str) -> dict[str, Any]:
    """What the scheduler would say, from a document as the replicator of CouchDB 1.x writes it."""
    state, reason = doc.get("_replication_state"), doc.get("_replication_state_reason")
    info = {"error": _veiled(reason)} if reason else redacted(doc.get("_replication_stats"))
    return {
        "database": unquote(path.split("/")[1]),
        "doc_id": doc["_id"],
        "id": doc.get("_replication_id"),
        "state": "running" if state == "triggered" else state,
        "info": info,
        "last_updated": doc.get("_replication_state_time"),
    }


def _veiled(reason: Any) -> str:
    """A server's reason in one line, without the credentials of urls."""
    return str(redacted(" ".join(str(reason).split())))


@contextlib.contextmanager
def redacting() -> Iterator[None]:
    """Have no refusal tell again what was sent: the credentials of a replication's ends."""
    try:
        yield
    except HTTPError as error:
        error.reason, error.response = redacted(error.reason), redacted(error.response)
        error.args = (error.error, error.reason)
        raise


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


def _named(state: Mapping[str, Any]) -> str:
    return f"replication {state['doc_id']!r:.80}"


def _late(state: Mapping[str, Any], timeout: float | None) -> RequestTimeout:
    reason = _reason(state)
    said = f"{_named(state)} is {state['state'] or 'not begun'} after {timeout:g} s"
    said += f": {reason}" if reason else ""
    return RequestTimeout(None, "timeout", said, response=state)


# -- ending ---------------------------------------------------------------------------------------


async def cancel(server: Server, replication: Any, db: str | None = None) -> dict[str, Any]:
    """End a replication; arguments and result as of `Couch.cancel_replication`."""
    path = _document(replication, db)
    if path is not None:
        return await _delete(path)
    body = {"cancel": True, "replication_id": replication.get("_local_id", replication.get("id"))}
    await check_cancelling(server)
    return dict(await ask_json("POST", "/_replicate", json=body))


async def check_cancelling(server: Server) -> None:
    """Refuse to cancel a replication without a document, where the server would start one instead."""
    if await server.is_pouchdb():
        said = "PouchDB Server ends no replication that has no document: start it with an '_id'"
        raise NotFound(None, NOT_OFFERED, said)


async def _delete(path: str) -> dict[str, Any]:
    """Delete a document, whatever the replicator writes to it meanwhile."""
    tries = 0
    while True:
        tries += 1
        head = await ask("HEAD", path, accept=(404,))
        if head.code == 404:
            await ask("GET", path)  # raises, with the reason that HEAD has no body for
        rev = await revision_of(head, path)
        accept = (409,) if tries < _TRIES else ()
        answer = await ask("DELETE", path, {"rev": rev}, accept=accept)
        if answer.code != 409:
            return dict(answer.json())
