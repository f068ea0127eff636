"""Kafka → bronze → silver on Spark: the component that starts, watches and stops the query.

Spark reads Kafka itself and remembers in its checkpoint how far it is; this process is its driver.
Tables and session are in the section `spark`, which the jobs of `pixstream jobs` read too.
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
    from pixstream.plugins.component import Loop
    from pixstream.privacy import PrivacySettings
    from pixstream.spark.settings import SparkSettings
    from pixstream.spark.streaming import Trigger


class Configuration(Protocol):
    """What it reads of the whole configuration beside its own section."""

    data_dir: str
    kafka: KafkaSettings
    privacy: PrivacySettings
    schema: SchemaSettings
    spark: SparkSettings


@dataclasses.dataclass(kw_only=True)
class Spark(Consumer):
    """The section of a consumer of type spark."""

    batch: Annotated[
        BatchLimits,
        Meta(
            description="rows: offsets that one batch reads; seconds: from the beginning of one "
            "batch to the next. Spark counts no bytes"
        ),
    ] = dataclasses.field(default_factory=lambda: BatchLimits(rows=200_000, seconds=10.0))
    on_gap: Annotated[
        Literal["stop", "continue"],
        Meta(
            description="offsets that come next have expired in Kafka: stop, or continue after "
            "them with an error in the log"
        ),
    ] = "stop"

    def __post_init__(self) -> None:
        """Refuse what Spark's own query cannot follow.

        Raises:
            ConfigError: more than one replica, or a limit in bytes.
        """
        super().__post_init__()
        if self.replicas != 1:
            raise ConfigError("replicas: one process drives Spark; more cores make it faster")
        if self.batch.bytes != BatchLimits().bytes:
            raise ConfigError("batch.bytes: Spark counts no bytes; set batch.rows")

    def check(self) -> str:
        """Tell whether Spark can run on this machine; starting it takes too long for a look."""
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
        """The streaming query, not yet started.

        Args:
            settings: the whole configuration.
            stop: set when it is to end.
            trigger: batch after batch, or what is there now.
            settle_since: what bronze took since that day goes through silver once more.

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
        )
        return Ingest(session(settings.spark), around, trigger, stop, settle_since)
