"""However an url is written, the request goes to the host, the port and the path that all who read it
find in it, or nowhere. What all find is what RFC 3986 says, read by one regular expression."""

from __future__ import annotations

import base64
import re
from typing import Any
from urllib.parse import quote, unquote

import pytest

from corduroy import Couch, Database
from tests.injection.inputs import is_text, names
from tests.injection.meaning import Meant, database

_PCHAR = r"[A-Z0-9_.~!$&'()*+,;=:-]|%[0-9A-F]{2}"
_URL = (
    r"(?P<scheme>https?)://(?:(?P<userinfo>(?:{userinfo})*)@)?"
    r"(?P<host>{host}+)(?::0*(?P<port>[1-9][0-9]{{0,4}})?)?(?P<path>(?:/(?:{pchar})+)*)/*"
)
_HOST = r"[A-Z0-9_.-]"
ALL_AGREE = re.compile(
    _URL.format(userinfo=_PCHAR, host=_HOST, pchar=_PCHAR), re.IGNORECASE | re.ASCII
)
# Credentials are read by corduroy alone, which need not be so strict; hosts can be international.
TAKEN = re.compile(
    _URL.format(userinfo=r"[^/?#\\]", host=rf"(?:{_HOST}|[^\x00-\x7f])", pchar=_PCHAR),
    re.IGNORECASE,
)

FORMS = {
    "before all": "{text}http://127.0.0.1:{port}/p",
    "before the host": "http://{text}127.0.0.1:{port}/p",
    "as the user": "http://{text}@127.0.0.1:{port}/p",
    "behind the user": "http://a:b{text}@127.0.0.1:{port}/p",
    "behind the host": "http://127.0.0.1{text}:{port}/p",
    "behind the port": "http://127.0.0.1:{port}{text}",
    "in the path": "http://127.0.0.1:{port}/p{text}/q",
}


def asking(url: str) -> Any:
    async def ask() -> None:
        async with Couch(url) as couch:
            await couch.exists("d")

    return ask()


def is_sound(found: re.Match[str] | None) -> bool:
    """Whether an url that reads well also leads where it says."""
    if found is None or int(found["port"] or 80) > 65535:
        return False
    userinfo = found["userinfo"] or ""
    user, _, password = userinfo.partition(":")
    return (
        (bool(user) or not password)
        and "%3a" not in user.lower()
        and is_utf8(userinfo)
        and not any(unquote(step) in (".", "..") for step in found["path"].split("/"))
        and all(0 < len(label) < 64 for label in found["host"].removesuffix(".").split("."))
    )


def is_utf8(quoted: str) -> bool:
    try:
        unquote(quoted, errors="strict")
    except UnicodeDecodeError:
        return False
    return True


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_an_url_leads_where_all_who_read_it_find_that_it_does(wire, form):
    own = wire.recorder.url.removeprefix("http://")
    reached = []
    for text in map(str.__str__, names()):
        url = form.replace("{text}", text).replace("{port}", own.rpartition(":")[2])
        try:
            couch = Couch(url)
        except ValueError as error:
            refusal = str(error)
            couch = None
        if couch is None:
            assert not is_sound(ALL_AGREE.fullmatch(url)), f"{url!r} was refused: {refusal}"
            assert re.match("url|user", refusal)
            continue
        found = TAKEN.fullmatch(url)
        assert is_sound(found), f"{url!r} was taken for {couch.url}"
        host = found["host"].encode("idna").decode().lower()
        port = f":{int(found['port'])}" if found["port"] else ""
        assert couch.url == f"{found['scheme'].lower()}://{host}{port}{found['path']}"
        if host + port == own and found["scheme"].lower() == "http":
            reached.append((url, found))
    assert reached
    for url, found in reached[::10]:
        hold(wire, url, found["userinfo"], found["path"])


@pytest.mark.parametrize("form", ["before the host", "behind the user", "in the path"])
def test_several_urls_are_each_what_it_would_be_alone(monkeypatch, form):
    taken = 0
    for text in map(str.__str__, names()):
        url = FORMS[form].replace("{text}", text).replace("{port}", "1")
        urls = ["http://a:b@h1/q", url, "http://h2"]
        alone = urls_of(url)
        beside = None if alone is None else ["http://h1/q", *alone, "http://h2"]
        assert urls_of(urls) == beside
        if "," not in text and "\0" not in text and is_text(text):
            monkeypatch.setenv("COUCHDB_URL", " , ".join(urls))
            assert urls_of(None) == beside
        taken += alone is not None
    assert taken > 100


def urls_of(url: Any) -> list[str] | None:
    """Where a Couch asks; None where there cannot be one."""
    try:
        return Couch(url).urls
    except ValueError:
        return None


def hold(wire: Any, url: str, userinfo: str | None, path: str) -> None:
    steps = [unquote(step) for step in path.split("/")[1:]]
    headers = {}
    if userinfo:
        user, _, password = userinfo.partition(":")
        pair = f"{unquote(user)}:{unquote(password)}".encode()
        headers["authorization"] = f"Basic {base64.b64encode(pair).decode()}"
    meant = [Meant("HEAD", [*steps, "d"], headers=headers)]
    wire.hold("url", lambda _, given: asking(given), lambda _: meant, [url])


def test_any_user_and_password_can_stand_in_an_url(wire):
    own = wire.recorder.url.removeprefix("http://")
    for text in names()[::10]:
        if text and is_text(text):
            word = quote(text, safe="")
            if ":" not in text:
                hold(wire, f"http://{word}:{word}@{own}/", f"{word}:{word}", "")
            hold(wire, f"http://a:{word}@{own}/", f"a:{word}", "")


def test_the_url_of_a_database_ends_with_its_name_and_with_nothing_else(wire):
    taken = 0
    for text in map(str.__str__, names()):
        for quoted in (text, quote(text.encode("utf-8", "surrogatepass"), safe="")):
            url = f"{wire.recorder.url}/p/{quoted}"
            try:
                db = Database(url)
            except ValueError:
                continue
            taken += 1
            *_, name = url.rstrip("/").split("/")
            assert database(db.name)
            assert unquote(name) == db.name
            prefix = url.rstrip("/").removesuffix(f"/{name}").rstrip("/")
            assert db.url == f"{prefix}/{quote(db.name, safe='')}"
    assert taken


def test_a_database_of_another_server_is_that_for_the_one_that_replicates(wire):
    """What it is told is an url, whose last segment is the name."""

    def meant(text: str) -> list[Meant] | None:
        if not database(text):
            return None
        return [
            Meant("POST", ["_replicate"], {}, JSON, lambda body: b'"url":"%b"' % url(text) in body)
        ]

    def url(text: str) -> bytes:
        return f"{wire.recorder.url}/{quote(text, safe='')}".encode()

    JSON = {"content-type": "application/json"}
    given = [text for text in names() if "://" not in text]
    wire.hold("source", lambda c, text: c.replicate(text, "t"), meant, given)


@pytest.mark.parametrize(
    "url",
    [
        "http://a:12#hunter2@h",
        "http://a:12/hunter2@h",
        "http://a:12?hunter2@h",
        "http://a:hun\\ter2@h",
        "htp://a:hunter2@h",
        "http:/a:hunter2@h",
        "a:hunter2@h",
        "http://:hunter2@h",
        "http://a:hunter2@h:x",
        "http://a:hunter2@h/..",
        "http://a:hunter2@h//b/c",
        "http://a:hunter2@h/?x",
        "http://a:%ffhunter2@h",
    ],
)
def test_no_part_of_a_password_is_in_an_error(url):
    for make in (Couch, Database):
        with pytest.raises(ValueError, match=r"url|name|port") as caught:
            make(url)
        assert "hunter2" not in str(caught.value)
        assert "ter2" not in str(caught.value)
