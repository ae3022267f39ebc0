"""How corduroy checks who the server is."""

from __future__ import annotations

import contextlib
import logging
import os
import re
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from tornado.httpclient import HTTPClientError

from .answer import ConnectionBroken, SpokeTLS

log = logging.getLogger("corduroy.tls")

Path = str | os.PathLike[str]

_warned: set[str] = set()  # addresses

# libcurl's numbers: CURLE_UNSUPPORTED_PROTOCOL; CURLE_SSL_CONNECT_ERROR, CURLE_SEND_ERROR and
# CURLE_RECV_ERROR; CURLE_PEER_FAILED_VERIFICATION
_CURL_NO_HTTP = 1
_CURL_BROKEN = (35, 55, 56)
_CURL_REFUSED = 60

_CONNECTING = re.compile(r"connecting|Connection timed|connection timeout|handshake").search

_NO_HTTP = "the answer is no HTTP: if the server speaks TLS on this port, ask for https://"

# OpenSSL's X509_V_ERR_HOSTNAME_MISMATCH
_OTHER_HOST = 62

_NOT_ACCEPTED = "is not accepted: have it replaced on the server"
_UNKNOWN_ISSUER = (
    "is of an authority that is not trusted here: name the file of that authority's own by ca_certs"
)
_WRONG_HOST = (
    "is for another host: ask by a name that is in it, or have it issued for this one, too"
)

_VERDICTS = {
    2: _UNKNOWN_ISSUER,
    9: "is not valid yet: see which clock is wrong, the server's or this machine's",
    10: "has expired: have it renewed on the server (if this machine's clock is right)",
    18: "is signed by itself alone: name a file with it by ca_certs, if it is known to be right",
    19: _UNKNOWN_ISSUER,
    20: _UNKNOWN_ISSUER,
    21: _UNKNOWN_ISSUER,
    _OTHER_HOST: _WRONG_HOST,
    64: _WRONG_HOST,  # an address
}
"""What is wrong with a certificate, by OpenSSL's numbers, and what to do."""

_WANTED = "the server wants a client certificate: {credential}"
_TURNED_AWAY = "the server lets nobody in without a certificate that it trusts: {credential}"
_NO_CIPHER = (
    "the server wants a client certificate, or shares no cipher with this program: {credential}"
)
_NO_TLS = "the server speaks no TLS on this port: ask for http://, or for its port for https"
_NO_VERSION = (
    "the server and this program have no version of TLS in common: have it offer TLS 1.2 or 1.3"
)
_CUT = (
    "the server cut the TLS connection: if that does not pass, it speaks no TLS on this port, or wants "
    "a client certificate: {credential}"
)
_TOO_LATE = (
    "no TLS connection in the time allowed: the server cannot be reached, or leaves the handshake at "
    "that, as one does that speaks no TLS on this port"
)

_REFUSALS = {
    "alert certificate required": _WANTED,
    "alert bad certificate": _TURNED_AWAY,
    "alert unknown ca": _TURNED_AWAY,
    "alert certificate expired": _TURNED_AWAY,
    "alert certificate revoked": _TURNED_AWAY,
    "alert certificate unknown": _TURNED_AWAY,
    "alert unsupported certificate": _TURNED_AWAY,
    "alert access denied": _TURNED_AWAY,
    "alert decrypt error": _TURNED_AWAY,
    "alert handshake failure": _NO_CIPHER,
    "alert insufficient security": _NO_CIPHER,
    "alert unrecognized name": "the server knows no host of this name: ask by one of its own",
    "protocol version": _NO_VERSION,
    "unsupported protocol": _NO_VERSION,
    "no protocols available": _NO_VERSION,
    "wrong version number": _NO_TLS,
    "packet length too long": _NO_TLS,
    "record layer failure": _NO_TLS,
    "http request": _NO_TLS,
}
"""How OpenSSL tells that the handshake cannot succeed, and what it means and what to do."""


class Trust(NamedTuple):
    """How a server is checked, in both of the ways that HTTP clients want to be told."""

    context: ssl.SSLContext
    verify: bool
    ca_certs: Path | None
    client_cert: Path | None
    client_key: Path | None
    own: bool  # the context is the program's own: the others say nothing of it


def trust(
    verify: bool,
    ca_certs: Path | None,
    client_cert: Path | None,
    client_key: Path | None,
    context: ssl.SSLContext | None,
) -> Trust:
    """Put together how a server is checked.

    Args:
        verify, ca_certs, client_cert, client_key: as of `client_context`.
        context (ssl.SSLContext | None): goes before all of them.

    Returns:
        Trust: all of it.

    Raises:
        ValueError: a file is not what it has to be; the argument is named.
    """
    made = context or client_context(verify, ca_certs, client_cert, client_key)
    return Trust(made, verify, ca_certs, client_cert, client_key, context is not None)


def client_context(
    verify: bool = True,
    ca_certs: Path | None = None,
    client_cert: Path | None = None,
    client_key: Path | None = None,
) -> ssl.SSLContext:
    """Make the TLS settings of a client.

    Args:
        verify (bool): False accepts any certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        client_cert (str | Path): a file with the client's own certificate.
        client_key (str | Path): a file with its private key; None: it is in the same file.

    Returns:
        ssl.SSLContext: what a connection is made with.

    Raises:
        ValueError: a file is not what it has to be; the argument is named.
    """
    with _naming("ca_certs", ca_certs, "certificates"):
        context = ssl.create_default_context(cafile=ca_certs)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if client_cert is not None:
        _identify(context, client_cert, client_key)
    return context


def _identify(context: ssl.SSLContext, cert: Path, key: Path | None) -> None:
    """Give a context the client's own certificate."""

    def refuse() -> str:  # else OpenSSL would ask at the terminal, and wait
        raise _Encrypted

    argument, path = ("client_cert", cert) if key is None else ("client_key", key)
    with _naming("client_cert", cert, "a certificate"):
        ssl.create_default_context().load_verify_locations(cert)
    try:
        with _naming(argument, path, "a private key"):
            context.load_cert_chain(cert, key, refuse)
    except _Encrypted:
        raise ValueError(
            f"{argument} {os.fspath(path)!r}: the private key is encrypted; load it into an "
            "ssl.SSLContext by load_cert_chain(…, password=…), and give that as ssl_context"
        ) from None


class _Encrypted(Exception):
    """A private key wants a password."""


@contextlib.contextmanager
def _naming(argument: str, path: Path | None, what: str) -> Iterator[None]:
    """Have what is wrong with a file name the argument that it came by."""
    try:
        yield
    except ssl.SSLError as error:
        wrong = f"the file holds no {what.removeprefix('a ')} in PEM form"
        if error.reason == "KEY_VALUES_MISMATCH":
            wrong = "the private key is not that of the certificate in client_cert"
        raise ValueError(f"{argument} {os.fspath(path or '')!r}: {wrong}") from None
    except OSError as error:
        raise ValueError(f"{argument} {os.fspath(path or '')!r}: {error.strerror}") from None


def warn_if_unchecked(trust: Trust, address: str) -> None:
    """Say in the log that a server is not checked: once an address.

    Args:
        trust (Trust): how it is checked.
        address (str): its host and port.
    """
    if trust.context.verify_mode == ssl.CERT_NONE and address not in _warned:
        _warned.add(address)
        log.warning(
            "%s: the TLS certificate is not checked, so anybody on the way may pretend to be the "
            "server, and read passwords; name who is trusted by ca_certs instead",
            address,
        )


def explained(failure: BaseException, trust: Trust | None) -> str:
    """What is wrong with TLS, in a sentence, and what to do.

    Args:
        failure (BaseException): what corduroy's own or another client has met.
        trust (Trust | None): how the server was to be checked; None: it was asked without TLS.

    Returns:
        str: the sentence; empty where it is not TLS that is wrong.
    """
    if trust is None:
        return _NO_HTTP if getattr(failure, "errno", None) == _CURL_NO_HTTP else ""
    for error in _line_of(failure):
        if sentence := _lasting(error, trust):
            return f"{sentence} ({_words(error)})"
    if isinstance(failure, TimeoutError | HTTPClientError) and _CONNECTING(str(failure)):
        return _TOO_LATE
    if _is_cut(failure):
        return f"{_CUT.format(credential=_credential(trust))} ({_words(failure)})"
    return ""


def is_distrust(failure: BaseException | None) -> bool:
    """Whether an exchange failed because of what no other attempt will change: the two sides do not
    trust each other, or do not speak the same TLS.

    Args:
        failure (BaseException | None): what corduroy's own or another client has met.

    Returns:
        bool: whether it did.
    """
    return any(isinstance(error, SpokeTLS) or _lasting(error, None) for error in _line_of(failure))


def _line_of(failure: BaseException | None) -> Iterator[BaseException]:
    """A failure, and what it came from."""
    while failure is not None:
        yield failure
        failure = failure.__cause__


def _lasting(error: BaseException, trust: Trust | None) -> str:
    """What is wrong for good, in a sentence; nothing where it may pass, or is not about TLS."""
    if not _is_of_tls(error):
        return ""
    words = str(error).lower()
    code = getattr(error, "verify_code", None) or _code_in(words)
    if code is not None:
        return f"the server's TLS certificate {_VERDICTS.get(code, _NOT_ACCEPTED)}"
    for said, sentence in _REFUSALS.items():
        if said in words:
            return sentence.format(credential=_credential(trust))
    if getattr(error, "errno", None) == _CURL_REFUSED or "certificate verify failed" in words:
        return f"the server's TLS certificate {_NOT_ACCEPTED}"
    return ""


def _is_of_tls(error: BaseException) -> bool:
    if isinstance(error, HTTPClientError):  # Tornado's CurlError carries libcurl's number
        return getattr(error, "errno", None) in (*_CURL_BROKEN, _CURL_REFUSED)
    return isinstance(error, ssl.SSLError)


def _code_in(words: str) -> int | None:
    """OpenSSL's number for what is wrong with a certificate, in words of curl's."""
    if "subject name matches" in words:
        return _OTHER_HOST
    found = re.search(r"verify result: .*\((\d+)\)", words)
    return int(found[1]) if found else None


def _is_cut(failure: BaseException) -> bool:
    if isinstance(failure, ConnectionBroken):
        return not (failure.answered or failure.reused)
    if isinstance(failure, HTTPClientError):
        return getattr(failure, "errno", None) in _CURL_BROKEN and "alert" not in str(failure)
    return isinstance(failure, ConnectionResetError | ConnectionAbortedError | ssl.SSLEOFError)


def _credential(trust: Trust | None) -> str:
    """What to see to where the server wants a certificate of the client's."""
    if trust is None or (trust.client_cert is None and not trust.own):
        return "give it one by client_cert"
    where = "ssl_context" if trust.own else "client_cert"
    return f"one in {where} must be valid, and of an authority that the server trusts"


def _words(error: BaseException) -> str:
    """What OpenSSL has said, without where in its sources."""
    words = re.sub(r"^HTTP 599: |\[SSL[^]]*\] | \(_ssl\.c:\d+\)", "", str(error))
    return words.rstrip(".") or type(error).__name__


def farewell(tls: ssl.SSLObject) -> bool:
    """Whether the server has ended the TLS session.

    If not, the end of the connection may be anybody's work, and must not pass for an answer's.

    Args:
        tls (ssl.SSLObject): the session, of which all that came has been read.

    Returns:
        bool: whether its end came, too.
    """
    try:
        return not tls.read(1)
    except ssl.SSLError:
        return False


def is_alert(data: bytes) -> bool:
    """Whether this is how a server of TLS answers what is none.

    Args:
        data (bytes): what it sent first.

    Returns:
        bool: whether it is.
    """
    return data.startswith(b"\x15\x03")
