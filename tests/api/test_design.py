"""Design functions: show, list, update and rewrite, and what they answer with."""

from __future__ import annotations

import json

import pytest

from corduroy import Conflict, Forbidden, NotFound, ServerError

FORMS = {
    "_id": "_design/forms",
    "views": {"all": {"map": "function (doc) { emit(doc._id, doc.n); }"}},
    "shows": {
        "json": "function (doc, req) { return {json: {id: req.id, doc: doc, q: req.query}}; }",
        "text": """function (doc, req) {
            return {body: 'n = ' + doc.n + ' ä', headers: {'X-Made-By': 'show'}}; }""",
        "bytes": """function (doc, req) {
            return {base64: 'AAEC/w==', headers: {'Content-Type': 'application/x-own'}}; }""",
        "latin": """function (doc, req) { return {base64: 'uA==',
            headers: {'Content-Type': 'text/plain; charset=iso-8859-15'}}; }""",
        "html": "function (doc, req) { return '<p>hello</p>'; }",
        "echo": """function (doc, req) { return {json: {doc: doc, form: req.form, body: req.body,
            method: req.method, q: req.query}}; }""",
        "forbid": "function (doc, req) { throw(['error', 'forbidden', 'not you']); }",
    },
    "lists": {
        "sum": """function (head, req) { var row, sum = 0; while (row = getRow()) sum += row.value;
            return JSON.stringify({sum: sum, by: req.query.by}); }""",
        "echo": """function (head, req) { var row, ids = []; while (row = getRow()) ids.push(row.id);
            var body = typeof req.body == 'string' ? req.body : JSON.stringify(req.body);
            return JSON.stringify({ids: ids, method: req.method, body: body}); }""",
        "csv": """function (head, req) { var row;
            start({headers: {'Content-Type': 'text/csv', 'X-Made-By': 'list'}});
            while (row = getRow()) send(row.id + ';');
            return 'ä'; }""",
    },
    "updates": {
        "echo": """function (doc, req) { return [null, {json: {
            id: req.id, form: req.form, body: req.body, q: req.query,
            kind: req.headers['Content-Type'], method: req.method}}]; }""",
        "count": """function (doc, req) { if (!doc) doc = {_id: req.id, n: 0};
            doc.n++; return [doc, 'now ' + doc.n]; }""",
    },
    "rewrites": [
        {"from": "/hello/:name", "to": "_show/json"},
        {"from": "/put/*", "to": "_update/echo", "method": "PUT"},
        {"from": "/post", "to": "_update/echo", "method": "POST"},
    ],
}

OTHER = {"_id": "_design/other", "views": {"ten": {"map": "function (doc) { emit(null, 10); }"}}}


@pytest.fixture
def forms(db):
    """A database with design documents and two documents, ``a`` and ``b/c d``."""
    db.with_style("blocking").save(
        [dict(FORMS), dict(OTHER), {"_id": "a", "n": 1}, {"_id": "b/c d", "n": 2}]
    )
    return db


def test_a_show_renders_a_document_or_none(call, forms):
    shown = call(forms.show, "forms/json", "a")
    assert (shown.code, shown.body["id"], shown.body["doc"]["n"]) == (200, "a", 1)
    assert shown.headers["Content-Type"].startswith("application/json")
    assert call(forms.show, "forms/json", "b/c d").body["doc"]["n"] == 2
    nothing = call(forms.show, "forms/json").body
    assert (nothing["doc"], nothing["id"]) == (None, None)


def test_a_show_gets_its_parameters(call, forms):
    shown = call(forms.show, "forms/json", "a", title="ä & b", n=3, key="x", flag=True)
    given = {key: str(value).lower() for key, value in shown.body["q"].items()}
    assert given == {"title": "ä & b", "n": "3", "key": "x", "flag": "true"}


def test_a_show_s_body_is_text_json_or_bytes_as_its_type_says(call, forms, classic):
    text = call(forms.show, "forms/text", "a")
    assert text.body == "n = 1 ä"
    assert text.headers["X-Made-By"] == "show"
    assert call(forms.show, "forms/bytes", "a").body == b"\x00\x01\x02\xff"
    assert call(forms.show, "forms/html").body == "<p>hello</p>"
    if not classic:  # PouchDB Server sends another charset than it is told
        assert call(forms.show, "forms/latin").body == "ž"


def test_a_show_gets_a_body_by_post(call, forms):
    shown = call(forms.show, "forms/echo", "a", body={"x": "ä & b"}, q="z").body
    assert (shown["method"], shown["form"], shown["doc"]["n"]) == ("POST", {"x": "ä & b"}, 1)
    assert shown["q"] == {"q": "z"}
    shown = call(forms.show, "forms/echo", body="plain text").body
    assert (shown["method"], shown["body"], shown["doc"]) == ("POST", "plain text", None)


def test_a_show_that_is_not_there_is_not_found(call, forms):
    for name in ("forms/nothing", "nothing/text"):
        with pytest.raises(NotFound):
            call(forms.show, name, "a")


def test_what_a_show_throws_is_its_error(call, forms, classic):
    with pytest.raises(ServerError if classic else Forbidden) as caught:
        call(forms.show, "forms/forbid")
    assert "not you" in caught.value.reason
    assert caught.value.error == ("Internal Server Error" if classic else "forbidden")


def test_a_list_renders_the_rows_of_a_view(call, forms):
    listed = call(forms.list, "forms/sum", "all", by="me")
    assert _json(listed.body) == {"sum": 3, "by": "me"}
    assert _json(call(forms.list, "forms/sum", "all", key="a").body)["sum"] == 1
    assert _json(call(forms.list, "forms/sum", "all", startkey="b", limit=1).body)["sum"] == 2


def test_a_list_may_send_its_headers_first_and_the_rest_in_pieces(call, forms):
    listed = call(forms.list, "forms/csv", "all")
    assert listed.body == "a;b/c d;ä"
    assert listed.headers["Content-Type"].startswith("text/csv")
    assert listed.headers["X-Made-By"] == "list"


def test_a_list_renders_a_view_of_another_design_document(call, forms):
    assert _json(call(forms.list, "forms/sum", "other/ten").body)["sum"] == 20


@pytest.mark.parametrize("view", ["all", "twin/all"])
def test_a_list_gets_keys_and_a_body_by_post(call, forms, view):
    call(forms.save, {"_id": "_design/twin", "views": FORMS["views"]})
    call(forms.save, [{"_id": f"{n:04}", "n": n} for n in range(3)])
    keys = ["0002", "b/c d", "0000", *(f"nothing-{n}" for n in range(2000))]
    listed = _json(call(forms.list, "forms/echo", view, keys=keys).body)
    assert (listed["method"], listed["ids"]) == ("POST", ["0002", "b/c d", "0000"])
    listed = _json(call(forms.list, "forms/echo", view, {"x": [1]}, startkey="0001", limit=2).body)
    assert (listed["ids"], _json(listed["body"])) == (["0001", "0002"], {"x": [1]})
    assert _json(call(forms.list, "forms/echo", view, key="a").body)["method"] == "GET"


def test_a_list_refuses_what_is_no_body_and_no_keys(refused, db):
    refused(TypeError, "body must be a dict, not 'x'", db.list, "forms/echo", "all", "x")
    refused(TypeError, "keys must be a list", db.list, "forms/echo", "all", keys="x")


def _json(body):
    return json.loads(body) if isinstance(body, str | bytes) else body


def test_an_update_creates_and_changes_documents(call, forms):
    assert call(forms.update, "forms/count", "new").body == "now 1"
    assert call(forms.update, "forms/count", "new").body == "now 2"
    assert call(forms.update, "forms/count", "b/c d").body == "now 3"
    assert [doc.n for doc in call(forms.get, ["new", "b/c d"])] == [2, 3]


def test_an_update_gets_a_dict_as_a_form_and_everything_else_as_it_is(call, forms):
    form = call(forms.update, "forms/echo", body={"a": "ä & b", "n": 1})
    assert form.body["form"] == {"a": "ä & b", "n": "1"}
    assert form.body["kind"] == "application/x-www-form-urlencoded"
    assert (form.body["id"], form.body["method"]) == (None, "POST")
    text = call(forms.update, "forms/echo", "a", body='{"x": 1}', q="z")
    assert text.body["body"] == '{"x": 1}'
    assert text.body["q"] == {"q": "z"}
    assert (text.body["id"], text.body["method"]) == ("a", "PUT")
    assert call(forms.update, "forms/echo", body=b"bytes").body["body"] == "bytes"


def test_an_update_whose_document_is_refused_raises(call, guarded):
    bad = "function (doc, req) { return [{_id: 'x', bad: true}, 'done']; }"
    call(guarded.save, {"_id": "_design/own", "updates": {"bad": bad}})
    with pytest.raises(Forbidden) as caught:
        call(guarded.update, "own/bad")
    assert caught.value.reason == "no bad documents"


def test_a_rewrite_leads_where_its_rule_says(call, forms, classic):
    assert call(forms.rewrite, "forms", "/hello/world").body["q"] == {"name": "world"}
    assert call(forms.rewrite, "_design/forms", "hello/you", by="me").body["q"] == {
        "name": "you",
        "by": "me",
    }
    posted = call(forms.rewrite, "forms", "/post", "POST", body={"a": "1"})
    assert posted.body["method"] == "POST"
    if not classic:  # PouchDB Server loses the body
        assert posted.body["form"] == {"a": "1"}
    with pytest.raises(NotFound):
        call(forms.rewrite, "forms", "/nowhere")


def test_a_design_document_tells_of_its_index(call, forms, classic):
    call(forms.view, "forms/all")
    assert call(forms.info, "forms")["view_index"]
    assert call(forms.info, "_design/forms")["view_index"]
    if not classic:  # PouchDB Server does not look for it
        with pytest.raises(NotFound):
            call(forms.info, "nothing")


def test_a_function_s_error_is_no_success(call, canned_db, answering):
    answering(409, b'{"error":"conflict","reason":"too late"}')
    for method, name in (("show", "d/s"), ("update", "d/u")):
        with pytest.raises(Conflict):
            call(getattr(canned_db, method), name)


def test_a_redirection_is_given_back_with_its_headers(call, forms, canned_db, answering):
    go = "function (doc, req) { return {code: 302, headers: {Location: '/elsewhere'}}; }"
    call(forms.save, {"_id": "_design/go", "shows": {"go": go}})
    shown = call(forms.show, "go/go")
    assert (shown.code, shown.headers["location"]) == (302, "/elsewhere")
    moved = (("Location", "/x"), ("Set-Cookie", "a=1"), ("Set-Cookie", "b=2"))
    answering(303, b"", moved)
    for method, *args in (("show", "d/f"), ("list", "d/f", "v"), ("update", "d/f")):
        rendered = call(getattr(canned_db, method), *args)
        assert (rendered.code, rendered.headers["LOCATION"]) == (303, "/x")
        assert rendered.headers.get_list("set-cookie") == ["a=1", "b=2"]
    assert call(canned_db.rewrite, "d", "x").code == 303


def test_where_json_was_announced_and_nothing_came_the_body_is_none(call, canned_db, answering):
    answering(200, b'{"for":"HEAD its length only"}')
    assert call(canned_db.rewrite, "d", "x", "HEAD").body is None
    answering(200, b"")
    assert call(canned_db.show, "d/f").body is None
    answering(200, b"", (("Content-Type", "text/plain"),))
    assert call(canned_db.show, "d/f").body == ""
