"""One Spark session for all tests that need it, and a Kafka whose topics of events are theirs."""

import datetime as dt
import secrets
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pixstream import kafka
from pixstream.dead_letters import LetterWriter
from pixstream.event.contract import ContractSettings
from pixstream.event.model import PixEvent, encode
from pixstream.kafka.names import EVENT_TOPICS
from pixstream.kafka.settings import KafkaSettings
from pixstream.kafka.topics.declared import declared
from pixstream.lab.broker.embedded import EmbeddedBroker
from pixstream.plugins.component import BatchLimits
from pixstream.privacy import PrivacySettings, keys
from pixstream.spark import session
from pixstream.spark.settings import SparkSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pixstream.spark.ingestion import Surroundings
    from pixstream.spark.streaming import Ingest


@pytest.fixture(scope="session")
def spark() -> "Iterator[SparkSession]":
    """A session with the real jars; without a full Java the test is skipped by name."""
    lack = session.missing()
    if lack is not None:
        pytest.skip(f"Spark cannot run here: {lack}")
    started = session.session(SparkSettings(driver_memory="1g"))
    yield started
    started.stop()


class Place:
    """A Kafka with the topics of events, and a directory for tables."""

    def __init__(self, settings: KafkaSettings, directory: Path) -> None:
        self.directory = directory
        self.kafka = settings
        self.client = kafka.connect(self.kafka)
        self.spark = SparkSettings(
            path=str(directory / "lake"), checkpoints=str(directory / "checkpoints")
        )
        one, other = (secrets.token_hex(32) for _ in range(2))
        self.privacy = PrivacySettings(pseudonym_key=one, encryption_key=other)
        self.vault = keys(self.privacy)[1]

    def create_topics(self) -> None:
        admin = self.client.admin()
        for spec in declared({}):
            if spec.name not in admin.topics():
                admin.create(spec)
        admin.close()

    def tell(self, events: Sequence[PixEvent | bytes], **headers: bytes) -> None:
        """Write events, or any bytes (to pix.pagamentos), in one transaction."""
        outbox = self.client.outbox("pixstream/test/0")
        outbox.begin()
        for event in events:
            pairs = [(name.replace("_", "-"), value) for name, value in headers.items()]
            if isinstance(event, bytes):
                outbox.send(EVENT_TOPICS["pagamentos"], b"key", event, pairs)
            else:
                topic = EVENT_TOPICS[event.category.plural]
                outbox.send(topic, event.record_key, encode(event), pairs)
        outbox.commit()
        outbox.close()

    def around(self, name: str = "delta_lake") -> "Surroundings":
        from pixstream.spark.ingestion import Surroundings

        writer = LetterWriter(name, self.vault, 2**20, self.directory / "letters")
        return Surroundings(
            name=name,
            categories=list(EVENT_TOPICS),
            start="earliest",
            on_gap="stop",
            batch=BatchLimits(rows=100_000, seconds=1.0),
            spark=self.spark,
            kafka=self.kafka,
            client=self.client,
            letters=writer,
            privacy=self.privacy,
            contract=ContractSettings(),
        )

    def ingest(
        self, spark: "SparkSession", settle_since: dt.date | None = None, **changes: Any
    ) -> "Ingest":
        """Read everything there is."""
        from pixstream.spark.streaming import Ingest

        around = self.around(**changes)
        loop = Ingest(spark, around, "available-now", threading.Event(), settle_since)
        loop.run()
        return loop


@pytest.fixture(scope="session")
def spark_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedBroker]:
    """A broker of these tests alone: Spark reads the topics of events under their own names."""
    control = EmbeddedBroker(tmp_path_factory.mktemp("spark-kafka"))
    control.start()
    yield control
    control.kill()


@pytest.fixture(scope="session")
def place_at() -> type[Place]:
    """`place_at(kafka_settings, directory)`: on another Kafka, whose topics are there."""
    return Place


@pytest.fixture
def place(spark_kafka: EmbeddedBroker, tmp_path: Path) -> Iterator[Place]:
    """Empty topics, no table."""
    made = Place(KafkaSettings(bootstrap_servers=spark_kafka.start()), tmp_path)
    made.create_topics()
    yield made
    admin = made.client.admin()
    for topic in admin.topics():
        if topic.startswith("pix."):
            admin.delete(topic)
    admin.close()
