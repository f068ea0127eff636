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
from pixstream.tasks.options import task

if TYPE_CHECKING:
    from pixstream.config.settings import Settings

__all__ = ["main"]


@task
@click.option("--trigger", type=click.Choice(get_args(Trigger)), default="continuous")
def main(settings: Settings, trigger: Trigger) -> None:
    """Read the topics of events into bronze and silver, without end or as far as they go now."""
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
    loop = consumer.loop(settings, threading.Event(), trigger)
    try:
        loop.run()
    finally:
        values.report(**loop.counts)
