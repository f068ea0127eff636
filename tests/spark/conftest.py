"""One Spark session for all tests that need it, and a Kafka whose topics of events are empty."""

import datetime as dt
import secrets
import signal
import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
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
from pixstream.plugins.component import BatchLimits
from pixstream.privacy import PrivacySettings, keys
from pixstream.spark import session
from pixstream.spark.settings import SparkSettings

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pixstream.spark.ingestion import IngestionContext
    from pixstream.spark.streaming import Ingest


INTERPRETED = {
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
}
"""Compiling a query takes longer than a few rows do; the whole runs, which are processes of their
own, compile theirs as every operator's Spark does."""


class Driver:
    """Holds the session of this process, and makes another one when it or its JVM has died."""

    def __init__(self) -> None:
        self._session: SparkSession | None = None

    def session(self) -> "SparkSession":
        """A session that lives, and in which nothing runs that an earlier test has left."""
        if self._session is None or not self._is_alive(self._session):
            self.end()
            handler = signal.getsignal(signal.SIGINT)
            self._session = session.session(SparkSettings(driver_memory="1g"))
            # PySpark takes SIGINT for itself, which later tests of this worker need.
            signal.signal(signal.SIGINT, handler)
            for name, value in INTERPRETED.items():
                self._session.conf.set(name, value)
        for query in self._session.streams.active:
            query.stop()
        self._session.sparkContext.cancelAllJobs()
        return self._session

    @staticmethod
    def _is_alive(spark: "SparkSession") -> bool:
        from py4j.protocol import Py4JError

        context = spark.sparkContext._jsc  # None once it was stopped from here
        try:
            return context is not None and not context.sc().isStopped()
        except (Py4JError, OSError):
            return False

    @staticmethod
    def end() -> None:
        """End the JVM, and make PySpark forget it: it holds on to one for ever, even dead."""
        from pyspark import SparkContext
        from pyspark.sql import SparkSession

        if SparkContext._active_spark_context is not None:
            SparkContext._active_spark_context._jsc = None  # its JVM is not asked: it is killed
            SparkContext._active_spark_context.stop()
        if SparkContext._gateway is not None:
            SparkContext._gateway.proc.kill()
            SparkContext._gateway.proc.communicate()  # waits, and closes the pipe that it reads
        SparkContext._gateway = SparkContext._jvm = SparkContext._active_spark_context = None
        SparkSession._instantiatedSession = SparkSession._activeSession = None


@pytest.fixture(scope="session")
def driver() -> Iterator[Driver]:
    """Whoever holds the one session; `spark` asks it for each test."""
    made = Driver()
    yield made
    if session.missing() is None:
        made.end()


@pytest.fixture
def spark(driver: Driver) -> "SparkSession":
    """A session with the real jars; without a full Java the test is skipped by name."""
    lack = session.missing()
    if lack is not None:
        pytest.skip(f"Spark cannot run here: {lack}")
    return driver.session()


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

    def around(self, name: str = "delta_lake") -> "IngestionContext":
        from pixstream.spark.ingestion import IngestionContext

        writer = LetterWriter(name, self.vault, 2**20, self.directory / "letters")
        return IngestionContext(
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
            sample=10**9,
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
def place_at() -> type[Place]:
    """`place_at(kafka_settings, directory)`: on another Kafka, whose topics are there."""
    return Place


@pytest.fixture
def place(broker: str, tmp_path: Path) -> Place:
    """Empty topics of events, under their own names as Spark reads them, and no table."""
    made = Place(KafkaSettings(bootstrap_servers=broker), tmp_path)
    with closing(made.client.admin()) as admin:
        for topic in admin.topics():
            if topic.startswith("pix."):
                admin.delete(topic)
    made.create_topics()
    return made
