"""One row for each event: what a batch adds to the silver table of a category."""

from __future__ import annotations

import datetime as dt
import logging
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.errors import Transient
from pixstream.event import Category
from pixstream.lake import merging
from pixstream.lake.schema import PARTITION_COLUMN
from pixstream.lake.shapes import beyond
from pixstream.spark import places
from pixstream.spark.schemas import telling_schema, to_spark
from pixstream.spark.workers import Discreet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from pyspark.sql import DataFrame, SparkSession

    from pixstream.spark.places import Places

log = logging.getLogger("pixstream.spark")

SEEN = "_seen"
"""Column of rows to write: the revision that the event has in the table; null: it is new."""

_DAY = dt.timedelta(days=1)


class Settled(NamedTuple):
    """What became of the events of one category in one batch: rows of silver."""

    inserted: int
    updated: int


class Silver:
    """The silver tables.

    Args:
        spark: the session.
        where: finds the tables; they are created when they are not there yet.
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
        self.telling = telling_schema(self._columns())

    def _columns(self) -> dict[str, pa.DataType]:
        """The columns that any of the tables has beyond an event's."""
        from pyspark.sql.pandas.types import to_arrow_schema

        found: dict[str, pa.DataType] = {}
        for category in Category:
            frame = self._where.read(self._spark, places.silver(category))
            schema = to_arrow_schema(frame.drop(merging.TELLINGS).schema, timezone="UTC")
            found |= beyond(pa.schema(schema))
        return found

    def widen(self, columns: Mapping[str, pa.DataType]) -> None:
        """Give every silver table columns for new fields, also inside of `tellings`."""
        self.telling = telling_schema({**beyond(self.telling), **dict(sorted(columns.items()))})
        schema = to_spark(merging.silver_schema(self.telling))
        for category in Category:
            table = places.silver(category)
            empty = self._spark.createDataFrame([], schema)
            self._where.widen(empty, table)
        log.warning("silver tables have new columns: %s", ", ".join(sorted(columns)))

    def settle(self, events: DataFrame, category: Category, app: str, version: int) -> Settled:
        """Add what is new in these events, and merge what adds to an event that is there.

        Args:
            events: of `telling`, cached; all of the category.
            category: whose table it is.
            app: the query that brought them, for Delta's application transactions.
            version: of its batch.

        Raises:
            Transient: another job changed an event meanwhile; the same call may succeed later.
        """
        table = places.silver(category)
        dates = _dates(events)
        silver = self._where.read(self._spark, table)
        near = silver.where(silver[PARTITION_COLUMN].isin(dates))
        stored = near.join(events.select("event_id").distinct(), "event_id", "left_semi")
        changed = self._changed(events, stored).persist()
        try:
            total, updated = changed.selectExpr("count(*)", f"count({SEEN})").collect()[0]
            settled = Settled(total - updated, updated)
            if settled.updated:
                self._merge(changed, table, dates, total)
            elif settled.inserted:
                self._where.append(changed.drop(SEEN), table, app, version)
        finally:
            changed.unpersist()
        return settled

    def _changed(self, events: DataFrame, stored: DataFrame) -> DataFrame:
        """The silver rows to write, with `SEEN`."""
        from pyspark.sql.functions import lit
        from pyspark.sql.types import LongType, StructField, StructType

        schema = to_spark(merging.silver_schema(self.telling))
        nothing = lit(None).cast(schema[merging.TELLINGS].dataType)
        arrivals = events.withColumn(merging.TELLINGS, nothing)
        arrivals = arrivals.withColumn(SEEN, lit(None).cast("long"))
        both = arrivals.unionByName(stored.withColumn(SEEN, stored["revision"]))
        schema = StructType([*schema.fields, StructField(SEEN, LongType())])
        told = both.select(schema.names).repartition("event_id")
        return told.mapInArrow(Discreet(_Settler(self.telling)), schema)

    def _merge(self, rows: DataFrame, table: str, dates: list[dt.date], total: int) -> None:
        """Write rows that were made of what the table held a moment ago, or find it changed.

        The repair of silver may have changed an event since: then its row is left as it is.
        """
        near = ", ".join(f"DATE'{date}'" for date in dates)
        same = f"t.event_id = s.event_id AND t.{PARTITION_COLUMN} IN ({near})"
        merge = self._where.delta(self._spark, table).alias("t").merge(rows.alias("s"), same)
        merge = merge.whenMatchedUpdateAll(f"t.revision = s.{SEEN}")
        done = merge.whenNotMatchedInsertAll(f"s.{SEEN} IS NULL").execute().collect()[0]
        if done["num_affected_rows"] != total:
            raise Transient(
                f"{self._where.name(table)}: another job changed events of this batch meanwhile; "
                "it comes again, and adds what is still missing"
            )


class _Settler:
    """What `mapInArrow` calls with all rows of some events, stored and arrived."""

    def __init__(self, telling: pa.Schema) -> None:
        self._schema = merging.silver_schema(telling)

    def __call__(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """One batch: the silver rows that change."""
        received = list(batches)
        if not received:
            return
        given = pa.Table.from_batches(received)
        there = pc.is_valid(given[SEEN])
        rows = given.drop_columns([SEEN]).cast(_nullable(self._schema))
        stored = rows.filter(there)
        arrivals = rows.filter(pc.invert(there)).drop_columns([merging.TELLINGS])
        arrivals = arrivals.sort_by(
            [("_topic", "ascending"), ("_partition", "ascending"), ("_offset", "ascending")]
        )
        changed = merging.settle(stored, arrivals)
        places_of = pc.index_in(changed["event_id"], value_set=stored["event_id"].combine_chunks())
        seen = stored["revision"].combine_chunks().take(places_of.combine_chunks())
        yield from changed.append_column(SEEN, seen).to_batches()


def _nullable(schema: pa.Schema) -> pa.Schema:
    return pa.schema([field.with_nullable(nullable=True) for field in schema])


def _dates(events: DataFrame) -> list[dt.date]:
    """Where tellings of these events may be: around their dates, and around their identifiers'."""
    from pyspark.sql.functions import coalesce, col, substring

    # Characters 10 to 17 of EndToEndId and RtrId are a date (SPI catalogue 5.13.1).
    named = substring(coalesce(col("return_id"), col("end_to_end_id")), 10, 8)
    pairs = events.select(col(PARTITION_COLUMN), named.alias("named")).distinct().collect()
    found = {date for pair in pairs for date in (pair[0], _date(pair[1])) if date is not None}
    return sorted({date + days * _DAY for date in found for days in (-1, 0, 1)})


def _date(text: str | None) -> dt.date | None:
    try:
        return dt.datetime.strptime(text or "", "%Y%m%d").replace(tzinfo=dt.UTC).date()
    except ValueError:  # some identifiers hold a day 34, or no date at all
        return None
