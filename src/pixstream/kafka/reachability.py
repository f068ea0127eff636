"""Finds out whether a broker can be talked to at all, before a client library tries and retries.

The libraries try for ever and say little; this says within seconds which of three it is: nobody
listens, TLS fails, or (left to the library) the broker refuses.
"""

from __future__ import annotations

import socket
import ssl
from typing import TYPE_CHECKING

from pixstream.errors import KafkaError, Transient

if TYPE_CHECKING:
    from pixstream.kafka.settings import KafkaSettings

_SECONDS = 5.0


def reach(settings: KafkaSettings) -> None:
    """Return when one of the bootstrap servers accepts a connection (and TLS, if configured).

    Raises:
        Transient: nobody answers at any of them.
        KafkaError: somebody answers, but not with a TLS that we trust; or an address is none.
    """
    context = tls_context(settings)
    refusals: list[str] = []
    failures: list[str] = []
    for server in (settings.bootstrap_servers or "").split(","):
        host, port = _address(server)
        try:
            with socket.create_connection((host, port), timeout=_SECONDS) as plain:
                if context is not None:
                    context.wrap_socket(plain, server_hostname=host).close()
                return
        except ssl.SSLError as error:
            failures.append(f"TLS with {server} fails ({error.reason or 'no handshake'})")
        except OSError as error:
            refusals.append(f"no broker answers at {server} ({error.strerror or 'no answer'})")
    if failures:
        raise KafkaError(
            "; ".join(failures + refusals)
            + ". Look at kafka.security_protocol, kafka.tls.ca_file and kafka.tls.verify_hostname"
        )
    raise Transient("; ".join(refusals) + ". Start the broker or correct kafka.bootstrap_servers")


def no_kafka(settings: KafkaSettings) -> KafkaError:
    """Return the error for a server that accepts connections but does not serve us as Kafka."""
    where = settings.bootstrap_servers
    if settings.security_protocol.startswith("SASL"):
        return KafkaError(
            f"the broker at {where} refuses user or password. Look at kafka.sasl (mechanism "
            f"{settings.sasl.mechanism}) and kafka.security_protocol"
        )
    return KafkaError(
        f"{where} accepts connections but does not answer as a Kafka broker does. Look at "
        f"kafka.bootstrap_servers and kafka.security_protocol ({settings.security_protocol})"
    )


def tls_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS that the settings describe; None without TLS.

    Raises:
        KafkaError: one of the PEM files cannot be read or does not hold what it should.
    """
    if settings.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    tls = settings.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        context.check_hostname = tls.verify_hostname
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file, tls.key_password or "")
    except OSError as error:  # an SSLError is one too
        raise KafkaError(
            f"the PEM files of kafka.tls cannot be used ({error.strerror or 'not PEM'}): ca_file "
            f"{tls.ca_file}, certificate_file {tls.certificate_file}, key_file {tls.key_file}"
        ) from error
    return context


def _address(server: str) -> tuple[str, int]:
    host, _, port = server.strip().rpartition(":")
    if not host or not port.isdigit():
        raise KafkaError("kafka.bootstrap_servers must be host:port, several separated by commas")
    return host.strip("[]"), int(port)
