"""The reading side of a loop: a member of a consumer group, and the records that it has buffered.

Consumers and processors read in the same way: as static members, read_committed, in batches, from a
known offset. Records wait in a buffer until the loop has processed them. When a partition moves to
another member, its buffered records are dropped, and that member reads them again.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from pixstream.errors import PixstreamError, TopicChangedError, Transient
from pixstream.event.model import SCHEMA_VERSION
from pixstream.kafka import faults
from pixstream.kafka.names import group_id
from pixstream.kafka.ports import Listener, TopicIdPartition
from pixstream.loops import retries
from pixstream.loops.assignment import Assignment
from pixstream.loops.retries import RetryPolicy
from pixstream.loops.segments import segments
from pixstream.metrics import Counts
from pixstream.metrics.records import (
    BACKPRESSURE,
    BATCH_BYTES,
    BATCH_RECORDS,
    BATCHES,
    BYTES,
    CONSUMED,
    FRESHNESS,
    IN_HAND,
    INTERRUPTED,
    LAST_SUCCESS,
    REBALANCES,
    RELEASED,
    outcomes,
)

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pixstream.breaker import RetrySettings
    from pixstream.kafka.ports import Client, Inbox, Record, TopicPartition
    from pixstream.loops.segments import Segment
    from pixstream.metrics import Metric
    from pixstream.plugins.reader import Reader

POLL_SECONDS = 0.1
POLL_RECORDS = 2000

RECORDS_OF_A_BATCH = BATCH_RECORDS.of(stage="consume")
BYTES_OF_A_BATCH = BATCH_BYTES.of(stage="consume")
METRICS = (
    CONSUMED,
    RELEASED,
    IN_HAND,
    INTERRUPTED,
    BATCHES,
    RECORDS_OF_A_BATCH,
    BYTES_OF_A_BATCH,
    FRESHNESS,
    LAST_SUCCESS,
    REBALANCES,
    BACKPRESSURE,
    *retries.METRICS,
)
"""Records read, batches processed, and the metrics of `retries`.

FRESHNESS compares the clocks of Kafka's producer and this machine, which may disagree.
"""


class Member:
    """Reads the topics of one component as a member of its group.

    Args:
        reader: the plugin: its name, topics and limits.
        client: Kafka.
        retry: back-off after transient failures, and the plugin's circuit breaker.
        stop: set to end after the current batch.
        metrics: the metrics of the loop, including `METRICS`.
        stage: what a call of the plugin is in metrics: write or process.
        reassigned: called after partitions were assigned or revoked and the buffer was updated.

    Attributes:
        retries: handles failures, and holds the state that people see.
        counts: the values of `metrics`.
        buffer: records read and not yet processed, in consumption order.
        standing: the next offset of each assigned partition, before which all is processed.
    """

    def __init__(
        self,
        reader: Reader,
        client: Client,
        retry: RetrySettings,
        stop: threading.Event,
        metrics: Sequence[Metric],
        *,
        stage: str,
        reassigned: Callable[[], None] = lambda: None,
    ) -> None:
        self.counts = Counts(*metrics)
        self.counts.set(IN_HAND, 0)
        self.buffer: list[Record] = []
        self.standing: dict[TopicIdPartition, int] = {}
        self._reader = reader
        self._client = client
        self._stop = stop
        self._reassigned = reassigned
        self.retries = RetryPolicy(reader.name, retry, self.counts, stage)
        self._assignment = Assignment(reader, client, retry)
        self._inbox: Inbox | None = None
        self._newest = SCHEMA_VERSION
        # The group or the destination does not know the offsets of these partitions yet, and must
        # get them even if no record arrives.
        self._unsettled: set[TopicIdPartition] = set()
        self._topic_ids: dict[str, str] = {}
        # Where partitions stood that were revoked, for the explanation of a recreated topic: its
        # partitions may be revoked before anything shows that it was recreated.
        self._left: dict[TopicIdPartition, int] = {}

    @property
    def inbox(self) -> Inbox:
        """The group membership itself."""
        assert self._inbox is not None  # noqa: S101  `join` comes first
        return self._inbox

    @property
    def remembers(self) -> bool:
        """Whether the destination remembers offsets itself."""
        return self._assignment.remembers

    @property
    def cluster_id(self) -> str:
        """The id of the Kafka cluster."""
        return self._assignment.cluster_id

    def join(self) -> None:
        """Record where a cold start would begin, then join the group."""
        name, replica = self._reader.name, self._reader.replica
        self._assignment.look()
        self._inbox = self._client.inbox(
            group=group_id(name),
            topics=self._assignment.topics,
            member=f"{name}-{replica}",
            listener=Listener(self._assigned, self._revoked),
        )
        self.retries.works()

    def close(self) -> None:
        """Leave, but keep the static membership."""
        if self._inbox is not None:
            self._inbox.close()

    def step(self, take: Callable[[Segment], None]) -> None:
        """Read one batch and let the loop process it.

        Raises:
            TopicChangedError: an offset does not exist; the message names the command that decides.
        """
        try:
            self.fill()
            self.bring(take)
        except TopicChangedError as error:
            raise self._assignment.explained(error, self._read_up_to()) from error

    def fill(self) -> None:
        """Poll until the batch is full or old enough, or until `stop`; wait out outages."""
        limits = self._reader.batch
        deadline = time.monotonic() + limits.seconds
        size = 0
        while not self._stop.is_set():
            room = min(POLL_RECORDS, limits.rows - len(self.buffer))
            try:
                records = self.inbox.poll(room, POLL_SECONDS)
            except Transient as error:
                self.wait(error, until_polled=True)
                continue
            if records and not self.buffer:
                deadline = time.monotonic() + limits.seconds
            self._accept(records)
            size += sum(len(r.value or b"") + len(r.key or b"") for r in records)
            if len(self.buffer) >= limits.rows or size >= limits.bytes:
                return
            if time.monotonic() >= deadline:
                return

    def bring(self, take: Callable[[Segment], None]) -> None:
        """Let `take` process the buffer, segment by segment, until it succeeds or `stop` is set.

        After a transient failure, all that is not known to be done is tried again.
        """
        while True:
            try:
                for segment in self._segments():
                    with self._accounting():
                        take(segment)
                    self._newest = segment.version
            except Transient as error:
                if not self.wait(error):
                    return
            else:
                self.retries.works()
                return

    @contextmanager
    def _accounting(self) -> Iterator[None]:
        """Show all that becomes of a segment at once.

        Records that a failed attempt already counted, and that are still here, get another outcome
        later, so they count as accepted again.
        """
        counts = self.counts, self._reader.counts
        with self.counts.together(self._reader.counts):
            before, held = outcomes(*counts), len(self.buffer)
            try:
                yield
            except PixstreamError:
                again = outcomes(*counts) - before - (held - len(self.buffer))
                self.counts.add(CONSUMED, again)
                raise

    def drop(self, count: int) -> None:
        """Drop the first records of the buffer, which are processed."""
        if count:
            self._count(self.buffer[:count])
        del self.buffer[:count]
        self.counts.set(IN_HAND, len(self.buffer))

    def _count(self, records: Sequence[Record]) -> None:
        """Count a batch that is processed."""
        self.counts.add(BATCHES)
        size = 0
        for topic, run in groupby(records, key=attrgetter("topic")):
            here = sum(len(r.value or b"") + len(r.key or b"") for r in run)
            self.counts.add(BYTES.of(short=BYTES.short, stage="consume", topic=topic), here)
            size += here
        self.counts.observe(RECORDS_OF_A_BATCH, len(records))
        self.counts.observe(BYTES_OF_A_BATCH, size)
        # Kafka accepts a record without a timestamp (-1) from any other writer.
        stamped = [r.timestamp for r in records if r.timestamp > 0]
        if stamped:
            self.counts.set(FRESHNESS, max(0.0, round(time.time() - min(stamped) / 1000, 3)))

    def settle(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """Note that the group knows these next offsets."""
        self.standing.update(offsets)
        self._unsettled.difference_update(offsets)
        self.counts.set(LAST_SUCCESS, round(time.time(), 3))

    def wait(self, error: Transient, *, until_polled: bool = False) -> bool:
        """Wait as a paused but polling member of the group; return False when stopping.

        Args:
            error: the failure.
            until_polled: a poll failed; a successful one ends the wait.
        """
        began = time.monotonic()
        deadline = began + self.retries.after(error)
        self.inbox.pause()
        try:
            # Poll at least once, however short the wait: a rebalance must not be missed.
            while not self._stop.is_set():
                if self._keep_alive() and until_polled:
                    return True
                if time.monotonic() >= deadline:
                    return True
        finally:
            self.counts.add(BACKPRESSURE, time.monotonic() - began)
            self.inbox.resume()
        return False

    def _segments(self) -> Iterator[Segment]:
        """Yield what was read, with the next offsets after it.

        Offsets without a record (transaction markers) are passed on too. Otherwise a remembered
        offset could expire while only markers arrive.
        """
        ahead = {
            p: offset
            for p, offset in self.inbox.positions().items()
            if offset > self.standing.get(p, -1) or p in self._unsettled
        }
        if ahead:
            yield from segments(self.buffer[:], ahead, self._newest)

    def _keep_alive(self) -> bool:
        """Poll once while paused; return False if Kafka, or the destination, does not answer.

        Partitions that are assigned during the poll are not paused yet: their records are kept.
        """
        try:
            records = self.inbox.poll(1, POLL_SECONDS)
        except Transient:
            self._stop.wait(POLL_SECONDS)
            return False
        self._accept(records)
        return True

    def _accept(self, records: Sequence[Record]) -> None:
        self.buffer.extend(records)
        with self.counts.together():
            self.counts.add(CONSUMED, len(records))
            self.counts.set(IN_HAND, len(self.buffer))

    def _assigned(
        self,
        partitions: Collection[TopicIdPartition],
        committed: Mapping[TopicIdPartition, int],
    ) -> Mapping[TopicIdPartition, int]:
        self.retries.check_open()
        starts = self._assignment.starts(partitions, committed)
        for partition in partitions:  # a destination that remembers offsets has noticed already
            if self._topic_ids.get(partition.topic, partition.topic_id) != partition.topic_id:
                raise faults.recreated(partition.topic)
        self._topic_ids.update({p.topic: p.topic_id for p in partitions})
        self._unsettled.update(p for p, start in starts.items() if not start.settled)
        offsets = {p: start.offset for p, start in starts.items()}
        self.standing.update(offsets)
        self.counts.add(REBALANCES)
        self._reassigned()
        return offsets

    def _revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Forget partitions that another member owns now; it reads their buffered records again."""
        gone = {(p.topic, p.partition) for p in partitions}
        kept = [r for r in self.buffer if (r.topic, r.partition) not in gone]
        with self.counts.together():
            self.counts.add(RELEASED, len(self.buffer) - len(kept))
            self.counts.set(IN_HAND, len(kept))
        self.buffer = kept
        for known in [p for p in self.standing if (p.topic, p.partition) in gone]:
            self._left[known] = self.standing.pop(known)
            self._unsettled.discard(known)
        self._reassigned()

    def _read_up_to(self) -> Mapping[TopicIdPartition, int]:
        """Return the next offset of each partition, after its last buffered record."""
        assigned = {p.topic for p in self.standing}
        left = {p: offset for p, offset in self._left.items() if p.topic not in assigned}
        standing = {**left, **self.standing}
        for record in self.buffer:
            place = TopicIdPartition(record.topic, self._topic_ids[record.topic], record.partition)
            standing[place] = max(standing.get(place, 0), record.offset + 1)
        return standing
