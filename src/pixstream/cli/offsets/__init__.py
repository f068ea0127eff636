"""`pixstream offsets`: show and set the offsets of consumers and processors."""

import click

from pixstream.cli.offsets.set import set_command
from pixstream.cli.offsets.show import show_command


@click.group()
def offsets() -> None:
    """Show the offsets of each consumer and processor, and set them.

    \b
    Examples:
      pixstream offsets show
      pixstream offsets set delta_lake --topic recebimentos --to earliest --allow-rewind --why …
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


offsets.add_command(show_command)
offsets.add_command(set_command)
