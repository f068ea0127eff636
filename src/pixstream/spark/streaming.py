"""Starts, watches and stops the streaming query Kafka → bronze → silver."""

from __future__ import annotations

import logging
import re
import threading
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pixstream.errors import DestinationError, KafkaError, PixstreamError, Transient
from pixstream.kafka.names import EVENT_TOPICS, group_id, transactional_id
from pixstream.kafka.ports import TopicPartition
from pixstream.kafka.prefixed import Names
from pixstream.kafka.transactions import Writer
from pixstream.metrics import Counts
from pixstream.spark.beginning import beginning
from pixstream.spark.ingestion import METRICS, Ingestion, batch_of
from pixstream.spark.kafka_options import kafka_options
from pixstream.spark.places import BRONZE, Places
from pixstream.spark.workers import kind_and_place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.streaming import StreamingQuery

    from pixstream.kafka.ports import Admin, Client, TopicIdPartition
    from pixstream.spark.ingestion import IngestionContext

log = logging.getLogger("pixstream.spark")

QUERY = "ingest"
"""Name of the query, and of the directory of its checkpoint."""

Trigger = Literal["continuous", "available-now"]
"""`continuous`: batches until stopped; `available-now`: stop after the records available now."""

_LOOK_SECONDS = 0.2
_SILENT_SECONDS = 10.0

_OURS = re.compile(r"pixstream\.errors\.\w+: ([^\n]+)")
"""One of our errors, raised in a Python worker, inside Spark's text."""


class Ingest:
    """The query, as a loop with state and counts.

    Args:
        spark: the session.
        around: configuration.
        trigger: see `Trigger`.
        stop: set to end after the current batch.
        settle_since: see `Ingestion.settle_again`; None: nothing.

    Attributes:
        state: starting or ready.
        counts: see `ingestion.METRICS`.
    """

    def __init__(
        self,
        spark: SparkSession,
        around: IngestionContext,
        trigger: Trigger,
        stop: threading.Event,
        settle_since: dt.date | None = None,
    ) -> None:
        self._settle_since = settle_since
        self.state = "starting"
        self._spark = spark
        self._around = around
        self._trigger = trigger
        self._stop = stop
        self._where = Places(around.spark)
        self._ingestion: Ingestion | None = None
        self._query: StreamingQuery | None = None
        self._started = threading.Event()
        self._failure: PixstreamError | None = None
        self._broken = "Spark itself"
        self._reported: Any = None
        self._silent_until = 0.0

    @property
    def counts(self) -> Counts:
        """Since the start."""
        return Counts(*METRICS) if self._ingestion is None else self._ingestion.counts

    def run(self) -> None:
        """Read and write until `stop` is set, or until all available records have been read.

        Raises:
            TopicChangedError: bronze was fed from another incarnation of a topic.
            PixstreamError: retrying does not help; the current batch is repeated at the next start.
        """
        own_id = transactional_id(self._around.name, 0)
        with closing(Writer(self._around.client, own_id)) as letters:
            letters.open()
            query = self._start(letters)
            self.state = "ready"
            try:
                self._watch(query)
            finally:
                query.stop()

    def _start(self, letters: Writer) -> StreamingQuery:
        from pyspark.sql.functions import expr

        around, where = self._around, self._where
        topics = [EVENT_TOPICS[category] for category in around.categories]
        names = Names(around.kafka.topic_prefix)
        held = _held(around.client, topics)
        checkpoint = where.checkpoint(QUERY)
        rows, used = None, False
        if where.exists(self._spark, BRONZE):
            rows = where.read(self._spark, BRONZE)
            used = where.delta(self._spark, BRONZE).history(1).collect()[0]["version"] > 0
        begin = beginning(
            rows, checkpoint, held, around.start, around.on_gap, used=used, names=names
        )
        ids = {partition.topic: partition.topic_id for partition in held}
        with where.alone():
            self._ingestion = Ingestion(around, self._spark, where, ids, letters)
            if begin.unsettled is not None and rows is not None:
                query_id, batch = begin.unsettled
                self._ingestion.settle(batch_of(rows, query_id, batch), query_id, batch)
            if self._settle_since is not None:
                self._ingestion.settle_again(self._settle_since)
        records = (
            self._spark.readStream.format("kafka")
            .options(**kafka_options(around.kafka))
            .option("subscribe", ",".join(names.outside(topic) for topic in topics))
            .option("startingOffsets", _in_kafka(begin.offsets, names))
            .option("includeHeaders", "true")
            .option("failOnDataLoss", "true" if around.on_gap == "stop" else "false")
            .option("maxOffsetsPerTrigger", around.batch.rows)
            .load()
        )
        if names.prefix:
            bare = f"substring(topic, {len(names.prefix) + 1})"
            records = records.withColumn("topic", expr(bare))
        writer = records.writeStream.queryName(QUERY).foreachBatch(self._take)
        writer = writer.option("checkpointLocation", checkpoint)
        if self._trigger == "available-now":
            writer = writer.trigger(availableNow=True)
        else:
            writer = writer.trigger(processingTime=f"{around.batch.seconds} seconds")
        self._query = writer.start()
        self._started.set()
        log.info("query %s runs, id %s", QUERY, self._query.id)
        return self._query

    def _take(self, records: DataFrame, batch: int) -> None:
        """Process a batch; Spark calls this in its own thread, maybe before `start` returns."""
        self._started.wait()
        assert self._ingestion is not None  # noqa: S101  made before the query
        assert self._query is not None  # noqa: S101  the event says so
        try:
            with self._where.alone():
                self._ingestion.take(records, self._query.id, batch)
        except PixstreamError as error:
            self._failure = error  # Spark would wrap it in a long text
            raise
        except Exception as error:
            self._broken = f"batch {batch}: {kind_and_place(error)}"
            raise

    def _watch(self, query: StreamingQuery) -> None:
        """Wait until the query ends, or until `stop` is set and the current batch has ended."""
        from pyspark.errors import StreamingQueryException

        try:
            with closing(self._around.client.admin()) as admin:
                while query.isActive:
                    self._tell_group(query, admin)
                    if self._stop.is_set() and not query.status["isTriggerActive"]:
                        break
                    time.sleep(_LOOK_SECONDS)
                query.stop()
                self._tell_group(query, admin)
            query.awaitTermination()
        except StreamingQueryException as error:
            raise self._failure or self._explained(error) from None

    def _tell_group(self, query: StreamingQuery, admin: Admin) -> None:
        """Commit the checkpoint's offsets to the consumer group, so that `lag` sees them.

        Nothing resumes from there: only Spark's checkpoint decides.
        """
        progress = query.lastProgress
        ends = progress["sources"][0]["endOffset"] if progress is not None else None
        if not ends or ends == self._reported or time.monotonic() < self._silent_until:
            return
        names = Names(self._around.kafka.topic_prefix)
        offsets = {
            TopicPartition(names.inside(topic), int(partition)): offset
            for topic, partitions in _document(ends).items()
            for partition, offset in partitions.items()
        }
        try:
            admin.set_group_offsets(group_id(self._around.name), offsets)
        except (KafkaError, Transient) as error:
            log.warning(
                "group %s: cannot commit the query's offsets, so `lag` is out of date: %s; "
                "trying again in %.0f s",
                group_id(self._around.name),
                error,
                _SILENT_SECONDS,
            )
            self._silent_until = time.monotonic() + _SILENT_SECONDS
        else:
            self._reported = ends

    def _explained(self, error: Exception) -> DestinationError:
        """Describe why the query ended, without Spark's text, which may quote data."""
        text = str(error)
        if ours := _OURS.search(text):
            return DestinationError(f"query {QUERY}: {ours[1]}")
        if "KafkaIllegalStateException" in text or "failOnDataLoss" in text:
            return DestinationError(
                f"query {QUERY}: Kafka no longer holds the next offsets (retention, or the topic "
                "was recreated). Nothing was skipped. To continue after the gap, set "
                "on_gap of this consumer to continue for one start"
            )
        return DestinationError(
            f"query {QUERY} ended ({self._broken}); its batch is repeated at the next start. "
            "Spark's log lines above say more; if the query keeps ending like this, the batch "
            "itself is the cause: report the error and the position given here"
        )


def _held(client: Client, topics: Sequence[str]) -> Mapping[TopicIdPartition, int]:
    """Return the earliest offset of each partition.

    Raises:
        KafkaError: a topic does not exist, or cannot be read.
    """
    with closing(client.admin()) as admin:
        return admin.beginning_offsets(topics)


def _in_kafka(offsets: str, names: Names) -> str:
    """Return Spark's starting offsets, a word or JSON, with Kafka's names of the topics."""
    if not offsets.startswith("{"):
        return offsets
    by_topic = {names.outside(topic): at for topic, at in _document(offsets).items()}
    return msgspec.json.encode(by_topic).decode()


def _document(offsets: Any) -> Mapping[str, Mapping[str, int]]:
    """Return Spark's offsets, which it reports either as JSON or already decoded."""
    if isinstance(offsets, str):
        return msgspec.json.decode(offsets, type=dict[str, dict[str, int]])
    found: Mapping[str, Mapping[str, int]] = offsets
    return found
