"""Kafka → bronze → silver on Spark: the component that starts, monitors and stops the query.

Spark reads Kafka itself and keeps its offsets in its checkpoint; this process is its driver.
Tables and session are configured in the section `spark`, which `pixstream jobs` reads too.
"""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal, Protocol

from msgspec import Meta

from pixstream import kafka
from pixstream.dead_letters import LetterWriter
from pixstream.errors import ConfigError, DestinationError
from pixstream.plugins.component import BatchLimits
from pixstream.plugins.consumer import Consumer
from pixstream.privacy import keys

if TYPE_CHECKING:
    import datetime as dt
    import threading

    from pixstream.event.contract import SchemaSettings
    from pixstream.kafka.settings import KafkaSettings
    from pixstream.logs import LoggingSettings
    from pixstream.plugins.component import Loop
    from pixstream.privacy import PrivacySettings
    from pixstream.spark.settings import SparkSettings
    from pixstream.spark.streaming import Trigger


class Configuration(Protocol):
    """The parts of the whole configuration that it reads in addition to its own section."""

    data_dir: str
    kafka: KafkaSettings
    logging: LoggingSettings
    privacy: PrivacySettings
    schema: SchemaSettings
    spark: SparkSettings


@dataclasses.dataclass(kw_only=True)
class Spark(Consumer):
    """The section of a consumer of type spark."""

    batch: Annotated[
        BatchLimits,
        Meta(
            description="rows: most offsets in one batch; seconds: from the start of one batch to "
            "the next. Spark does not count bytes"
        ),
    ] = dataclasses.field(default_factory=lambda: BatchLimits(rows=200_000, seconds=10.0))
    on_gap: Annotated[
        Literal["stop", "continue"],
        Meta(
            description="when the next offsets have expired in Kafka: stop, or continue after them "
            "with an error in the log"
        ),
    ] = "stop"

    def __post_init__(self) -> None:
        """Reject settings that Spark's streaming query cannot honour.

        Raises:
            ConfigError: there is more than one replica, or a limit in bytes.
        """
        super().__post_init__()
        if self.replicas != 1:
            raise ConfigError("replicas: Spark has one driver process; more cores make it faster")
        if self.batch.bytes != BatchLimits().bytes:
            raise ConfigError("batch.bytes: Spark does not count bytes; set batch.rows")

    def check(self) -> str:
        """Report whether Spark can run on this machine; starting it would take too long here.

        Raises:
            DestinationError: Spark cannot run here.
        """
        from pixstream.spark import session

        lack = session.missing()
        if lack is not None:
            raise DestinationError(f"Spark cannot run here: {lack}")
        return "Spark can run here; it was not started"

    def loop(
        self,
        settings: Configuration,
        stop: threading.Event,
        trigger: Trigger = "continuous",
        settle_since: dt.date | None = None,
    ) -> Loop:
        """Return the streaming query, not started yet.

        Args:
            settings: the whole configuration.
            stop: event that is set when the query is to end.
            trigger: continuous batches, or only the data that is available now.
            settle_since: rows that bronze received since that day go through silver again.

        Raises:
            DestinationError: Spark cannot run here.
        """
        from pixstream.spark.ingestion import IngestionContext
        from pixstream.spark.session import session
        from pixstream.spark.streaming import Ingest

        _, vault = keys(settings.privacy)
        directory = Path(settings.data_dir) / "letters"
        around = IngestionContext(
            name=self.name,
            categories=self.categories,
            start=self.start,
            on_gap=self.on_gap,
            batch=self.batch,
            spark=settings.spark,
            kafka=settings.kafka,
            client=kafka.connect(settings.kafka),
            letters=LetterWriter(self.name, vault, settings.kafka.max_letter_bytes, directory),
            privacy=settings.privacy,
            contract=settings.schema.contract,
            sample=settings.logging.sample,
        )
        return Ingest(session(settings.spark), around, trigger, stop, settle_since)
