"""Repair of silver: one row per event."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.bundle import values
from pixstream.event.categories import Category
from pixstream.spark import uniqueness
from pixstream.spark.jobs.options import task
from pixstream.spark.places import Places
from pixstream.spark.session import session

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
def main(settings: Settings) -> None:
    """Merge the rows of events that have several in silver."""
    spark, where = session(settings.spark), Places(settings.spark)
    with where.alone():
        found = {c.plural: uniqueness.repair(spark, where, c) for c in Category}
    values.report(**{name: repaired.removed for name, repaired in found.items()})
