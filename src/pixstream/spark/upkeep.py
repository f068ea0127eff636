"""Keeps the tables fast and small: compacts small files, deletes expired rows and files."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.event.categories import Category
from pixstream.spark import places
from pixstream.spark.conflicts import again
from pixstream.spark.gold import DAY

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pixstream.spark.places import Places
    from pixstream.spark.settings import SparkSettings


_BUSY_DAYS = 2
_PARTITIONS = {
    places.BRONZE: "ingest_date",
    **{places.silver(c): PARTITION_COLUMN for c in Category},
}


class Maintained(NamedTuple):
    """The result for one table: files before and after, and expired rows."""

    files_before: int
    files_after: int
    expired: int


def maintain(spark: SparkSession, where: Places, settings: SparkSettings, table: str) -> Maintained:
    """Delete expired rows, compact small files, and vacuum files that no version needs.

    Small files of the last days stay: ingestion still merges into them, and the two would conflict.

    Files are kept for the table's `delta.deletedFileRetentionDuration`, a week by default: for that
    long a version can be restored and a slow reader keeps working.
    """
    before = _files(spark, where, table)
    expired = 0
    keep = settings.bronze_days if table == places.BRONZE else None
    if keep is not None:
        last = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=keep)
        gone = f"ingest_date < DATE'{last}'"
        expired = where.read(spark, table).where(gone).count()
        if expired:
            again(
                lambda: where.delta(spark, table).delete(gone), f"retention of {where.name(table)}"
            )
    done_with = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=_BUSY_DAYS)
    partition = _PARTITIONS.get(table, DAY)
    old = f"{partition} <= DATE'{done_with}'"
    again(
        lambda: where.delta(spark, table).optimize().where(old).executeCompaction(),
        f"compaction of {where.name(table)}",
    )
    where.delta(spark, table).vacuum()
    return Maintained(before, _files(spark, where, table), expired)


def _files(spark: SparkSession, where: Places, table: str) -> int:
    return int(where.delta(spark, table).detail().collect()[0]["numFiles"])
