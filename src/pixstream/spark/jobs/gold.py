"""Gold of some business days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from pixstream.bundle import values
from pixstream.errors import ConfigError
from pixstream.spark.gold import Gold, today
from pixstream.spark.jobs.options import day, task
from pixstream.spark.places import Places
from pixstream.spark.session import session

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
@click.option("--since", default="", help="First business day, YYYY-MM-DD; default: yesterday.")
@click.option("--until", default="", help="Last business day, YYYY-MM-DD; default: today.")
def main(settings: Settings, since: str, until: str) -> None:
    """Overwrite these days of the gold tables."""
    last = day("--until", until) or today()
    first = day("--since", since) or min(today() - dt.timedelta(days=1), last)
    if first > last:
        raise ConfigError(f"--since {first} is after --until {last}")
    where = Places(settings.spark)
    gold = Gold(session(settings.spark), where, first, last)
    with where.alone():
        values.report(since=str(first), until=str(last), **gold.write())
