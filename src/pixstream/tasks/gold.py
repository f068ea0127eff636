"""Gold of some business days."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import click

from pixstream.errors import ConfigError
from pixstream.jobs import values
from pixstream.spark.gold import Gold, today
from pixstream.spark.places import Places
from pixstream.spark.session import session
from pixstream.tasks.options import task

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
@click.option("--since", default="", help="First business day, YYYY-MM-DD; default: yesterday.")
@click.option("--until", default="", help="Last business day, YYYY-MM-DD; default: today.")
def main(settings: Settings, since: str, until: str) -> None:
    """Write the gold tables of these days anew."""
    last = _day("--until", until) or today()
    first = _day("--since", since) or min(today() - dt.timedelta(days=1), last)
    if first > last:
        raise ConfigError(f"--since {first} is after --until {last}")
    gold = Gold(session(settings.spark), Places(settings.spark), first, last)
    values.report(since=str(first), until=str(last), **gold.write())


def _day(option: str, text: str) -> dt.date | None:
    try:
        return dt.date.fromisoformat(text) if text else None
    except ValueError:
        raise ConfigError(f"{option}: {text!r} is no date of the form YYYY-MM-DD") from None
