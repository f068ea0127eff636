"""Topics of the Kafka in memory: partitions of records and markers."""

from __future__ import annotations

import dataclasses

from pixstream.kafka.ports import (
    Record,
    TopicSpec,
)


@dataclasses.dataclass
class Transaction:
    """A transaction: open, committed or aborted."""

    state: str = "open"


@dataclasses.dataclass
class Entry:
    """A record, or (with None) the marker that ends a transaction."""

    record: Record | None
    transaction: Transaction


@dataclasses.dataclass
class Partition:
    """The log of a partition; an entry's offset is its index."""

    entries: list[Entry] = dataclasses.field(default_factory=list)
    begin: int = 0

    def stable_end(self) -> int:
        """Return the offset up to which no transaction is open."""
        for offset, entry in enumerate(self.entries):
            if entry.transaction.state == "open":
                return offset
        return len(self.entries)

    def read(self, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return committed records from `offset` on, and the position after them."""
        found: list[Record] = []
        end = self.stable_end()
        while offset < end and len(found) < limit:
            entry = self.entries[offset]
            if entry.record is not None and entry.transaction.state == "committed":
                found.append(entry.record)
            offset += 1
        while offset < end and self.entries[offset].record is None:
            offset += 1
        return found, offset

    def at(self, milliseconds: int) -> int:
        """Return the first offset with a record of this time or later; the end if there is none."""
        for offset in range(self.begin, self.stable_end()):
            record = self.entries[offset].record
            if record is not None and record.timestamp >= milliseconds:
                return offset
        return self.stable_end()


@dataclasses.dataclass
class Topic:
    """A topic with its partitions."""

    spec: TopicSpec
    topic_id: str
    partitions: list[Partition]
