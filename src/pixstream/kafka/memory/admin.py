"""Topics and offsets of the Kafka in memory."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING

from pixstream.kafka import faults
from pixstream.kafka.memory.log import Partition, Topic
from pixstream.kafka.ports import (
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
    TopicState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pixstream.kafka.memory.broker import MemoryBroker


class MemoryAdmin:
    """`kafka.Admin` in memory."""

    def __init__(self, kafka: MemoryBroker) -> None:
        self._kafka = kafka

    def cluster_id(self) -> str:
        """See `kafka.Admin`."""
        return self._kafka.cluster

    def topics(self) -> Mapping[str, TopicState]:
        """See `kafka.Admin`."""
        return {
            name: TopicState(
                name, t.topic_id, len(t.partitions), t.spec.replication, dict(t.spec.config)
            )
            for name, t in self._kafka.topics.items()
        }

    def create(self, spec: TopicSpec) -> None:
        """See `kafka.Admin`."""
        if spec.name in self._kafka.topics:
            what = f"topic {spec.name} could not be created"
            raise faults.fault(what, 36, "TOPIC_ALREADY_EXISTS")
        partitions = [Partition() for _ in range(spec.partitions)]
        self._kafka.topics[spec.name] = Topic(spec, secrets.token_urlsafe(16), partitions)

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """See `kafka.Admin`."""
        found = self._kafka.topic(topic)
        found.spec = found.spec._replace(config={**found.spec.config, **config})

    def add_partitions(self, topic: str, total: int) -> None:
        """See `kafka.Admin`."""
        partitions = self._kafka.topic(topic).partitions
        if total <= len(partitions):
            what = f"topic {topic} could not get {total} partitions"
            raise faults.fault(what, 37, "INVALID_PARTITIONS")
        partitions += [Partition() for _ in range(total - len(partitions))]

    def delete(self, topic: str) -> None:
        """See `kafka.Admin`; groups lose their offsets of the topic, as in Kafka."""
        self._kafka.topic(topic)
        del self._kafka.topics[topic]
        for offsets in self._kafka.committed.values():
            for place in [p for p in offsets if p.topic == topic]:
                del offsets[place]

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.stable_end() for p, log in self._kafka.partitions(topics).items()}

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.begin for p, log in self._kafka.partitions(topics).items()}

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.at(milliseconds) for p, log in self._kafka.partitions(topics).items()}

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """See `kafka.Admin`."""
        return dict(self._kafka.committed[group])

    def group_members(self, group: str) -> Sequence[str]:
        """See `kafka.Admin`."""
        return sorted(self._kafka.groups[group])

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See `kafka.Admin`."""
        what = f"the offsets of group {group} could not be set"
        if self._kafka.groups[group]:
            raise faults.group_is_alive(what, "UNKNOWN_MEMBER_ID")
        for place in offsets:
            self._kafka.topic(place.topic)
        self._kafka.committed[group] |= offsets

    def close(self) -> None:
        """See `kafka.Admin`."""
