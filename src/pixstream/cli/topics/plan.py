"""`pixstream topics plan`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from pixstream.cli.topics.changes import allow_delete_option, announce, find, finish, show

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@allow_delete_option
@click.pass_context
@click.pass_obj
def plan_command(root: Root, context: click.Context, allow_delete: bool) -> None:
    """Show what `topics apply` would do, and change nothing.

    \b
    One line per change:
      + create a topic           ~ change settings or partitions   - delete a topic
      ! refused, with the reason = not declared, kept
    Exit code 0: nothing is refused; 2: at least one change is refused.

    \b
    Examples:
      pixstream topics plan
      pixstream --env prod topics plan --allow-delete
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    announce(settings)
    with closing(root.client(settings).admin()) as admin:
        plan = find(admin, settings, allow_delete=allow_delete)
    show(plan)
    finish(context, plan)
