"""The Kafka in memory, and a client of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import Transient
from pixstream.kafka import scanning
from pixstream.kafka.memory.admin import MemoryAdmin
from pixstream.kafka.memory.broker import MemoryBroker
from pixstream.kafka.memory.inbox import MemoryInbox
from pixstream.kafka.memory.outbox import MemoryOutbox

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pixstream.kafka.ports import (
        Listener,
        Record,
    )


class MemoryClient:
    """`kafka.Client` in memory."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka = kafka

    def outbox(self, transactional_id: str) -> MemoryOutbox:
        """See `kafka.Client`."""
        self._kafka.attempt("outbox")
        return MemoryOutbox(self._kafka, transactional_id)

    def inbox(
        self, *, group: str, topics: Sequence[str], member: str, listener: Listener
    ) -> MemoryInbox:
        """See `kafka.Client`."""
        self._kafka.partitions(topics)
        inbox = MemoryInbox(self._kafka, group, topics, member, listener)
        self._kafka.groups[group][member] = inbox
        self._kafka.generations[group] += 1
        return inbox

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """See `kafka.Client`."""
        self._kafka.attempt("load")
        return scanning.last_values(self.scan(topic), key_prefix)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `kafka.Client`; it does not wait for an open transaction, it raises."""
        for partition in self._kafka.topic(topic).partitions:
            if partition.stable_end() < len(partition.entries):
                raise Transient(f"topic {topic}: a transaction is left open")
            yield from partition.read(partition.begin, len(partition.entries))[0]

    def between(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        keys: Collection[bytes] | None = None,
    ) -> Iterator[Record]:
        """See `kafka.Client`."""
        self._kafka.attempt("between")
        admin = self.admin()
        ends = admin.end_offsets([topic])
        held = scanning.clipped(topic, ranges, admin.beginning_offsets([topic]), ends)
        for number, (first, stop) in held.items():
            partition = self._kafka.topic(topic).partitions[number]
            yield from scanning.within(partition.read(first, stop - first)[0], held, keys)

    def admin(self) -> MemoryAdmin:
        """See `kafka.Client`."""
        return MemoryAdmin(self._kafka)


class MemoryKafka(MemoryBroker):
    """The broker, and as many clients of it as a test needs."""

    def client(self) -> MemoryClient:
        """Return another client of this broker."""
        return MemoryClient(self)
