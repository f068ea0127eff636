"""Locations of Spark's tables: names in Unity Catalog, or directories, from one setting."""

from __future__ import annotations

import fcntl
import logging
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from pixstream.event.categories import Category

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from delta.tables import DeltaTable
    from pyspark.sql import DataFrame, SparkSession
    from pyspark.sql.types import StructType

    from pixstream.spark.settings import SparkSettings

log = logging.getLogger("pixstream.spark")

BRONZE = "bronze"
"""Every record as it was in Kafka."""

GOLD_HOURLY, GOLD_DAILY = "gold_hourly", "gold_daily"
"""Movements per participant and category, by hour and by business day."""

ACCOUNT_PROFILES = "account_profiles"
"""The profile of an account as of a business day."""

PROPERTIES = {
    # Readers other than Spark, deltalake among them, refuse tables with deletion vectors.
    "delta.enableDeletionVectors": "false",
}


def silver(category: Category) -> str:
    """The silver table of a category."""
    return category.plural


def every() -> list[str]:
    """The names of all tables."""
    return [BRONZE, *map(silver, Category), GOLD_HOURLY, GOLD_DAILY, ACCOUNT_PROFILES]


def open_tables(spark: SparkSession, settings: SparkSettings) -> dict[str, DataFrame]:
    """Return every existing table, by name."""
    where = Places(settings)
    return {name: where.read(spark, name) for name in every() if where.exists(spark, name)}


_LATELY = 1000
"""How many commits to search; only maintenance commits between two appends."""


class Places:
    """The locations of tables and checkpoints.

    Args:
        settings: the section `spark`.
    """

    def __init__(self, settings: SparkSettings) -> None:
        self._settings = settings

    def name(self, table: str) -> str:
        """Return the table's name in SQL."""
        settings = self._settings
        if settings.catalog is not None:
            return f"`{settings.catalog}`.`{settings.schema}`.`{table}`"
        return f"delta.`{self.path(table)}`"

    def path(self, table: str) -> str:
        """Return the table's directory, if no catalog is set."""
        return f"{_absolute(self._settings.path)}/{table}"

    def checkpoint(self, query: str) -> str:
        """Return the checkpoint directory of a streaming query."""
        return f"{_absolute(self._settings.checkpoints)}/{query}"

    @contextmanager
    def alone(self) -> Iterator[None]:
        """Prevent other processes on this machine from committing in the meantime.

        On a local disk Delta's log does not prevent two JVMs from writing the same entry; with a
        catalog or an object store it does.
        """
        if self._settings.catalog is not None or "://" in self._settings.path:
            yield
            return
        directory = Path(_absolute(self._settings.path))
        directory.mkdir(parents=True, exist_ok=True)
        with (directory / ".writer").open("ab") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                log.info("waiting for another process that writes to the tables in %s", directory)
                fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def exists(self, spark: SparkSession, table: str) -> bool:
        """Return whether the table exists."""
        if self._settings.catalog is not None:
            return bool(spark.catalog.tableExists(self.name(table)))
        from delta.tables import DeltaTable

        return bool(DeltaTable.isDeltaTable(spark, self.path(table)))

    def read(self, spark: SparkSession, table: str) -> DataFrame:
        """Return the table's rows."""
        return spark.table(self.name(table))

    def delta(self, spark: SparkSession, table: str) -> DeltaTable:
        """Return the table's handle, for MERGE and maintenance."""
        from delta.tables import DeltaTable

        if self._settings.catalog is not None:
            return DeltaTable.forName(spark, self.name(table))
        return DeltaTable.forPath(spark, self.path(table))

    def create(
        self,
        spark: SparkSession,
        table: str,
        schema: StructType,
        partitioned_by: Sequence[str] = (),
    ) -> None:
        """Create the table if it does not exist."""
        # SQL: the builder of open-source Delta refuses names of three parts.
        columns = (f"`{field.name}` {field.dataType.simpleString()}" for field in schema.fields)
        by = f"PARTITIONED BY ({', '.join(partitioned_by)})" if partitioned_by else ""
        properties = (f"'{key}' = '{value}'" for key, value in PROPERTIES.items())
        spark.sql(
            f"CREATE TABLE IF NOT EXISTS {self.name(table)} ({', '.join(columns)}) USING delta "
            f"{by} TBLPROPERTIES ({', '.join(properties)})"
        )

    def append(self, rows: DataFrame, table: str, app: str, version: int) -> None:
        """Append rows exactly once: do nothing if the table has this application's version."""
        writer = rows.write.format("delta").mode("append")
        writer = writer.option("txnAppId", app).option("txnVersion", version)
        writer = writer.option("userMetadata", f"{app}/{version}")
        if self._settings.catalog is not None:
            writer.saveAsTable(self.name(table))
        else:
            writer.save(self.path(table))

    def last(self, spark: SparkSession, table: str, app: str) -> int:
        """Return the last version that `append` wrote for this application; -1: none recently."""
        commits = self.delta(spark, table).history(_LATELY).select("version", "userMetadata")
        mine = commits.where(commits["userMetadata"].startswith(f"{app}/")).collect()
        newest = max(mine, key=lambda commit: commit["version"], default=None)
        return -1 if newest is None else int(newest["userMetadata"].rpartition("/")[2])

    def replace(self, rows: DataFrame, table: str, condition: str) -> None:
        """Replace the rows that match the condition by these rows, in one commit."""
        writer = rows.write.format("delta").mode("overwrite").option("replaceWhere", condition)
        if self._settings.catalog is not None:
            writer.saveAsTable(self.name(table))
        else:
            writer.save(self.path(table))

    def widen(self, empty: DataFrame, table: str) -> None:
        """Add the columns of an empty frame that the table lacks."""
        writer = empty.write.format("delta").mode("append").option("mergeSchema", "true")
        if self._settings.catalog is not None:
            writer.saveAsTable(self.name(table))
        else:
            writer.save(self.path(table))


def _absolute(place: str) -> str:
    """Return an absolute directory; leave the address of an object store as it is."""
    return place.rstrip("/") if "://" in place else str(Path(place).absolute())
