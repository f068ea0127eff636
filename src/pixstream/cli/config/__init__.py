"""`pixstream config`: a first configuration, the effective one, and the schema for editors."""

import click

from pixstream.cli.config.create import create_command
from pixstream.cli.config.schema import schema_command
from pixstream.cli.config.show import show_command


@click.group()
def config() -> None:
    """Write a first configuration, show the effective one, or print the JSON schema.

    \b
    Examples:
      pixstream config create
      pixstream --env prod config show
      pixstream config schema
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


config.add_command(create_command)
config.add_command(show_command)
config.add_command(schema_command)
