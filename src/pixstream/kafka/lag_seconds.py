"""The lag in seconds: how long ago the next record that a group has to read was written.

Kafka has no such number. The end offsets of each partition are noted again and again, and the time
at which the end passed the group's offset is interpolated between two notes.
"""

from __future__ import annotations

from bisect import bisect_right
from typing import TYPE_CHECKING, Final

from pixstream.kafka.ports import TopicPartition

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from pixstream.kafka.lag import PartitionLag
    from pixstream.kafka.ports import Admin

_AGES: Final = (7 * 86_400, 86_400, 6 * 3_600, 3_600, 600, 60)
"""How long ago, in seconds, the first notes are from: Kafka's own index of times knows them."""

MOST_NOTES: Final = 2_000
"""Of a partition; at one note every 15 s, more than eight hours in which the end moved."""


class EndOffsets:
    """The end offsets of partitions over time."""

    def __init__(self) -> None:
        self._times: dict[TopicPartition, list[float]] = {}
        self._ends: dict[TopicPartition, list[int]] = {}

    def look_back(self, admin: Admin, topics: Collection[str], now: float) -> None:
        """Note the ends of the last week from Kafka's index of times, for a first answer.

        Args:
            admin: Kafka.
            topics: whose partitions are noted.
            now: seconds since the epoch.

        Raises:
            KafkaError: a topic does not exist, or this principal may not see it.
            Transient: no broker answers.
        """
        for age in _AGES:
            at = now - age
            for p, offset in admin.offsets_at(topics, int(at * 1000)).items():
                self.note(TopicPartition(p.topic, p.partition), offset, at)

    def note(self, partition: TopicPartition, end: int, at: float) -> None:
        """Note an end offset.

        Args:
            partition: whose end it is.
            end: the offset after the last record.
            at: seconds since the epoch, not before those of the last call.
        """
        times = self._times.setdefault(partition, [])
        ends = self._ends.setdefault(partition, [])
        if ends and end < ends[-1]:  # the topic was deleted and recreated
            times.clear()
            ends.clear()
        if len(ends) > 1 and ends[-1] == ends[-2] == end:
            times[-1] = at  # nothing was written: the last note moves
            return
        times.append(at)
        ends.append(end)
        if len(ends) > MOST_NOTES:  # every second one of the older half is enough
            half = MOST_NOTES // 2
            del times[1:half:2], ends[1:half:2]

    def age(self, lag: PartitionLag, now: float) -> float:
        """Return how long the next record of a group has been waiting, in seconds.

        0 if there is none; at most the age of the oldest note, since nothing older is known.
        """
        if not lag.lag:
            return 0.0
        partition = TopicPartition(lag.topic, lag.partition)
        times, ends = self._times.get(partition, []), self._ends.get(partition, [])
        next_offset = lag.end - lag.lag
        later = bisect_right(ends, next_offset)
        if later == len(ends):
            return 0.0  # it was written after the last note
        if later == 0:
            return max(0.0, now - times[0])
        share = (next_offset + 1 - ends[later - 1]) / (ends[later] - ends[later - 1])
        written = times[later - 1] + share * (times[later] - times[later - 1])
        return max(0.0, now - written)


def by_partition(lags: Collection[PartitionLag]) -> Mapping[TopicPartition, int]:
    """Return the end offset of each partition."""
    return {TopicPartition(lag.topic, lag.partition): lag.end for lag in lags}
