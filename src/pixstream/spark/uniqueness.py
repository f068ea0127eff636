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
    spark = doubled.sparkSession
    whole = doubled.select(where.read(spark, table).columns)
    merged = whole.repartition("event_id").mapInArrow(Discreet(_joined), whole.schema).persist()
    try:
        first = " AND ".join(f"t.{name} = s.{name}" for name in _PLACE)
        where.delta(spark, table).alias("t").merge(
            merged.alias("s"), "t.event_id = s.event_id"
        ).whenMatchedUpdateAll(first).whenMatchedDelete(f"NOT ({first})").execute()
    finally:
        merged.unpersist()


def _joined(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """All rows of some events: one row each, the telling with the lowest offset first."""
    received = list(batches)
    if not received:
        return
    rows = pa.Table.from_batches(received)
    told = merging.told(rows).sort_by([(name, "ascending") for name in _PLACE])
    yield from merging.settle(rows.slice(0, 0), told).to_batches()
