"""Source → Kafka: events, dead letters and new positions, in one transaction each batch."""

from __future__ import annotations

import datetime as dt
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING

from pixstream.backoff import Backoff, BackoffSettings
from pixstream.dead_letters import traceparent
from pixstream.errors import KafkaError, Refused, Transient
from pixstream.event import SCHEMA_VERSION, Reason, encode
from pixstream.kafka.acls import transactional_id
from pixstream.kafka.topics import DLQ, EVENT_TOPICS, POSITIONS
from pixstream.plugin import Refusal

if TYPE_CHECKING:
    import threading
    from collections.abc import Iterator, Sequence

    from pixstream.canonical import Sealer
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event import PixEvent
    from pixstream.kafka import Client, Outbox
    from pixstream.plugin import Position, Producer, Reading, Stream

log = logging.getLogger("pixstream.ingest")

_SCHEMA_HEADER = ("schema-version", str(SCHEMA_VERSION).encode())


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


def _close(readings: Iterator[Reading | None]) -> None:
    """End a generator so that its `finally` releases what it holds; other iterators have none."""
    close = getattr(readings, "close", None)
    if close is not None:
        close()
