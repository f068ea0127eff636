"""`pixstream broker stop`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.embedded import embedded_broker

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def stop_command(root: Root) -> None:
    """Shut the broker down cleanly and keep its data.

    \b
    Example:
      pixstream broker stop
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    broker = embedded_broker(root.load())
    if not broker.status().running:
        click.echo("not running")
        return
    broker.stop()
    click.echo("stopped")
