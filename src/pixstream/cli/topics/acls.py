"""`pixstream topics acls`: print the permissions that each component needs in Kafka."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.console import print_columns
from pixstream.kafka.names import EVENT_TOPICS, changelog, principal
from pixstream.kafka.topics import acls as rights
from pixstream.plugins.processor import HasState

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.cli.root import Root
    from pixstream.config.settings import Settings


@click.command()
@click.argument("components", metavar="[NAME]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "commands", "json"]),
    default="table",
    show_default=True,
    help="commands prints command lines for Kafka's kafka-acls.sh.",
)
@click.option(
    "--principal",
    default="User:{component}",
    show_default=True,
    help="Kafka principal of a component; {component} stands for its name.",
)
@click.pass_obj
def acls_command(root: Root, components: Sequence[str], form: str, principal: str) -> None:
    """Print exactly the permissions that each component needs in Kafka.

    `operator` is the person or job that runs `pixstream topics`, `lag` and `dead-letters`. The
    command works offline: it does not connect to Kafka.

    \b
    Examples:
      pixstream topics acls
      pixstream --env prod topics acls webhook --format commands
      pixstream topics acls --principal 'User:CN={component},O=bank'
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    needed = _acls(settings, principal)
    unknown = sorted(set(components) - needed.keys())
    if unknown:
        known = ", ".join(needed)
        raise click.BadParameter(f"unknown component {', '.join(unknown)}; configured: {known}")
    listed = [acl for name in components or needed for acl in needed[name]]
    if form == "json":
        lines = msgspec.json.encode([acl._asdict() for acl in listed])
        click.echo(msgspec.json.format(lines, indent=2))
    elif form == "commands":
        servers = settings.kafka.bootstrap_servers or "localhost:9092"
        click.echo("\n".join(rights.commands(listed, servers)))
    else:
        print_columns([rights.Acl._fields, *listed])


def _acls(settings: Settings, template: str) -> dict[str, list[rights.Acl]]:
    """Return the ACLs of each component, including disabled ones, and of the operator."""
    result: dict[str, list[rights.Acl]] = {}
    for name in settings.producers:
        result[name] = rights.for_producer(principal(name, template), name)
    for name, consumer in settings.consumers.items():
        read = [EVENT_TOPICS[category] for category in consumer.categories]
        result[name] = rights.for_consumer(principal(name, template), name, read)
    for name, processor in settings.processors.items():
        result[name] = rights.for_processor(
            principal(name, template),
            name,
            [EVENT_TOPICS[category] for category in processor.categories],
            writes=processor.writes,
            state=changelog(name) if isinstance(processor, HasState) else None,
        )
    operator = principal(rights.OPERATOR, template)
    names = [spec.name for spec in settings.declared_topics]
    result[rights.OPERATOR] = rights.for_operator(operator, names)
    prefix = settings.kafka.topic_prefix
    return {name: rights.prefixed(acls, prefix) for name, acls in result.items()}
