"""The silver tables, with one row per event: writes what a batch adds to them."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns import merging
from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.columns.shapes import beyond
from pixstream.event.categories import Category
from pixstream.spark import places
from pixstream.spark.schemas import telling_schema, to_spark
from pixstream.spark.workers import RedactedErrors

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from pixstream.spark.places import Places

log = logging.getLogger("pixstream.spark")

SEEN = "_seen"
"""Column of rows to write: the identity of the row that each replaces; null: the event is new."""

PLACE = ("_topic", "_partition", "_offset")
"""Kafka coordinates of an event's first arrival."""

_ONE = ("event_id", SEEN)


class Settled(NamedTuple):
    """The result for one category of a batch, in rows of silver.

    Attributes:
        inserted: new events.
        updated: events with a further arrival.
        overtaken: rows that another job changed in the meantime: they were not overwritten, and
            the same call settles them on the table's new state.
    """

    inserted: int
    updated: int
    overtaken: int = 0


class Silver:
    """The silver tables.

    Args:
        spark: the session.
        where: finds the tables, which are created if they do not exist.
    """

    def __init__(self, spark: SparkSession, where: Places) -> None:
        self._spark = spark
        self._where = where
        for category in Category:
            where.create(
                spark,
                places.silver(category),
                to_spark(merging.silver_schema(telling_schema({}))),
                [PARTITION_COLUMN],
            )
        columns: dict[str, pa.DataType] = {}
        for category in Category:
            columns |= beyond(telling_of(where.read(spark, places.silver(category))))
        self.telling = telling_schema(columns)
        # One table may lack columns that the others have: after a crash in `widen`, after a
        # RESTORE, or if an older version created it.
        self._widen()

    def widen(self, columns: Mapping[str, pa.DataType]) -> None:
        """Add columns for new fields to every silver table, also inside `tellings`."""
        self.telling = telling_schema({**beyond(self.telling), **dict(sorted(columns.items()))})
        self._widen()
        log.warning("silver tables have new columns: %s", ", ".join(sorted(columns)))

    def _widen(self) -> None:
        schema = to_spark(merging.silver_schema(self.telling))
        for category in Category:
            table = places.silver(category)
            if not set(_paths(schema)) <= set(_paths(self._where.read(self._spark, table).schema)):
                self._where.widen(self._spark.createDataFrame([], schema), table)

    def settle(self, events: DataFrame, category: Category, app: str, version: int) -> Settled:
        """Insert the new events, and merge arrivals that add to an existing event.

        Args:
            events: of the schema `telling`, cached; all of the category.
            category: whose table to write.
            app: the query that read them, for Delta's application transactions.
            version: number of its batch.
        """
        table = places.silver(category)
        dates = _dates(events)
        near = self._where.read(self._spark, table).where(dated(dates))
        stored = near.join(events.select("event_id").distinct(), "event_id", "left_semi")
        changed = self._changed(events, stored).persist()
        try:
            total, updated = changed.selectExpr("count(*)", f"count({SEEN})").collect()[0]
            if updated:
                return self._merge(changed, table, dates, total)
            if total:
                self._where.append(changed.drop(SEEN), table, app, version)
            return Settled(total, 0)
        finally:
            changed.unpersist()

    def _changed(self, events: DataFrame, stored: DataFrame) -> DataFrame:
        """Return the silver rows to write, with `SEEN`."""
        from pyspark.sql.functions import expr, lit
        from pyspark.sql.types import StringType, StructField, StructType

        schema = to_spark(merging.silver_schema(self.telling))
        nothing = lit(None).cast(schema[merging.TELLINGS].dataType)
        arrivals = events.withColumn(merging.TELLINGS, nothing)
        arrivals = arrivals.withColumn(SEEN, lit(None).cast("string"))
        both = arrivals.unionByName(stored.withColumn(SEEN, expr(identity())))
        schema = StructType([*schema.fields, StructField(SEEN, StringType())])
        by_event = both.select(schema.names).repartition("event_id")
        return by_event.mapInArrow(RedactedErrors(_Settler(self.telling)), schema)

    def _merge(self, rows: DataFrame, table: str, dates: list[dt.date], total: int) -> Settled:
        """Write rows that were computed from a slightly older state of the table.

        The repair of silver may have changed an event since; its row is then not overwritten. Nor
        are further rows of an event, which wait for the repair.
        """
        same = f"t.event_id = s.event_id AND {dated(dates, 't.')}"
        merge = self._where.delta(self._spark, table).alias("t").merge(rows.alias("s"), same)
        merge = merge.whenMatchedUpdateAll(f"{identity('t.')} = s.{SEEN}")
        done = merge.whenNotMatchedInsertAll(f"s.{SEEN} IS NULL").execute().collect()[0]
        inserted, updated = done["num_inserted_rows"], done["num_updated_rows"]
        return Settled(inserted, updated, total - inserted - updated)


class _Settler:
    """A function for `mapInArrow` that gets all rows of some events, stored and arrived."""

    def __init__(self, telling: pa.Schema) -> None:
        self._schema = merging.silver_schema(telling)

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """Return the silver rows that change."""
        received = list(batches)
        if not received:
            return
        given = pa.Table.from_batches(received)
        given = given.sort_by([(name, "ascending") for name in PLACE])
        there = pc.is_valid(given[SEEN])
        rows = given.drop_columns([SEEN]).cast(nullable(self._schema))
        arrivals = rows.filter(pc.invert(there)).drop_columns([merging.TELLINGS])
        replaced: dict[str, str] = {}
        # An event may have several rows until the repair: only the first takes new information.
        for event_id, seen in zip(*(given.filter(there)[n].to_pylist() for n in _ONE), strict=True):
            replaced.setdefault(event_id, seen)
        first = pc.is_in(given[SEEN], value_set=pa.array(replaced.values(), pa.string()))
        changed = merging.settle(rows.filter(pc.and_(there, first)), arrivals)
        seen = [replaced.get(event_id) for event_id in changed["event_id"].to_pylist()]
        yield from changed.append_column(SEEN, pa.array(seen, pa.string())).to_batches()


def identity(prefix: str = "") -> str:
    """Return SQL that identifies a silver row in its current state: its arrivals' coordinates.

    A revision would not do: ingestion and the repair may each give an event its revision 1.
    """
    own = f"concat_ws('/', {', '.join(f'{prefix}{name}' for name in PLACE)})"
    each = f"concat_ws('/', {', '.join(f'x.{name}' for name in PLACE)})"
    several = f"concat_ws(',', transform({prefix}{merging.TELLINGS}, x -> {each}))"
    return f"CASE WHEN {prefix}{merging.TELLINGS} IS NULL THEN {own} ELSE {several} END"


def dated(dates: Iterable[dt.date], prefix: str = "") -> str:
    """Return the SQL condition for the partitions of these dates."""
    literals = ", ".join(f"DATE'{date}'" for date in sorted(set(dates)))
    return f"{prefix}{PARTITION_COLUMN} IN ({literals})"


def telling_of(silver: DataFrame) -> pa.Schema:
    """Return the columns of a silver table, except `tellings`."""
    from pyspark.sql.pandas.types import to_arrow_schema

    found = to_arrow_schema(silver.drop(merging.TELLINGS).schema, timezone="UTC")
    return telling_schema(beyond(pa.schema(found)))


def nullable(schema: pa.Schema) -> pa.Schema:
    """Return the same columns, all nullable, as Spark returns them."""
    return pa.schema([field.with_nullable(nullable=True) for field in schema])


def _paths(kind: Any, way: str = "") -> Iterator[str]:
    """Return the columns of a Spark schema, including those inside structs and lists of structs."""
    for field in kind.fields:
        yield way + field.name
        inner = getattr(field.dataType, "elementType", field.dataType)
        if hasattr(inner, "fields"):
            yield from _paths(inner, f"{way}{field.name}.")


def _dates(events: DataFrame) -> list[dt.date]:
    """Return the dates near those of these events and of their identifiers, to find arrivals."""
    from pyspark.sql.functions import coalesce, col, substring

    # Characters 10 to 17 of EndToEndId and RtrId are a date (SPI catalogue 5.13.1).
    named = substring(coalesce(col("return_id"), col("end_to_end_id")), 10, 8)
    pairs = events.select(col(PARTITION_COLUMN), named.alias("named")).distinct().collect()
    found = {date for pair in pairs for date in (pair[0], _date(pair[1])) if date is not None}
    days = {date.toordinal() + days for date in found for days in (-1, 0, 1)}
    calendar = range(dt.date.min.toordinal(), dt.date.max.toordinal() + 1)
    return [dt.date.fromordinal(day) for day in sorted(days) if day in calendar]


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.datetime.strptime(text or "", "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:  # some identifiers hold a day 34, or no date at all
        return None
