"""Kafka → Kafka: outputs, letters, state and the input's offsets, in one transaction each batch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from pixstream.dead_letters.counting import count_letters, from_topics
from pixstream.errors import PixstreamError
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import TopicPartition
from pixstream.loops.decoder import Decoder
from pixstream.loops.member import METRICS as OF_THE_MEMBER
from pixstream.loops.member import Member
from pixstream.loops.reading import ReadingLoop
from pixstream.loops.state import State
from pixstream.metrics.records import (
    EMITTED,
    NOT_FOR_US,
    RECORDS,
    TRANSACTION_SECONDS,
    failures,
)

if TYPE_CHECKING:
    import threading

    from pixstream.breaker import RetrySettings
    from pixstream.columns.batch import EventBatch
    from pixstream.dead_letters import LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Client
    from pixstream.loops.segments import Segment
    from pixstream.plugins.processor import Processor

PROCESSED = RECORDS.of("processed", stage="process", outcome="processed", topic="")
METRICS = (
    *OF_THE_MEMBER,
    PROCESSED,
    EMITTED,
    *from_topics(EVENT_TOPICS.values()),
    NOT_FOR_US,
    failures("process"),
    TRANSACTION_SECONDS,
)
"""Those of the member; and of committed transactions: events, records made from them, letters, and
records replayed for another component."""


class ProcessLoop(ReadingLoop):
    """Kafka → Kafka; `_take` shows the steps in the order that the guarantees need.

    After a commit whose outcome is unknown (a `KafkaError`) the process ends. The next one opens
    its writer, which settles the transaction, and reads the group's offsets.

    Args:
        processor: the plugin.
        client: Kafka.
        letters: makes dead letters.
        retry: back-off after transient failures, and the processor's circuit breaker.
        stop: set to end after the current batch.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what happens to new fields of a newer writer; None: they become columns.

    Attributes:
        member: the reading side.
    """

    def __init__(
        self,
        processor: Processor,
        client: Client,
        letters: LetterWriter,
        *,
        retry: RetrySettings,
        stop: threading.Event,
        seal_extra: SealExtra | None = None,
        contract: ContractSettings | None = None,
    ) -> None:
        self._processor = processor
        self._state = State(processor, client)
        member = Member(
            processor,
            client,
            retry,
            stop,
            METRICS,
            stage="process",
            reassigned=self._state.distrust,
        )
        super().__init__(processor, member, client, stop)
        self._decoder = Decoder(processor.name, letters, seal_extra, contract)

    def _take(self, segment: Segment) -> None:
        """Process one segment of the batch, whole or not at all."""
        self.lines.begin()
        batch = self._decoder.decode(segment, self.member.cluster_id, self.member.standing)
        outputs: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        events = batch.events.table.num_rows
        if events:
            # 1. Restore the state of our partitions, as the last committed transaction left it.
            self._state.restore(
                [TopicPartition(p.topic, p.partition) for p in self.member.standing]
            )
            # 2. Make records of the events. From here on the state is ahead of Kafka.
            self._state.distrust()
            outputs = self._process(batch.events)
        # 3. Send all of it in one transaction, which is as short as possible.
        began = time.monotonic()
        with self._writer.transaction() as transaction:
            for output in outputs:
                transaction.send(*output)
            for letter in batch.letters:
                transaction.send(DLQ, *letter)
            if events:
                self._state.write(transaction)
            # Kafka refuses if the group went on without us: other members have these records then.
            transaction.send_offsets(segment.next_offsets, self.member.inbox.membership())
        self.counts.observe(TRANSACTION_SECONDS, time.monotonic() - began)
        # 4. Kafka has committed it: the state in memory is valid again.
        if events:
            self._state.trust()
        self.member.drop(batch.taken)
        self.member.settle(segment.next_offsets)
        self.lines.letters(batch.letters)
        self.lines.taken("processed", segment.records)
        self.lines.emitted(self._writer.spans())
        self.counts.add(PROCESSED, events)
        self.counts.add(EMITTED, len(outputs))
        count_letters(self.counts, batch.letters)
        self.counts.add(NOT_FOR_US, batch.skipped)

    def _process(self, events: EventBatch) -> list[tuple[str, bytes | None, bytes | None, Headers]]:
        """Return what the processor emits; its breaker counts its failures."""
        outputs: list[tuple[str, bytes | None, bytes | None, Headers]] = []
        name, declared = self._processor.name, self._processor.writes

        def emit(topic: str, key: bytes | None, value: bytes | None, headers: Headers = ()) -> None:
            if topic not in declared:
                raise PixstreamError(
                    f"processor {name} emits to topic {topic}, which its class does not declare: "
                    f"add it to `writes`; declared: {', '.join(declared) or 'none'}"
                )
            outputs.append((topic, key, value, headers))

        with self.member.retries.attempt():
            self._processor.process(events, emit)
        return outputs
