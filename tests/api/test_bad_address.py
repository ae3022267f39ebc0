"""Bad addresses, bad ways to reach a server, and arguments that would break out of their line: a
ValueError or TypeError that names them; and nothing is sent, since nobody listens here."""

from __future__ import annotations

import ssl

import pytest
from tornado.httpclient import AsyncHTTPClient

from corduroy import Couch, Database


@pytest.fixture
def couch(nobody):
    return Couch(nobody)


@pytest.fixture
def db(couch):
    return couch.database("db")


# -- breaking out of a line -----------------------------------------------------------------------

BREAKS = ["a\r\nX-Evil: 1", "a\nX", "a\rX", "a\x00"]


@pytest.mark.parametrize("evil", BREAKS)
def test_no_argument_breaks_out_of_its_header(refused, db, nobody, evil):
    refused(ValueError, "headers|content_type", db.put_attachment, "a", b"", "f", evil)
    refused(ValueError, "headers|content_type", db.put_attachment, {"_id": "a"}, b"", "f", evil)
    refused(ValueError, "headers|rev", db.copy, "a", {"_id": "b", "_rev": evil})
    refused(ValueError, "headers|if_none_match", db.get, "a", if_none_match=evil)
    with pytest.raises(ValueError, match="cookie"):
        Couch(nobody, cookie=evil)
    for headers in ({"X": evil}, {evil: "x"}):
        with pytest.raises(ValueError, match="headers"):
            Couch(nobody, headers=headers)


@pytest.mark.parametrize("evil", BREAKS)
def test_no_argument_breaks_out_of_the_request_line(refused, db, evil):
    refused(ValueError, "method", db.rewrite, "d", "p", evil)
    refused(ValueError, "method", db.rewrite, "d", "p", f"GET {evil}")
    for url in (f"http://host/{evil}", f"http://ho{evil}st"):
        with pytest.raises(ValueError, match="url"):
            Couch(url)


# -- how the server is reached --------------------------------------------------------------------

CONTEXT = ssl.create_default_context()


@pytest.mark.parametrize(
    ("kind", "words", "options"),
    [
        (ValueError, "http://", {"url": "host:5984"}),
        (ValueError, "http://", {"url": "//host"}),
        (ValueError, "http://", {"url": "ftp://host"}),
        (ValueError, "http://", {"url": ""}),
        (ValueError, "no host", {"url": "http://"}),
        (ValueError, "no host", {"url": "http://:5984"}),
        (ValueError, "no host", {"url": "http:///db"}),
        (ValueError, "url", {"url": "http://host:port"}),
        (ValueError, "url", {"url": "http://host:70000"}),
        (ValueError, "url", {"url": "http://[::1"}),
        (ValueError, "query", {"url": "http://host/?a=1"}),
        (ValueError, "fragment", {"url": "http://host/#a"}),
        (ValueError, "url", {"url": "http://ho st"}),
        (TypeError, "url", {"url": 5}),
        (TypeError, "url", {"url": b"http://host"}),
        (ValueError, "auth", {"auth": ("a",)}),
        (ValueError, "auth", {"auth": ("a", "b"), "user": "c"}),
        (TypeError, "auth", {"auth": "a:b"}),
        (TypeError, "user", {"auth": (5, "b")}),
        (TypeError, "password", {"user": "a", "password": 5}),
        (ValueError, "password needs user", {"password": "b"}),
        (ValueError, "user", {"user": "a:b", "password": "c"}),
        (ValueError, "port", {"port": 0}),
        (ValueError, "port", {"port": 70000}),
        (ValueError, "port", {"port": "5984"}),
        (ValueError, "port", {"port": True}),
        (ValueError, "timeout", {"timeout": -1}),
        (ValueError, "timeout", {"timeout": float("nan")}),
        (TypeError, "timeout", {"timeout": "5"}),
        (ValueError, "style", {"style": "async"}),
        (TypeError, "http_client", {"http_client": "curl"}),
        (TypeError, "http_client", {"http_client": object}),
        (TypeError, "headers", {"headers": {"X": 5}}),
        (TypeError, "cookie must", {"cookie": 5}),
        (TypeError, "headers must be a dict", {"headers": 5}),
        (TypeError, "ca_certs", {"ca_certs": 5}),
        (TypeError, "ssl_context", {"ssl_context": 5}),
        (TypeError, "verfy", {"verfy": False}),
        (TypeError, "verify must be True or False, not 'x'", {"verify": "x"}),
        (TypeError, "verify must be True or False, not 0", {"verify": 0}),
        (ValueError, "verify=False .* ca_certs", {"verify": False, "ca_certs": "ca.pem"}),
        pytest.param(
            ValueError,
            "verify=False .* ssl_context",
            {"verify": False, "ssl_context": CONTEXT},
            id="verify=False, and a context",
        ),
    ],
    ids=str,
)
def test_how_the_server_is_reached_is_checked(kind, words, options):
    with pytest.raises(kind, match=words):
        Couch(**{"url": "http://host", **options})


@pytest.mark.parametrize("url", ["http://host", "http://host/", "http://host:5984", "http:///db"])
def test_the_url_of_a_database_ends_with_its_name(url):
    with pytest.raises(ValueError, match="url"):
        Database(url)


def test_another_style_has_to_exist(db, couch):
    for obj in (db, couch):
        with pytest.raises(ValueError, match="style"):
            obj.with_style("async")


def test_a_class_of_clients_is_a_client(nobody):
    assert Couch(nobody, http_client=AsyncHTTPClient).url == nobody
