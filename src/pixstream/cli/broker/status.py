"""`pixstream broker status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.embedded import embedded_broker

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def status_command(root: Root) -> int:
    """Show whether the broker is running, its address, and where its data and log are.

    \b
    Exit code 0: it is running; 1: it is not.
      pixstream broker status
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    found = embedded_broker(root.load()).status()
    click.echo(f"Apache Kafka {found.version}: {'running' if found.running else 'not running'}")
    if found.running:
        click.echo(f"address  {found.bootstrap}\npid      {found.pid}")
        if found.metrics:
            click.echo(f"metrics  {found.metrics}")
    click.echo(f"data     {found.data_dir}\nlog      {found.log_file}")
    return 0 if found.running else 1
