"""What becomes of a batch on its way from Kafka: letters of what cannot go on, rows of the rest."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.dead_letters import REPLAY_FOR
from pixstream.errors import Transient
from pixstream.event.model import Reason
from pixstream.kafka.names import DLQ

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Mapping, Sequence

    from pixstream.breaker import Breaker
    from pixstream.columns.decoding import Decoded
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Outbox, Record, TopicIdPartition
    from pixstream.plugins.consumer import Consumer


_CLASSES: dict[str, str] = {
    Reason.UNDECODABLE_EVENT: "UndecodableEvent",
    Reason.SCHEMA_CONTRACT: "SchemaContract",
}


class Work(NamedTuple):
    """A batch on its way.

    Attributes:
        records: those that are for this consumer.
        decoded: what of them is events, and what is not.
        skipped: how many records were for another consumer alone.
        ahead: where each partition goes on after it.
        cluster_id: Kafka's.
        begins: where each partition went on before it.
    """

    records: Sequence[Record]
    decoded: Decoded
    skipped: int
    ahead: Mapping[TopicIdPartition, int]
    cluster_id: str
    begins: Mapping[TopicIdPartition, int]


class Delivery:
    """The steps of a batch; the loop calls them in order, each is durable when it returns.

    Args:
        consumer: the plugin.
        letters: makes dead letters.
        breaker: of the destination.
        counts: counts up `letters`.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what becomes of new fields of a newer writer; columns when absent.
    """

    def __init__(
        self,
        consumer: Consumer,
        letters: LetterWriter,
        breaker: Breaker,
        counts: Counter[str],
        seal_extra: SealExtra | None,
        contract: ContractSettings | None = None,
    ) -> None:
        self._consumer = consumer
        self._letters = letters
        self._breaker = breaker
        self._counts = counts
        self._seal_extra = seal_extra
        self._contract = contract
        self._own_name = consumer.name.encode()

    def prepare(
        self,
        records: Sequence[Record],
        ahead: Mapping[TopicIdPartition, int],
        cluster_id: str,
        standing: Mapping[TopicIdPartition, int],
    ) -> Work:
        """Decode what is for this consumer; what was replayed for another one is skipped whole.

        Args:
            records: in consumption order.
            ahead: where each partition goes on after them.
            cluster_id: Kafka's.
            standing: up to where each partition of ours was taken through before.

        Raises:
            DestinationError: a newer writer told a field that the contract forbids.
            Transient: the destination was asked for its columns and did not answer.
        """
        mine = [record for record in records if not self._for_another(record)]
        decoded = decode(
            mine,
            seal_extra=self._seal_extra,
            contract=self._contract,
            columns=self._consumer.columns,
        )
        begins = {p: standing[p] for p in ahead if p in standing}
        return Work(mine, decoded, len(records) - len(mine), ahead, cluster_id, begins)

    def write_letters(self, work: Work, outbox: Outbox) -> None:
        """What does not decode."""
        letters = [
            self._letter(
                work,
                work.records[bad.index],
                stage="decode",
                reason=bad.reason,
                message=bad.message,
                error=_CLASSES[bad.reason],
            )
            for bad in work.decoded.bad
        ]
        self._send(letters, outbox)

    def write_destination(self, work: Work, outbox: Outbox) -> None:
        """The events, but for those that the destination refuses; its breaker counts failures.

        Raises:
            Transient: the destination, or Kafka for the letters, cannot do it now.
            PixstreamError: whatever else the destination raises.
        """
        kafka_failed: list[Transient] = []
        by_place = {(r.topic, r.partition, r.offset): r for r in work.records}

        def reject(rows: Sequence[int], reason: str) -> None:
            places = work.decoded.table.select(["_topic", "_partition", "_offset"]).take(list(rows))
            refused = [by_place[tuple(place.values())] for place in places.to_pylist()]
            try:
                self.reject(work, refused, reason, outbox)
            except Transient as error:
                kafka_failed.append(error)
                raise

        self._breaker.trying()
        try:
            self._consumer.write(
                EventBatch(work.decoded.table, work.ahead, work.cluster_id, work.begins), reject
            )
        except Transient as error:
            if error not in kafka_failed:
                self._breaker.failed()
            raise
        self._breaker.succeeded()

    def reject(self, work: Work, refused: Sequence[Record], reason: str, outbox: Outbox) -> None:
        """Letters of what the destination will never take, and of nothing else."""
        letters = [
            self._letter(
                work,
                record,
                stage="write",
                reason=Reason.DESTINATION_REJECTED,
                message=reason,
                error="Rejected",
            )
            for record in refused
        ]
        self._send(letters, outbox)

    def _for_another(self, record: Record) -> bool:
        return any(name == REPLAY_FOR and value != self._own_name for name, value in record.headers)

    def _letter(self, work: Work, record: Record, **why: str) -> Letter:
        topic_id = next(p.topic_id for p in work.ahead if p.topic == record.topic)
        return self._letters.from_record(record, topic_id, **why)

    def _send(self, letters: Sequence[Letter], outbox: Outbox) -> None:
        if not letters:
            return
        outbox.begin()
        try:
            for letter in letters:
                outbox.send(DLQ, letter.key, letter.value, letter.headers)
        except BaseException:
            outbox.abort()
            raise
        outbox.commit()
        self._counts["letters"] += len(letters)
