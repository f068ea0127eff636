"""Translates the `kafka` section into options of Spark's Kafka source and its Java client."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream.errors import ConfigError
from pixstream.spark.session import ON_DATABRICKS

if TYPE_CHECKING:
    from pixstream.kafka.settings import KafkaSettings

_LOGIN_MODULES = {
    "PLAIN": "plain.PlainLoginModule",
    "SCRAM-SHA-256": "scram.ScramLoginModule",
    "SCRAM-SHA-512": "scram.ScramLoginModule",
}


def kafka_options(settings: KafkaSettings) -> dict[str, str]:
    """Return the options to reach Kafka, reading only committed records.

    Args:
        settings: with `bootstrap_servers` set.

    Raises:
        ConfigError: a file of `kafka.tls` cannot be read.
    """
    options = {
        "bootstrap.servers": settings.bootstrap_servers or "",
        "security.protocol": settings.security_protocol,
        "isolation.level": "read_committed",
        "request.timeout.ms": str(settings.request_timeout_ms),
        # A record may be as large as the topic allows; a smaller fetch would get stuck on it.
        "max.partition.fetch.bytes": str(2 * settings.max_event_bytes),
    }
    if settings.security_protocol.startswith("SASL"):
        options["sasl.mechanism"] = settings.sasl.mechanism
        options["sasl.jaas.config"] = _login(settings)
    if settings.security_protocol.endswith("SSL"):
        options |= _tls(settings)
    return {f"kafka.{name}": value for name, value in options.items()}


def _login(settings: KafkaSettings) -> str:
    """Return the JAAS configuration; Databricks shades the Kafka client's packages."""
    shaded = "kafkashaded." if ON_DATABRICKS in os.environ else ""
    module = _LOGIN_MODULES[settings.sasl.mechanism]
    username, password = _quoted(settings.sasl.username), _quoted(settings.sasl.password)
    return (
        f"{shaded}org.apache.kafka.common.security.{module} required "
        f"username={username} password={password};"
    )


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _tls(settings: KafkaSettings) -> dict[str, str]:
    """Return TLS options with inline PEM, because a cluster's executors cannot read the files."""
    tls = settings.tls
    options = {"ssl.endpoint.identification.algorithm": "https" if tls.verify_hostname else ""}
    if tls.ca_file is not None:
        options["ssl.truststore.type"] = "PEM"
        options["ssl.truststore.certificates"] = _read("kafka.tls.ca_file", tls.ca_file)
    if tls.certificate_file is not None:
        options["ssl.keystore.type"] = "PEM"
        options["ssl.keystore.certificate.chain"] = _read(
            "kafka.tls.certificate_file", tls.certificate_file
        )
        key = tls.key_file or tls.certificate_file
        options["ssl.keystore.key"] = _read("kafka.tls.key_file", key)
    if tls.key_password is not None:
        options["ssl.key.password"] = tls.key_password
    return options


def _read(setting: str, file: str) -> str:
    try:
        return Path(file).read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        raise ConfigError(f"{setting}: cannot read the file {file}") from None
