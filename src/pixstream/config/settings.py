"""Every setting of the system: the tree that `config.load` returns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
from msgspec import Meta

from pixstream.backoff import BackoffSettings
from pixstream.breaker import RetrySettings
from pixstream.config.page_settings import PageSettings
from pixstream.event.contract import SchemaSettings
from pixstream.event.sealing import TimeSettings
from pixstream.http_serving.exposure import Listener
from pixstream.http_serving.limits import ConnectionLimits, everybody, networks
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import TopicSettings, declared, in_force
from pixstream.logs import LoggingSettings
from pixstream.plugins.consumer import Consumer
from pixstream.plugins.processor import Processor, topics_of
from pixstream.plugins.producer import Producer
from pixstream.privacy import PrivacySettings
from pixstream.secret_setting import secret
from pixstream.spark.settings import SparkSettings

if TYPE_CHECKING:
    from pixstream.kafka.ports import TopicSpec
    from pixstream.plugins.component import Component
    from pixstream.plugins.reader import Reader


class InstitutionSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `institution` section: our institution in Pix."""

    ispbs: Annotated[
        list[Annotated[str, Meta(pattern="^[0-9A-Z]{8}$")]],
        Meta(description="our ISPBs, 8 characters each; they decide the direction of an event"),
    ] = msgspec.field(default_factory=list)


class SupervisorSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `supervisor` section: how the processes of the components are supervised."""

    restart: Annotated[
        BackoffSettings, Meta(description="wait before a failed process is restarted")
    ] = msgspec.field(default_factory=lambda: BackoffSettings(min_seconds=0.5, max_seconds=30.0))
    stop_timeout_seconds: Annotated[
        float, Meta(gt=0, description="a process that drains for longer than this is killed, s")
    ] = 20.0
    ready_timeout_seconds: Annotated[
        float, Meta(gt=0, description="a start that takes longer than this is reported, s")
    ] = 60.0
    hang_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="a process that reports nothing for this long is killed and restarted, s; "
            "0: never",
        ),
    ] = 60.0
    stall_seconds: Annotated[
        float,
        Meta(
            ge=0,
            description="the same for a process that reports, but whose loop makes no progress; "
            "longer than any write to a destination and kafka.max_poll_interval_ms, s; 0: never",
        ),
    ] = 1800.0


class MetricsSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `metrics` section: the HTTP endpoint of each `pixstream run`."""

    enabled: Annotated[
        bool, Meta(description="serve /metrics (Prometheus), /healthy and /ready")
    ] = True
    host: Annotated[
        str,
        Meta(min_length=1, description="address to listen on; the endpoint has no authentication"),
    ] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65535, description="port; 0: any free one")] = 9464
    port_tries: Annotated[
        int,
        Meta(
            ge=1,
            le=1000,
            description="how many ports to try from there, since another `pixstream run` of this "
            "machine may use the first; 1: a taken port is an error",
        ),
    ] = 10
    lag_seconds: Annotated[
        float,
        Meta(ge=0, description="pause between two measurements of the groups' lag, s; 0: none"),
    ] = 15.0
    allow_from: Annotated[
        list[str],
        Meta(description="addresses and networks that may connect: 10.1.0.0/16; empty: all"),
    ] = msgspec.field(default_factory=list)
    connections: Annotated[ConnectionLimits, Meta(description="limits of the connections")] = (
        msgspec.field(
            default_factory=lambda: ConnectionLimits(
                most=100, per_address=50, head_seconds=5.0, body_seconds=5.0, write_seconds=5.0
            )
        )
    )
    open: Annotated[
        bool,
        Meta(
            description="true: everybody who reaches host may read it; without it an endpoint on "
            "another address than 127.0.0.1 does not start in prod"
        ),
    ] = False

    def listener(self) -> Listener:
        """Return where it listens, and who may call."""
        allowed = networks(self.allow_from)
        guards = {"allow_from": bool(allowed) and not everybody(allowed)}
        return Listener(self.host, self.port, guards, self.open)


class BrokerSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `broker` section: the embedded Kafka, used while kafka.bootstrap_servers is null."""

    heap: Annotated[
        str, Meta(pattern="^[1-9][0-9]*[kmgKMG]$", description="maximum Java heap: 512m, 2g")
    ] = "512m"
    start_timeout_seconds: Annotated[
        float, Meta(gt=0, description="how long Kafka may take to start, s")
    ] = 60.0
    port: Annotated[
        Annotated[int, Meta(ge=1, le=65535)] | None,
        Meta(description="port of 127.0.0.1 for clients; null: a free one, kept once it is chosen"),
    ] = None
    metrics_port: Annotated[
        Annotated[int, Meta(ge=0, le=65535)] | None,
        Meta(
            description="port of 127.0.0.1 where the JMX exporter serves Kafka's own metrics to "
            "Prometheus; 0: a free one, kept once it is chosen; null: no exporter"
        ),
    ] = None
    properties: Annotated[
        dict[str, str],
        Meta(
            description="further broker settings under Kafka's own names, except those that "
            "pixstream sets itself: listeners, node and directories"
        ),
    ] = msgspec.field(default_factory=dict)


class MonitoringSettings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The `monitoring` section: the servers that `pixstream monitoring up` starts."""

    alert_webhook: Annotated[
        str | None,
        secret(
            "URL that Alertmanager posts every alert to, as `http://127.0.0.1:5001/alerts`; null: "
            "alerts are only shown"
        ),
    ] = None
    log_store: Annotated[
        Literal["auto", "opensearch", "victorialogs"],
        Meta(
            description="what keeps log lines; auto: VictoriaLogs, which has a page, where "
            "`victoria-logs` is on PATH, otherwise OpenSearch, which holds each line once"
        ),
    ] = "auto"
    opensearch_heap: Annotated[
        str,
        Meta(
            pattern="^[1-9][0-9]*[mgMG]$",
            description="Java heap of OpenSearch, all of it from the start: 512m, 2g",
        ),
    ] = "512m"


class Settings(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    """The whole configuration of one environment, every value checked."""

    data_dir: Annotated[
        str, Meta(min_length=1, description="directory for everything that pixstream itself writes")
    ] = "data"
    institution: Annotated[InstitutionSettings, Meta(description="our institution in Pix")] = (
        msgspec.field(default_factory=InstitutionSettings)
    )
    privacy: Annotated[PrivacySettings, Meta(description="pseudonyms and encryption")] = (
        msgspec.field(default_factory=PrivacySettings)
    )
    kafka: Annotated[KafkaSettings, Meta(description="how to reach Kafka")] = msgspec.field(
        default_factory=KafkaSettings
    )
    broker: Annotated[BrokerSettings, Meta(description="the embedded Kafka")] = msgspec.field(
        default_factory=BrokerSettings
    )
    topics: Annotated[
        dict[str, TopicSettings], Meta(description="desired settings of each topic, by name")
    ] = msgspec.field(default_factory=dict)
    retry: Annotated[
        RetrySettings,
        Meta(description="back-off after transient failures, and the circuit breaker"),
    ] = msgspec.field(default_factory=RetrySettings)
    supervisor: Annotated[
        SupervisorSettings, Meta(description="the processes of the components")
    ] = msgspec.field(default_factory=SupervisorSettings)
    metrics: Annotated[
        MetricsSettings, Meta(description="the HTTP endpoint of each `pixstream run`")
    ] = msgspec.field(default_factory=MetricsSettings)
    page: Annotated[
        PageSettings, Meta(description="the operator's page of each `pixstream run`")
    ] = msgspec.field(default_factory=PageSettings)
    monitoring: Annotated[
        MonitoringSettings,
        Meta(description="the servers that `pixstream monitoring up` starts on this machine"),
    ] = msgspec.field(default_factory=MonitoringSettings)
    schema: Annotated[
        SchemaSettings, Meta(description="events of several schema versions in one topic")
    ] = msgspec.field(default_factory=SchemaSettings)
    time: Annotated[TimeSettings, Meta(description="which event times are implausible")] = (
        msgspec.field(default_factory=TimeSettings)
    )
    logging: Annotated[LoggingSettings, Meta(description="what is logged, and where")] = (
        msgspec.field(default_factory=LoggingSettings)
    )
    spark: Annotated[
        SparkSettings, Meta(description="tables and session of everything that runs on Spark")
    ] = msgspec.field(default_factory=SparkSettings)
    producers: Annotated[dict[str, Producer], Meta(description="sources of events, by name")] = (
        msgspec.field(default_factory=dict)
    )
    consumers: Annotated[
        dict[str, Consumer], Meta(description="destinations of events, by name")
    ] = msgspec.field(default_factory=dict)
    processors: Annotated[
        dict[str, Processor],
        Meta(description="components that turn events into records of other topics, by name"),
    ] = msgspec.field(default_factory=dict)

    @property
    def readers(self) -> dict[str, Reader]:
        """Every component that reads events from Kafka, by name."""
        return {**self.consumers, **self.processors}

    @property
    def components(self) -> dict[str, Component]:
        """Every component, by name."""
        return {**self.producers, **self.readers}

    @property
    def topics_in_force(self) -> dict[str, TopicSettings]:
        """The settings of every topic that must exist, defaults included, by name."""
        return in_force(self.topics, topics_of(self.processors))

    @property
    def declared_topics(self) -> list[TopicSpec]:
        """Every topic that must exist: pixstream's own, those of processors, and those of `topics`.

        Raises:
            ConfigError: see `kafka.topics.spec`.
        """
        return declared(self.topics, topics_of(self.processors))
