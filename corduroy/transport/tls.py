"""How corduroy checks who the server is."""

from __future__ import annotations

import os
import ssl


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
    # An end that TLS knows nothing of may be anybody's work: it must not pass for an answer's.
    context.options &= ~getattr(ssl, "OP_IGNORE_UNEXPECTED_EOF", 0)
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
