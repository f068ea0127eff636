"""`pixstream monitoring up`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.cli.console import output
from pixstream.cli.embedded import downloading
from pixstream.cli.monitored import log_files, servers, table, targets

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command("up")
@click.pass_obj
def up_command(root: Root) -> int:
    """Start every server that does not run, wait until each works, and print the addresses.

    \b
    It may be repeated, and should be after another `pixstream run` has started on a port of its
    own: what runs is left alone and learns the addresses. A program that is not installed is
    named, with the command that installs it, and the others start. Exit code 0: what is installed
    works; 1: something does not.
      pixstream monitoring up
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    monitoring = servers(settings)
    with downloading("OpenSearch") as progress:
        begun = monitoring.up(targets(settings), log_files(settings), progress)
    output().print(table(monitoring.status()))
    for lack in begun.missing:
        click.echo(str(lack))
    for note in begun.notes:
        click.echo(note)
    for failure in begun.failed:
        click.echo(f"error: {failure}", err=True)
    return 1 if begun.failed else 0
