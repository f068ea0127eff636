"""`pixstream broker`: manage the embedded Apache Kafka, for development and tests."""

import click

from pixstream.cli.broker.start import start_command
from pixstream.cli.broker.status import status_command
from pixstream.cli.broker.stop import stop_command


@click.group()
def broker() -> None:
    """Start, stop and inspect the embedded Kafka broker.

    \b
    It is a single node of Apache Kafka for development, the demo and tests; its data is in
    data_dir. It is never started when kafka.bootstrap_servers is configured.
      pixstream broker start
      pixstream broker status
      pixstream broker stop
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


broker.add_command(start_command)
broker.add_command(stop_command)
broker.add_command(status_command)
