"""`pixstream monitoring`: servers of Prometheus, Alertmanager and OpenSearch on this machine."""

import click

from pixstream.cli.monitoring.down import down_command
from pixstream.cli.monitoring.status import status_command
from pixstream.cli.monitoring.up import up_command


@click.group()
def monitoring() -> None:
    """Start, stop and inspect servers that show what pixstream does.

    \b
    Prometheus keeps the metrics and evaluates the alerts, Alertmanager routes them, OpenSearch
    keeps the log lines. They run on this machine on free ports, with their files in
    data_dir/monitoring, and need no root. For production take the files of monitoring/ to your
    own servers.
      pixstream monitoring up
      pixstream monitoring status
      pixstream monitoring down
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


monitoring.add_command(up_command)
monitoring.add_command(status_command)
monitoring.add_command(down_command)
