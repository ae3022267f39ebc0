"""JSON that is none of CouchDB's: whatever is asked, it is an answer, or an error of the server's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from corduroy import Couch, HTTPError, ServerError
from tests.faults.hostile import OK, told
from tests.faults.scripted import End

WELCOME = {
    3: b'{"couchdb":"Welcome","version":"3.5.0","features":["partitioned"]}',
    1: b'{"version":"1"}',
}

ODD = [
    b"[]",
    b"5",
    b'"text"',
    b"null",
    b"[5]",
    b"[[]]",
    b"[{}]",
    b'[{"ok":5}]',
    b'[{"ok":{}}]',
    b'[{"id":5,"rev":5}]',
    b'[{"id":"a","error":5}]',
    b'[{"id":"other","rev":"1-a"}]',
    b"{}",
    b'{"ok":5,"id":5,"rev":5,"_id":5,"_rev":5,"version":5}',
    b'{"id":null,"rev":null,"_id":null,"_rev":null,"version":null,"state":null}',
    b'{"rows":5,"results":5,"docs":5,"indexes":5,"uuids":5,"userCtx":5,"jobs":5,"hits":5,"groups":5}',
    b'{"rows":[5],"results":[5],"docs":[5],"indexes":[5],"uuids":[5],"jobs":[5],"hits":[5],"groups":[5]}',
    b'{"rows":[{}],"results":[{}],"docs":[{}],"indexes":[{}],"userCtx":{},"hits":[{}],"groups":[{}]}',
    b'{"rows":[{"id":5,"key":{},"value":5,"doc":5}],"total_rows":"many","offset":[]}',
    b'{"rows":[{"id":"a","key":"a","value":{"rev":5},"doc":{"_conflicts":5,"_rev":5}}]}',
    b'{"results":[{"docs":5}],"last_seq":{},"pending":"many"}',
    b'{"results":[{"docs":[{"ok":5}]}]}',
    b'{"results":[{"seq":1,"id":5,"changes":5}],"last_seq":null}',
    b'{"docs":[{"_id":5}],"bookmark":5,"warning":5,"execution_stats":5}',
    b'{"_id":"a","_rev":"1-a","_revisions":5,"_attachments":5}',
    b'{"_id":"a","_rev":"1-a","_revisions":{"start":"1","ids":[5]},"_attachments":{"file":5}}',
    b'{"_id":"a","_rev":"x","_attachments":{"file":{"length":"long","stub":5}}}',
    b'{"cluster_nodes":5,"purged":5,"purged_infos":5,"tokens":5,"view_index":5,"state":5,"info":5}',
    b'{"a":5}',
    b'{"uuids":[]}',
    b'{"a":{"missing":5},"purged":{"a":5},"view_index":{"update_seq":"1","updates_pending":{}}}',
    b'{"view_index":{"update_seq":1,"updates_pending":{"total":{}}},"userCtx":{"name":5,"roles":5}}',
    b'{"error":5,"reason":5,"state":"error","info":5,"error_count":"many","id":5}',
]

DOC = {"_id": "a", "_rev": "1-a"}
DDOC = {"_id": "_design/d", "views": {"v": {"map": "function (doc) {}"}}}

Call = Callable[[Any], Any]

OF_THE_SERVER: dict[str, Call] = {
    "info": lambda couch: couch.info(),
    "version": lambda couch: couch.version(),
    "up": lambda couch: couch.up(raise_exception=True),
    "uuids": lambda couch: couch.uuids(2),
    "tasks": lambda couch: couch.tasks(),
    "all_dbs": lambda couch: couch.all_dbs(),
    "some_dbs": lambda couch: couch.all_dbs(limit=2, startkey="a"),
    "dbs_info": lambda couch: couch.dbs_info(),
    "dbs_info_of": lambda couch: couch.dbs_info(["a", "b"]),
    "create": lambda couch: couch.create("db"),
    "delete": lambda couch: couch.delete("db"),
    "config": lambda couch: couch.config("a/b"),
    "admins": lambda couch: couch.admins(),
    "set_config": lambda couch: couch.config("a/b", "c"),
    "stats": lambda couch: couch.stats(),
    "session": lambda couch: couch.session(),
    "check_credentials": lambda couch: couch.check_credentials(),
    "login": lambda couch: couch.login("me", "secret"),
    "save_user": lambda couch: couch.save_user("me", "secret"),
    "check_user": lambda couch: couch.check_user("me", "secret"),
    "membership": lambda couch: couch.membership(),
    "cluster_setup": lambda couch: couch.cluster_setup(),
    "replicate": lambda couch: couch.replicate("a", "b"),
    "replicate_doc": lambda couch: couch.replicate("a", "b", _id="r"),
    "wait": lambda couch: couch.wait_for_replication("r", timeout=0.01, poll=0.01),
    "cancel": lambda couch: couch.cancel_replication("r"),
    "scheduler_jobs": lambda couch: couch.scheduler_jobs(),
    "scheduler_docs": lambda couch: couch.scheduler_docs(),
    "db_updates": lambda couch: couch.db_updates(),
    "search_analyze": lambda couch: couch.search_analyze("english", "text"),
    "jobs": lambda couch: couch.reshard.jobs(),
    "split": lambda couch: couch.reshard.split("db"),
    "node_info": lambda couch: couch.node().versions(),
}

OF_A_DATABASE: dict[str, Call] = {
    "get": lambda db: db.get("a"),
    "get_several": lambda db: db.get(["a", "b"]),
    "get_first": lambda db: db.get(),
    "get_if": lambda db: db.get("a", if_none_match="1-a"),
    "get_leaves": lambda db: db.get("a", open_revs="all"),
    "reload": lambda db: db.reload(dict(DOC)),
    "head": lambda db: db.head("a"),
    "revisions": lambda db: db.revisions("a"),
    "bulk_get": lambda db: db.bulk_get([{"id": "a"}, {"id": "b", "rev": "1-b"}]),
    "save": lambda db: db.save(dict(DOC)),
    "save_new": lambda db: db.save({"n": 1}),
    "save_several": lambda db: db.save([dict(DOC), {"_id": "b"}]),
    "save_as_they_are": lambda db: db.save([dict(DOC)], new_edits=False),
    "save_stream": lambda db: db.save(iter([dict(DOC), {"_id": "b"}])),
    "post": lambda db: db.post({"n": 1}),
    "delete": lambda db: db.delete(dict(DOC)),
    "delete_by_id": lambda db: db.delete("a"),
    "copy": lambda db: db.copy("a", "b"),
    "copy_oddly": lambda db: db.copy("_local/a", "b"),
    "patch": lambda db: db.patch("a", {"n": 2}),
    "local_save": lambda db: db.local("a").save({"n": 1}),
    "local_delete": lambda db: db.local("a").delete(),
    "conflicts": lambda db: db.conflicts("a"),
    "view": lambda db: db.view("d/v"),
    "view_with_docs": lambda db: [(row.id, row.doc) for row in db.view("d/v", include_docs=True)],
    "design_docs": lambda db: db.view("_design_docs"),
    "queries": lambda db: db.view("d/v", queries=[{"limit": 1}]),
    "query": lambda db: db.query("function (doc) {}"),
    "page": lambda db: db.page("d/v", 10),
    "pages": lambda db: db.pages("d/v", 10).all(),
    "stream": lambda db: db.stream("d/v").all(),
    "docs": lambda db: db.docs().all(),
    "ids": lambda db: db.ids().all(),
    "conflicted": lambda db: db.conflicted().all(),
    "find": lambda db: list(db.find({"a": 1})),
    "explain": lambda db: db.explain({"a": 1}),
    "create_index": lambda db: db.create_index(["a"]),
    "indexes": lambda db: db.indexes(),
    "delete_index": lambda db: db.delete_index("d", "n"),
    "search": lambda db: list(db.search("d/i", "q")),
    "nouveau": lambda db: list(db.nouveau("d/i", "q")),
    "info": lambda db: db.info(),
    "security": lambda db: db.security(),
    "compact": lambda db: db.compact(),
    "purge": lambda db: db.purge({"a": ["1-a"]}),
    "purged_infos": lambda db: db.purged_infos(),
    "revs_limit": lambda db: db.revs_limit(),
    "missing_revs": lambda db: db.missing_revs({"a": ["1-a"]}),
    "revs_diff": lambda db: db.revs_diff({"a": ["1-a"]}),
    "changes": lambda db: db.changes(),
    "partition": lambda db: db.partition("p").info(),
    "put_attachment": lambda db: db.put_attachment(dict(DOC), b"x", "file"),
    "delete_attachment": lambda db: db.delete_attachment(dict(DOC), "file"),
    "get_with_attachments": lambda db: db.get_with_attachments("a"),
    "deploy": lambda db: db.deploy(dict(DDOC), wait=False),
    "show": lambda db: db.show("d/f", "a"),
    "shards": lambda db: db.shards(),
}


def read_body(peer: End, head: bytes) -> None:
    """Take the body of a request, if it has one."""
    if b"content-length: " in head.lower():
        peer.read(int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]))


@pytest.fixture
def odd(serve) -> Any:
    """``odd(body, version)``: a Couch whose server answers so to all but to the question who it is."""

    def script(peer: End) -> None:
        while head := peer.head():
            read_body(peer, head)
            target = head.split(b" ")[1]
            if target == b"/" and state["welcome"]:
                peer.send(told(state["welcome"]))
            elif head.startswith(b"HEAD"):
                peer.send(OK + b'ETag: "1-a"\r\nContent-Length: 0\r\n\r\n')
            else:
                peer.send(told(state["body"], "Content-Type: application/json"))

    state: dict[str, Any] = {}
    server = serve(script)

    def make(body: bytes, welcome: bytes | None = WELCOME[3]) -> Couch[Any]:
        state.update(body=body, welcome=welcome)
        return Couch(server.url, timeout=5, retries=0)

    return make


@pytest.mark.parametrize("welcome", [WELCOME[3], WELCOME[1], None], ids=["3", "1", "odd, too"])
@pytest.mark.parametrize("name", OF_THE_SERVER)
def test_whatever_a_server_is_asked(odd, name, welcome):
    for body in ODD:
        with odd(body, welcome) as couch:
            only_tells_of_the_server(OF_THE_SERVER[name], couch, body)


@pytest.mark.parametrize("welcome", [WELCOME[3], WELCOME[1]], ids=["3", "1"])
@pytest.mark.parametrize("name", OF_A_DATABASE)
def test_whatever_a_database_is_asked(odd, name, welcome):
    for body in ODD:
        with odd(body, welcome) as couch:
            only_tells_of_the_server(OF_A_DATABASE[name], couch.database("db"), body)


def only_tells_of_the_server(ask: Call, of: Any, body: bytes) -> None:
    """Ask, and bear an error of the server's."""
    try:
        ask(of)
    except HTTPError:
        pass
    except Exception as error:
        error.add_note(f"the answer was {body.decode()}")
        raise


SAYING: dict[str, tuple[Call, bytes, str]] = {
    "a list for a document": (lambda db: db.get("a"), b"[]", "Expected `object`, got `array`"),
    "no rows": (lambda db: db.view("d/v"), b"{}", "rows"),
    "a revision that is a number": (
        lambda db: db.save({"_id": "a"}), b'{"ok":true,"id":"a","rev":5}', r"`str`, got `int`.*\$\.rev"
    ),
    "no revision": (
        lambda db: db.put_attachment(dict(DOC), b"x", "file"), b'{"ok":true}', "required field `rev`"
    ),
    "a view that is left out": (
        lambda db: db.view("d/v", queries=[{}, {}]), b'{"results":[{"rows":[]}]}', "2 were asked for"
    ),
    "a document that is left out": (
        lambda db: db.save([{"_id": "a"}, {"_id": "b"}]), b'[{"id":"a","rev":"1-a"}]', "nothing of a"
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", SAYING)
def test_the_error_says_what_is_odd(odd, call, name):
    ask, body, said = SAYING[name]
    db = odd(body).database("db")
    with pytest.raises(ServerError, match=f"odd.*{said}|{said}"):
        ask(_Calling(db, call))


@pytest.mark.parametrize("rows", [b"[]", b'[{"key":"a"},{"key":"b"}]'], ids=["fewer", "more"])
def test_rows_that_are_not_those_asked_for(serve, call, rows):
    conflict = b'[{"id":"a","error":"conflict","reason":"no"}]'
    answers = {b"_bulk_docs": conflict, b"_all_docs": b'{"rows":%b}' % rows}

    def script(peer: End) -> None:
        while head := peer.head():
            read_body(peer, head)
            path = head.split(b" ")[1].partition(b"?")[0]
            body = answers.get(path.rpartition(b"/")[2], WELCOME[3])
            peer.send(told(body, "Content-Type: application/json"))

    db = Couch(serve(script).url, retries=0).database("db")
    with pytest.raises(ServerError, match="1 were asked for"):
        call(db.save, [{"_id": "a"}])


class _Calling:
    """A database whose operations are called in the style of a test."""

    def __init__(self, db: Any, call: Any) -> None:
        self._db = db
        self._call = call

    def __getattr__(self, name: str) -> Callable[..., Any]:
        method = getattr(self._db, name)
        return lambda *args, **options: self._call(method, *args, **options)
