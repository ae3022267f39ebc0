"""Whatever a name holds, it reaches the path that it means, as a segment of it, or is refused: each
builder of paths, through the public methods that use it, with 10,000 names."""

from __future__ import annotations

from typing import Any

import pytest

from corduroy import ChangesFeed
from tests.injection import meaning
from tests.injection.builders import ANY, FORM, JSON, SOME, Builder, in_d
from tests.injection.meaning import Meant

D = ("d", "_design", "d")


def deployed(view: str) -> dict[str, Any]:
    """A design document with such a view."""
    return {"_id": "_design/d", "views": {view: {"map": "x"}}}


async def beginning(db: Any, checkpoint: str) -> None:
    """Look where a feed is to begin, without its beginning."""
    await ChangesFeed(db, checkpoint=checkpoint)._terms.checkpoint.read()


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
    "show, its function": Builder(
        "name",
        lambda c, name: c.database("d").show("d/" + name),
        lambda name: meaning.function("_show")("d/" + name),
        in_d("GET", headers=ANY),
    ),
    "show, its design document": Builder(
        "name",
        lambda c, name: c.database("d").show(name + "/f"),
        lambda name: meaning.function("_show")(name + "/f"),
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
    "nouveau": Builder(
        "name",
        lambda c, name: c.database("d").nouveau(name, "q"),
        meaning.function("_nouveau"),
        in_d("GET", query={"q": "q"}),
        SOME,
    ),
    "info": Builder(
        "ddoc",
        lambda c, name: c.database("d").info(name),
        meaning.design,
        lambda path: [Meant("GET", ["d", "_design", *path, "_info"])],
        SOME,
    ),
    "deploy": Builder(
        "ddocs",
        lambda c, name: c.database("d").deploy({"_id": "_design/" + name}),
        lambda name: meaning.document("_design/" + name),
        lambda path: [Meant("GET", ["d", *path]), Meant("PUT", ["d", *path], headers=JSON)],
        SOME,
    ),
    "view that is deployed": Builder(
        "view",
        lambda c, name: c.database("d").deploy(deployed(name), wait=True),
        meaning.any_text,
        lambda path: [
            Meant("GET", [*D]),
            Meant("PUT", [*D], headers=JSON),
            Meant("GET", [*D, "_view", *path], query={"limit": "0"}),
        ][: 3 if path[0] else 2],  # nobody can ask for a view without a name
        SOME,
    ),
    "partition": Builder(
        "name",
        lambda c, name: c.database("d").partition(name).info(),
        meaning.partition,
        lambda path: [Meant("GET", ["d", "_partition", *path])],
    ),
    "view of a partition": Builder(
        "name",
        lambda c, name: c.database("d").partition("p").view(name),
        lambda name: [name] if name == "_all_docs" else meaning.function("_view")(name),
        lambda path: [Meant("GET", ["d", "_partition", "p", *path])],
        SOME,
    ),
    # -- those that are read piece by piece -------------------------------------------------------
    "stream": Builder(
        "name", lambda c, name: c.database("d").stream(name).all(), meaning.view, in_d("GET"), SOME
    ),
    "page": Builder(
        "name",
        lambda c, name: c.database("d").page(name, per_page=9),
        meaning.view,
        in_d("GET", query={"limit": "10"}),
        SOME,
    ),
    "checkpoint": Builder(
        "checkpoint",
        lambda c, name: beginning(c.database("d"), name),
        lambda name: None if name.startswith("_local/") else meaning.local(name),
        in_d("GET"),
    ),
}


@pytest.mark.parametrize("builder", BUILDERS.values(), ids=BUILDERS)
def test_a_name_reaches_the_path_that_it_means(wire, builder):
    builder.hold(wire)
