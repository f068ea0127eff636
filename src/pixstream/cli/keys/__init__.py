"""`pixstream keys`: manage the two privacy keys."""

import click

from pixstream.cli.keys.create import create_command


@click.group()
def keys() -> None:
    """Create the privacy keys.

    \b
    Example:
      pixstream keys create
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


keys.add_command(create_command)
