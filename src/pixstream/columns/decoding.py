"""Decodes Kafka records into one Arrow table and a list of the records that are not events.

The fast path decodes chunks of records into flat rows and turns those into columns; it accepts only
the exact canonical form. `event.lenient` reads any other record again, including those of a newer
version, and keeps it or explains why not. So both paths agree on every input, and a bad record
slows down only itself.
"""

from __future__ import annotations

import datetime as dt
import gc
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns.new_fields import NewFields
from pixstream.columns.rows import TIMES, columns_of, parse, parse_known
from pixstream.columns.schema import EVENT_SCHEMA, PARTITION_COLUMN, TIMESTAMP
from pixstream.errors import Refused
from pixstream.event import lenient
from pixstream.event.contract import ContractSettings
from pixstream.event.model import SCHEMA_VERSION, encode

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from pixstream.event.lenient import SealExtra
    from pixstream.kafka.ports import Record

CHUNK = 2000
"""Records per chunk: few enough that short-lived objects stay in the CPU caches."""

_EVENT_ID = "^[0-9a-f]{32}$"
_CANONICAL_TIME = r"^[12]\d{3}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?Z$"


@dataclass(frozen=True, slots=True)
class Undecodable:
    """A record that is not an event: its index, a code of `event.Reason`, and an explanation."""

    index: int
    reason: str
    message: str


class Decoded(NamedTuple):
    """The events in consumption order, and the records that are not events.

    The table's schema is `EVENT_SCHEMA`, plus columns, and children of payer and payee, for those
    new fields of a newer version that have a value in this batch.
    """

    table: pa.Table
    bad: Sequence[Undecodable]


def decode(
    records: Sequence[Record],
    *,
    seal_extra: SealExtra | None = None,
    contract: ContractSettings | None = None,
    columns: Callable[[], Mapping[str, pa.DataType]] = dict,
    now: dt.datetime | None = None,
) -> Decoded:
    """Decode and validate records of the event topics.

    Args:
        records: in consumption order, of any partitions.
        seal_extra: encrypts fields that have no column; without it, records with such are bad.
        contract: how to treat the new fields of a newer version; by default they become columns.
        columns: which of them the destination has, see `columns.new_fields.NewFields`.
        now: the time for `_ingested_at`, timezone-aware; default: the current time.

    Raises:
        DestinationError: a record has a new field that the contract forbids (freeze).
        PixstreamError: raised by `columns`.
    """
    moment = now or dt.datetime.now(dt.UTC)
    new = NewFields(contract or ContractSettings(), columns)
    bad: list[Undecodable] = []
    with _collector_paused():
        batches = [
            _chunk(records[start : start + CHUNK], start, seal_extra, new, moment, bad)
            for start in range(0, len(records), CHUNK)
        ]
        table = pa.Table.from_batches(batches, EVENT_SCHEMA)
        if new.found:
            left_out = {one.index for one in bad}
            kept = [index for index in range(len(records)) if index not in left_out]
            table = new.added_to(table, kept)
    return Decoded(table, bad)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Pause the garbage collector: a chunk creates no cycles, and collecting costs a third more."""
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


def _chunk(
    records: Sequence[Record],
    start: int,
    seal_extra: SealExtra | None,
    new: NewFields,
    now: dt.datetime,
    bad: list[Undecodable],
) -> pa.RecordBatch:
    """Decode one chunk; append bad records to `bad`, their indices counted from `start`."""
    rows = [
        _fast(record.value) or _newer(record.value, start + index, new)
        for index, record in enumerate(records)
    ]
    columns = columns_of([row for row in rows if row is not None])
    irregular = _irregular(rows, columns)
    for index in irregular:
        try:
            rows[index] = _patient(records[index], start + index, seal_extra, new)
        except Refused as error:
            rows[index] = None
            bad.append(Undecodable(start + index, error.reason, error.message))
    kept = records
    if irregular:
        kept = [record for record, row in zip(records, rows, strict=True) if row is not None]
        columns = columns_of([row for row in rows if row is not None])
    columns.update({name: columns[name].cast(TIMESTAMP) for name in TIMES})
    columns[PARTITION_COLUMN] = columns["event_time"].cast(pa.date32())
    columns.update(_coordinates(kept, now))
    arrays = [columns[name] for name in EVENT_SCHEMA.names]
    return pa.RecordBatch.from_arrays(arrays, schema=EVENT_SCHEMA)


def _fast(value: bytes | None) -> Any:
    """Return the row of a record in canonical form; None for any other."""
    try:
        return parse(value or b"")
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


def _newer(value: bytes | None, index: int, new: NewFields) -> Any:
    """Return the row of a newer version's record whose new fields all have columns; else None.

    The record is read twice, its known part and the whole: a third of the lenient reader's cost.
    """
    try:
        row: Any = parse_known(value or b"")
        if row.schema_version <= SCHEMA_VERSION:
            return None
        unknown = lenient.told(lenient.unknown_of(msgspec.json.decode(value or b"")))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None
    return row if new.hold(index, unknown) else None


def _patient(record: Record, index: int, seal_extra: SealExtra | None, new: NewFields) -> Any:
    """Return the row of a record that is not canonical but still an event, or of a newer version.

    Raises:
        Refused: the record is not an event.
    """

    def take(found: dict[str, Any]) -> dict[str, Any]:
        where = f"{record.topic}-{record.partition}, offset {record.offset}"
        return new.take(index, found, where)

    return parse_known(encode(lenient.read(record.value, seal_extra, take)))


def _irregular(rows: Sequence[Any], columns: Mapping[str, pa.Array[Any]]) -> list[int]:
    """Return the rows that need the lenient reader: not decoded, or with an irregular id or time.

    Args:
        rows: of the chunk, None where the fast path failed.
        columns: of the rows that the fast path decoded.
    """
    fine: Any = pc.match_substring_regex(columns["event_id"], _EVENT_ID)
    for name in TIMES:
        shaped = pc.fill_null(pc.match_substring_regex(columns[name], _CANONICAL_TIME), True)
        fine = pc.and_(fine, shaped)
        try:
            columns[name].filter(shaped).cast(TIMESTAMP)
        except pa.ArrowInvalid:
            return list(range(len(rows)))  # 30 February; Arrow does not say in which row
    if len(fine) == len(rows) and pc.all(fine).as_py():
        return []
    good = iter(fine.to_pylist())
    return [index for index, row in enumerate(rows) if row is None or not next(good)]


def _coordinates(records: Sequence[Record], now: dt.datetime) -> dict[str, pa.Array[Any]]:
    """Return each row's Kafka coordinates; a record without a timestamp (-1 in Kafka) gets null."""
    stamps = [r.timestamp if r.timestamp >= 0 else None for r in records]
    return {
        "_topic": pa.array([r.topic for r in records], pa.string()),
        "_partition": pa.array([r.partition for r in records], pa.int32()),
        "_offset": pa.array([r.offset for r in records], pa.int64()),
        "_kafka_timestamp": pa.array(stamps, pa.timestamp("ms", tz="UTC")).cast(TIMESTAMP),
        "_ingested_at": pa.repeat(pa.scalar(now, TIMESTAMP), len(records)),
    }
