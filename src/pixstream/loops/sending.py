"""Sends readings in an open transaction: as events to their category's topic, or as letters."""

from __future__ import annotations

import datetime as dt
import time
from typing import TYPE_CHECKING

from pixstream.dead_letters import DRAFT
from pixstream.dead_letters.counting import FROM_SOURCES, count_letters
from pixstream.errors import Refused
from pixstream.event.categories import Category
from pixstream.event.model import Reason, Refusal, encode
from pixstream.event.record import event_record
from pixstream.kafka.names import DLQ
from pixstream.metrics.records import (
    BATCH_BYTES,
    BATCH_RECORDS,
    BYTES,
    LAST_EVENT,
    LAST_SUCCESS,
    LATENCY,
    READ,
    RECORDS,
)

if TYPE_CHECKING:
    from pixstream.batch_log import BatchLog
    from pixstream.dead_letters import Letter, LetterWriter
    from pixstream.event.model import PixEvent
    from pixstream.event.sealing import Sealer
    from pixstream.kafka.ports import Transaction
    from pixstream.metrics import Counts
    from pixstream.plugins.producer import Reading

PRODUCED = {
    category: RECORDS.of(
        category.plural,
        stage="produce",
        outcome="produced",
        topic=category.topic,
    )
    for category in Category
}
SENT_BYTES = {
    topic: BYTES.of(short=BYTES.short, stage="produce", topic=topic)
    for topic in (*(category.topic for category in Category), DLQ)
}
LATENCIES = {category: LATENCY.of(stage="produce", topic=category.topic) for category in Category}
RECORDS_OF_A_BATCH = BATCH_RECORDS.of(stage="produce")
BYTES_OF_A_BATCH = BATCH_BYTES.of(stage="produce")
METRICS = (
    READ,
    *PRODUCED.values(),
    *FROM_SOURCES,
    *SENT_BYTES.values(),
    *LATENCIES.values(),
    RECORDS_OF_A_BATCH,
    BYTES_OF_A_BATCH,
    LAST_SUCCESS,
    LAST_EVENT,
)
"""Of committed transactions: readings with content, what became of them, and how long it took."""


class Sending:
    """Sends the readings of one producer, and counts those of committed transactions.

    Args:
        source: the name of the producer.
        sealer: makes canonical events.
        letters: makes dead letters.
        max_event_bytes: a larger event becomes a letter.
        counts: keeps `METRICS`.
        lines: logs what is committed, and says which payments are sampled.
    """

    def __init__(
        self,
        source: str,
        sealer: Sealer,
        letters: LetterWriter,
        max_event_bytes: int,
        counts: Counts,
        lines: BatchLog,
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._letters = letters
        self._max_event_bytes = max_event_bytes
        self._counts = counts
        self._lines = lines
        self._sent: dict[Category, _Sent] = {}
        self._posted: list[Letter] = []

    def begin(self) -> None:
        """Forget what was sent in an earlier transaction that was not committed."""
        self._sent.clear()
        self._posted.clear()

    def send(self, reading: Reading, transaction: Transaction) -> int:
        """Send one reading in the open transaction; return its bytes, 0 without content."""
        content = reading.content
        if content is None:
            return 0
        if isinstance(content, Refusal):
            return self._letter(reading, content, transaction, "read", "Refused")
        now = dt.datetime.now(dt.UTC)
        try:
            event = self._sealer.seal(content, source=self._source, now=now)
        except Refused as error:
            refusal = Refusal(
                reason=error.reason,
                message=error.message,
                raw=encode(content),
                content_type=DRAFT,
            )
            return self._letter(reading, refusal, transaction, "seal", "Refused")
        return self._event(reading, event, transaction)

    def committed(self) -> None:
        """Count what was sent since `begin`."""
        now, counts = time.time(), self._counts
        events, size = sum(len(sent.times) for sent in self._sent.values()), 0
        newest = max((max(sent.times) for sent in self._sent.values()), default=None)
        with counts.together():
            counts.add(READ, events + len(self._posted))
            for category, sent in self._sent.items():
                counts.add(PRODUCED[category], len(sent.times))
                counts.add(SENT_BYTES[category.topic], sent.bytes)
                counts.observe_all(LATENCIES[category], [max(now - at, 0.0) for at in sent.times])
                size += sent.bytes
            count_letters(counts, self._posted)
            posted = sum(len(letter.key) + len(letter.value) for letter in self._posted)
            counts.add(SENT_BYTES[DLQ], posted)
            counts.set(LAST_SUCCESS, round(now, 3))
            if newest is not None:
                counts.set(LAST_EVENT, round(min(newest, now), 3))
        if events or self._posted:
            counts.observe(RECORDS_OF_A_BATCH, events + len(self._posted))
            counts.observe(BYTES_OF_A_BATCH, size + posted)

    def _event(self, reading: Reading, event: PixEvent, transaction: Transaction) -> int:
        record = event_record(event, reading.traceparent, self._lines.sample)
        if record.size > self._max_event_bytes:
            refusal = Refusal(
                reason=Reason.TOO_LARGE,
                message=f"event: larger than kafka.max_event_bytes, {record.size} bytes",
                raw=record.value,
                content_type="application/json",
            )
            return self._letter(reading, refusal, transaction, "produce", "TooLarge")
        transaction.send(*record)
        self._lines.note_event(record)
        sent = self._sent.setdefault(event.category, _Sent())
        sent.times.append((event.source_time or event.event_time).timestamp())
        sent.bytes += record.size
        return record.size

    def _letter(
        self, reading: Reading, refusal: Refusal, transaction: Transaction, stage: str, error: str
    ) -> int:
        letter = self._letters.from_reading(reading, refusal, stage, error)
        transaction.send(DLQ, *letter)
        self._posted.append(letter)
        self._lines.note_letter(letter)
        return len(letter.value)


class _Sent:
    """The events of one category in the open transaction: their times in s, and all their bytes."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.bytes = 0
