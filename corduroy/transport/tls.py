"""How corduroy checks who the server is."""

from __future__ import annotations

import contextlib
import logging
import os
import ssl
from collections.abc import Iterator
from typing import NamedTuple

from tornado.httpclient import HTTPClientError

log = logging.getLogger("corduroy.tls")

Path = str | os.PathLike[str]

_warned: set[str] = set()  # addresses

# libcurl's CURLE_PEER_FAILED_VERIFICATION, as Tornado's CurlError carries it
_CURL_REFUSED = 60


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
    return ""


def is_distrust(failure: BaseException | None) -> bool:
    """Whether an exchange failed because the server's certificate was not accepted.

    Args:
        failure (BaseException | None): what corduroy's own or another client has met.

    Returns:
        bool: whether it did.
    """
    if isinstance(failure, HTTPClientError):
        return getattr(failure, "errno", None) == _CURL_REFUSED
    return isinstance(failure, ssl.SSLCertVerificationError)


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
