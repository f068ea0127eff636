"""A processor for the storm: it numbers the events of each partition, so that any error shows.

Each event becomes one record of `pix.chaos`: its key is the event's partition and offset in Kafka,
its value the event's number in its partition. The keys show a lost or duplicated batch. The numbers
show a state that was lost, or kept although its batch was not committed.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection, Iterable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from pixstream import dead_letters
from pixstream.kafka.names import DLQ, EVENT_TOPICS
from pixstream.kafka.ports import Client, TopicPartition
from pixstream.kafka.topics.declared import TopicSettings
from pixstream.plugins.processor import Emit, Processor, StateRecord

if TYPE_CHECKING:
    from pixstream.columns.batch import EventBatch

TOPIC = "pix.chaos"

_READ, _DONE = 1, 2


@dataclasses.dataclass(kw_only=True)
class Tally(Processor):
    """A processor that numbers the events of each partition."""

    type: str = "chaos_tally"
    writes: ClassVar[Mapping[str, TopicSettings]] = MappingProxyType(
        {TOPIC: TopicSettings(partitions=3)}
    )

    def __post_init__(self) -> None:
        """Start without a partition."""
        super().__post_init__()
        self._numbers: dict[TopicPartition, int] = {}
        self._changed: set[TopicPartition] = set()

    def restore(self, partitions: Collection[TopicPartition], state: Iterable[StateRecord]) -> None:
        """See `HasState`."""
        self._numbers = dict.fromkeys(partitions, 0)
        self._changed.clear()
        for place, _, value in state:
            self._numbers[place] = int(value or 0)

    def process(self, batch: EventBatch, emit: Emit) -> None:
        """See `Processor`."""
        rows = batch.table.select(["_topic", "_partition", "_offset"])
        for topic, partition, offset in zip(*(c.to_pylist() for c in rows.columns), strict=True):
            place = TopicPartition(topic, partition)
            self._numbers[place] += 1
            self._changed.add(place)
            key = f"{topic}/{partition}/{offset}".encode()
            emit(TOPIC, key, b"%d" % self._numbers[place])

    def checkpoint(self) -> Iterable[StateRecord]:
        """See `HasState`."""
        changed, self._changed = self._changed, set()
        return [StateRecord(place, b"events", b"%d" % self._numbers[place]) for place in changed]


class Tallied:
    """The processor's output, compared with all records in the topics of events.

    Args:
        client: Kafka client.
        name: name of the component, for its letters.

    Attributes:
        lost: records that became neither an output nor a letter.
        duplicates: second outputs or letters of a record, and numbers that were used twice.
        unknown: outputs and letters of records that do not exist.
    """

    def __init__(self, client: Client, name: str) -> None:
        self.duplicates = self.unknown = 0
        self._seen: dict[TopicPartition, bytearray] = {}
        for topic in EVENT_TOPICS.values():
            for record in client.scan(topic):
                self._mark(self._seen, TopicPartition(topic, record.partition), record.offset)
        numbers: dict[TopicPartition, bytearray] = {}
        for record in client.scan(TOPIC):
            topic, partition, offset = (record.key or b"").decode().split("/")
            place = TopicPartition(topic, int(partition))
            self._done(place, int(offset))
            self.duplicates += self._mark(numbers, place, int(record.value or b"0"))
        for letter in dead_letters.views(client.scan(DLQ)):
            if letter.component == name:
                origin = letter.headers
                place = TopicPartition(origin["origin-topic"], int(origin["origin-partition"]))
                self._done(place, int(origin["origin-offset"]))
        self.lost = sum(marks.count(_READ) for marks in self._seen.values())

    def _done(self, place: TopicPartition, offset: int) -> None:
        marks = self._seen.get(place, bytearray())
        mark = marks[offset] if offset < len(marks) else 0
        self.unknown += not mark
        self.duplicates += mark == _DONE
        if mark:
            marks[offset] = _DONE

    def _mark(
        self, marks: dict[TopicPartition, bytearray], place: TopicPartition, number: int
    ) -> bool:
        """Mark a number; return whether it was marked before."""
        found = marks.setdefault(place, bytearray())
        found.extend(bytes(max(0, number + 1024 - len(found))))
        before, found[number] = found[number], _READ
        return bool(before)
