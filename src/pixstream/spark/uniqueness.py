"""Repairs silver: merges the rows of events that have several.

Ingestion looks for an event's earlier arrivals around its dates. Arrivals whose event times are
further apart, from a source with a wrong clock, became separate rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns import merging
from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.spark import places
from pixstream.spark.conflicts import again
from pixstream.spark.schemas import to_spark
from pixstream.spark.silver import PLACE, dated, identity, nullable, telling_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pyspark.sql import DataFrame, SparkSession

    from pixstream.event.categories import Category
    from pixstream.spark.places import Places

_EVENTS_AT_ONCE = 10_000
"""How many events to merge at a time; their rows are in the driver's memory, about 2 kB each."""

_SEEN, _BECOMES = "_seen", "_becomes"
"""Columns of merged rows: the identities of the rows they were made of, and their own."""


class Repaired(NamedTuple):
    """The result for one table: events with several rows, and rows that were removed."""

    events: int
    removed: int


def repair(spark: SparkSession, where: Places, category: Category) -> Repaired:
    """Merge the rows of every event that has several.

    Ingestion continues in the meantime. A row that it changes is neither overwritten nor removed:
    the next run repairs that event.

    Raises:
        Transient: every attempt conflicted with other jobs.
    """
    table = places.silver(category)
    found = Repaired(0, 0)
    if not where.exists(spark, table):
        return found
    while True:
        ids = _several(where.read(spark, table))
        if not ids:
            return found
        removed = _Repair(spark, where, table, ids).merge()
        found = Repaired(found.events + len(ids), found.removed + removed)
        if len(ids) < _EVENTS_AT_ONCE or not removed:
            return found


def _several(silver: DataFrame) -> list[str]:
    """Return a limited number of events that have several rows."""
    several = silver.groupBy("event_id").count().where("count > 1")
    return [row["event_id"] for row in several.limit(_EVENTS_AT_ONCE).collect()]


class _Repair:
    """The merge of some events."""

    def __init__(self, spark: SparkSession, where: Places, table: str, ids: Sequence[str]) -> None:
        self._spark = spark
        self._where = where
        self._table = table
        silver = where.read(spark, table)
        wanted = spark.createDataFrame([(event_id,) for event_id in ids], "event_id string")
        doubled = silver.join(wanted, "event_id", "left_semi")
        schema = merging.silver_schema(telling_of(silver))
        # In this process: Spark would recompute it after the first commit, with another result.
        rows = doubled.selectExpr("*", f"{identity()} AS {_SEEN}").toArrow()
        seen = rows.select(["event_id", _SEEN])
        self._dates = set(rows[PARTITION_COLUMN].to_pylist())
        self._merged = _joined(rows.select(schema.names).cast(nullable(schema)), seen)

    def merge(self) -> int:
        """Merge the rows; return how many were removed.

        First the remaining row takes all arrivals, then the others are deleted: never the reverse.
        """
        schema = to_spark(self._merged.schema)
        merged = self._spark.createDataFrame(self._merged, schema)
        first = " AND ".join(f"t.{name} = s.{name}" for name in PLACE)
        as_seen = f"array_contains(s.{_SEEN}, {identity('t.')})"
        again(
            lambda: self._merging(merged).whenMatchedUpdateAll(f"{first} AND {as_seen}").execute(),
            f"repair of {self._where.name(self._table)}",
        )
        taken = merged.join(self._now(), ["event_id", _BECOMES], "left_semi")
        done = again(
            lambda: (
                self._merging(taken).whenMatchedDelete(f"NOT ({first}) AND {as_seen}").execute()
            ),
            f"repair of {self._where.name(self._table)}",
        )
        return int(done.collect()[0]["num_deleted_rows"])

    def _now(self) -> DataFrame:
        """Return the current identities of the rows of these events."""
        dates = self._dates | set(self._merged[PARTITION_COLUMN].to_pylist())
        silver = self._where.read(self._spark, self._table).where(dated(dates))
        return silver.selectExpr("event_id", f"{identity()} AS {_BECOMES}")

    def _merging(self, rows: DataFrame) -> Any:
        same = f"t.event_id = s.event_id AND {dated(self._dates, 't.')}"
        delta = self._where.delta(self._spark, self._table)
        return delta.alias("t").merge(rows.alias("s"), same)


def _joined(rows: pa.Table, seen: pa.Table) -> pa.Table:
    """Merge all rows of some events into one each, the arrival with the lowest offset first."""
    arrivals = merging.told(rows).sort_by([(name, "ascending") for name in PLACE])
    merged = merging.settle(rows.slice(0, 0), arrivals)
    by_event = seen.group_by("event_id").aggregate([(_SEEN, "list")])
    of_each = by_event.take(pc.index_in(merged["event_id"], value_set=by_event["event_id"]))
    becomes = [
        ",".join("/".join(str(telling[name]) for name in PLACE) for telling in row or [first])
        for row, first in zip(
            merged[merging.TELLINGS].to_pylist(), merged.select(PLACE).to_pylist(), strict=True
        )
    ]
    merged = merged.append_column(_SEEN, of_each[f"{_SEEN}_list"])
    return merged.append_column(_BECOMES, pa.array(becomes, pa.string()))
