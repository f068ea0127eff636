"""Kafka → destination: letters, then the destination, then the group's offsets, batch by batch."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.decoding import decode
from pixstream.errors import DestinationError, Transient
from pixstream.event import Reason
from pixstream.kafka import Listener
from pixstream.kafka.acls import group_id, transactional_id
from pixstream.kafka.topics import DLQ, EVENT_TOPICS
from pixstream.plugin import Consumer, EventBatch, TopicIdPartition

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Mapping, Sequence

    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.evolution import SealExtra
    from pixstream.kafka import Client, Inbox, Outbox, Record, TopicPartition

log = logging.getLogger("pixstream.ingest")

POLL_SECONDS = 0.1
POLL_RECORDS = 2000


class ConsumeLoop:
    """Kafka → destination.

    Args:
        consumer: the plugin.
        client: Kafka.
        letters: makes dead letters.
        retry: back-off of transient failures.
        stop: set to end after the batch in hand.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
    """

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        letters: LetterWriter,
        *,
        retry: BackoffSettings,
        stop: threading.Event,
        seal_extra: SealExtra | None = None,
    ) -> None:
        self._consumer = consumer
        self._client = client
        self._letters = letters
        self._backoff = Backoff(retry)
        self._stop = stop
        self._seal_extra = seal_extra
        self._buffer: list[Record] = []
        self._committed: dict[TopicIdPartition, int] = {}
        self._topic_ids: dict[str, str] = {}
        self._cluster_id = ""
        self._remembers = type(consumer).offsets is not Consumer.offsets
        self._unknown: set[TopicIdPartition] = set()
        self._cold: Mapping[TopicIdPartition, int] = {}
        self.state = "starting"
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Consume and write until `stop` is set; what is buffered then is written first.

        Raises:
            PixstreamError: what waiting does not cure; nothing of the batch is committed.
        """
        name, replica = self._consumer.name, self._consumer.replica
        topics = [EVENT_TOPICS[category] for category in self._consumer.categories]
        outbox = self._client.outbox(transactional_id(name, replica))
        admin = self._client.admin()
        try:
            self._cluster_id = admin.cluster_id()
            self._cold = admin.beginning_offsets(topics)
            self._topic_ids = {p.topic: p.topic_id for p in self._cold}
            if self._consumer.start == "latest":
                self._cold = admin.end_offsets(topics)
        finally:
            admin.close()
        inbox = self._client.inbox(
            group=group_id(name),
            topics=topics,
            member=f"{name}-{replica}",
            listener=Listener(self._assigned, self._revoked),
        )
        try:
            self.state = "ready"
            while not self._stop.is_set():
                self._fill(inbox)
                self._flush(inbox, outbox)
        finally:
            inbox.close()
            outbox.close()
            self._consumer.close()

    def _assigned(
        self,
        partitions: Collection[TopicIdPartition],
        committed: Mapping[TopicIdPartition, int],
    ) -> Mapping[TopicIdPartition, int]:
        """The destination's word first, then the group's, then the configured cold start."""
        wanted = self._consumer.offsets(partitions, self._cluster_id)
        if self._remembers:
            self._unknown.update(p for p in partitions if p not in wanted)
            forgotten = [p for p in partitions if p not in wanted and p in committed]
            if forgotten:
                raise _forgotten(self._consumer.name, forgotten[0], committed[forgotten[0]])
        starts: dict[TopicIdPartition, int] = {}
        for partition in partitions:
            start = wanted.get(partition, committed.get(partition))
            if start is None:
                start = self._cold.get(partition, 0)
                log.info(
                    "%s: cold start of %s-%d at offset %d (start: %s)",
                    self._consumer.name,
                    partition.topic,
                    partition.partition,
                    start,
                    self._consumer.start,
                )
            starts[partition] = start
            self._topic_ids[partition.topic] = partition.topic_id
        self._committed.update(starts)
        return starts

    def _revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Another member owns them now: what is buffered of them is theirs to read again."""
        gone = {(p.topic, p.partition) for p in partitions}
        self._buffer = [r for r in self._buffer if (r.topic, r.partition) not in gone]
        for known in [p for p in self._committed if (p.topic, p.partition) in gone]:
            del self._committed[known]
            self._unknown.discard(known)

    def _fill(self, inbox: Inbox) -> None:
        """Poll until the batch is full or old enough, or until `stop`."""
        limits = self._consumer.batch
        deadline = time.monotonic() + limits.seconds
        size = 0
        while not self._stop.is_set():
            room = min(POLL_RECORDS, limits.rows - len(self._buffer))
            records = inbox.poll(room, POLL_SECONDS)
            if records and not self._buffer:
                deadline = time.monotonic() + limits.seconds
            self._buffer.extend(records)
            self.counts["consumed"] += len(records)
            size += sum(len(r.value or b"") + len(r.key or b"") for r in records)
            if len(self._buffer) >= limits.rows or size >= limits.bytes:
                return
            if time.monotonic() >= deadline:
                return

    def _flush(self, inbox: Inbox, outbox: Outbox) -> None:
        """Letters, then the destination, then the group; tries again while it is transient."""
        attempt = 0
        while True:
            ahead = {
                partition: offset
                for partition, offset in inbox.positions().items()
                if offset > self._committed.get(partition, -1)
            }
            if not ahead:
                return
            try:
                # A partition that the destination has not seen goes there even without a row, so
                # that the group never knows an offset that the destination does not.
                if self._buffer or not self._unknown.isdisjoint(ahead):
                    self._write(ahead, outbox)
                    self._unknown.difference_update(ahead)
                inbox.commit(ahead)
            except Transient as error:
                attempt += 1
                if not self._wait(inbox, error, attempt):
                    return
            else:
                self._committed.update(ahead)
                self._measure()
                self._buffer.clear()
                self._backoff.reset()
                self.state = "ready"
                self.counts["batches"] += 1
                return

    def _measure(self) -> None:
        """Freshness: how old the oldest record of the batch is, now that it is durable, in ms."""
        if self._buffer:
            oldest = min(record.timestamp for record in self._buffer)
            self.counts["freshness_ms"] = max(0, int(time.time() * 1000) - oldest)

    def _wait(self, inbox: Inbox, error: Transient, attempt: int) -> bool:
        """Stay in the group while waiting; False when stopping, with nothing committed."""
        wait = self._backoff.next()
        self.counts["retries"] += 1
        log.warning(
            "%s: %s; try %d comes in %.1f s, nothing is committed before it succeeds",
            self._consumer.name,
            error,
            attempt + 1,
            wait,
        )
        deadline = time.monotonic() + wait
        self.state = "waiting"
        inbox.pause()
        try:
            while time.monotonic() < deadline:
                if self._stop.is_set():
                    self._buffer.clear()
                    return False
                # Partitions that arrive just now are not paused yet: what they give is kept.
                self._buffer.extend(inbox.poll(1, POLL_SECONDS))
        finally:
            inbox.resume()
        return True

    def _write(self, ahead: Mapping[TopicIdPartition, int], outbox: Outbox) -> None:
        records = self._buffer
        decoded = decode(records, seal_extra=self._seal_extra)
        letters = [
            self._letters.from_record(
                records[bad.index],
                self._topic_ids[records[bad.index].topic],
                stage="decode",
                reason=bad.reason,
                message=bad.message,
                error="UndecodableEvent",
            )
            for bad in decoded.bad
        ]
        self._send_letters(letters, outbox)
        batch = EventBatch(decoded.table, ahead, self._cluster_id)
        by_place = {(r.topic, r.partition, r.offset): r for r in records}

        def reject(rows: Sequence[int], reason: str) -> None:
            places = decoded.table.select(["_topic", "_partition", "_offset"]).take(list(rows))
            refused = [by_place[tuple(place.values())] for place in places.to_pylist()]
            self._send_letters(
                [
                    self._letters.from_record(
                        record,
                        self._topic_ids[record.topic],
                        stage="write",
                        reason=Reason.DESTINATION_REJECTED,
                        message=reason,
                        error="Rejected",
                    )
                    for record in refused
                ],
                outbox,
            )

        self._consumer.write(batch, reject)
        self.counts["written"] += decoded.table.num_rows

    def _send_letters(self, letters: Sequence[Letter], outbox: Outbox) -> None:
        """Durable on return: the destination and the group's offsets come after."""
        if not letters:
            return
        outbox.begin()
        try:
            for letter in letters:
                outbox.send(DLQ, letter.key, letter.value, letter.headers)
        except BaseException:
            outbox.abort()
            raise
        outbox.commit()
        self.counts["letters"] += len(letters)


def _forgotten(name: str, partition: TopicIdPartition, offset: int) -> DestinationError:
    """The group knows more than the destination: rows that were there are not any more."""
    return DestinationError(
        f"{name}: its destination knows nothing of {partition.topic}-{partition.partition}, while "
        f"its group had come to offset {offset}: the table was deleted, or its disk is not "
        "mounted. Nothing is read. Mount or restore it; to fill a new one from what Kafka still "
        f"holds, give the component another name, or delete the offsets of group {group_id(name)}"
    )
