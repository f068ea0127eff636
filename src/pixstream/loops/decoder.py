"""Turns records from Kafka into columns of events, and the rest into dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.dead_letters import REPLAY_FOR, error_class
from pixstream.event.model import Reason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pyarrow as pa

    from pixstream.columns.decoding import Undecodable
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Record, TopicIdPartition
    from pixstream.loops.segments import Segment


class Decoded(NamedTuple):
    """A decoded batch.

    Attributes:
        events: the events for the plugin.
        letters: the dead letters of records that are not events.
        taken: number of records in the batch.
        skipped: how many of them were replayed only for another consumer.
        records: those for this plugin, in consumption order.
        bad: those of `records` that are not events.
    """

    events: EventBatch
    letters: Sequence[Letter]
    taken: int
    skipped: int
    records: Sequence[Record]
    bad: Sequence[Undecodable]

    def of_rows(self, rows: Sequence[int]) -> list[Record]:
        """Return the records that these rows of `events` come from."""
        bad = {one.index for one in self.bad}
        good = [record for index, record in enumerate(self.records) if index not in bad]
        return [good[row] for row in rows]


class Decoder:
    """Decodes the batches of one consumer or processor.

    Args:
        name: the name of the component.
        letters: makes dead letters.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what happens to new fields of a newer writer; None: they become columns.
        columns: returns the destination's additional columns, see `HasColumns`.
    """

    def __init__(
        self,
        name: str,
        letters: LetterWriter,
        seal_extra: SealExtra | None,
        contract: ContractSettings | None,
        columns: Callable[[], Mapping[str, pa.DataType]] = dict,
    ) -> None:
        self._name = name.encode()
        self._letters = letters
        self._seal_extra = seal_extra
        self._contract = contract
        self._columns = columns

    def decode(
        self, segment: Segment, cluster_id: str, standing: Mapping[TopicIdPartition, int]
    ) -> Decoded:
        """Decode the records for this component; those replayed for another one are skipped.

        Args:
            segment: records, and the next offsets of their partitions.
            cluster_id: the id of the Kafka cluster.
            standing: the next offset of each assigned partition before this segment.

        Raises:
            DestinationError: the contract forbids a newer writer's new field.
            Transient: the destination did not answer when asked for its columns.
        """
        ahead = segment.next_offsets
        mine = [record for record in segment.records if not self._for_another(record)]
        table, bad = decode(
            mine, seal_extra=self._seal_extra, contract=self._contract, columns=self._columns
        )
        begins = {p: standing[p] for p in ahead if p in standing}
        events = EventBatch(table, ahead, cluster_id, begins)
        letters = [
            self._letter(
                mine[one.index],
                ahead,
                stage="decode",
                reason=one.reason,
                message=one.message,
                error=error_class(one.reason),
            )
            for one in bad
        ]
        taken = len(segment.records)
        return Decoded(events, letters, taken, taken - len(mine), mine, bad)

    def rejected(self, batch: Decoded, rows: Sequence[int], reason: str) -> list[Letter]:
        """Return letters of the rows that the destination will never accept, and of no others."""
        return [
            self._letter(
                record,
                batch.events.next_offsets,
                stage="write",
                reason=Reason.DESTINATION_REJECTED,
                message=reason,
                error="Rejected",
            )
            for record in batch.of_rows(rows)
        ]

    def _for_another(self, record: Record) -> bool:
        return any(name == REPLAY_FOR and value != self._name for name, value in record.headers)

    def _letter(self, record: Record, ahead: Mapping[TopicIdPartition, int], **why: str) -> Letter:
        topic_id = next(p.topic_id for p in ahead if p.topic == record.topic)
        return self._letters.from_record(record, topic_id, **why)
