"""The `kafka` section of the configuration."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from pixstream.secret_setting import secret


class Sasl(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """Credentials for the brokers."""

    mechanism: Annotated[
        Literal["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"], Meta(description="SASL mechanism")
    ] = "SCRAM-SHA-512"
    username: Annotated[str, Meta(description="user name, usually ${KAFKA_USERNAME}")] = ""
    password: Annotated[str, secret("password, usually ${KAFKA_PASSWORD}")] = ""


class Tls(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """TLS to the brokers, from PEM files."""

    ca_file: Annotated[
        str | None, Meta(description="trusted certificate authorities; null: the system's")
    ] = None
    certificate_file: Annotated[str | None, Meta(description="client certificate (mTLS)")] = None
    key_file: Annotated[str | None, Meta(description="client key (mTLS)")] = None
    key_password: Annotated[str | None, secret("password of the client key")] = None
    verify_hostname: Annotated[
        bool, Meta(description="false only where the brokers' host names cannot match")
    ] = True


class KafkaSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The connection to Kafka, and the client library."""

    client: Annotated[
        Literal["confluent", "kafka-python"], Meta(description="client library of every component")
    ] = "confluent"
    bootstrap_servers: Annotated[
        str | None,
        Meta(description="host:port,…; null: the embedded broker, for development and tests"),
    ] = None
    topic_prefix: Annotated[
        str,
        Meta(
            pattern="^([A-Za-z0-9_-][A-Za-z0-9._-]{0,99})?$",
            description="what the names of all topics, groups and transactional ids in Kafka begin "
            "with, as in `acme.`; settings, commands and tables go on saying pix.pagamentos",
        ),
    ] = ""
    security_protocol: Annotated[
        Literal["PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"],
        Meta(description="Kafka's security.protocol"),
    ] = "PLAINTEXT"
    sasl: Annotated[Sasl, Meta(description="credentials, for a SASL_ protocol")] = msgspec.field(
        default_factory=Sasl
    )
    tls: Annotated[Tls, Meta(description="TLS, for SSL or SASL_SSL")] = msgspec.field(
        default_factory=Tls
    )
    compression: Annotated[
        Literal["none", "gzip", "snappy", "lz4", "zstd"],
        Meta(description="compression codec of the producers"),
    ] = "lz4"
    linger_ms: Annotated[
        int, Meta(ge=0, le=1000, description="how long to wait for a batch to fill, ms")
    ] = 20
    max_event_bytes: Annotated[
        int, Meta(ge=1024, description="largest event, key plus value, bytes")
    ] = 2**20
    max_letter_bytes: Annotated[
        int,
        Meta(ge=1024, description="largest dead letter in Kafka, bytes; larger ones go to a file"),
    ] = 12 * 2**20
    session_timeout_ms: Annotated[
        int, Meta(ge=1000, description="time after which a dead group member is replaced, ms")
    ] = 10_000
    transaction_timeout_ms: Annotated[
        int,
        Meta(ge=1000, description="time after which a dead producer's transaction aborts, ms"),
    ] = 10_000
    request_timeout_ms: Annotated[
        int, Meta(ge=1000, description="time after which an unanswered request fails, ms")
    ] = 30_000
    max_poll_interval_ms: Annotated[
        int,
        Meta(ge=10_000, description="time without a poll after which a consumer is removed, ms"),
    ] = 300_000
