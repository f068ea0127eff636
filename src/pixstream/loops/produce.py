"""Source → Kafka: events, dead letters and new positions, in one transaction each batch."""

from __future__ import annotations

import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, TypeVar

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.errors import KafkaError, Transient
from pixstream.event.categories import Category
from pixstream.kafka.names import POSITIONS, transactional_id
from pixstream.loops.ownership import Ownership, position_key
from pixstream.loops.sending import Sending

if TYPE_CHECKING:
    import threading
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pixstream.dead_letters import LetterWriter
    from pixstream.event.sealing import Sealer
    from pixstream.kafka.ports import Client, Outbox
    from pixstream.plugins.producer import Position, Producer, Reading, Stream

log = logging.getLogger("pixstream.loops")

T = TypeVar("T")

COUNTS = ("read", *(category.plural for category in Category), "letters", "committed", "retries")
"""Since the start: readings with content, what they became (also in transactions that were aborted
and are tried again), readings of committed transactions, and waits after transient failures."""


class _CannotBegin(Transient):
    """The outbox began no transaction."""


class ProduceLoop:
    """Source → Kafka.

    Order always: open the outbox (which fences the former owner of its transactional id and
    finishes what that one left), then claim the streams, then read positions, then read the source.
    After a commit of which nobody knows whether it happened (a `KafkaError`) the process ends: the
    next one goes through the same order and finds the answer in the positions.

    Args:
        producer: the plugin.
        client: Kafka.
        sealer: makes canonical events.
        letters: makes dead letters.
        max_event_bytes: a larger event becomes a letter.
        retry: back-off of transient failures.
        stop: set to end after the transaction in hand.

    Attributes:
        state: starting until positions were read for the first time, then ready or waiting.
        counts: see `COUNTS`.
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
        self._backoff = Backoff(retry)
        self._stop = stop
        self.state = "starting"
        self.counts: Counter[str] = Counter(dict.fromkeys(COUNTS, 0))
        self._sending = Sending(producer.name, sealer, letters, max_event_bytes, self.counts)

    def run(self) -> None:
        """Read and produce until `stop` is set.

        Raises:
            FencedError: another process took over; end without a trace.
            PixstreamError: what waiting does not cure.
        """
        producer = self._producer
        own_id = transactional_id(producer.name, producer.replica, producer.replicas)
        while not self._stop.is_set():
            outbox = self._patiently(lambda: self._client.outbox(own_id))
            if outbox is None:
                return
            try:
                self._produce(outbox)
            finally:
                outbox.close()

    def _produce(self, outbox: Outbox) -> None:
        """Until `stop` is set, or the outbox is of no more use."""
        ownership = Ownership(self._client, self._producer.name, self._producer.replicas)
        since = self._patiently(ownership.claim)
        while since is not None:
            self.state = "ready"
            if not self._read(since, outbox):
                return
            since = self._patiently(ownership.positions)

    def _patiently(self, doing: Callable[[], T]) -> T | None:
        """What `doing` returns, tried again while its failure is transient; None once stopped."""
        while not self._stop.is_set():
            try:
                return doing()
            except Transient as error:
                self._wait(error, "tries again")
        return None

    def _read(self, since: Mapping[Stream, Position], outbox: Outbox) -> bool:
        """Read from these positions until `stop` is set or something transient happens.

        Returns:
            whether the outbox can go on: one that cannot begin, because the client gave up a
            record or never ended what an absent broker left open, is replaced by a new one, which
            fences it.
        """
        readings = self._producer.read(since)
        try:
            self._drain(readings, outbox)
        except _CannotBegin as error:
            self._wait(error, "opens a new transactional writer")
            return False
        except Transient as error:
            self._wait(error, "reads on from the last committed positions")
        finally:
            _close(readings)
        return True

    def _wait(self, error: Transient, then: str) -> None:
        wait = self._backoff.next()
        self.counts["retries"] += 1
        if self.state != "starting":
            self.state = "waiting"
        log.warning("%s: %s; %s in %.1f s", self._producer.name, error, then, wait)
        self._stop.wait(wait)

    def _drain(self, readings: Iterator[Reading | None], outbox: Outbox) -> None:
        limits = self._producer.batch
        batch: list[Reading] = []
        size, deadline = 0, 0.0
        try:
            for reading in readings:
                if reading is not None:
                    if not batch:
                        _begin(outbox)
                        deadline = time.monotonic() + limits.seconds
                    batch.append(reading)
                    size += self._sending.send(reading, outbox)
                    if reading.more:
                        continue
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

    def _commit(self, batch: Sequence[Reading], outbox: Outbox) -> None:
        """Events, letters and positions become visible together; then the plugin hears of it."""
        moved = {r.stream: r.position for r in batch if r.position is not None}
        for stream, position in moved.items():
            key = position_key(self._producer.name, stream)
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


def _begin(outbox: Outbox) -> None:
    try:
        outbox.begin()
    except Transient as error:
        raise _CannotBegin(str(error)) from error


def _close(readings: Iterator[Reading | None]) -> None:
    """End a generator so that its `finally` releases what it holds; other iterators have none."""
    close = getattr(readings, "close", None)
    if close is not None:
        close()
