"""One batch of the streaming query, exactly once: Kafka → bronze → dead letters → silver.

Bronze stores each record once, through Delta's application transactions under the query id and
batch number. After a crash, dead letters and silver may process the same records again: a letter
written twice has the same id, and an event already in silver adds nothing.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import logging
import uuid
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixstream import batch_log
from pixstream.batch_log import BatchLog
from pixstream.dead_letters import error_class
from pixstream.dead_letters.counting import count_letters, from_topics
from pixstream.errors import DestinationError, Transient
from pixstream.event.categories import Category
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Span, TopicPartition
from pixstream.metrics import Counts
from pixstream.metrics.records import BATCHES, CONSUMED, DUPLICATES, RECORDS, REVISIONS, WRITTEN
from pixstream.spark.conflicts import again
from pixstream.spark.decoding import Decoder, new_columns, to_record
from pixstream.spark.places import BRONZE
from pixstream.spark.schemas import (
    BRONZE_SCHEMA,
    MESSAGE,
    NEW,
    RAW,
    REASON,
    decoded_schema,
    to_spark,
)
from pixstream.spark.silver import Silver
from pixstream.spark.workers import RedactedErrors

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pyspark.sql import DataFrame, SparkSession

    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.kafka.ports import Client
    from pixstream.kafka.settings import KafkaSettings
    from pixstream.kafka.transactions import Writer
    from pixstream.plugins.component import BatchLimits
    from pixstream.privacy import PrivacySettings
    from pixstream.spark.places import Places
    from pixstream.spark.settings import SparkSettings

log = logging.getLogger("pixstream.spark")

UPDATED = RECORDS.of("updated", stage="write", outcome="updated", topic="")
METRICS = (
    CONSUMED,
    *from_topics(EVENT_TOPICS.values()),
    WRITTEN,
    UPDATED,
    DUPLICATES,
    REVISIONS,
    BATCHES,
)
"""Of settled batches. Written are rows inserted into silver, revisions are rows updated there."""

_LETTERS_AT_ONCE = 1000
_OF_A_RECORD = ("topic", "partition", "offset", "timestamp", "key", "value", "headers")


class IngestionContext(NamedTuple):
    """What the query needs of the configuration.

    Attributes:
        name: of the component; part of the ids of its letters.
        categories: whose topics are read.
        start: on a cold start: the earliest or the latest offsets.
        on_gap: whether to stop or continue where the next offsets have expired.
        batch: limits in rows and seconds.
        spark: the section `spark`.
        kafka: the section `kafka`, with `bootstrap_servers` set.
        client: Kafka, for letters, the topics' ids, and the group's offsets.
        letters: makes dead letters.
        privacy: keys that seal unknown fields.
        contract: how to treat new fields of a newer writer.
        sample: one payment in so many is logged at every stage; 0: none.
    """

    name: str
    categories: Sequence[str]
    start: Literal["earliest", "latest"]
    on_gap: Literal["stop", "continue"]
    batch: BatchLimits
    spark: SparkSettings
    kafka: KafkaSettings
    client: Client
    letters: LetterWriter
    privacy: PrivacySettings
    contract: ContractSettings
    sample: int = 0


@dataclasses.dataclass
class _Done:
    """Rows of silver that a batch inserted and updated, over all its attempts."""

    inserted: int = 0
    updated: int = 0


class Ingestion:
    """The steps of a batch.

    Args:
        around: the configuration.
        spark: the session.
        where: finds the tables.
        topic_ids: Kafka's id of each topic as it is now.
        writer: writes letters.

    Attributes:
        counts: see `METRICS`.
    """

    def __init__(
        self,
        around: IngestionContext,
        spark: SparkSession,
        where: Places,
        topic_ids: Mapping[str, str],
        writer: Writer,
    ) -> None:
        self.counts = Counts(*METRICS)
        self._around = around
        self._spark = spark
        self._where = where
        self._topic_ids = topic_ids
        self._writer = writer
        where.create(spark, BRONZE, to_spark(BRONZE_SCHEMA), ["ingest_date"])
        self._silver = Silver(spark, where)
        self._first = True
        self._lines = BatchLog(around.name)
        self._lines.sample = around.sample

    def take(self, records: DataFrame, query: str, batch: int) -> None:
        """Process one batch of the Kafka source.

        Args:
            records: from Spark's Kafka source, with headers.
            query: id of the streaming query, from its checkpoint.
            batch: its number.
        """
        self._lines.begin(f"{query}/{batch}")
        if self._first and self._came_before(query, batch):
            # Kafka may have fewer of its records by now than bronze stored.
            rows = batch_of(self._where.read(self._spark, BRONZE), query, batch)
            self.settle(rows, query, batch)
            self._log(rows)
        else:
            rows = self._bronze(records, query, batch).persist()
            try:
                self._where.append(rows, BRONZE, query, batch)
                self.settle(rows, query, batch)
                self._log(rows)
            finally:
                rows.unpersist()
        self._first = False
        self.counts.add(BATCHES)

    def _log(self, bronze: DataFrame) -> None:
        """Log where the rows of a batch are in Kafka; bronze has the batch's id in its columns."""
        from pyspark.sql import functions as f

        if not batch_log.log.isEnabledFor(logging.INFO):
            return
        flagged = "h -> h.key = 'traceparent' AND endswith(CAST(h.value AS STRING), '1')"
        sampled = f.expr(f"exists(headers, {flagged})")
        record = f.struct(*(f.col(name) for name in _OF_A_RECORD))
        found = (
            bronze.groupBy("topic", "partition")
            .agg(
                f.min("offset"),
                f.max("offset"),
                f.count("*"),
                f.collect_list(f.when(sampled, record)),
            )
            .collect()
        )
        spans = {TopicPartition(row[0], row[1]): Span(*row[2:5]) for row in found}
        records = [to_record(one.asDict(recursive=True)) for row in found for one in row[5]]
        self._lines.stored("written", spans, records, {})

    def _came_before(self, query: str, batch: int) -> bool:
        """Return whether bronze already has this batch, the first one since the start.

        Raises:
            DestinationError: checkpoint and bronze do not match: an older copy was restored.
        """
        last = self._where.last(self._spark, BRONZE, query)
        if not batch - 1 <= last <= batch:
            older = "checkpoint" if last > batch else f"table {BRONZE}"
            raise DestinationError(
                f"the {older} is an older copy: the checkpoint is at batch {batch}, the last batch "
                f"in bronze is {last}. Nothing was written. Remove the whole directory of the "
                "checkpoint: the query then resumes after the last rows in bronze"
            )
        return last == batch

    def settle_again(self, since: dt.date) -> None:
        """Write the letters and silver rows of all bronze rows since a day (UTC) again.

        For a silver table that was restored to an earlier version; events it has add nothing.
        """
        rows = self._where.read(self._spark, BRONZE).where(f"ingest_date >= DATE'{since}'")
        batches = rows.groupBy("query_id", "batch_id").agg({"ingested_at": "min"}).collect()
        # Under a new application id: a restored table still has those of the batches it lost.
        name = f"settle_again/{uuid.uuid4()}"
        for number, (query, batch, _) in enumerate(sorted(batches, key=lambda found: found[2])):
            log.info("batch %d of %d since %s settled again", number + 1, len(batches), since)
            self.settle(batch_of(rows, query, batch), name, number)

    def settle(self, bronze: DataFrame, query: str, batch: int) -> None:
        """Write the letters and silver rows of bronze rows; safe to repeat."""
        decoded, taken, topics = self._decoded(bronze)
        done = _Done()
        try:
            letters = self._write_letters(decoded)
            for category in Category:
                topic = EVENT_TOPICS[category.plural]
                if not topics.get(topic):
                    continue
                events = decoded.where((decoded["_topic"] == topic) & decoded[REASON].isNull())
                events = events.select(*self._silver.telling.names)
                settle = partial(self._settle, events, category, query, batch, done)
                again(settle, f"batch {batch}, {category.plural}")
        finally:
            decoded.unpersist()
        with self.counts.together():
            self.counts.add(CONSUMED, taken)
            count_letters(self.counts, letters)
            self.counts.add(WRITTEN, done.inserted)
            self.counts.add(UPDATED, done.updated)
            self.counts.add(REVISIONS, done.updated)
            self.counts.add(DUPLICATES, sum(topics.values()) - done.inserted - done.updated)

    def _settle(
        self, events: DataFrame, category: Category, query: str, batch: int, done: _Done
    ) -> None:
        """Write these events to silver, and add to what is done.

        Raises:
            Transient: another job changed some of them in the meantime.
        """
        settled = self._silver.settle(events, category, query, batch)
        done.inserted += settled.inserted
        done.updated += settled.updated
        if settled.overtaken:
            raise Transient(f"another job changed {settled.overtaken} events in the meantime")

    def _bronze(self, records: DataFrame, query: str, batch: int) -> DataFrame:
        from pyspark.sql.functions import col, create_map, lit

        now = dt.datetime.now(dt.UTC)
        ids = create_map(*(lit(word) for pair in self._topic_ids.items() for word in pair))
        return (
            records.withColumn("topic_id", ids[col("topic")])
            .withColumn("query_id", lit(query))
            .withColumn("batch_id", lit(batch).cast("long"))
            .withColumn("ingested_at", lit(now))
            .withColumn("ingest_date", lit(now.date()))
            .select(*BRONZE_SCHEMA.names)
        )

    def _decoded(self, bronze: DataFrame) -> tuple[DataFrame, int, Mapping[str, int]]:
        """Return the decoded rows, cached, their number, and that of events by topic."""
        from pyspark.sql.functions import col, collect_set, count, count_if

        while True:
            telling = self._silver.telling
            now = dt.datetime.now(dt.UTC)
            around = self._around
            decoder = Decoder(around.name, around.privacy, around.contract, telling, now)
            decoded = bronze.mapInArrow(
                RedactedErrors(decoder), to_spark(decoded_schema(telling))
            ).persist()
            found = (
                decoded.groupBy("_topic")
                .agg(count_if(col(REASON).isNull()), count("*"), collect_set(NEW))
                .collect()
            )
            asked = new_columns({word for row in found for word in row[3]})
            if not asked:
                return decoded, sum(row[2] for row in found), {row[0]: row[1] for row in found}
            decoded.unpersist()
            self._silver.widen(asked)

    def _write_letters(self, decoded: DataFrame) -> list[Letter]:
        """Write dead letters for records that are not events, a limited number per transaction.

        Returns:
            their headers, without their content.
        """
        written = []
        bad = decoded.where(decoded[REASON].isNotNull()).select(REASON, MESSAGE, RAW)
        rows = bad.toLocalIterator()
        while some := list(islice(rows, _LETTERS_AT_ONCE)):
            letters = [
                self._around.letters.from_record(
                    to_record(raw.asDict(recursive=True)),
                    raw["topic_id"],
                    stage="decode",
                    reason=reason,
                    message=message,
                    error=error_class(reason),
                )
                for reason, message, raw in some
            ]
            with self._writer.transaction() as transaction:
                for letter in letters:
                    transaction.send(DLQ, *letter)
            self._lines.letters(letters)
            written += [letter._replace(value=b"") for letter in letters]
        return written


def batch_of(bronze: DataFrame, query: str, batch: int) -> DataFrame:
    """Return the bronze rows of one batch."""
    return bronze.where((bronze["query_id"] == query) & (bronze["batch_id"] == batch))
