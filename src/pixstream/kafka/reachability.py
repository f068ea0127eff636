"""Checks whether a broker is reachable at all, before a client library tries and retries.

The libraries retry for ever and report little. This check reports within seconds that no broker
listens or that TLS fails; a rejected login is left to the library.
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
        Transient: no server accepts a connection.
        KafkaError: a server answers, but its TLS is not trusted; or an address is invalid.
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
            + ". Check kafka.security_protocol, kafka.tls.ca_file and kafka.tls.verify_hostname"
        )
    raise Transient("; ".join(refusals) + ". Start the broker or correct kafka.bootstrap_servers")


def no_kafka(settings: KafkaSettings) -> KafkaError:
    """Return the error for a server that accepts connections but does not answer as Kafka."""
    where = settings.bootstrap_servers
    if settings.security_protocol.startswith("SASL"):
        return KafkaError(
            f"the broker at {where} rejects the user name or password. Check kafka.sasl "
            f"(mechanism {settings.sasl.mechanism}) and kafka.security_protocol"
        )
    return KafkaError(
        f"{where} accepts connections but does not answer like a Kafka broker. Check "
        f"kafka.bootstrap_servers and kafka.security_protocol ({settings.security_protocol})"
    )


def tls_context(settings: KafkaSettings) -> ssl.SSLContext | None:
    """Return the TLS context for the settings; None without TLS.

    Raises:
        KafkaError: one of the PEM files cannot be read or has the wrong content.
    """
    if settings.security_protocol not in ("SSL", "SASL_SSL"):
        return None
    tls = settings.tls
    try:
        context = ssl.create_default_context(cafile=tls.ca_file)
        context.check_hostname = tls.verify_hostname
        if tls.certificate_file is not None:
            context.load_cert_chain(tls.certificate_file, tls.key_file, tls.key_password or "")
    except OSError as error:  # also an SSLError
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
