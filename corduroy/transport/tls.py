"""How corduroy checks who the server is."""

from __future__ import annotations

import os
import ssl
from typing import NamedTuple

from tornado.httpclient import HTTPClientError

# libcurl's CURLE_PEER_FAILED_VERIFICATION, as Tornado's CurlError carries it
_CURL_REFUSED = 60


class Trust(NamedTuple):
    """How a server is checked, in both of the ways that HTTP clients want to be told."""

    context: ssl.SSLContext
    verify: bool
    ca_certs: str | os.PathLike[str] | None
    own: bool  # the context is the program's own: the other two say nothing of it


def trust(
    verify: bool, ca_certs: str | os.PathLike[str] | None, context: ssl.SSLContext | None
) -> Trust:
    """Put together how a server is checked.

    Args:
        verify (bool): False accepts any certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.
        context (ssl.SSLContext | None): goes before both.

    Returns:
        Trust: all of it.
    """
    made = client_context(verify, ca_certs) if context is None else context
    return Trust(made, verify, ca_certs, context is not None)


def client_context(
    verify: bool = True, ca_certs: str | os.PathLike[str] | None = None
) -> ssl.SSLContext:
    """Make the TLS settings of a client.

    Args:
        verify (bool): False accepts any certificate.
        ca_certs (str | Path): a file of certificates to trust instead of the system's.

    Returns:
        ssl.SSLContext: what a connection is made with.
    """
    context = ssl.create_default_context(cafile=ca_certs)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context


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
