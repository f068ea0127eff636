"""The topics of a trace: records of a key between two times, and records at known places.

Where a key's records are follows from the key (`kafka.partitioner`), when they were sent from
Kafka's time index, so that only a part of one partition of each topic is read.
"""

from __future__ import annotations

from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, NamedTuple

from pixstream.kafka.partitioner import partition_of, partitions_ever
from pixstream.trace.question import BEFORE, Place

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Callable, Collection, Iterable, Mapping

    from pixstream.kafka.ports import Admin, Client, Record, TopicIdPartition
    from pixstream.trace.question import Window

MOST_RECORDS = 500_000
"""The most records of one topic that are read for one question: about two seconds."""


class Held(NamedTuple):
    """What Kafka holds of one topic: its id, and first and next offset of each partition."""

    topic_id: str
    begins: Mapping[int, int]
    ends: Mapping[int, int]


class Found(NamedTuple):
    """Records, and what was left out of the time asked for because it had too many; or empty."""

    records: list[Record]
    left_out: str


class Topics:
    """What is read from Kafka; the offsets that it holds are asked once.

    Args:
        client: the Kafka client.
        admin: opened from it.
    """

    def __init__(self, client: Client, admin: Admin) -> None:
        self._client = client
        self._admin = admin
        self._held: dict[str, Held] = {}

    def held(self, topic: str) -> Held:
        """Return what Kafka holds of a topic.

        Raises:
            KafkaError: it does not exist, or may not be read.
            Transient: Kafka does not answer.
        """
        if topic not in self._held:
            begins = self._admin.beginning_offsets([topic])
            ends = self._admin.end_offsets([topic])
            topic_id = next((p.topic_id for p in begins), "")
            self._held[topic] = Held(topic_id, _numbered(begins), _numbered(ends))
        return self._held[topic]

    def of_keys(
        self,
        topic: str,
        keys: Collection[bytes],
        window: Window,
        elsewhere: Collection[int] = (),
        *,
        first: dt.datetime | None = None,
        ever: bool = False,
    ) -> Callable[[], Found]:
        """Return a reading of the keys' records in a time; calling it reads.

        Args:
            topic: the topic.
            keys: of the records.
            window: the records' times in Kafka.
            elsewhere: further partitions, where the keys' records are known to be.
            first: about when the records were sent: where there are too many, those from shortly
                before are read; None: the newest.
            ever: read instead where the keys would have been if the topic had had fewer partitions.
        """
        count = len(self.held(topic).begins)
        if ever:
            numbers = {number for key in keys for number in partitions_ever(key, count)[1:]}
        else:
            numbers = {partition_of(key, count) for key in keys} | {*elsewhere}
        ranges, left_out = self._ranges(topic, numbers, window, first)
        return lambda: Found([*self._client.between(topic, ranges, keys)], left_out)

    def whole(self, topic: str, window: Window) -> Found:
        """Return all records of a topic in a time, the newest if there are too many."""
        ranges, left_out = self._ranges(topic, self.held(topic).begins, window)
        return Found([*self._client.between(topic, ranges)], left_out)

    def after(self, topic: str, offsets: Mapping[int, int], window: Window) -> Found:
        """Return the records of a topic in a time that are at these offsets or later."""
        ranges, left_out = self._ranges(topic, self.held(topic).begins, window, after=offsets)
        return Found([*self._client.between(topic, ranges)], left_out)

    def at(self, places: Iterable[Place]) -> list[Record]:
        """Return the records at these places, where Kafka still has them."""
        rounds: dict[str, list[dict[int, tuple[int, int]]]] = defaultdict(list)
        for topic, number, offset in dict.fromkeys(places):
            if number not in self.held(topic).begins:
                continue
            free = [ranges for ranges in rounds[topic] if number not in ranges]
            if not free:
                free = [{}]
                rounds[topic] += free
            free[0][number] = (offset, offset + 1)
        return [
            record
            for topic, some in rounds.items()
            for ranges in some
            for record in self._client.between(topic, ranges)
        ]

    def _ranges(
        self,
        topic: str,
        numbers: Iterable[int],
        window: Window,
        first: dt.datetime | None = None,
        *,
        after: Mapping[int, int] | None = None,
    ) -> tuple[dict[int, tuple[int, int]], str]:
        """Return the offsets of a time in some partitions, and what was left out, if any."""
        starts, stops = self._at_time(topic, window.start), self._at_time(topic, window.stop)
        after = after or {}
        ranges = {n: (max(starts[n], after.get(n, 0)), stops[n]) for n in numbers if n in starts}
        most = MOST_RECORDS // max(len(ranges), 1)
        if all(stop - start <= most for start, stop in ranges.values()):
            return ranges, ""
        if first is None:
            cut = {n: (max(start, stop - most), stop) for n, (start, stop) in ranges.items()}
            return cut, f"only the newest {MOST_RECORDS:,} records"
        begins = self._at_time(topic, first - BEFORE)
        cut = {}
        for number, (start, stop) in ranges.items():
            begin = max(start, min(begins[number], stop - most))
            cut[number] = (begin, min(begin + most, stop))
        return cut, f"only {MOST_RECORDS:,} records, from {first - BEFORE:%H:%M} on"

    def _at_time(self, topic: str, time: dt.datetime) -> dict[int, int]:
        milliseconds = max(int(time.timestamp() * 1000), 0)
        return _numbered(self._admin.offsets_at([topic], milliseconds))


def together(readings: Iterable[Callable[[], Found | None]]) -> list[Found | None]:
    """Read several topics at the same time; their order stays."""
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda reading: reading(), readings))


def place(record: Record) -> Place:
    """Return where a record is."""
    return Place(record.topic, record.partition, record.offset)


def _numbered(offsets: Mapping[TopicIdPartition, int]) -> dict[int, int]:
    return {partition.partition: offset for partition, offset in offsets.items()}
