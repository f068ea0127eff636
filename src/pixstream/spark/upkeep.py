"""Keeps the tables quick and small: small files merged, expired rows and files removed."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, NamedTuple

from pixstream.spark import places

if TYPE_CHECKING:
    from pyspark.sql import SparkSession

    from pixstream.spark.places import Places
    from pixstream.spark.settings import SparkSettings


class Kept(NamedTuple):
    """What was done to one table: files before and after, and rows that had expired."""

    files_before: int
    files_after: int
    expired: int


def maintain(spark: SparkSession, where: Places, settings: SparkSettings, table: str) -> Kept:
    """Remove what has expired, merge small files, delete files that no version needs.

    Files stay for the table's `delta.deletedFileRetentionDuration`, a week by default: so long a
    version can be restored and a slow reader goes on.
    """
    before = _files(spark, where, table)
    expired = 0
    keep = settings.bronze_days if table == places.BRONZE else None
    if keep is not None:
        last = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=keep)
        old = f"ingest_date < DATE'{last}'"
        expired = where.read(spark, table).where(old).count()
        if expired:
            where.delta(spark, table).delete(old)
    where.delta(spark, table).optimize().executeCompaction()
    where.delta(spark, table).vacuum()
    return Kept(before, _files(spark, where, table), expired)


def _files(spark: SparkSession, where: Places, table: str) -> int:
    return int(where.delta(spark, table).detail().collect()[0]["numFiles"])
