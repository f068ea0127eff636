"""`pixstream config`: show the effective configuration, and its schema for editors."""

import click

from pixstream.cli.config.schema import schema_command
from pixstream.cli.config.show import show_command


@click.group()
def config() -> None:
    """Show the effective configuration or its JSON schema.

    \b
    Examples:
      pixstream --env prod config show
      pixstream config schema
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


config.add_command(show_command)
config.add_command(schema_command)
