"""`pixstream topics apply`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click

from pixstream.cli.topics.changes import allow_delete_option, announce, find, finish, show
from pixstream.kafka.topics.plan import apply

if TYPE_CHECKING:
    from pixstream.cli.root import Root


@click.command()
@allow_delete_option
@click.pass_context
@click.pass_obj
def apply_command(root: Root, context: click.Context, allow_delete: bool) -> None:
    """Create and change topics so that Kafka matches the declaration.

    Applying a second time changes nothing. Partitions are never removed, and are added only to a
    topic that every consumer has read to its end, because keys then move to other partitions: stop
    the producers first. The command stops at the first error and shows what was done. Exit code
    0: everything was applied; 2: at least one change was refused.

    \b
    Examples:
      pixstream topics apply
      pixstream --env prod topics apply
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    announce(settings)
    with closing(root.client(settings).admin()) as admin:
        plan = find(admin, settings, allow_delete=allow_delete)
        show(apply(plan, admin))
    show(change for change in plan if change not in plan.to_do)
    finish(context, plan)
