"""Kafka → bronze → silver."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, get_args

import click

from pixstream import runtime
from pixstream.bundle import values
from pixstream.consumers.spark.consumer import Spark
from pixstream.spark.jobs.options import day, task
from pixstream.spark.streaming import Trigger

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
@click.option("--trigger", type=click.Choice(get_args(Trigger)), default="continuous")
@click.option(
    "--settle-since",
    default="",
    help="Write the bronze rows since this day (UTC), YYYY-MM-DD, to silver again, after a silver "
    "table was restored.",
)
def main(settings: Settings, trigger: Trigger, settle_since: str) -> None:
    """Read the event topics into bronze and silver, continuously or up to their current end."""
    since = day("--settle-since", settle_since)
    consumer = settings.consumers.get("spark") or Spark(type="spark")
    assert isinstance(consumer, Spark)  # noqa: S101  a plugin of that name is of that type
    settings.kafka = runtime.kafka_settings(settings)
    loop = consumer.loop(settings, threading.Event(), trigger, since)
    try:
        loop.run()
    finally:
        values.report(**loop.counts)
