"""TLS with a bank: the client's certificate, and the authorities it trusts."""

from __future__ import annotations

import re
import ssl

from pixstream.errors import ConfigError

_REFUSED = re.compile("ALERT.*(CERTIFICATE|UNKNOWN_CA)")
"""What OpenSSL calls the alerts (RFC 8446, 6.2) by which a server refuses a certificate."""


def tls_context(certificate: str, key: str, ca_file: str) -> ssl.SSLContext:
    """Make the context of mutual TLS.

    Args:
        certificate: PEM file of the client; empty: none.
        key: PEM file of its private key; empty: in the same file.
        ca_file: PEM file of the authorities to trust; empty: the system's.

    Raises:
        ConfigError: a file cannot be read.
    """
    try:
        context = ssl.create_default_context(cafile=ca_file or None)
        if certificate:
            # Without a password OpenSSL would ask the terminal for that of an encrypted key.
            context.load_cert_chain(certificate, key or None, password="")
    except OSError:
        raise ConfigError(
            "certificate, key or ca_file: a file cannot be read, or is not PEM of its kind"
        ) from None
    return context


def certificate_trouble(error: BaseException | None) -> str | None:
    """Say what a person can do if an error comes from a certificate; None if it does not."""
    while error is not None:
        if isinstance(error, ssl.SSLCertVerificationError):
            return (
                "the bank's certificate is not trusted; set ca_file to the authority that the bank "
                "publishes"
            )
        if isinstance(error, ssl.SSLError) and _REFUSED.search(error.reason or ""):
            return (
                "the bank refuses this client's certificate, or was given none; check that "
                "certificate and key are those registered with the bank and have not expired"
            )
        error = error.__cause__ or error.__context__
    return None
