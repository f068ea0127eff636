"""`pixstream dead-letters`: find, inspect, repair and replay records that failed."""

import click

from pixstream.cli.dead_letters.export import export_command
from pixstream.cli.dead_letters.list import list_command
from pixstream.cli.dead_letters.mark import discard_command, reopen_command
from pixstream.cli.dead_letters.replay import replay_command
from pixstream.cli.dead_letters.show import show_command


@click.group("dead-letters")
def dead_letters() -> None:
    """Find, inspect, repair and replay records that could not be processed, each kept complete.

    \b
    Examples:
      pixstream dead-letters list --since 7d
      pixstream dead-letters show 3f2a…
      pixstream dead-letters replay --reason malformed_json --with repair.py --dry-run
    """  # noqa: D301  \b keeps click from rewrapping the paragraph


dead_letters.add_command(list_command)
dead_letters.add_command(show_command)
dead_letters.add_command(replay_command)
dead_letters.add_command(discard_command)
dead_letters.add_command(reopen_command)
dead_letters.add_command(export_command)
