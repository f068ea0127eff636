"""Sends readings in an open transaction: as events to their category's topic, or as letters."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

from pixstream.dead_letters import DRAFT
from pixstream.errors import Refused
from pixstream.event.categories import Category
from pixstream.event.model import Reason, Refusal, encode
from pixstream.event.record import event_record
from pixstream.kafka.names import DLQ
from pixstream.metrics.records import LETTERS, READ, RECORDS

if TYPE_CHECKING:
    from pixstream.dead_letters import LetterWriter
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
METRICS = (READ, *PRODUCED.values(), LETTERS)
"""Readings with content and what they became, including those of aborted transactions."""


class Sending:
    """Sends the readings of one producer.

    Args:
        source: the name of the producer.
        sealer: makes canonical events.
        letters: makes dead letters.
        max_event_bytes: a larger event becomes a letter.
        counts: keeps `METRICS`.
    """

    def __init__(
        self,
        source: str,
        sealer: Sealer,
        letters: LetterWriter,
        max_event_bytes: int,
        counts: Counts,
    ) -> None:
        self._source = source
        self._sealer = sealer
        self._letters = letters
        self._max_event_bytes = max_event_bytes
        self._counts = counts

    def send(self, reading: Reading, transaction: Transaction) -> int:
        """Send one reading in the open transaction; return its bytes, 0 without content."""
        content = reading.content
        if content is None:
            return 0
        self._counts.add(READ)
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

    def _event(self, reading: Reading, event: PixEvent, transaction: Transaction) -> int:
        record = event_record(event)
        if record.size > self._max_event_bytes:
            refusal = Refusal(
                reason=Reason.TOO_LARGE,
                message=f"event: larger than kafka.max_event_bytes, {record.size} bytes",
                raw=record.value,
                content_type="application/json",
            )
            return self._letter(reading, refusal, transaction, "produce", "TooLarge")
        transaction.send(*record)
        self._counts.add(PRODUCED[event.category])
        return record.size

    def _letter(
        self, reading: Reading, refusal: Refusal, transaction: Transaction, stage: str, error: str
    ) -> int:
        letter = self._letters.from_reading(reading, refusal, stage, error)
        transaction.send(DLQ, *letter)
        self._counts.add(LETTERS)
        return len(letter.value)
