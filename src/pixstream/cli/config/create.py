"""`pixstream config create`: write a first configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@click.pass_obj
def create_command(root: Root) -> None:
    """Write a first configuration: a webhook, the embedded broker, and Delta tables in data/lake.

    \b
    An existing file is never changed. From an empty directory to a running pipeline:
      pixstream config create
      pixstream keys create
      pixstream check
      pixstream run
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.config.starter import create

    create(root.path)
    click.echo(f"{root.path}  created; next: pixstream keys create")
