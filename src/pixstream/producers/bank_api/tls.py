"""TLS with a bank: the client certificate, and the trusted CAs."""

from __future__ import annotations

import re
import ssl

from pixstream.errors import ConfigError

_REFUSED = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA)")
"""OpenSSL's names of the alerts (RFC 8446, 6.2) with which a server refuses a certificate."""


def tls_context(certificate: str, key: str, ca_file: str) -> ssl.SSLContext:
    """Return the context for mutual TLS.

    Args:
        certificate: PEM file of the client certificate; empty: none.
        key: PEM file of its private key; empty: in the same file.
        ca_file: PEM file of the trusted CAs; empty: the system's.

    Raises:
        ConfigError: a file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if certificate:
            # Without a password OpenSSL would prompt for the one of an encrypted key.
            context.load_cert_chain(certificate, key or None, password="")
    except OSError:
        raise ConfigError(
            "certificate, key or ca_file: a file cannot be read, or is not a PEM file of its kind"
        ) from None
    return context


def certificate_trouble(error: BaseException | None) -> str | None:
    """Return advice if an error comes from a certificate; None if it does not."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                "the bank's certificate is not trusted; set ca_file to the CA certificate that the "
                "bank publishes"
            )
        if isinstance(error, ssl.SSLError) and _REFUSED.search(error.reason or ""):
            return (
                "the bank refuses this client's certificate, or received none; check that "
                "certificate and key are those registered at the bank and have not expired"
            )
        error = error.__cause__ or error.__context__
    return None
