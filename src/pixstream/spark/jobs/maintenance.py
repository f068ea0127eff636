"""Maintenance of every table."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.bundle import values
from pixstream.spark import places, upkeep
from pixstream.spark.jobs.options import task
from pixstream.spark.places import Places
from pixstream.spark.session import session

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
def main(settings: Settings) -> None:
    """Delete expired rows, compact small files, and vacuum files that no version needs."""
    spark, where = session(settings.spark), Places(settings.spark)
    for table in places.every():
        if where.exists(spark, table):
            with where.alone():
                kept = upkeep.maintain(spark, where, settings.spark, table)
            values.report(**{table: f"{kept.files_before} → {kept.files_after} files"})
