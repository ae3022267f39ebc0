"""Whatever a name holds, it reaches the path that it means, as a segment of it, or is refused: each
builder of paths, through the public methods that use it, with 10,000 names."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest

from tests.injection import meaning
from tests.injection.inputs import names
from tests.injection.meaning import Meant

JSON = {"content-type": "application/json"}
ANY = {"accept": "*/*"}
FORM = {**ANY, "content-type": "application/x-www-form-urlencoded"}


class Builder(NamedTuple):
    """A builder of paths.

    Attributes:
        argument (str): the argument that it builds them of, as its refusals name it.
        call: calls a method that uses it.
        path: the path that a name means.
        meant: the requests that the call means, with such a path.
        every (int): of which part of the names it is tried with: each tenth, say.
    """

    argument: str
    call: Callable[[Any, str], Any]
    path: Callable[[str], list[str] | None]
    meant: Callable[[list[str]], list[Meant]]
    every: int = 1


# For whoever uses the same builder as somebody else, which all of the names are for.
SOME = 10


def in_d(method: str, *after: str, **more: Any) -> Callable[[list[str]], list[Meant]]:
    """A request for something in the database ``d``."""
    return lambda path: [Meant(method, ["d", *path, *after], **more)]


def at_root(method: str, *before: str, **more: Any) -> Callable[[list[str]], list[Meant]]:
    """A request for something below the root."""
    return lambda path: [Meant(method, [*before, *path], **more)]


BUILDERS = {
    # -- documents ------------------------------------------------------------------------------
    "get": Builder("id", lambda c, doc: c.database("d").get(doc), meaning.document, in_d("GET")),
    "head": Builder(
        "id", lambda c, doc: c.database("d").head(doc), meaning.document, in_d("HEAD"), SOME
    ),
    "delete": Builder(
        "doc",
        lambda c, doc: c.database("d").delete(doc, "2-b"),
        meaning.document,
        in_d("DELETE", query={"rev": "2-b"}),
        SOME,
    ),
    "save": Builder(
        "doc['_id']",
        lambda c, doc: c.database("d").save({"_id": doc}),
        meaning.document,
        in_d("PUT", headers=JSON),
    ),
    "copy from": Builder(
        "source",
        lambda c, doc: c.database("d").copy(doc, "b"),
        meaning.document,
        in_d("COPY", headers={"destination": "b"}),
        SOME,
    ),
    "local": Builder(
        "name", lambda c, name: c.database("d").local(name).get(), meaning.local, in_d("GET")
    ),
    "shards": Builder(
        "docid",
        lambda c, doc: c.database("d").shards(doc),
        meaning.below("_shards"),
        in_d("GET"),
    ),
    "put_attachment": Builder(
        "filename",
        lambda c, name: c.database("d").put_attachment({"_id": "a"}, b"x", name, "text/plain"),
        meaning.attachment,
        lambda path: [
            Meant(
                "PUT",
                ["d", "a", *path],
                headers={"content-type": "text/plain", "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="},
                body=b"x",
            )
        ],
    ),
    "head_attachment": Builder(
        "filename",
        lambda c, name: c.database("d").head_attachment("_design/a", name),
        meaning.attachment,
        lambda path: [
            Meant(
                "HEAD",
                ["d", "_design", "a", *path],
                headers={**ANY, "accept-encoding": "identity"},
            )
        ],
        SOME,
    ),
    "attachment of": Builder(
        "doc",
        lambda c, doc: c.database("d").delete_attachment({"_id": doc, "_rev": "2-b"}, "f"),
        meaning.document,
        in_d("DELETE", "f", query={"rev": "2-b"}),
        SOME,
    ),
    # -- design documents -------------------------------------------------------------------------
    "view": Builder("name", lambda c, name: c.database("d").view(name), meaning.view, in_d("GET")),
    "show": Builder(
        "name",
        lambda c, name: c.database("d").show(name),
        meaning.function("_show"),
        in_d("GET", headers=ANY),
    ),
    "show of": Builder(
        "id",
        lambda c, doc: c.database("d").show("d/f", doc),
        meaning.document,
        lambda path: [Meant("GET", ["d", "_design", "d", "_show", "f", *path], headers=ANY)],
        SOME,
    ),
    "list": Builder(
        "name",
        lambda c, name: c.database("d").list(name, "v"),
        meaning.function("_list"),
        in_d("GET", "v", headers=ANY),
        SOME,
    ),
    "list of": Builder(
        "view",
        lambda c, name: c.database("d").list("d/f", name),
        meaning.listed,
        in_d("GET", headers=ANY),
    ),
    "update": Builder(
        "name",
        lambda c, name: c.database("d").update(name, body={"a": "b&c"}),
        meaning.function("_update"),
        in_d("POST", headers=FORM, body=b"a=b%26c"),
        SOME,
    ),
    "rewrite": Builder(
        "path",
        lambda c, path: c.database("d").rewrite("d", path),
        meaning.rewritten,
        lambda path: [Meant("GET", ["d", "_design", "d", "_rewrite", *path], headers=ANY)],
    ),
    "rewrite by": Builder(
        "ddoc",
        lambda c, name: c.database("d").rewrite(name, "p"),
        meaning.design,
        lambda path: [Meant("GET", ["d", "_design", *path, "_rewrite", "p"], headers=ANY)],
        SOME,
    ),
    "search": Builder(
        "name",
        lambda c, name: c.database("d").search(name, "q"),
        meaning.function("_search"),
        in_d("GET", query={"q": "q"}),
        SOME,
    ),
    "nouveau_info": Builder(
        "name",
        lambda c, name: c.database("d").nouveau_info(name),
        meaning.function("_nouveau_info"),
        in_d("GET"),
        SOME,
    ),
    "delete_index": Builder(
        "name",
        lambda c, name: c.database("d").delete_index("d", name),
        meaning.segment,
        lambda path: [Meant("DELETE", ["d", "_index", "_design/d", "json", *path])],
    ),
    "delete_index of": Builder(
        "ddoc",
        lambda c, name: c.database("d").delete_index(name, "i"),
        meaning.design,
        lambda path: [Meant("DELETE", ["d", "_index", f"_design/{path[0]}", "json", "i"])],
        SOME,
    ),
    "compact": Builder(
        "ddoc",
        lambda c, name: c.database("d").compact(name),
        meaning.design,
        lambda path: [Meant("POST", ["d", "_compact", *path], headers=JSON)],
    ),
    "partition": Builder(
        "name",
        lambda c, name: c.database("d").partition(name).info(),
        meaning.partition,
        lambda path: [Meant("GET", ["d", "_partition", *path])],
    ),
    # -- the server -------------------------------------------------------------------------------
    "database": Builder(
        "name", lambda c, name: c.database(name).info(), meaning.database, at_root("GET")
    ),
    "exists": Builder(
        "name", lambda c, name: c.exists(name), meaning.database, at_root("HEAD"), SOME
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
}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_a_name_reaches_the_path_that_it_means(wire, builder):
    def meant(name: str) -> list[Meant] | None:
        path = builder.path(name)
        return None if path is None else builder.meant(path)

    wire.hold(builder.argument, builder.call, meant, names()[:: builder.every])
