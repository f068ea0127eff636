"""Source → Kafka: events, dead letters and new positions, in one transaction each batch."""

from __future__ import annotations

import logging
import time
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

import msgspec

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.batch_log import RETRIED, BatchLog
from pixstream.errors import PixstreamError, Transient
from pixstream.kafka.names import POSITIONS, transactional_id
from pixstream.kafka.transactions import Writer
from pixstream.loops import sending
from pixstream.loops.batches import batches
from pixstream.loops.ownership import Ownership
from pixstream.loops.positions import to_record
from pixstream.loops.sending import Sending
from pixstream.metrics import Counts
from pixstream.metrics.records import (
    BACKPRESSURE,
    COMMITTED,
    RETRIES,
    TRANSACTION_SECONDS,
    failures,
)
from pixstream.plugins.listening import Listens
from pixstream.plugins.producer import LearnsOfDelivery, LearnsOfFailure

if TYPE_CHECKING:
    import threading
    from collections.abc import Generator, Iterator

    from pixstream.dead_letters import LetterWriter
    from pixstream.event.sealing import Sealer
    from pixstream.kafka.ports import Client
    from pixstream.loops.batches import Batch
    from pixstream.plugins.producer import Producer, Reading

log = logging.getLogger("pixstream.loops")

LISTENING_SECONDS = 1.0
"""Longest wait of a source to which others send: they get 503 until Kafka is found to be back."""

WORD_SECONDS = 10.0
"""Shortest time between two log lines about transient failures."""

METRICS = (
    *sending.METRICS,
    COMMITTED,
    RETRIES,
    BACKPRESSURE,
    TRANSACTION_SECONDS,
    failures("read"),
    failures("produce"),
)


class ProduceLoop:
    """Source → Kafka; `_produce` shows the steps in the order that the guarantees need.

    After a commit whose outcome is unknown (a `KafkaError`) the process ends. The next one goes
    through the same steps and finds the outcome in the positions.

    Args:
        producer: the plugin.
        client: Kafka.
        sealer: makes canonical events.
        letters: makes dead letters.
        max_event_bytes: a larger event becomes a letter.
        retry: back-off after transient failures.
        stop: set to end after the current transaction.

    Attributes:
        state: starting until positions are read for the first time, then ready or waiting.
        counts: the values of `METRICS`.
        lines: logs what is committed.
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
        self._vault = sealer.vault
        self._ownership = Ownership(client, producer.name, producer.replicas, self._vault)
        if isinstance(producer, Listens):
            longest = min(retry.max_seconds, LISTENING_SECONDS)
            retry = msgspec.structs.replace(retry, max_seconds=longest)
        self._backoff = Backoff(retry)
        self._stop = stop
        self._stage = "produce"
        self._failures = 0
        self._next_line = 0.0
        self.state = "starting"
        self.counts = Counts(*METRICS)
        self.lines = BatchLog(producer.name)
        self._sending = Sending(
            producer.name, sealer, letters, max_event_bytes, self.counts, self.lines
        )

    def run(self) -> None:
        """Read and produce until `stop` is set.

        Raises:
            FencedError: another process took over; end and write nothing more.
            PixstreamError: waiting does not cure the failure.
        """
        producer = self._producer
        own_id = transactional_id(producer.name, producer.replica, producer.replicas)
        with closing(Writer(self._client, own_id)) as writer:
            while not self._stop.is_set():
                self._stage = "produce"
                try:
                    self._produce(writer)
                except Transient as error:
                    self._count(error)
                    self._wait(error)
                except PixstreamError as error:
                    self._count(error)
                    raise

    def _produce(self, writer: Writer) -> None:
        """Read the source into Kafka until `stop` is set or a transient failure happens."""
        producer = self._producer
        # 1. Fence the former owner of our transactional id; Kafka aborts its open transaction.
        if writer.open():
            self._ownership = Ownership(self._client, producer.name, producer.replicas, self._vault)
        # 2. Claim the streams, 3. then read their positions: no other process moves them now.
        since = self._ownership.claim()
        self.state = "ready"
        # 4. Read the source from there.
        with closing(self._from_source(producer.read(since))) as readings:
            for batch in batches(readings, producer.batch, self._stop):
                # 5. Events, letters and positions become visible together or not at all.
                self._sending.begin()
                began = time.monotonic()
                self.lines.begin()
                with self._answering_for(batch), writer.transaction() as transaction:
                    for reading in batch:
                        batch.size += self._sending.send(reading, transaction)
                    for stream, position in batch.positions().items():
                        key, value = to_record(producer.name, stream, position, self._vault)
                        transaction.send(POSITIONS, key, value, ())
                self.counts.observe(TRANSACTION_SECONDS, time.monotonic() - began)
                self._sending.committed()
                self._backoff.reset()
                self.counts.add(COMMITTED, len(batch.readings))
                self.lines.produced(writer.spans())
                # 6. Kafka holds them durably: the source may forget them.
                if isinstance(producer, LearnsOfDelivery):
                    for reading in batch.readings:
                        producer.delivered(reading)

    def _from_source(
        self, readings: Iterator[Reading | None]
    ) -> Generator[Reading | None, None, None]:
        """Pass readings on, and note when it is the source that fails."""
        try:
            yield from readings  # closed with this generator, which releases what it holds
        except PixstreamError:
            self._stage = "read"
            raise

    def _count(self, error: PixstreamError) -> None:
        self.counts.add(failures(self._stage, type(error).__name__))

    @contextmanager
    def _answering_for(self, batch: Batch) -> Iterator[None]:
        """Report each reading of the batch to the producer if it is not committed."""
        try:
            yield
        except Exception as error:
            if isinstance(self._producer, LearnsOfFailure):
                for reading in batch.readings:
                    self._producer.failed(reading, error)
            raise

    def _wait(self, error: Transient) -> None:
        wait = self._backoff.next()
        self.counts.add(RETRIES)
        if self.state != "starting":
            self.state = "waiting"
        self._failures += 1
        now = time.monotonic()
        if now >= self._next_line:
            log.warning(
                "%s: %s; continues from the last committed positions in %.1f s%s",
                self._producer.name,
                error,
                wait,
                f" ({self._failures} failures since the last line)" if self._failures > 1 else "",
                extra=RETRIED,
            )
            self._failures, self._next_line = 0, now + WORD_SECONDS
        self._stop.wait(wait)
        self.counts.add(BACKPRESSURE, time.monotonic() - now)
