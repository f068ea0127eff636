"""Kafka → destination: letters, then the destination, then the group's offsets, batch by batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixstream.columns.ages import ages_in_seconds
from pixstream.dead_letters.counting import count_letters, from_topics
from pixstream.errors import Transient
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.loops.decoder import Decoder
from pixstream.loops.member import METRICS as OF_THE_MEMBER
from pixstream.loops.member import Member
from pixstream.loops.reading import ReadingLoop
from pixstream.metrics.records import COMMIT_SECONDS, LATENCY, NOT_FOR_US, WRITTEN, failures
from pixstream.plugins.consumer import HasColumns, HasVersions

if TYPE_CHECKING:
    import threading
    from collections.abc import Sequence

    from pixstream.breaker import RetrySettings
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Client
    from pixstream.loops.decoder import Decoded
    from pixstream.loops.segments import Segment
    from pixstream.plugins.consumer import Consumer

LATENCIES = {topic: LATENCY.of(stage="write", topic=topic) for topic in EVENT_TOPICS.values()}
METRICS = (
    *OF_THE_MEMBER,
    WRITTEN,
    *from_topics(EVENT_TOPICS.values()),
    NOT_FOR_US,
    failures("write"),
    COMMIT_SECONDS,
    *LATENCIES.values(),
)
"""Those of the member, the outcomes of records, and how long it took."""


class ConsumeLoop(ReadingLoop):
    """Kafka → destination; `_take` shows the steps in the order that the guarantees need.

    Args:
        consumer: the plugin.
        client: Kafka.
        letters: makes dead letters.
        retry: back-off after transient failures, and the destination's circuit breaker.
        stop: set to end after the current batch.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what happens to new fields of a newer writer; None: they become columns.

    Attributes:
        member: the reading side.
    """

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        letters: LetterWriter,
        *,
        retry: RetrySettings,
        stop: threading.Event,
        seal_extra: SealExtra | None = None,
        contract: ContractSettings | None = None,
    ) -> None:
        self._consumer = consumer
        member = Member(consumer, client, retry, stop, METRICS, stage="write")
        super().__init__(consumer, member, client, stop)
        columns = consumer.columns if isinstance(consumer, HasColumns) else dict
        self._decoder = Decoder(consumer.name, letters, seal_extra, contract, columns)

    def _take(self, segment: Segment) -> None:
        """Process one segment of the batch; each step is durable before the next one begins.

        After a failure, every step that is not known to be complete is repeated: a letter has the
        id of its origin, the destination accepts the same offsets again, and the group's offsets
        are simply set again.
        """
        self.lines.begin()
        # A destination that remembers offsets gets them even without records: the group's offsets
        # must never be ahead of the destination's.
        if segment.records or self.member.remembers:
            batch = self._decoder.decode(segment, self.member.cluster_id, self.member.standing)
            # 1. Send the dead letters of records that are not events.
            self._post(batch.letters)
            # 2. Write the events to the destination. Letters of rejected rows are durable first.
            self._write(batch)
            self.member.drop(batch.taken)
        # 3. Commit the group's offsets.
        self.member.inbox.commit(segment.next_offsets)
        self.member.settle(segment.next_offsets)
        consumer = self._consumer
        versions = consumer.versions() if isinstance(consumer, HasVersions) else None
        self.lines.taken("written", segment.records, versions)

    def _post(self, letters: Sequence[Letter]) -> None:
        """Make letters durable, in a transaction of their own."""
        if not letters:
            return
        with self._writer.transaction() as transaction:
            for letter in letters:
                transaction.send(DLQ, *letter)
        count_letters(self.counts, letters)
        self.lines.letters(letters)

    def _write(self, batch: Decoded) -> None:
        """Write to the destination; its breaker counts its own failures, not those of Kafka."""
        from_kafka: list[Transient] = []
        rejected = 0

        def reject(rows: Sequence[int], reason: str) -> None:
            nonlocal rejected
            letters = self._decoder.rejected(batch, rows, reason)
            try:
                self._post(letters)
            except Transient as error:
                from_kafka.append(error)
                raise
            rejected += len(letters)

        began, table = time.monotonic(), batch.events.table
        with self.member.retries.attempt(from_kafka):
            self._consumer.write(batch.events, reject)
        self.counts.observe(COMMIT_SECONDS, time.monotonic() - began)
        for topic, ages in ages_in_seconds(table, time.time()).items():
            self.counts.observe_all(LATENCIES[topic], ages)
        self.counts.add(WRITTEN, table.num_rows - rejected)
        self.counts.add(NOT_FOR_US, batch.skipped)
