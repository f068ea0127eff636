"""`pixstream monitoring status`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.console import output
from pixstream.cli.monitored import servers, table

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command("status")
@click.pass_obj
def status_command(root: Root) -> int:
    """Show each server with its state, address and memory.

    \b
    Exit code 0: every server that was started runs; 1: none was, or one has ended.
      pixstream monitoring status
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    seen = servers(root.load()).status()
    if not seen:
        click.echo("nothing is running: `pixstream monitoring up` starts the servers")
        return 1
    output().print(table(seen))
    return 0 if all(one.process for one in seen) else 1
