"""Decodes bronze rows into events with the framework's own decoder, in Spark's Python workers."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import pyarrow as pa

from pixstream.columns.decoding import decode
from pixstream.columns.shapes import aligned, beyond
from pixstream.dead_letters import REPLAY_FOR
from pixstream.event.sealing import Sealer
from pixstream.kafka.ports import Record
from pixstream.privacy import keys
from pixstream.spark.schemas import BRONZE_SCHEMA, MESSAGE, NEW, RAW, REASON, decoded_schema

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from pixstream.event.contract import ContractSettings
    from pixstream.privacy import PrivacySettings

_TYPES = {"int64": pa.int64(), "bool": pa.bool_(), "string": pa.string()}


class Decoder:
    """A function for `mapInArrow` that decodes bronze rows; serialised to the workers.

    Args:
        name: of the consumer; records replayed for another consumer are skipped.
        privacy: keys that seal unknown fields.
        contract: how to treat new fields of a newer writer.
        telling: the event columns of the silver tables.
        now: for `_ingested_at`, timezone-aware.
    """

    def __init__(
        self,
        name: str,
        privacy: PrivacySettings,
        contract: ContractSettings,
        telling: pa.Schema,
        now: dt.datetime,
    ) -> None:
        self._name = name.encode()
        self._privacy = privacy
        self._contract = contract
        self._telling = telling
        self._now = now

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Decode each batch of bronze rows into batches of `decoded_schema`."""
        pseudonym, vault = keys(self._privacy)
        allowed = frozenset(self._privacy.extra_allowlist)
        sealer = Sealer(pseudonym, vault, allowlist=allowed)
        for batch in batches:
            yield from self._decoded(batch, sealer)

    def _decoded(self, batch: pa.RecordBatch, sealer: Sealer) -> Iterator[pa.RecordBatch]:
        rows = pa.Table.from_batches([batch])
        mine = pa.array([not self._for_another(one) for one in rows["headers"].to_pylist()])
        rows = rows.filter(mine)
        decoded = decode(
            _records(rows),
            seal_extra=lambda extra, event_id: sealer.seal_extra(extra, {}, event_id),
            contract=self._contract,
            columns=lambda: beyond(self._telling),
            now=self._now,
        )
        known = beyond(self._telling)
        new = {
            path: str(kind)
            for path, kind in beyond(decoded.table.schema).items()
            if path not in known
        }
        schema = decoded_schema(self._telling)
        events = aligned(_only(decoded.table, self._telling), schema)
        if new and events.num_rows:
            word = msgspec.json.encode(new).decode()
            events = events.set_column(
                schema.get_field_index(NEW), NEW, pa.array([word] * events.num_rows, pa.string())
            )
        bad = rows.take(pa.array([one.index for one in decoded.bad], pa.int64()))
        refused = pa.table(
            {
                "_topic": bad["topic"],
                REASON: pa.array([one.reason for one in decoded.bad], pa.string()),
                MESSAGE: pa.array([one.message for one in decoded.bad], pa.string()),
                RAW: _struct(bad),
            }
        )
        yield from events.to_batches()
        yield from aligned(refused, schema).to_batches()

    def _for_another(self, headers: Sequence[Mapping[str, Any]] | None) -> bool:
        return any(h["key"] == REPLAY_FOR and h["value"] != self._name for h in headers or ())


def new_columns(words: Iterable[str]) -> dict[str, pa.DataType]:
    """Return the new columns that the values of the column `NEW` ask for."""
    found: dict[str, pa.DataType] = {}
    for word in words:
        for path, kind in msgspec.json.decode(word, type=dict[str, str]).items():
            # Two types for one path: a string column can store both, as JSON.
            other = found.get(path, _TYPES[kind])
            found[path] = _TYPES[kind] if other.equals(_TYPES[kind]) else pa.string()
    return found


def to_record(row: Mapping[str, Any]) -> Record:
    """Convert a bronze row to the framework's record type.

    Args:
        row: with the columns of bronze.
    """
    timestamp: dt.datetime = row["timestamp"]
    return Record(
        topic=row["topic"],
        partition=row["partition"],
        offset=row["offset"],
        timestamp=round(timestamp.timestamp() * 1000),
        key=None if row["key"] is None else bytes(row["key"]),
        value=None if row["value"] is None else bytes(row["value"]),
        headers=[(h["key"], bytes(h["value"] or b"")) for h in row["headers"] or ()],
    )


def _records(rows: pa.Table) -> list[Record]:
    return [to_record(row) for row in rows.to_pylist()]


def _only(table: pa.Table, telling: pa.Schema) -> pa.Table:
    """Drop the columns and children that the tables do not have yet."""
    for side in ("payer", "payee"):
        held = telling.field(side).type
        place = table.schema.get_field_index(side)
        party: Any = table[side].combine_chunks()
        names = {child.name for child in held}
        kept = [n for n, child in enumerate(party.type) if child.name in names]
        if len(kept) < party.type.num_fields:
            whole = pa.StructArray.from_arrays(
                [party.field(n) for n in kept], fields=[party.type.field(n) for n in kept]
            )
            table = table.set_column(place, table.schema.field(place).with_type(whole.type), whole)
    return table.select([name for name in table.column_names if name in telling.names])


def _struct(rows: pa.Table) -> pa.Array[Any]:
    rows = rows.select(BRONZE_SCHEMA.names).cast(BRONZE_SCHEMA).combine_chunks()
    columns = [column.combine_chunks() for column in rows.columns]
    return pa.StructArray.from_arrays(columns, fields=list(BRONZE_SCHEMA))
