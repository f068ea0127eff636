"""`pixstream topics`: the declared topics against the ones that Kafka holds, and the ACLs."""

from __future__ import annotations

from contextlib import closing
from functools import partial
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.acls import acls, print_columns
from pixstream.cli.lag import consumer_groups
from pixstream.event.categories import TOPIC_PREFIX
from pixstream.kafka import lag
from pixstream.kafka.topics import plan as topic_plan
from pixstream.kafka.topics.declared import declared

if TYPE_CHECKING:
    from collections.abc import Iterable

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.ports import Admin, TopicState
    from pixstream.kafka.topics.changes import Plan

_EXIT_REFUSED = 2

_allow_delete = click.option(
    "--allow-delete",
    is_flag=True,
    help="Delete topics named pix.* that the configuration does not declare, with their records.",
)


@click.group()
def topics() -> None:
    """Compare the declared topics with Kafka's, and make Kafka's like them."""


topics.add_command(acls)


@topics.command("plan")
@_allow_delete
@click.pass_context
def plan_command(context: click.Context, allow_delete: bool) -> None:
    """Show what `topics apply` would do, and change nothing.

    \b
    One line a change:
      + create a topic           ~ change settings or partitions   - delete a topic
      ! refused, with the reason = not declared, stays
    The exit code is 0, or 2 if something is refused.

    \b
    Examples:
      pixstream topics plan
      pixstream --env prod topics plan --allow-delete
    """  # noqa: D301  \b is click's mark
    root: Root = context.obj
    settings = root.load()
    with closing(root.client(settings).admin()) as admin:
        plan = _plan(admin, settings, allow_delete)
    _show(plan)
    _finish(context, plan)


@topics.command("apply")
@_allow_delete
@click.pass_context
def apply_command(context: click.Context, allow_delete: bool) -> None:
    """Create and change topics until Kafka holds what is declared.

    Applying twice changes nothing the second time. Partitions never shrink; more of them are
    given only to a topic that every consumer has read to its end, because keys move to other
    partitions: stop the producers first. The first error ends it and says what was done. The exit
    code is 0, or 2 if something is refused.

    \b
    Examples:
      pixstream topics apply
      pixstream --env prod topics apply
    """  # noqa: D301
    root: Root = context.obj
    settings = root.load()
    with closing(root.client(settings).admin()) as admin:
        plan = _plan(admin, settings, allow_delete)
        for change in topic_plan.apply(plan, admin):
            click.echo(str(change))
    _show(change for change in plan if change not in plan.to_do)
    _finish(context, plan)


@topics.command("list")
@click.option("--format", "form", type=click.Choice(["table", "json"]), default="table")
@click.pass_obj
def list_command(root: Root, form: str) -> None:
    """List the declared topics and every other pix.* topic, as Kafka holds them.

    \b
    Examples:
      pixstream topics list
      pixstream topics list --format json | jq -r '.[].name'
    """  # noqa: D301
    settings = root.load()
    with closing(root.client(settings).admin()) as admin:
        actual = admin.topics()
    names = [spec.name for spec in declared(settings.topics)]
    others = (n for n in actual if n.startswith(TOPIC_PREFIX) and n not in names)
    states = {name: actual.get(name) for name in [*names, *sorted(others)]}
    if form == "json":
        rows = [
            {"name": name, "declared": name in names, "state": state and state._asdict()}
            for name, state in states.items()
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        heads = ("topic", "partitions", "replication", "declared", "settings")
        print_columns([heads, *(_row(n, state, n in names) for n, state in states.items())])


def _plan(admin: Admin, settings: Settings, allow_delete: bool) -> Plan:
    return topic_plan.plan(
        declared(settings.topics),
        admin.topics(),
        lags=partial(lag.of_topic, admin, consumer_groups(settings)),
        allow_delete=allow_delete,
    )


def _show(changes: Iterable[object]) -> None:
    for change in changes:
        click.echo(str(change))


def _finish(context: click.Context, plan: Plan) -> None:
    if plan.refused:
        context.exit(_EXIT_REFUSED)
    if not plan.to_do:
        click.echo("no changes")


def _row(name: str, state: TopicState | None, is_declared: bool) -> tuple[str, ...]:
    word = "yes" if is_declared else "no"
    if state is None:
        return (name, "-", "-", word, "does not exist; create it with: pixstream topics apply")
    settings = ", ".join(f"{key}={value}" for key, value in sorted(state.config.items()))
    return (name, str(state.partitions), str(state.replication), word, settings or "-")
