"""The connection settings of kafka-python, and the translation of its errors."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from kafka.errors import KafkaError as Fault
from kafka.net.compat import KafkaNetClient

from pixstream.kafka import faults
from pixstream.kafka.reachability import tls_context
from pixstream.kafka.record_limits import largest_request

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from pixstream.errors import PixstreamError
    from pixstream.kafka.settings import KafkaSettings

# Errors are raised; the library would also log each attempt, and its debug lines contain keys and
# values.
logging.getLogger("kafka").setLevel(logging.CRITICAL)
_CONNECT_MILLISECONDS = 10_000


def connection(settings: KafkaSettings) -> dict[str, Any]:
    """Return the configuration that all clients of the library share."""
    config: dict[str, Any] = {
        "bootstrap_servers": (settings.bootstrap_servers or "").split(","),
        "client_id": "pixstream",
        "security_protocol": settings.security_protocol,
        "ssl_context": tls_context(settings),
        "request_timeout_ms": settings.request_timeout_ms,
        "bootstrap_timeout_ms": min(settings.request_timeout_ms, _CONNECT_MILLISECONDS),
        "reconnect_backoff_max_ms": 1000,
        "receive_message_max_bytes": max(100_000_000, 2 * largest_request(settings)),
    }
    if settings.security_protocol.startswith("SASL"):
        config["sasl_mechanism"] = settings.sasl.mechanism
        config["sasl_plain_username"] = settings.sasl.username
        config["sasl_plain_password"] = settings.sasl.password
    return config


def build(kind: Callable[..., Any], config: dict[str, Any]) -> tuple[Any, Any]:
    """Return a client of the library, which connects immediately, and its network.

    Raises:
        kafka.errors.KafkaError: it could not connect; no connection stays open.
    """
    networks: list[Any] = []

    def network(**settings: Any) -> Any:
        networks.append(KafkaNetClient(**settings))
        return networks[0]

    try:
        return kind(**config, kafka_client=network), networks[0]
    except Exception:
        for opened in networks:
            opened.close()
        raise


def translate(what: str, error: BaseException) -> PixstreamError:
    """Return the exception of `pixstream.errors` for an error of the library."""
    code = getattr(error, "errno", None)
    name = getattr(error, "message", None) or type(error).__name__
    passing = isinstance(error, Fault) and bool(error.retriable)
    return faults.fault(what, 0 if code is None else code, name, passing=passing)


@contextmanager
def translating(what: str) -> Iterator[None]:
    """Raise the library's errors as exceptions of `pixstream.errors`, see `translate`."""
    try:
        yield
    except Fault as error:
        raise translate(what, error) from error
