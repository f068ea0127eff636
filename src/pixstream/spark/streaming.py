"""The streaming query Kafka → bronze → silver: started, watched and stopped."""

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
    from pixstream.spark.ingestion import Surroundings

log = logging.getLogger("pixstream.spark")

QUERY = "ingest"
"""Name of the query, and of the directory of its checkpoint."""

Trigger = Literal["continuous", "available-now"]
"""Batch after batch until it is stopped; or what is there now, and then the end."""

_LOOK_SECONDS = 0.2
_SILENT_SECONDS = 10.0

_OURS = re.compile(r"pixstream\.errors\.\w+: ([^\n]+)")
"""An error of ours that came out of a Python worker, inside of Spark's text."""


class Ingest:
    """The query, as a loop with state and counts.

    Args:
        spark: the session.
        around: configuration.
        trigger: see `Trigger`.
        stop: set to end after the batch in hand.
        settle_since: see `Ingestion.settle_again`; None: nothing.

    Attributes:
        state: starting or ready.
        counts: see `ingestion.METRICS`.
    """

    def __init__(
        self,
        spark: SparkSession,
        around: Surroundings,
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
        self._told: Any = None
        self._silent_until = 0.0

    @property
    def counts(self) -> Counts:
        """Since the start."""
        return Counts(*METRICS) if self._ingestion is None else self._ingestion.counts

    def run(self) -> None:
        """Read and write until `stop` is set, or everything there is has been read.

        Raises:
            TopicChangedError: bronze was fed from another incarnation of a topic.
            PixstreamError: what waiting does not cure; the batch in hand comes again.
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
        around, where = self._around, self._where
        topics = [EVENT_TOPICS[category] for category in around.categories]
        held = _held(around.client, topics)
        checkpoint = where.checkpoint(QUERY)
        rows, used = None, False
        if where.exists(self._spark, BRONZE):
            rows = where.read(self._spark, BRONZE)
            used = where.delta(self._spark, BRONZE).history(1).collect()[0]["version"] > 0
        begin = beginning(rows, checkpoint, held, around.start, around.on_gap, used=used)
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
            .option("subscribe", ",".join(topics))
            .option("startingOffsets", begin.offsets)
            .option("includeHeaders", "true")
            .option("failOnDataLoss", "true" if around.on_gap == "stop" else "false")
            .option("maxOffsetsPerTrigger", around.batch.rows)
            .load()
        )
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
        """Called by Spark, in a thread of its own, perhaps before `start` has returned."""
        self._started.wait()
        assert self._ingestion is not None  # noqa: S101  made before the query
        assert self._query is not None  # noqa: S101  the event says so
        try:
            with self._where.alone():
                self._ingestion.take(records, self._query.id, batch)
        except PixstreamError as error:
            self._failure = error  # Spark would make a long text of it
            raise
        except Exception as error:
            self._broken = f"batch {batch}: {kind_and_place(error)}"
            raise

    def _watch(self, query: StreamingQuery) -> None:
        """Wait for the end: the query's own, or `stop` and then the end of the batch in hand."""
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
        """Commit to the Kafka group how far the checkpoint is, so that `lag` sees it.

        Nothing reads from there: Spark's checkpoint alone decides.
        """
        progress = query.lastProgress
        ends = progress["sources"][0]["endOffset"] if progress is not None else None
        if not ends or ends == self._told or time.monotonic() < self._silent_until:
            return
        offsets = {
            TopicPartition(topic, int(partition)): offset
            for topic, partitions in _document(ends).items()
            for partition, offset in partitions.items()
        }
        try:
            admin.set_group_offsets(group_id(self._around.name), offsets)
        except (KafkaError, Transient) as error:
            log.warning(
                "group %s cannot be told how far the query is: %s; told again in %.0f s",
                group_id(self._around.name),
                error,
                _SILENT_SECONDS,
            )
            self._silent_until = time.monotonic() + _SILENT_SECONDS
        else:
            self._told = ends

    def _explained(self, error: Exception) -> DestinationError:
        """The query's end in our words: Spark's text may quote what it was working on."""
        text = str(error)
        if ours := _OURS.search(text):
            return DestinationError(f"query {QUERY}: {ours[1]}")
        if "KafkaIllegalStateException" in text or "failOnDataLoss" in text:
            return DestinationError(
                f"query {QUERY}: Kafka no longer holds offsets that come next (retention, or the "
                "topic was made again). Nothing was skipped. To go on after the gap, set "
                "on_gap of this consumer to continue for one start"
            )
        return DestinationError(
            f"query {QUERY} ended ({self._broken}); its batch comes again at the next start. "
            "Spark's own log lines above say more; if it ends so again and again, the batch itself "
            "is at fault: report the kind and place told here"
        )


def _held(client: Client, topics: Sequence[str]) -> Mapping[TopicIdPartition, int]:
    """The first offset that each partition holds now.

    Raises:
        KafkaError: a topic is not there, or may not be read.
    """
    with closing(client.admin()) as admin:
        return admin.beginning_offsets(topics)


def _document(offsets: Any) -> Mapping[str, Mapping[str, int]]:
    """Spark's offsets, which it tells as a text or as what the text means."""
    if isinstance(offsets, str):
        return msgspec.json.decode(offsets, type=dict[str, dict[str, int]])
    found: Mapping[str, Mapping[str, int]] = offsets
    return found
