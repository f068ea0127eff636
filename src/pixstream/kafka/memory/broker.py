"""The state of the Kafka in memory: topics, transactional ids, groups, and failures to come."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from pixstream.kafka import faults
from pixstream.kafka.ports import (
    TopicIdPartition,
    TopicPartition,
)

if TYPE_CHECKING:
    from collections.abc import Collection

    from pixstream.kafka.memory.inbox import MemoryInbox
    from pixstream.kafka.memory.log import Partition, Topic
    from pixstream.kafka.memory.outbox import MemoryOutbox

_LARGEST = 1_048_588


class GroupMember(NamedTuple):
    """A member of a group in one of its generations."""

    inbox: MemoryInbox
    generation: int


class MemoryBroker:
    """The broker that clients share.

    Attributes:
        now: the timestamp of the next records, in milliseconds.
    """

    def __init__(self) -> None:
        self.cluster = "memory"
        self.now = 0
        self.topics: dict[str, Topic] = {}
        self.epochs: dict[str, int] = defaultdict(int)
        self.open: dict[str, MemoryOutbox] = {}
        self.groups: dict[str, dict[str, MemoryInbox]] = defaultdict(dict)
        self.generations: dict[str, int] = defaultdict(int)
        self.committed: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
        self._failures: dict[str, list[Exception]] = defaultdict(list)

    def fail(self, operation: str, error: Exception) -> None:
        """Make the next call of an operation raise `error`.

        Args:
            operation: `outbox`, `begin`, `send`, `send_offsets`, `commit` (of a transaction),
                `poll`, `positions`, `group_commit`, `load` or `between`.
            error: the exception that it raises instead of doing anything.
        """
        self._failures[operation].append(error)

    def expire(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before this offset, as retention does."""
        self.topic(topic).partitions[partition].begin = before

    def evict(self, group: str, member: str) -> None:
        """Expire the session of a member: its partitions go to the other members."""
        self.groups[group].pop(member)
        self.generations[group] += 1

    def attempt(self, operation: str) -> None:
        """Raise the error that `fail` planned for this operation."""
        if self._failures[operation]:
            raise self._failures[operation].pop(0)

    def topic(self, name: str) -> Topic:
        """Return a topic by name.

        Raises:
            KafkaError: the topic does not exist.
        """
        if name not in self.topics:
            raise faults.fault(f"topic {name}", faults.UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION")
        return self.topics[name]

    def max_message_bytes(self, topic: str) -> int:
        """Return the size of the largest record that the topic accepts."""
        return int(self.topic(topic).spec.config.get("max.message.bytes", _LARGEST))

    def partitions(self, topics: Collection[str]) -> dict[TopicIdPartition, Partition]:
        """Return every partition of these topics."""
        return {
            TopicIdPartition(name, topic.topic_id, number): partition
            for name, topic in ((name, self.topic(name)) for name in topics)
            for number, partition in enumerate(topic.partitions)
        }
