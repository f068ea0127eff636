"""What is known of a payment: one arrival for each record, with the rows that hold it."""

from __future__ import annotations

import dataclasses
import datetime as dt
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from pixstream.errors import Refused
from pixstream.event import lenient
from pixstream.event.categories import Category
from pixstream.kafka.ports import Record
from pixstream.trace.question import Place

if TYPE_CHECKING:
    from collections.abc import Iterable

COLUMNS = [
    *("event_id", "category", "direction", "end_to_end_id", "return_id", "txid"),
    *("amount_centavos", "event_time", "source_time", "ingested_at", "status", "reason"),
    *("source", "source_ref", "flags", "revision", "extra"),
    *("_topic", "_partition", "_offset", "_kafka_timestamp", "_ingested_at"),
]
"""The columns of a table that a trace reads: no party and no device, not even by pseudonym."""


class Fact(msgspec.Struct, kw_only=True):
    """What one source told, as a record or a row holds it; names as in `event.PixEvent`."""

    event_id: str
    category: Category
    direction: str
    status: str
    event_time: dt.datetime
    ingested_at: dt.datetime
    source: str
    end_to_end_id: str | None = None
    return_id: str | None = None
    txid: str | None = None
    amount_centavos: int | None = None
    source_time: dt.datetime | None = None
    reason: str | None = None
    source_ref: str | None = None
    flags: list[str] = []
    extra: dict[str, str] = {}

    @property
    def payment(self) -> str:
        """The identifier that all events of this payment share; it is their key in Kafka."""
        return self.end_to_end_id or self.return_id or self.event_id


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row:
    """One row of a table.

    Attributes:
        table: the table's name in queries.
        consumer: who wrote it.
        file: the data file that holds it now.
        decoded: when the consumer read the record, UTC.
        version: the version of the table that first had it; None where the log has forgotten.
        visible: the time of that commit, UTC.
    """

    table: str
    consumer: str
    file: str
    revision: int
    decoded: dt.datetime
    version: int | None
    visible: dt.datetime | None


@dataclasses.dataclass(frozen=True, kw_only=True)
class Absence:
    """Why a table has no row of a record.

    Attributes:
        table: the table's name in queries.
        consumer: who writes it.
        why: `waiting`: not read yet; `adds_nothing`: the table has all that it says; `dead_letter`:
            the consumer could not take it; `for_another`: replayed for another consumer;
            `not_fed`: the table is fed from another topic of that name, a former one.
        behind: offsets that the consumer has to read before it, if it is waiting.
    """

    table: str
    consumer: str
    why: Literal["waiting", "adds_nothing", "dead_letter", "for_another", "not_fed"]
    behind: int = 0


@dataclasses.dataclass(kw_only=True)
class Arrival:
    """One record of an event: in Kafka, in tables, or both.

    Attributes:
        fact: None for a record that is not an event.
        sent: the record's time in Kafka, UTC; None: unknown.
        record: the record, where Kafka was asked and still has it.
        expired: whether Kafka has deleted it, as far as that is known.
    """

    place: Place
    fact: Fact | None
    sent: dt.datetime | None
    record: Record | None = None
    expired: bool = False
    rows: list[Row] = dataclasses.field(default_factory=list)
    absences: list[Absence] = dataclasses.field(default_factory=list)

    @property
    def headers(self) -> dict[str, str]:
        """The record's headers as text."""
        pairs = self.record.headers if self.record is not None else ()
        return {name: value.decode("utf-8", "replace") for name, value in pairs}


def from_row(values: dict[str, Any]) -> Fact:
    """Return the fact of a row with `COLUMNS`."""
    return msgspec.convert(values, Fact)


def from_record(record: Record) -> Fact | None:
    """Return the fact of a record; None if it is not an event that this version can read."""
    try:
        event = lenient.read(record.value, lambda _, __: {}, lambda _: {})
    except Refused:
        return None
    return msgspec.convert(event, Fact, from_attributes=True)


def moment(milliseconds: int) -> dt.datetime | None:
    """Return a record's time in UTC; None if it has none."""
    return dt.datetime.fromtimestamp(milliseconds / 1000, dt.UTC) if milliseconds > 0 else None


def payments(facts: Iterable[Fact]) -> list[str]:
    """Return the payments of these facts, each once, in order."""
    return list(dict.fromkeys(fact.payment for fact in facts))
