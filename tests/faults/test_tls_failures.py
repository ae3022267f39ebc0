"""Each way in which TLS can fail is told in a sentence that says what to do, and what cannot pass is
not tried again."""

from __future__ import annotations

import contextlib
import datetime
import ssl
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import trustme
from tornado.curl_httpclient import CurlAsyncHTTPClient
from tornado.httpclient import AsyncHTTPClient
from tornado.simple_httpclient import SimpleAsyncHTTPClient

from corduroy import ConnectionFailed, Couch, HTTPError, RequestTimeout
from corduroy.transport.tls import is_distrust
from tests.conftest import Caller
from tests.faults.secure import (
    DAY,
    SecureServer,
    alarmed,
    contexts,
    cut,
    handshake,
    in_plain,
    now,
    self_signed,
    stall,
)

PASSWORD = "pw-d41d8cd98f"

each_other_client = pytest.mark.parametrize("kind", [SimpleAsyncHTTPClient, CurlAsyncHTTPClient])


class Party(NamedTuple):
    """Who vouches for whom: authorities, and the files of theirs."""

    known: trustme.CA
    unknown: trustme.CA
    folder: Path

    @property
    def ca_certs(self) -> Path:
        return self.folder / "ca.pem"

    def client_cert(self, authority: trustme.CA, **options: datetime.datetime) -> Path:
        """A file with a client's certificate and key."""
        path = self.folder / f"{len(list(self.folder.iterdir()))}.pem"
        mine = authority.issue_cert("me@example.com", **options)
        mine.private_key_and_cert_chain_pem.write_to_path(path)
        return path


@pytest.fixture(scope="module")
def party(tmp_path_factory: pytest.TempPathFactory) -> Party:
    made = Party(trustme.CA(), trustme.CA(), tmp_path_factory.mktemp("tls"))
    made.known.cert_pem.write_to_path(made.ca_certs)
    return made


@pytest.fixture
def start() -> Iterator[Callable[..., SecureServer]]:
    """``start(greeting, …)``: a server."""
    with contextlib.ExitStack() as stack:

        def start(*greetings: Any) -> SecureServer:
            server = SecureServer(*greetings)
            stack.callback(server.close)
            return server

        yield start


class Case(NamedTuple):
    """A way to fail: how the server greets, how the client asks, and what it says in the end."""

    greeting: Any
    reason: str
    for_good: bool = True
    options: dict[str, Any] = {}  # noqa: RUF012 - nobody changes it
    scheme: str = "https"
    host: str = "127.0.0.1"
    error: type[HTTPError] = ConnectionFailed


def asking(party: Party, version: ssl.TLSVersion) -> ssl.SSLContext:
    """A server's TLS that wants a client certificate."""
    context = contexts(party.known)
    party.known.configure_trust(context)
    context.verify_mode = ssl.CERT_REQUIRED
    context.maximum_version = version
    return context


def old_fashioned(party: Party) -> ssl.SSLContext:
    """A server's TLS that knows no version of this decade's."""
    context = contexts(party.known)
    context.set_ciphers("ALL:@SECLEVEL=0")
    with warnings.catch_warnings(action="ignore"):
        context.minimum_version = ssl.TLSVersion.TLSv1
        context.maximum_version = ssl.TLSVersion.TLSv1_1
    return context


def with_few_ciphers(party: Party) -> ssl.SSLContext:
    """A server's TLS with a cipher that nobody else offers."""
    context = contexts(party.known)
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-CCM8")
    return context


TLS12, TLS13 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3

CASES: dict[str, Callable[[Party], Case]] = {
    "unknown authority": lambda party: Case(
        handshake(contexts(party.unknown)),
        "the server's TLS certificate is of an authority that is not trusted here: .* by ca_certs",
    ),
    "self-signed": lambda party: Case(
        handshake(self_signed(party.folder / "self.pem")),
        "the server's TLS certificate is signed by itself alone: .* by ca_certs",
    ),
    "expired": lambda party: Case(
        handshake(contexts(party.known, not_before=now() - 2 * DAY, not_after=now() - DAY)),
        "the server's TLS certificate has expired: have it renewed",
    ),
    "not yet valid": lambda party: Case(
        handshake(contexts(party.known, not_before=now() + DAY)),
        "the server's TLS certificate is not valid yet: see which clock is wrong",
    ),
    "other host": lambda party: Case(
        handshake(contexts(party.known, "couch.example")),
        r"the server's TLS certificate is for another host: ask by a name that .*'127\.0\.0\.1'",
    ),
    "name of another host": lambda party: Case(
        handshake(contexts(party.known, "couch.example")),
        "the server's TLS certificate is for another host: ask by a name that .*'localhost'",
        host="localhost",
    ),
    "client certificate wanted": lambda party: Case(
        handshake(asking(party, TLS13)),
        "the server wants a client certificate: give it one by client_cert",
    ),
    "client certificate wanted, TLS 1.2": lambda party: Case(
        handshake(asking(party, TLS12)),
        "the server wants a client certificate, or .*: give it one by client_cert",
    ),
    "client certificate of an unknown authority": lambda party: Case(
        handshake(asking(party, TLS13)),
        "without a certificate that it trusts: one in client_cert must be valid, and of an authority",
        options={"client_cert": party.client_cert(party.unknown)},
    ),
    "client certificate of an unknown authority, TLS 1.2": lambda party: Case(
        handshake(asking(party, TLS12)),
        "without a certificate that it trusts: one in client_cert must be valid, and of an authority",
        options={"client_cert": party.client_cert(party.unknown)},
    ),
    "client certificate expired": lambda party: Case(
        handshake(asking(party, TLS13)),
        "without a certificate that it trusts: one in client_cert must be valid, and of an authority",
        options={
            "client_cert": party.client_cert(
                party.known, not_before=now() - 2 * DAY, not_after=now() - DAY
            )
        },
    ),
    "no TLS there": lambda party: Case(
        in_plain, "the server speaks no TLS on this port: ask for http://"
    ),
    "no version in common": lambda party: Case(
        handshake(old_fashioned(party)),
        "the server and this program have no version of TLS in common: have it offer TLS 1.2",
    ),
    "no cipher in common": lambda party: Case(
        handshake(with_few_ciphers(party)),
        "shares no cipher with this program",
    ),
    "handshake cut": lambda party: Case(
        cut, "the server cut the TLS connection: if that does not pass, it speaks no TLS", False
    ),
    "handshake stalled": lambda party: Case(
        stall,
        "no TLS connection in the time allowed: the server",
        for_good=False,
        options={"timeout": 0.5},
        error=RequestTimeout,
    ),
    "TLS there": lambda party: Case(
        alarmed, "the server speaks TLS on this port[:,] ask for https://", scheme="http"
    ),
}

each_case = pytest.mark.parametrize("name", CASES)
each_lasting_case = pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("handshake cut", "handshake stalled")]
)


def connect(case: Case, server: SecureServer, party: Party, **more: Any) -> Couch[Any]:
    """A Couch that is going to fail."""
    options = {"ca_certs": party.ca_certs, **case.options, **more}
    return Couch(server.url(case.scheme, case.host), auth=("me", PASSWORD), **options)


def check(error: HTTPError, case: Case) -> None:
    """It says what is wrong: in a sentence, and no more than the program may tell anybody."""
    assert error.error == ("timeout" if case.error is RequestTimeout else "connection_failed")
    assert "\n" not in error.reason
    assert "_ssl.c" not in error.reason
    assert PASSWORD not in f"{error!r} {error.__cause__!r}"
    assert is_distrust(error.__cause__) is case.for_good


@each_case
def test_what_is_wrong_is_told(
    name: str, party: Party, start: Callable[..., SecureServer], call: Caller
) -> None:
    case = CASES[name](party)
    server = start(case.greeting)
    couch = connect(case, server, party)
    with pytest.raises(case.error, match=case.reason) as caught:
        call(couch.info)
    check(caught.value, case)
    assert server.heard == b"", "a request went to whom nobody trusts"
    call(couch.close)


@each_other_client
@each_case
def test_through_other_clients_too(
    name: str, kind: type[AsyncHTTPClient], party: Party, start: Callable[..., SecureServer]
) -> None:
    case = CASES[name](party)
    server = start(case.greeting)
    if name == "TLS there" and kind is SimpleAsyncHTTPClient:
        case = case._replace(reason="Stream closed", for_good=False)  # it tells no more than that
    elif name == "TLS there":
        case = case._replace(for_good=False)
    couch = connect(case, server, party, http_client=kind, style="blocking")
    with couch, pytest.raises(case.error, match=case.reason) as caught:
        couch.info()
    check(caught.value, case)


@each_lasting_case
async def test_a_feed_gives_up_at_once(
    name: str, party: Party, start: Callable[..., SecureServer]
) -> None:
    case = CASES[name](party)
    server = start(case.greeting)
    async with connect(case, server, party) as couch:
        with pytest.raises(case.error, match=case.reason):
            async for _ in couch.database("db").changes(feed="continuous"):
                pass
    assert server.met == 1


async def test_after_a_handshake_that_was_cut_the_next_request_is_right(
    party: Party, start: Callable[..., SecureServer]
) -> None:
    server = start(cut, handshake(contexts(party.known)))
    async with Couch(server.url(), ca_certs=party.ca_certs) as couch:
        with contextlib.suppress(ConnectionFailed):
            await couch.info()
        assert await couch.info() == {"ok": True}


async def test_of_several_servers_one_that_is_not_trusted_keeps_nothing_from_an_answer(
    party: Party, start: Callable[..., SecureServer]
) -> None:
    stranger = start(handshake(contexts(party.unknown)))
    known = start(handshake(contexts(party.known)))
    for urls in ([stranger.url(), known.url()], [known.url(), stranger.url()]):
        async with Couch(urls, ca_certs=party.ca_certs, retries=0) as couch:
            assert [await couch.info() for _ in range(4)] == [{"ok": True}] * 4
    assert stranger.met
    assert stranger.heard == b""


async def test_of_several_strangers_each_is_met_once(
    party: Party, start: Callable[..., SecureServer]
) -> None:
    strangers = [start(handshake(contexts(party.unknown))) for _ in range(2)]
    async with Couch([each.url() for each in strangers], ca_certs=party.ca_certs) as couch:
        with pytest.raises(ConnectionFailed, match="authority that is not trusted here"):
            await couch.info()
    assert [each.met for each in strangers] == [1, 1]


async def test_once_the_certificate_is_in_order_the_same_couch_is_let_in(
    party: Party, start: Callable[..., SecureServer]
) -> None:
    server = start(handshake(contexts(party.unknown)), handshake(contexts(party.known)))
    async with Couch(server.url(), ca_certs=party.ca_certs) as couch:
        with pytest.raises(ConnectionFailed):
            await couch.info()
        assert await couch.info() == {"ok": True}
