"""Kafka → bronze → silver."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import TYPE_CHECKING, get_args

import click

from pixstream.consumers.spark import Spark
from pixstream.errors import BrokerError
from pixstream.jobs import values
from pixstream.kafka.broker import EmbeddedBroker
from pixstream.spark.streaming import Trigger
from pixstream.tasks.options import day, task

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
@click.option("--trigger", type=click.Choice(get_args(Trigger)), default="continuous")
@click.option(
    "--settle-since",
    default="",
    help="Put what bronze took since this day (UTC), YYYY-MM-DD, through silver once more: after a "
    "silver table was restored.",
)
def main(settings: Settings, trigger: Trigger, settle_since: str) -> None:
    """Read the topics of events into bronze and silver, without end or as far as they go now."""
    since = day("--settle-since", settle_since)
    consumer = settings.consumers.get("spark") or Spark(type="spark")
    assert isinstance(consumer, Spark)  # noqa: S101  a plugin of that name is of that type
    if settings.kafka.bootstrap_servers is None:
        status = EmbeddedBroker(Path(settings.data_dir) / "kafka").status()
        if not status.running:
            raise BrokerError(
                "kafka.bootstrap_servers is null and the embedded broker does not run; start it "
                "with `pixstream broker start`"
            )
        settings.kafka.bootstrap_servers = status.bootstrap
    loop = consumer.loop(settings, threading.Event(), trigger, since)
    try:
        loop.run()
    finally:
        values.report(**loop.counts)
