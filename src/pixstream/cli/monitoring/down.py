"""`pixstream monitoring down`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.monitored import servers

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command("down")
@click.pass_obj
def down_command(root: Root) -> None:
    """Stop every server and keep its data, also if `up` was killed before it was done.

    \b
    Example:
      pixstream monitoring down
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    stopped = servers(root.load()).down()
    click.echo(f"stopped: {', '.join(stopped)}" if stopped else "nothing is running")
