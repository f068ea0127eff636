"""Several tellings of one event as one row.

The delta_lake consumer keeps every telling that adds something as a revision; a silver table has
one row for each event. Field by field the last telling counts that says something: null, a guessed
time and an unknown direction say nothing. Where and when the event was told first stays what it
was. All tellings are kept in the column `tellings`.
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
"""Column of a silver row: each telling whole, in order; null while there is only one."""

_ONCE = {*TOLD_APART, *(name for name in EVENT_SCHEMA.names if name.startswith("_"))}
"""Fields of the first telling that later ones do not change, but for flags and revision."""

_SEALED = ("sealed", "unknown_sealed")


def silver_schema(telling: pa.Schema) -> pa.Schema:
    """The columns of a silver table.

    Args:
        telling: `EVENT_SCHEMA`, and columns of newer versions.
    """
    kept = [field.with_nullable(nullable=True) for field in telling]
    history = pa.list_(pa.field("element", pa.struct(kept)))
    return pa.schema([*telling, pa.field(TELLINGS, history)])


def told(rows: pa.Table) -> pa.Table:
    """The tellings that silver rows hold, each event's in order."""
    one = rows.filter(pc.is_null(rows[TELLINGS])).drop_columns([TELLINGS])
    several = pc.list_flatten(rows[TELLINGS].combine_chunks())
    more = pa.Table.from_batches([pa.RecordBatch.from_struct_array(several)])
    return pa.concat_tables([one, more.select(one.column_names).cast(one.schema)])


def merged(tellings: pa.Table) -> pa.Table:
    """One silver row for each event.

    Args:
        tellings: of `EVENT_SCHEMA` and further columns, in any order, each event's revisions
            numbered.
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
    """The silver rows that change: of events that are new, or that an arrival adds something to.

    Args:
        stored: silver rows of events among the arrivals, and of others.
        arrivals: of `EVENT_SCHEMA` and further columns, in the order of their offsets.
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
    """Ids that stand in more than one row."""
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
    """What is irregular about any telling, but for what another one has made good."""
    flags = {flag for telling in tellings for flag in telling["flags"]}
    if row["amount_centavos"] is not None:
        flags.discard(Flag.AMOUNT_ABSENT)
    if any(Flag.TIME_INFERRED not in telling["flags"] for telling in tellings):
        flags.discard(Flag.TIME_INFERRED)
    return sorted(flags)
