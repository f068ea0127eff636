"""The log lines of batches: what went where, in which batch, how long it took.

One line for each topic and partition of a batch, not one line with an array of them. "The batch
that has offset 41 of partition 3" is a question about topic, partition, first and last offset *of
one entry*. Elasticsearch flattens arrays of objects, so that it would find a batch whose partition
3 ends at 40 and whose partition 5 has 41; nested fields keep them apart, but then neither Discover
nor a dashboard can filter by them (docs/adr/0008-one-log-line-for-each-partition-of-a-batch.md).
A sampled message has a line of its own, with the same fields: first and last offset are its own.

All of them are at level INFO of the logger `pixstream.batches`; letters are warnings. Nothing is
computed while the logger is off. What is said is committed: lines of a batch come after its commit.
"""

from __future__ import annotations

import logging
import secrets
import time
from itertools import count, groupby
from operator import attrgetter
from typing import TYPE_CHECKING, Any

from pixstream.event import trace
from pixstream.event.trace import loggable
from pixstream.kafka.names import CHANGELOG_PREFIX, POSITIONS
from pixstream.kafka.ports import Span, TopicPartition
from pixstream.logs import BATCHES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pixstream.dead_letters import Letter
    from pixstream.event.record import EventRecord, Headers
    from pixstream.kafka.ports import Record

log = logging.getLogger(BATCHES)

RETRIED = {"ecs": {"event.action": "batch-retried", "event.outcome": "failure"}}
"""Fields of the lines about transient failures."""

_TRACED_AT = 1
"""Where `event_record` puts the header `traceparent`: found without a search in most records."""


class BatchLog:
    """Writes the lines of one loop.

    Args:
        name: the component, for people.

    Attributes:
        sample: one payment in so many is sampled, see `event.trace`; 0: no line for any message.
    """

    def __init__(self, name: str) -> None:
        self._name = name
        self.sample = 0
        self._process = secrets.token_hex(4)
        self._numbers = count(1)
        self._batch = ""
        self._began = 0
        self._sampled: list[EventRecord] = []
        self._letters: list[Letter] = []

    def begin(self, batch: str = "") -> None:
        """Begin a batch, and forget what an earlier one that failed has noted.

        Args:
            batch: its id; default: another one for each.
        """
        self._batch = batch or f"{self._name}-{self._process}-{next(self._numbers)}"
        self._began = time.monotonic_ns()
        self._sampled.clear()
        self._letters.clear()

    def note_event(self, record: EventRecord) -> None:
        """Note a record of the open transaction."""
        if self.sample and _is_sampled(record.headers):
            self._sampled.append(record)

    def note_letter(self, letter: Letter) -> None:
        """Note a letter of the open transaction."""
        self._letters.append(letter)

    def produced(self, spans: Mapping[TopicPartition, Span]) -> None:
        """Write what the transaction has committed, and where it is in Kafka."""
        self.letters(self._letters)
        if not log.isEnabledFor(logging.INFO):
            return
        self._lines("batch-produced", spans, {})
        for record in self._sampled:
            self._message("message-produced", record.topic, record.key, record.headers, {})

    def emitted(self, spans: Mapping[TopicPartition, Span]) -> None:
        """Write where the records are that a processor made of its batch."""
        if log.isEnabledFor(logging.INFO):
            self._lines("batch-emitted", spans, {})

    def taken(
        self, action: str, records: Sequence[Record], versions: Mapping[str, int] | None = None
    ) -> None:
        """Write what a destination or processor has taken from Kafka.

        Args:
            action: written or processed.
            records: the batch, in consumption order.
            versions: a version of each topic's table that contains them.
        """
        if records and log.isEnabledFor(logging.INFO):
            sampled = [r for r in records if _is_sampled(r.headers)] if self.sample else []
            self.stored(action, spans_of(records), sampled, versions or {})

    def stored(
        self,
        action: str,
        spans: Mapping[TopicPartition, Span],
        sampled: Iterable[Record],
        versions: Mapping[str, int],
    ) -> None:
        """Write the same, where only the spans of the batch and its sampled records are known."""
        self._lines(f"batch-{action}", spans, versions)
        if self.sample:
            for record in sampled:
                place = _at(record.topic, record.partition, record.offset, record.offset)
                place |= _version(record.topic, versions)
                self._message(f"message-{action}", record.topic, record.key, record.headers, place)

    def letters(self, letters: Iterable[Letter]) -> None:
        """Write a warning for each letter that Kafka holds; each reason has a limit of its own."""
        for letter in letters:
            headers = {
                name: value.decode("utf-8", "replace") for name, value in letter.headers[:20]
            }
            reason, stage = headers.get("reason", ""), headers.get("stage", "")
            fields: dict[str, Any] = {
                "event.dataset": "pixstream.letter",
                "event.action": "letter-sent",
                "event.outcome": "failure",
                "event.reason": reason,
                "pix.letter.id": headers.get("letter-id"),
                "pix.letter.stage": stage,
                "pix.batch.id": self._batch or None,
                **_traced(letter.headers),
            }
            where = ""
            if "origin-offset" in headers:
                topic = headers["origin-topic"]
                partition, offset = int(headers["origin-partition"]), int(headers["origin-offset"])
                fields |= _at(topic, partition, offset, offset)
                where = f" from {topic}/{partition}/{offset}"
            log.warning(
                "%s: dead letter %s%s: %s at %s",
                self._name,
                fields["pix.letter.id"],
                where,
                reason,
                stage,
                extra={"ecs": fields},
            )

    def _lines(
        self, action: str, spans: Mapping[TopicPartition, Span], versions: Mapping[str, int]
    ) -> None:
        took = time.monotonic_ns() - self._began
        for (topic, partition), span in spans.items():
            if topic == POSITIONS or topic.startswith(CHANGELOG_PREFIX):
                continue  # no messages, but where a component stands
            known = span.first >= 0
            fields = {
                "event.dataset": "pixstream.batch",
                "event.action": action,
                "event.outcome": "success",
                "event.duration": took,
                "pix.batch.id": self._batch,
                "pix.records": span.records,
                **_at(topic, partition, *((span.first, span.last) if known else (None, None))),
                **_version(topic, versions),
            }
            log.info(
                "%s: %s %d of %s/%d, offsets %d to %d",
                self._name,
                action,
                span.records,
                topic,
                partition,
                span.first,
                span.last,
                extra={"ecs": fields},
            )

    def _message(
        self, action: str, topic: str, key: bytes | None, headers: Headers, place: dict[str, Any]
    ) -> None:
        identifier = loggable(key.decode("ascii", "replace")) if key else None
        fields = {
            "event.dataset": "pixstream.message",
            "event.action": action,
            "event.outcome": "success",
            "kafka.topic": topic,
            "pix.batch.id": self._batch,
            "pix.end_to_end_id": identifier,
            **_traced(headers),
            **place,
        }
        log.info(
            "%s: %s %s of %s",
            self._name,
            action,
            identifier or "with another identifier",
            topic,
            extra={"ecs": fields},
        )


def spans_of(records: Iterable[Record]) -> dict[TopicPartition, Span]:
    """Return the offsets of records by topic and partition.

    Args:
        records: those of a partition in the order of their offsets.
    """
    found: dict[TopicPartition, Span] = {}
    for place, run in groupby(records, attrgetter("topic", "partition")):
        offsets = [record.offset for record in run]
        key = TopicPartition(*place)
        before = found.get(key)
        first, number = (offsets[0], 0) if before is None else (before.first, before.records)
        found[key] = Span(first, offsets[-1], number + len(offsets))
    return found


def _is_sampled(headers: Headers) -> bool:
    """Return whether the record's flag says so; only for headers in the order of our own."""
    if len(headers) <= _TRACED_AT:
        return False
    name, value = headers[_TRACED_AT]
    return value[-1:] == b"1" and name == trace.HEADER


def _traced(headers: Headers) -> dict[str, Any]:
    found = trace.of_headers(headers)
    return {} if found is None else {"trace.id": found.trace_id, "span.id": found.span_id}


def _at(topic: str, partition: int, first: int | None, last: int | None) -> dict[str, Any]:
    return {
        "kafka.topic": topic,
        "kafka.partition": partition,
        "kafka.offset.first": first,
        "kafka.offset.last": last,
    }


def _version(topic: str, versions: Mapping[str, int]) -> dict[str, Any]:
    if topic not in versions:
        return {}
    return {"delta.table": topic.rsplit(".", 1)[-1], "delta.version": versions[topic]}
