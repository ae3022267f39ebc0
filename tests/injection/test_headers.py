"""Whatever the value of a header holds, it stays in its line, and no header is there twice; and what
is attached with a document stays in its part."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from corduroy import Couch, JWTAuth, ProxyAuth
from tests.injection.inputs import is_text, names
from tests.injection.meaning import Meant, attachment, document
from tests.injection.recorder import Arrived

LATIN = re.compile(r"[\t\x20-\x7e\x80-\xff]*", re.ASCII)
TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+", re.ASCII)
BLANKS = " \t"  # around a value they are no part of it


def value(text: str) -> str | None:
    """What of a text arrives as a header's value."""
    return str.__str__(text).strip(BLANKS) if LATIN.fullmatch(text) else None


def asking(wire: Any, **options: Any) -> Any:
    """Ask for a database, by a Couch of its own; their connections are shared."""
    return Couch(wire.recorder.url, http_client=wire.client, **options).exists("d")


def told(**headers: Any) -> list[Meant] | None:
    """A request for a database with such headers; None where there is none."""
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return None if None in named.values() else [Meant("HEAD", ["d"], headers=named)]


def test_a_header_of_the_program_is_that_header(wire):
    wire.hold(
        "headers",
        lambda _, text: asking(wire, headers={"X-Own": text}),
        lambda text: told(x_own=value(text)),
        names(),
    )


def test_the_name_of_a_header_is_a_name(wire):
    own = {*wire.usual, "content-length", "transfer-encoding", "cookie", "connection", "expect"}

    def meant(text: str) -> list[Meant] | None:
        return told(**{text.lower(): "x"}) if TOKEN.fullmatch(text) else None

    wire.hold(
        "headers",
        lambda _, text: asking(wire, headers={text: "x"}),
        meant,
        [text for text in names() if text.lower() not in own and "_" not in text],
    )


@pytest.mark.parametrize("name", ["Content-Length", "content-length", "Transfer-Encoding"])
def test_no_header_of_the_program_tells_where_a_request_ends(wire, name):
    wire.hold("headers", lambda _, text: asking(wire, headers={name: text}), lambda _: None, ["5"])


def test_no_header_comes_twice_however_it_is_written(wire):
    def call(_: Any, text: str) -> Any:
        return asking(wire, headers={"ACCEPT": text, "host": "elsewhere", "user-agent": "me"})

    meant = [
        Meant("HEAD", ["d"], headers={"accept": "a/b", "host": "elsewhere", "user-agent": "me"})
    ]
    wire.hold("headers", call, lambda _: meant, ["a/b"])


def test_a_cookie_is_a_cookie(wire):
    def meant(text: str) -> list[Meant] | None:
        found = value(text) if text.isprintable() else None
        return told(cookie=found) if found != "" else told()

    given = [text for text in names() if text.strip()]
    wire.hold("", lambda _, text: asking(wire, cookie=text), meant, given)


def test_a_token_is_a_token(wire):
    def meant(text: str) -> list[Meant] | None:
        found = value(f"Bearer {str.__str__(text)}") if text else None
        return told(authorization=found)

    wire.hold("", lambda _, text: asking(wire, auth=JWTAuth(text)), meant, names())


def test_the_role_of_a_user_is_one_role(wire):
    def meant(text: str) -> list[Meant] | None:
        if not text or not is_text(text) or "," in text:
            return None
        raw = text.encode().decode("latin-1")
        return told(x_auth_couchdb_username="a", x_auth_couchdb_roles=value(f"r,{raw}"))

    wire.hold("", lambda _, text: asking(wire, auth=ProxyAuth("a", ["r", text])), meant, names())


def test_a_revision_that_the_program_has_is_one_revision(wire):
    def meant(text: str) -> list[Meant] | None:
        if not text or '"' in text or not LATIN.fullmatch(text):
            return None
        return [Meant("GET", ["d", "a"], headers={"if-none-match": f'"{str.__str__(text)}"'})]

    def call(couch: Any, text: str) -> Any:
        return couch.database("d").get("a", if_none_match=text)

    wire.hold("", call, meant, names())


def test_a_content_type_is_one_header(wire):
    def meant(text: str) -> list[Meant] | None:
        found = value(text)
        if found is None:
            return None
        headers = {"content-type": found, "content-md5": "ndTkYSaMgDT1yFZOFVxnpg=="}
        return [Meant("PUT", ["d", "a", "f"], headers=headers)]

    def call(couch: Any, text: str) -> Any:
        return couch.database("d").put_attachment({"_id": "a"}, b"x", "f", text)

    wire.hold("content_type", call, meant, [text for text in names() if text])


def test_what_is_copied_to_is_one_document(wire):
    """The header is a path and a query, which CouchDB takes apart."""

    def meant(text: str) -> list[Meant] | None:
        path = document(text)

        def leads_there(sent: str) -> bool:
            return Arrived("", f"/{sent}", [], b"").segments == path and "?" not in sent

        if path is None:
            return None
        return [Meant("COPY", ["d", "a"], headers={"destination": leads_there})]

    wire.hold("dest", lambda c, text: c.database("d").copy("a", text), meant, names())


def test_what_is_copied_over_is_one_revision(wire):
    def meant(text: str) -> list[Meant] | None:
        if not text:
            return [Meant("COPY", ["d", "a"], headers={"destination": "b"})]
        if not re.fullmatch(r"[A-Za-z0-9_.~-]+", text, re.ASCII) or text in (".", ".."):
            return None
        sent = f"b?rev={str.__str__(text)}"
        return [Meant("COPY", ["d", "a"], headers={"destination": sent})]

    def call(couch: Any, text: str) -> Any:
        return couch.database("d").copy("a", {"_id": "b", "_rev": text})

    wire.hold("dest['_rev']", call, meant, names())


def test_what_is_attached_stays_in_its_part(wire):
    """Whatever it is called, whatever it is, and of whatever kind."""

    def kind_of(text: str) -> str:
        return text if LATIN.fullmatch(text) and text else "a/b"

    def content_of(text: str) -> bytes:
        return text.encode("utf-8", "surrogatepass") + b"."

    def meant(text: str) -> list[Meant] | None:
        path = attachment(text)
        if path is None:
            return None

        def is_whole(body: bytes) -> bool:
            boundary = body.partition(b"\r\n")[0]
            first, document, attached, last = (b"\r\n" + body).split(b"\r\n" + boundary)
            assert (first, last) == (b"", b"--")
            head, _, sent = attached.partition(b"\r\n\r\n")
            assert sent == content_of(text)
            _, disposition, kind, length = head.split(b"\r\n")
            quoted = disposition.removeprefix(b'Content-Disposition: attachment; filename="')
            assert quoted.endswith(b'"')
            assert quoted.count(b'"') == 1
            assert kind.decode() == "Content-Type: " + kind_of(text)
            assert length == b"Content-Length: %d" % len(sent)
            ((name, said),) = json.loads(document.partition(b"\r\n\r\n")[2])["_attachments"].items()
            return name == text and said["content_type"] == kind_of(text)

        form = re.compile('multipart/related; boundary="[0-9a-f]{32}"').fullmatch
        compared = {"accept": "*/*", "range": "bytes=0-0"}
        return [
            Meant("PUT", ["d", "a"], headers={"content-type": form}, body=is_whole),
            Meant("HEAD", ["d", "a", *path], {"rev": "1-a"}, compared),
        ]

    def call(couch: Any, text: str) -> Any:
        return attaching(couch, text, kind_of(text), content_of(text))

    wire.hold("", call, meant, names())


def test_a_part_has_no_kind_that_leads_out_of_its_line(wire):
    given = [text for text in names() if not LATIN.fullmatch(text)]
    assert len(given) > 1000
    wire.hold("content_type", lambda c, text: attaching(c, "f", text, b"x"), lambda _: None, given)


def attaching(couch: Any, name: str, kind: str, content: bytes) -> Any:
    """Save a document, and what is attached to it in a part of its own."""
    new = {"content_type": kind, "data": iter([content]), "length": len(content)}
    return couch.database("d").save({"_id": "a", "_attachments": {name: new}})
