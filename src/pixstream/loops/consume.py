"""Kafka → destination: letters, then the destination, then the group's offsets, batch by batch."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from pixstream.backoff import Backoff
from pixstream.breaker import Breaker, RetrySettings
from pixstream.errors import TopicChangedError, Transient
from pixstream.event.model import SCHEMA_VERSION
from pixstream.kafka import faults
from pixstream.kafka.names import group_id, transactional_id
from pixstream.kafka.ports import Listener, TopicIdPartition
from pixstream.loops.assignment import Assignment
from pixstream.loops.delivery import Delivery, Work
from pixstream.loops.letterbox import Letterbox
from pixstream.loops.segments import segments

if TYPE_CHECKING:
    import threading
    from collections.abc import Collection, Mapping

    from pixstream.dead_letters import LetterWriter
    from pixstream.event.contract import ContractSettings
    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Client, Inbox, Outbox, Record, TopicPartition
    from pixstream.plugins.consumer import Consumer

log = logging.getLogger("pixstream.loops")

POLL_SECONDS = 0.1
POLL_RECORDS = 2000

COUNTS = (
    *("consumed", "written", "letters", "not_for_us", "batches", "retries"),
    *("destination_failures", "breaker_opened"),
)
"""Since the start, but for `destination_failures`: how many in a row until now."""

_STATES = {"closed": "waiting", "open": "breaker_open", "half_open": "breaker_half_open"}


class ConsumeLoop:
    """Kafka → destination.

    Args:
        consumer: the plugin.
        client: Kafka.
        letters: makes dead letters.
        retry: back-off of transient failures, and the destination's circuit breaker.
        stop: set to end after the batch in hand.
        seal_extra: seals unknown keys of a newer writer, see `decoding.decode`.
        contract: what becomes of new fields of a newer writer; columns when absent.

    Attributes:
        state: starting, ready, waiting (for Kafka or the destination), breaker_open (the
            destination is left alone) or breaker_half_open (one call tries it).
        counts: see `COUNTS`; and `freshness_ms`, how old the oldest record of the last batch was by
            the clocks of Kafka's producer and this machine, which may disagree: 0 at least.
    """

    def __init__(
        self,
        consumer: Consumer,
        client: Client,
        letters: LetterWriter,
        *,
        retry: RetrySettings,
        stop: threading.Event,
        seal_extra: SealExtra | None = None,
        contract: ContractSettings | None = None,
    ) -> None:
        self.state = "starting"
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._consumer = consumer
        self._client = client
        self._stop = stop
        self._backoff = Backoff(retry)
        self._breaker = Breaker(consumer.name, retry)
        self._delivery = Delivery(
            consumer, letters, self._breaker, self.counts, seal_extra, contract
        )
        self._assignment = Assignment(consumer, client, retry)
        self._inbox: Inbox | None = None
        self._outbox: Outbox | None = None
        self._buffer: list[Record] = []
        self._newest = SCHEMA_VERSION
        # Of each partition that is ours: up to where it was taken through; and whether destination
        # and group must still be told where it stands, even if nothing comes.
        self._standing: dict[TopicIdPartition, int] = {}
        self._unsettled: set[TopicIdPartition] = set()
        self._topic_ids: dict[str, str] = {}

    def run(self) -> None:
        """Consume and write until `stop` is set; what is buffered then is written first.

        Raises:
            PixstreamError: what waiting does not cure; nothing of the batch is committed.
        """
        try:
            self.open()
            while not self._stop.is_set():
                self.step()
        finally:
            self.close()

    def open(self) -> None:
        """Fence the former owner of the letters' transactional id, and join the group."""
        name, replica = self._consumer.name, self._consumer.replica
        own_id = transactional_id(name, replica)
        self._outbox = Letterbox(lambda: self._client.outbox(own_id))
        self._assignment.look()
        self._inbox = self._client.inbox(
            group=group_id(name),
            topics=self._assignment.topics,
            member=f"{name}-{replica}",
            listener=Listener(self._assigned, self._revoked),
        )
        self.state = "ready"

    def step(self) -> None:
        """Read one batch and take it through.

        Raises:
            TopicChangedError: an offset is not there; the message names the command that decides.
        """
        inbox, outbox = self._inbox, self._outbox
        assert inbox is not None  # noqa: S101  `open` comes first
        assert outbox is not None  # noqa: S101
        try:
            self._fill(inbox)
            self._flush(inbox, outbox)
        except TopicChangedError as error:
            raise self._assignment.explained(error, self._read_up_to()) from error

    def close(self) -> None:
        """Release everything; the group keeps our place."""
        if self._inbox is not None:
            self._inbox.close()
        if self._outbox is not None:
            self._outbox.close()
        self._consumer.close()

    def _assigned(
        self,
        partitions: Collection[TopicIdPartition],
        committed: Mapping[TopicIdPartition, int],
    ) -> Mapping[TopicIdPartition, int]:
        if self._breaker.remaining():
            raise Transient(f"{self._consumer.name}: its destination is left alone")
        starts = self._assignment.starts(partitions, committed)
        for partition in partitions:  # a destination that remembers has found it already
            if self._topic_ids.get(partition.topic, partition.topic_id) != partition.topic_id:
                raise faults.recreated(partition.topic)
        self._topic_ids.update({p.topic: p.topic_id for p in partitions})
        self._unsettled.update(p for p, start in starts.items() if not start.settled)
        offsets = {p: start.offset for p, start in starts.items()}
        self._standing.update(offsets)
        return offsets

    def _revoked(self, partitions: Collection[TopicPartition]) -> None:
        """Another member owns them now: what is buffered of them is theirs to read again."""
        gone = {(p.topic, p.partition) for p in partitions}
        self._buffer = [r for r in self._buffer if (r.topic, r.partition) not in gone]
        for known in [p for p in self._standing if (p.topic, p.partition) in gone]:
            del self._standing[known]
            self._unsettled.discard(known)

    def _fill(self, inbox: Inbox) -> None:
        """Poll until the batch is full or old enough, or until `stop`; outages are waited out."""
        limits = self._consumer.batch
        deadline = time.monotonic() + limits.seconds
        size = 0
        while not self._stop.is_set():
            room = min(POLL_RECORDS, limits.rows - len(self._buffer))
            try:
                records = inbox.poll(room, POLL_SECONDS)
            except Transient as error:
                self._wait(inbox, error, until_polled=True)
                continue
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
        """Take the batch through; again while that fails in a way that may pass."""
        while True:
            try:
                ahead = self._ahead(inbox)
                if ahead:
                    self._through(ahead, inbox, outbox)
            except Transient as error:
                if not self._wait(inbox, error):
                    return
            else:
                self._backoff.reset()
                self.state = "ready"
                return

    def _ahead(self, inbox: Inbox) -> Mapping[TopicIdPartition, int]:
        """The partitions that moved, or of which somebody must be told; and where they stand."""
        return {
            p: offset
            for p, offset in inbox.positions().items()
            if offset > self._standing.get(p, -1) or p in self._unsettled
        }

    def _through(self, ahead: Mapping[TopicIdPartition, int], inbox: Inbox, outbox: Outbox) -> None:
        """Letters, then the destination, then the group: each is durable before the next begins.

        Where the batch is cut, one part after the other goes this way.
        After a failure whatever is not known to be done is done again: a letter has the id of its
        origin, the destination tolerates the same offsets, and the group just moves.
        """
        # Offsets without a record (transaction markers) go to a destination that remembers too, so
        # that the group never knows more than it does, and none of them expires on it unread.
        for segment in segments(self._buffer[:], ahead, self._newest):
            if segment.records or self._assignment.remembers:
                cluster = self._assignment.cluster_id
                work = self._delivery.prepare(*segment[:2], cluster, self._standing)
                self._delivery.write_letters(work, outbox)
                self._write(work, outbox)
                self._written(work)
            self._newest = segment.version
            self._commit(segment.next_offsets, inbox)

    def _write(self, work: Work, outbox: Outbox) -> None:
        if self._breaker.state == "open":
            self.state = _STATES["half_open"]
        try:
            self._delivery.write_destination(work, outbox)
        finally:
            self.counts["destination_failures"] = self._breaker.failures
            self.counts["breaker_opened"] = self._breaker.opened

    def _written(self, work: Work) -> None:
        """The destination has it: it is not written again when the group cannot be told at once."""
        self.counts["written"] += work.decoded.table.num_rows
        self.counts["not_for_us"] += work.skipped
        taken = len(work.records) + work.skipped
        if taken:
            self.counts["batches"] += 1
            # Kafka takes a record without a time (-1) from any other writer.
            stamped = [r.timestamp for r in self._buffer[:taken] if r.timestamp > 0]
            if stamped:
                self.counts["freshness_ms"] = max(0, int(time.time() * 1000) - min(stamped))
        del self._buffer[:taken]

    def _commit(self, ahead: Mapping[TopicIdPartition, int], inbox: Inbox) -> None:
        inbox.commit(ahead)
        self._standing.update(ahead)
        self._unsettled.difference_update(ahead)

    def _wait(self, inbox: Inbox, error: Transient, *, until_polled: bool = False) -> bool:
        """Stay in the group while waiting, paused but polling; False when stopping.

        Args:
            inbox: to poll.
            error: why.
            until_polled: it was a poll that failed: one that works ends the wait.
        """
        wait = max(self._backoff.next(), self._breaker.remaining())
        self.counts["retries"] += 1
        self.state = _STATES[self._breaker.state]
        log.warning(
            "%s: %s; tried again in %.1f s, nothing is committed before it succeeds",
            self._consumer.name,
            error,
            wait,
        )
        deadline = time.monotonic() + wait
        inbox.pause()
        try:
            while time.monotonic() < deadline:
                if self._stop.is_set():
                    return False
                if self._keep_alive(inbox) and until_polled:
                    break
        finally:
            inbox.resume()
        return True

    def _keep_alive(self, inbox: Inbox) -> bool:
        """Poll once while paused; False if Kafka, or the destination for a start, does not answer.

        Partitions that arrive just now are not paused yet: what they give is kept.
        """
        try:
            records = inbox.poll(1, POLL_SECONDS)
        except Transient:
            self._stop.wait(POLL_SECONDS)
            return False
        self._buffer.extend(records)
        self.counts["consumed"] += len(records)
        return True

    def _read_up_to(self) -> Mapping[TopicIdPartition, int]:
        """The next offset of each partition as far as its records tell."""
        standing = dict(self._standing)
        for record in self._buffer:
            place = TopicIdPartition(record.topic, self._topic_ids[record.topic], record.partition)
            standing[place] = max(standing.get(place, 0), record.offset + 1)
        return standing
