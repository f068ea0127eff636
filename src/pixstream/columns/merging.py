"""Merges the arrivals of one event into one row.

The delta_lake consumer keeps every arrival that adds something as a revision; a silver table has
one row per event. For each field the last arrival with information wins: null, an inferred time and
an unknown direction carry none. Where and when the event first arrived does not change. The column
`tellings` keeps all arrivals.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns import revisions
from pixstream.columns.revisions import TOLD_APART
from pixstream.columns.schema import EVENT_SCHEMA, PARTIES, PARTITION_COLUMN
from pixstream.event.model import Direction, Flag

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

TELLINGS = "tellings"
"""Column of a silver row with every complete arrival, in order; null while there is only one."""

_ONCE = {*TOLD_APART, *(name for name in EVENT_SCHEMA.names if name.startswith("_"))}
"""Fields that later arrivals do not change, except for flags and revision."""

_SEALED = ("sealed", "unknown_sealed")


def silver_schema(telling: pa.Schema) -> pa.Schema:
    """Return the columns of a silver table.

    Args:
        telling: `EVENT_SCHEMA`, plus columns of newer versions.
    """
    kept = [field.with_nullable(nullable=True) for field in telling]
    history = pa.list_(pa.field("element", pa.struct(kept)))
    return pa.schema([*telling, pa.field(TELLINGS, history)])


def told(rows: pa.Table) -> pa.Table:
    """Return the arrivals that silver rows contain, each event's in order."""
    one = rows.filter(pc.is_null(rows[TELLINGS])).drop_columns([TELLINGS])
    several = pc.list_flatten(rows[TELLINGS].combine_chunks())
    more = pa.Table.from_batches([pa.RecordBatch.from_struct_array(several)])
    return pa.concat_tables([one, more.select(one.column_names).cast(one.schema)])


def merged(tellings: pa.Table) -> pa.Table:
    """Merge arrivals into one silver row per event.

    Args:
        tellings: arrivals, of `EVENT_SCHEMA` and further columns, in any order, each event's
            revisions numbered.
    """
    schema = silver_schema(tellings.schema)
    again = pc.is_in(tellings["event_id"], value_set=_repeated(tellings))
    single = tellings.filter(pc.invert(again))
    single = single.append_column(
        schema.field(TELLINGS), pa.nulls(single.num_rows, schema.field(TELLINGS).type)
    )
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in tellings.filter(again).sort_by("revision").to_pylist():
        groups.setdefault(row["event_id"], []).append(row)
    rows = [_merge(group) for group in groups.values()]
    return pa.concat_tables([single.cast(schema), pa.Table.from_pylist(rows, schema)])


def settle(stored: pa.Table, arrivals: pa.Table) -> pa.Table:
    """Return the silver rows that change: of new events, and of those an arrival adds to.

    Args:
        stored: silver rows, which may include events that are not among the arrivals.
        arrivals: of `EVENT_SCHEMA` and further columns, in offset order.
    """
    known = told(stored)
    ids = pa.concat_arrays(
        [_one(stored["event_id"]), _repeated(arrivals)]  # nearly every arrival is neither
    )
    again = pc.is_in(arrivals["event_id"], value_set=ids)
    once, more = arrivals.filter(pc.invert(again)), arrivals.filter(again)
    decided = revisions.decide(_compared(known), _compared(more))
    kept = pa.array([revision is not None for revision in decided], pa.bool_())
    at = arrivals.schema.get_field_index("revision")
    numbers = pa.array([number for number in decided if number is not None], pa.int64())
    new = more.filter(kept).set_column(at, arrivals.schema.field(at), numbers)
    changed = pc.is_in(known["event_id"], value_set=_one(pc.unique(new["event_id"])))
    return merged(pa.concat_tables([known.filter(changed), once, new]))


def _repeated(rows: pa.Table) -> pa.Array[Any]:
    """Return the ids that occur in more than one row."""
    counts = rows.group_by("event_id").aggregate([([], "count_all")])
    return _one(counts.filter(pc.greater(counts["count_all"], 1))["event_id"])


def _one(column: Any) -> pa.Array[Any]:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column


def _compared(rows: pa.Table) -> pa.Table:
    further = [name for name in rows.column_names if name not in EVENT_SCHEMA.names]
    return rows.select([*revisions.COLUMNS, *further])


def _merge(tellings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    first, *later = tellings
    row = {**first, **{side: dict(first[side]) for side in PARTIES}, "extra": dict(first["extra"])}
    for telling in later:
        for name, value in telling.items():
            if name in _ONCE or value is None or _says_nothing(name, telling):
                continue
            if name in PARTIES:
                row[name].update({k: v for k, v in value.items() if v is not None})
            elif name == "extra":
                clear = {k: v for k, v in value if k not in _SEALED}
                row[name] = {**dict(value), **row[name], **clear}
            else:
                row[name] = value
    row[PARTITION_COLUMN] = row["event_time"].date()
    row["flags"] = _flags(row, tellings)
    row["revision"] = max(telling["revision"] for telling in tellings)
    row["extra"] = sorted(row["extra"].items())
    row[TELLINGS] = list(tellings)
    return row


def _says_nothing(name: str, telling: Mapping[str, Any]) -> bool:
    if name in {"event_time", PARTITION_COLUMN}:
        return Flag.TIME_INFERRED in telling["flags"]
    return name == "direction" and telling["direction"] == Direction.UNKNOWN


def _flags(row: Mapping[str, Any], tellings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the flags of all arrivals, except those that another arrival has resolved."""
    flags = {flag for telling in tellings for flag in telling["flags"]}
    if row["amount_centavos"] is not None:
        flags.discard(Flag.AMOUNT_ABSENT)
    if any(Flag.TIME_INFERRED not in telling["flags"] for telling in tellings):
        flags.discard(Flag.TIME_INFERRED)
    return sorted(flags)
