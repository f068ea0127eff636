"""The changes that `plan` shows and `apply` makes: finding and printing them."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import click

from pixstream.cli.consumer_groups import consumer_groups
from pixstream.kafka import lag
from pixstream.kafka.topics import plan

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin
    from pixstream.kafka.topics.changes import Plan

_EXIT_REFUSED = 2

allow_delete_option = click.option(
    "--allow-delete",
    is_flag=True,
    help="Delete pix.* topics that the configuration does not declare, with all their records.",
)


def find(admin: Admin, settings: Settings, *, allow_delete: bool) -> Plan:
    """Compare the declared topics with Kafka's."""
    return plan.plan(
        settings.declared_topics,
        admin.topics(),
        lags=partial(lag.of_topic, admin, consumer_groups(settings)),
        allow_delete=allow_delete,
    )


def show(changes: Iterable[object]) -> None:
    """Print one line per change."""
    for change in changes:
        click.echo(str(change))


def announce(settings: Settings) -> None:
    """Say what Kafka's own tools show before the names of the topics, if it is anything."""
    if settings.kafka.topic_prefix:
        click.echo(f"names in Kafka begin with {settings.kafka.topic_prefix}")


def finish(context: click.Context, plan: Plan) -> None:
    """Exit with 2 if a change was refused; print a line if there was nothing to change."""
    if plan.refused:
        context.exit(_EXIT_REFUSED)
    if not plan.to_do:
        click.echo("no changes")
