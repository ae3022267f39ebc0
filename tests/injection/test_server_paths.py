"""Whatever the name of a database, node, user or job holds, or the id of a replication, it reaches the
path that it means below the server's root, or is refused: as `test_paths` holds what is in a database
to it."""

from __future__ import annotations

import pytest

from tests.injection import meaning
from tests.injection.builders import JSON, SOME, Builder, at_root
from tests.injection.meaning import Meant


def below_a_slash(name: str) -> str:
    """Replicator databases may have a name before the slash."""
    return str.__str__(name) + "/_replicator"


BUILDERS = {
    # -- databases and nodes ----------------------------------------------------------------------
    "database": Builder(
        "name", lambda c, name: c.database(name).info(), meaning.database, at_root("GET")
    ),
    "exists": Builder(
        "name", lambda c, name: c.exists(name), meaning.database, at_root("HEAD"), SOME
    ),
    "create": Builder(
        "name",
        lambda c, name: c.create(name, q=2),
        meaning.database,
        at_root("PUT", query={"q": "2"}),
        SOME,
    ),
    "node": Builder(
        "name",
        lambda c, name: c.node(name).system(),
        meaning.segment,
        lambda path: [Meant("GET", ["_node", *path, "_system"])],
    ),
    "config": Builder(
        "name",
        lambda c, name: c.config(name),
        meaning.key_of(),
        at_root("GET", "_node", "_local", "_config"),
    ),
    "stats": Builder(
        "name",
        lambda c, name: c.stats(name),
        meaning.key_of(section=False),
        at_root("GET", "_node", "_local", "_stats"),
    ),
    "remove_admin": Builder(
        "name",
        lambda c, name: c.remove_admin(name),
        meaning.admin,
        at_root("DELETE", "_node", "_local", "_config", "admins"),
    ),
    "add_admin": Builder(
        "name",
        lambda c, name: c.add_admin(name, "-pbkdf2-"),
        meaning.admin,
        at_root("PUT", "_node", "_local", "_config", "admins", headers=JSON, body=b'"-pbkdf2-"'),
        SOME,
    ),
    "save_user": Builder(
        "name",
        lambda c, name: c.save_user(name, "b"),
        meaning.user,
        at_root("PUT", "_users", headers=JSON),
        SOME,
    ),
    "delete_user": Builder(
        "name",
        lambda c, name: c.delete_user(name),
        meaning.user,
        lambda path: [
            Meant("HEAD", ["_users", *path]),
            Meant("DELETE", ["_users", *path], query={"rev": "1-a"}),
        ],
    ),
    "reshard": Builder(
        "jobid",
        lambda c, doc: c.reshard.job_state(doc),
        meaning.below(),
        lambda path: [Meant("GET", ["_reshard", "jobs", *path, "state"])],
    ),
    "scheduler_docs": Builder(
        "docid",
        lambda c, doc: c.scheduler_docs(docid=doc),
        lambda name: None if name.startswith("_") else meaning.segment(name),
        at_root("GET", "_scheduler", "docs", "_replicator"),
    ),
    "scheduler_docs of": Builder(
        "db",
        lambda c, name: c.scheduler_docs(db=below_a_slash(name)),
        lambda name: meaning.database(below_a_slash(name)),
        at_root("GET", "_scheduler", "docs"),
    ),
    "replicate": Builder(
        "_id",
        lambda c, doc: c.replicate("a", "b", _id=doc),
        lambda doc: None if doc.startswith("_") else meaning.segment(doc),
        at_root("PUT", "_replicator", headers=JSON),
        SOME,
    ),
    "wait_for_replication": Builder(
        "replication",
        lambda c, doc: c.wait_for_replication({"doc_id": doc, "database": "_replicator"}),
        lambda doc: None if doc.startswith("_") else meaning.segment(doc),
        at_root("GET", "_scheduler", "docs", "_replicator"),
        SOME,
    ),
    "cancel_replication": Builder(
        "replication",
        lambda c, doc: c.cancel_replication(doc),
        lambda doc: None if doc.startswith("_") else meaning.segment(doc),
        lambda path: [
            Meant("HEAD", ["_replicator", *path]),
            Meant("DELETE", ["_replicator", *path], query={"rev": "1-a"}),
        ],
        SOME,
    ),
    "add_node": Builder(
        "host",
        lambda c, host: c.add_node(host, "a", "b"),
        lambda host: [f"couchdb@{str.__str__(host)}"] if meaning.segment(host) else None,
        lambda path: [
            Meant("POST", ["_cluster_setup"], headers=JSON),
            Meant("HEAD", ["_node", "_local", "_nodes", *path]),
        ],
    ),
}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_a_name_reaches_the_path_that_it_means(wire, builder):
    builder.hold(wire)
