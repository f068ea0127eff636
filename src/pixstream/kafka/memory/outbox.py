"""Writing to the Kafka in memory in transactions."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pixstream.errors import KafkaError
from pixstream.kafka import faults
from pixstream.kafka.memory.broker import GroupMember
from pixstream.kafka.memory.log import Entry, Partition, Transaction
from pixstream.kafka.partitioner import partition_of
from pixstream.kafka.ports import (
    Membership,
    Record,
    Span,
    TopicIdPartition,
    TopicPartition,
)
from pixstream.kafka.record_limits import RecordLimits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.event.record import Headers
    from pixstream.kafka.memory.broker import MemoryBroker


class MemoryOutbox:
    """`kafka.Outbox` in memory."""

    def __init__(self, kafka: MemoryBroker, transactional_id: str) -> None:
        self._kafka = kafka
        self._id = transactional_id
        former = kafka.open.get(transactional_id)
        if former is not None:
            former.end("aborted")
        kafka.epochs[transactional_id] += 1
        self._epoch = kafka.epochs[transactional_id]
        self._limits = RecordLimits(kafka.max_message_bytes)
        self._transaction: Transaction | None = None
        self._touched: list[Partition] = []
        self._offsets: dict[tuple[str, TopicPartition], int] = {}
        self._spans: dict[TopicPartition, Span] = {}
        kafka.open[transactional_id] = self

    def begin(self) -> None:
        """See `kafka.Outbox`."""
        self._check("begin")
        self._transaction, self._touched, self._offsets = Transaction(), [], {}
        self._spans = {}

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Outbox`."""
        try:
            self._check("send")
            self._limits.check(topic, key, value, headers)
        except Exception:
            self.end("aborted")
            raise
        transaction = self._transaction
        if transaction is None:
            raise KafkaError(f"transactional id {self._id}: no transaction is open")
        partitions = self._kafka.topic(topic).partitions
        number = partition_of(key or secrets.token_bytes(4), len(partitions))
        partition = partitions[number]
        offset = len(partition.entries)
        record = Record(topic, number, offset, self._kafka.now, key, value, list(headers))
        partition.entries.append(Entry(record, transaction))
        place = TopicPartition(topic, number)
        span = self._spans.get(place)
        self._spans[place] = Span(offset, offset, 1) if span is None else span.and_at(offset)
        if all(partition is not touched for touched in self._touched):
            self._touched.append(partition)

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """See `kafka.Outbox`."""
        assert isinstance(membership, GroupMember)  # noqa: S101  MemoryInbox returns no other type
        group = membership.inbox.group
        try:
            self._check("send_offsets")
            membership.inbox.check_member(membership.generation)
        except Exception:
            self.end("aborted")
            raise
        for place, offset in offsets.items():
            self._offsets[group, TopicPartition(place.topic, place.partition)] = offset

    def pending(self, group: str, partition: TopicPartition) -> bool:
        """Return whether the open transaction moves the group's offset of this partition."""
        return self._transaction is not None and (group, partition) in self._offsets

    def commit(self) -> None:
        """See `kafka.Outbox`."""
        try:
            self._check("commit")
        except Exception:
            self.end("aborted")
            raise
        self.end("committed")

    def spans(self) -> Mapping[TopicPartition, Span]:
        """See `kafka.Outbox`."""
        return self._spans

    def abort(self) -> None:
        """See `kafka.Outbox`."""
        self.end("aborted")

    def close(self) -> None:
        """See `kafka.Outbox`."""
        self.end("aborted")

    def end(self, state: str) -> None:
        """Write the markers of the open transaction, if there is one."""
        if self._transaction is not None:
            self._transaction.state = state
            for partition in self._touched:
                partition.entries.append(Entry(None, self._transaction))
            for (group, place), offset in self._offsets.items() if state == "committed" else ():
                self._kafka.committed[group][place] = offset
        self._transaction = None

    def _check(self, operation: str) -> None:
        if self._epoch != self._kafka.epochs[self._id]:
            raise faults.fenced(f"transactional id {self._id}", "PRODUCER_FENCED")
        self._kafka.attempt(operation)
