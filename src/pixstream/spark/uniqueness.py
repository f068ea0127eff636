"""Repairs silver: events that have several rows become one.

Ingestion looks for an event's former tellings around its dates. Tellings whose event times lie
further apart than that, from a source whose clock was wrong, became rows of their own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from pixstream.lake import merging
from pixstream.spark import places
from pixstream.spark.workers import Discreet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pyspark.sql import DataFrame, SparkSession

    from pixstream.event import Category
    from pixstream.spark.places import Places

_PLACE = ["_topic", "_partition", "_offset"]
"""What tells silver rows of one event apart: where each was told first."""


_SEEN = "_seen"
"""Column of merged rows: which rows they were made of, as `_identity` tells them."""


class Repaired(NamedTuple):
    """What was found in one table: events with several rows, and rows that are gone."""

    events: int
    removed: int


def repair(spark: SparkSession, where: Places, category: Category) -> Repaired:
    """Merge every event of several rows into one, in one commit; nothing where there is none."""
    table = places.silver(category)
    if not where.exists(spark, table):
        return Repaired(0, 0)
    rows = where.read(spark, table)
    several = rows.groupBy("event_id").count().where("count > 1").persist()
    try:
        found = several.agg({"count": "sum", "event_id": "count"}).collect()[0]
        events, total = found["count(event_id)"], found["sum(count)"] or 0
        if events:
            _merge(rows.join(several.select("event_id"), "event_id", "left_semi"), where, table)
    finally:
        several.unpersist()
    return Repaired(events, total - events)


def _merge(doubled: DataFrame, where: Places, table: str) -> None:
    """First the row that stays takes all tellings, then the others go: never the other way round.

    Ingestion goes on meanwhile. A row that it changed since it was read here is neither written
    over nor removed, and an event whose staying row was changed keeps all its rows: the next run
    finds it again.
    """
    from pyspark.sql.types import ArrayType, StringType, StructField, StructType

    spark = doubled.sparkSession
    whole = doubled.select(where.read(spark, table).columns)
    schema = StructType([*whole.schema.fields, StructField(_SEEN, ArrayType(StringType()))])
    merged = whole.repartition("event_id").mapInArrow(Discreet(_joined), schema).persist()
    try:
        first = " AND ".join(f"t.{name} = s.{name}" for name in _PLACE)
        as_seen = f"array_contains(s.{_SEEN}, {_identity('t.')})"
        where.delta(spark, table).alias("t").merge(
            merged.alias("s"), "t.event_id = s.event_id"
        ).whenMatchedUpdateAll(f"{first} AND {as_seen}").execute()
        now = where.read(spark, table)
        taken = merged.join(now, ["event_id", *_PLACE, "revision"], "left_semi")
        where.delta(spark, table).alias("t").merge(
            taken.alias("s"), "t.event_id = s.event_id"
        ).whenMatchedDelete(f"NOT ({first}) AND {as_seen}").execute()
    finally:
        merged.unpersist()


def _identity(prefix: str = "") -> str:
    """SQL for one text that tells a silver row, as it is now, from every other."""
    return f"concat_ws('/', {', '.join(f'{prefix}{name}' for name in (*_PLACE, 'revision'))})"


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All rows of some events: one row each, the telling with the lowest offset first."""
    received = list(batches)
    if not received:
        return
    rows = pa.Table.from_batches(received)
    told = merging.told(rows).sort_by([(name, "ascending") for name in _PLACE])
    merged = merging.settle(rows.slice(0, 0), told)
    seen: dict[str, list[str]] = {}
    for row in rows.select(["event_id", *_PLACE, "revision"]).to_pylist():
        identity = "/".join(str(row[name]) for name in (*_PLACE, "revision"))
        seen.setdefault(row["event_id"], []).append(identity)
    of_each = [seen[event_id] for event_id in merged["event_id"].to_pylist()]
    yield from merged.append_column(_SEEN, pa.array(of_each, pa.list_(pa.string()))).to_batches()
