"""Silver repaired: one row for each event."""

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
    """Merge events that several rows of silver hold."""
    spark, where = session(settings.spark), Places(settings.spark)
    with where.alone():
        found = {c.plural: uniqueness.repair(spark, where, c) for c in Category}
    values.report(**{name: repaired.removed for name, repaired in found.items()})
