"""The lag of each consumer group: per partition, the offsets it has yet to read.

The end is the last stable offset: records of open or aborted transactions do not count before
their transaction ends. Control records do count until the group's committed offset has passed
them, so the lag of a busy topic is an upper bound and that of a quiet one is exact.
"""

from __future__ import annotations

import time
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple, TypeVar

from pixstream.errors import Transient
from pixstream.kafka.ports import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from pixstream.kafka.ports import Admin

_COORDINATOR_SECONDS: Final = 15.0
_PAUSE_SECONDS: Final = 0.2
T = TypeVar("T")


class PartitionLag(NamedTuple):
    """The lag of one group in one partition, in offsets.

    Attributes:
        committed: the next offset that the group reads; None: it has committed nothing yet, and
            has the whole partition still to read.
        beginning: the first offset that the partition still has.
        end: the offset after the last stable record.
    """

    group: str
    topic: str
    partition: int
    committed: int | None
    beginning: int
    end: int

    @property
    def lag(self) -> int:
        """Offsets still to read; 0 also for a committed offset beyond the end (see `alarm`)."""
        start = self.beginning if self.committed is None else self.committed
        return max(0, self.end - start)

    @property
    def alarm(self) -> str:
        """What needs a person's attention; empty when all is well."""
        if self.committed is None:
            return ""
        if self.committed > self.end:
            return "beyond the end: was the topic deleted and recreated?"
        if self.committed < self.beginning:
            return f"{self.beginning - self.committed} offsets expired unread"
        return ""


def lag(admin: Admin, groups: Mapping[str, Collection[str]]) -> list[PartitionLag]:
    """Return the lag of each group in every partition of its topics, in order.

    Raises:
        KafkaError: a topic does not exist, or this principal may not see it or the group.
        Transient: no broker answers, or the group coordinator takes too long to start.
    """
    topics = {topic for group_topics in groups.values() for topic in group_topics}
    # Committed offsets first: what is written and committed in between then never looks like an
    # offset beyond the end.
    committed = {group: patiently(partial(admin.group_offsets, group)) for group in groups}
    beginnings = {
        TopicPartition(p.topic, p.partition): offset
        for p, offset in admin.beginning_offsets(topics).items()
    }
    ends = sorted(admin.end_offsets(topics).items())
    return [
        PartitionLag(
            group=group,
            topic=p.topic,
            partition=p.partition,
            committed=committed[group].get(TopicPartition(p.topic, p.partition)),
            beginning=beginnings.get(TopicPartition(p.topic, p.partition), 0),
            end=end,
        )
        for group, group_topics in groups.items()
        for p, end in ends
        if p.topic in group_topics
    ]


def totals(partitions: Iterable[PartitionLag]) -> dict[str, int]:
    """Return the lag of each group over all its partitions."""
    result: dict[str, int] = {}
    for partition in partitions:
        result[partition.group] = result.get(partition.group, 0) + partition.lag
    return result


def of_topic(admin: Admin, groups: Mapping[str, Collection[str]], topic: str) -> dict[str, int]:
    """Return the lag in one topic, per group that reads it.

    Raises:
        KafkaError: see `lag`.
    """
    readers = {group: [topic] for group, topics in groups.items() if topic in topics}
    return totals(lag(admin, readers)) if readers else {}


def patiently(ask: Callable[[], T]) -> T:
    """Ask about a group until Kafka answers; a broker that has just started loads groups first.

    Raises:
        Transient: no answer within 15 s.
    """
    deadline = time.monotonic() + _COORDINATOR_SECONDS
    while True:
        try:
            return ask()
        except Transient:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PAUSE_SECONDS)
