"""The connection settings of confluent-kafka, and the translation of its errors."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from confluent_kafka import KafkaError as Fault
from confluent_kafka import KafkaException

from pixstream.kafka import faults
from pixstream.kafka.record_limits import largest_request

if TYPE_CHECKING:
    from pixstream.errors import PixstreamError
    from pixstream.kafka.settings import KafkaSettings

# librdkafka's own codes: public constants, although their names begin with an underscore.
NOBODY_ANSWERS = Fault._ALL_BROKERS_DOWN  # noqa: SLF001
FATAL = Fault._FATAL  # noqa: SLF001
LOGIN_REFUSED = Fault._AUTHENTICATION  # noqa: SLF001
OFFSET_GONE = Fault._AUTO_OFFSET_RESET  # noqa: SLF001
POLLED_TOO_LATE = Fault._MAX_POLL_EXCEEDED  # noqa: SLF001
PURGED = frozenset({Fault._PURGE_QUEUE, Fault._PURGE_INFLIGHT})  # noqa: SLF001
_PASSING = frozenset(
    {
        NOBODY_ANSWERS,
        Fault._MSG_TIMED_OUT,  # noqa: SLF001
        Fault._RESOLVE,  # noqa: SLF001
        Fault._TIMED_OUT,  # noqa: SLF001
        Fault._TIMED_OUT_QUEUE,  # noqa: SLF001
        Fault._TRANSPORT,  # noqa: SLF001
        Fault._WAIT_COORD,  # noqa: SLF001
    }
)
# The library's own codes that have an equivalent in Kafka's protocol.
_PROTOCOL = {
    Fault._FENCED: Fault.PRODUCER_FENCED,  # noqa: SLF001
    Fault._UNKNOWN_TOPIC: Fault.UNKNOWN_TOPIC_OR_PART,  # noqa: SLF001
    Fault._UNKNOWN_PARTITION: Fault.UNKNOWN_TOPIC_OR_PART,  # noqa: SLF001
    LOGIN_REFUSED: Fault.SASL_AUTHENTICATION_FAILED,
}
_LOG_CRITICAL, _LOG_ALL = 2, 6  # syslog's levels
log = logging.getLogger("pixstream.kafka.librdkafka")


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration that all clients of the library share."""
    largest = largest_request(settings)
    config: dict[str, Any] = {
        "bootstrap.servers": settings.bootstrap_servers,
        "client.id": "pixstream",
        "security.protocol": settings.security_protocol,
        "socket.timeout.ms": settings.request_timeout_ms,
        "reconnect.backoff.max.ms": 1000,  # the library's 10 s keep senders of a webhook waiting
        "message.max.bytes": largest,
        "receive.message.max.bytes": max(100_000_000, 2 * largest),
        # Errors are raised; the library would also log every reconnection attempt.
        "logger": log,
        "log_level": _LOG_ALL if log.isEnabledFor(logging.DEBUG) else _LOG_CRITICAL,
    }
    if settings.security_protocol.startswith("SASL"):
        config["sasl.mechanism"] = settings.sasl.mechanism
        config["sasl.username"] = settings.sasl.username
        config["sasl.password"] = settings.sasl.password
    if settings.security_protocol.endswith("SSL"):
        tls = settings.tls
        config["ssl.endpoint.identification.algorithm"] = "https" if tls.verify_hostname else "none"
        files = {
            "ssl.ca.location": tls.ca_file,
            "ssl.certificate.location": tls.certificate_file,
            "ssl.key.location": tls.key_file,
            "ssl.key.password": tls.key_password,
        }
        config |= {name: value for name, value in files.items() if value is not None}
    return config


def cause(error: KafkaException) -> Fault:
    """Return the library's error in the exception."""
    carried: Fault = error.args[0]
    return carried


def translate(what: str, error: Fault) -> PixstreamError:
    """Return the exception of `pixstream.errors` for an error of the library."""
    code = _PROTOCOL.get(error.code(), error.code())
    passing = error.retriable() or code in _PASSING
    return faults.fault(what, code, error.name(), passing=passing)
