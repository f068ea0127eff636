"""The two loops: a producer's readings into Kafka, and Kafka's records into a destination.

They know the ports of `pixstream.kafka`, no library. One loop runs per process, in its main
thread. Order is what keeps the promises: positions travel in the transaction of their events;
letters are durable before the table, the table before the group's offsets (Laws 1 and 2).
"""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.dead_letters import traceparent
from pixstream.decoding import decode
from pixstream.errors import DestinationError, KafkaError, Refused, Transient
from pixstream.event import SCHEMA_VERSION, Reason, encode
from pixstream.kafka import Listener
from pixstream.kafka.acls import group_id, transactional_id
from pixstream.kafka.topics import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.plugin import Consumer, EventBatch, Refusal, TopicIdPartition

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pixstream.canonical import Sealer
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event import PixEvent
    from pixstream.evolution import SealExtra
    from pixstream.kafka import Client, Inbox, Outbox, Record, TopicPartition
    from pixstream.plugin import Position, Producer, Reading, Stream

log = logging.getLogger("pixstream.ingest")

_SCHEMA_HEADER = ("schema-version", str(SCHEMA_VERSION).encode())
POLL_SECONDS = 0.1
POLL_RECORDS = 2000


class ProduceLoop:
    """Source → Kafka.

    Args:
        producer: the plugin.
        client: Kafka.
        sealer: makes canonical events.
        letters: makes dead letters.
        max_event_bytes: a larger event becomes a letter.
        retry: back-off of transient failures.
        stop: set to end after the transaction in hand.
    """

    def __init__(
        self,
        producer: Producer,
        client: Client,
        sealer: Sealer,
        letters: LetterWriter,
        *,
        max_event_bytes: int,
        retry: BackoffSettings,
        stop: threading.Event,
    ) -> None:
        self._producer = producer
        self._client = client
        self._sealer = sealer
        self._letters = letters
        self._max_event_bytes = max_event_bytes
        self._backoff = Backoff(retry)
        self._stop = stop
        self.state = "starting"
        self.counts: Counter[str] = Counter()

    def run(self) -> None:
        """Read and produce until `stop` is set.

        Raises:
            FencedError: another process took over; end without a trace.
            PixstreamError: what waiting does not cure.
        """
        name = self._producer.name
        outbox = self._client.outbox(transactional_id(name, self._producer.replica))
        try:
            while not self._stop.is_set():
                since = self._positions()
                self.state = "ready"
                readings = self._producer.read(since)
                try:
                    self._drain(readings, outbox)
                except Transient as error:
                    wait = self._backoff.next()
                    self.counts["retries"] += 1
                    self.state = "waiting"
                    log.warning(
                        "%s: %s; reads on from the last committed positions in %.1f s",
                        name,
                        error,
                        wait,
                    )
                    self._stop.wait(wait)
                finally:
                    _close(readings)
        finally:
            outbox.close()

    def _positions(self) -> dict[Stream, Position]:
        """Where this component stands, read after its former owner was fenced."""
        prefix = f"{self._producer.name}/"
        held = self._client.load(POSITIONS, prefix)
        return {key.removeprefix(prefix): value.decode() for key, value in held.items()}

    def _drain(self, readings: Iterator[Reading | None], outbox: Outbox) -> None:
        limits = self._producer.batch
        batch: list[Reading] = []
        size, deadline = 0, 0.0
        try:
            for reading in readings:
                if reading is not None:
                    if not batch:
                        outbox.begin()
                        deadline = time.monotonic() + limits.seconds
                    batch.append(reading)
                    size += self._send(reading, outbox)
                full = len(batch) >= limits.rows or size >= limits.bytes
                if batch and (reading is None or full or time.monotonic() >= deadline):
                    self._commit(batch, outbox)
                    batch, size = [], 0
                if self._stop.is_set():
                    break
            if batch:
                self._commit(batch, outbox)
                batch = []
        except Exception as error:
            self._give_up(batch, outbox, error)
            raise

    def _send(self, reading: Reading, outbox: Outbox) -> int:
        """Hand one reading to the open transaction; its size in bytes."""
        content = reading.content
        if content is None:
            return 0
        self.counts["read"] += 1
        if isinstance(content, Refusal):
            letter = self._letters.from_reading(reading, content, "read", "Refused")
            return self._send_letter(letter, outbox)
        now = dt.datetime.now(dt.UTC)
        try:
            event = self._sealer.seal(content, source=self._producer.name, now=now)
        except Refused as error:
            refusal = Refusal(
                reason=error.reason,
                message=error.message,
                raw=encode(content),
                content_type="application/x-pixstream-draft+json",
            )
            letter = self._letters.from_reading(reading, refusal, "seal", "Refused")
            return self._send_letter(letter, outbox)
        return self._send_event(reading, event, outbox)

    def _send_event(self, reading: Reading, event: PixEvent, outbox: Outbox) -> int:
        value = encode(event)
        key = event.record_key
        if len(value) + len(key) > self._max_event_bytes:
            refusal = Refusal(
                reason=Reason.TOO_LARGE,
                message=f"event: larger than kafka.max_event_bytes, {len(value)} bytes",
                raw=value,
                content_type="application/json",
            )
            letter = self._letters.from_reading(reading, refusal, "produce", "TooLarge")
            return self._send_letter(letter, outbox)
        headers = (_SCHEMA_HEADER, ("traceparent", traceparent(event.event_id).encode()))
        outbox.send(EVENT_TOPICS[event.category.plural], key, value, headers)
        self.counts[event.category.plural] += 1
        return len(value) + len(key)

    def _send_letter(self, letter: Letter, outbox: Outbox) -> int:
        outbox.send(DLQ, letter.key, letter.value, letter.headers)
        self.counts["letters"] += 1
        return len(letter.value)

    def _commit(self, batch: Sequence[Reading], outbox: Outbox) -> None:
        """Events, letters and positions become visible together; then the plugin hears of it."""
        moved = {r.stream: r.position for r in batch if r.position is not None}
        for stream, position in moved.items():
            key = f"{self._producer.name}/{stream}".encode()
            outbox.send(POSITIONS, key, position.encode(), ())
        outbox.commit()
        self._backoff.reset()
        self.counts["committed"] += len(batch)
        for reading in batch:
            self._producer.delivered(reading)

    def _give_up(self, batch: Sequence[Reading], outbox: Outbox, error: Exception) -> None:
        if not batch:
            return
        try:
            outbox.abort()
        except (Transient, KafkaError) as second:
            log.warning(
                "%s: the open transaction could not be aborted (%s); Kafka aborts it by itself "
                "after kafka.transaction_timeout_ms",
                self._producer.name,
                second,
            )
        for reading in batch:
            self._producer.failed(reading, error)


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


def _close(readings: Iterator[Reading | None]) -> None:
    """End a generator so that its `finally` releases what it holds; other iterators have none."""
    close = getattr(readings, "close", None)
    if close is not None:
        close()
