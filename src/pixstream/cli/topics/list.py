"""`pixstream topics list`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.console import print_columns
from pixstream.cli.topics.changes import announce
from pixstream.event.categories import TOPIC_PREFIX

if TYPE_CHECKING:
    from pixstream.cli.root import Root
    from pixstream.kafka.ports import TopicState


@click.command()
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json prints one list.",
)
@click.pass_obj
def list_command(root: Root, form: str) -> None:
    """List the declared topics and every other pix.* topic, as they are in Kafka.

    \b
    Examples:
      pixstream topics list
      pixstream topics list --format json | jq -r '.[].name'
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    with closing(root.client(settings).admin()) as admin:
        actual = admin.topics()
    names = [spec.name for spec in settings.declared_topics]
    others = (n for n in actual if n.startswith(TOPIC_PREFIX) and n not in names)
    states = {name: actual.get(name) for name in [*names, *sorted(others)]}
    if form == "json":
        rows = [
            {"name": name, "declared": name in names, "state": state and state._asdict()}
            for name, state in states.items()
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        announce(settings)
        heads = ("topic", "partitions", "replication", "declared", "settings")
        print_columns([heads, *(_row(n, state, n in names) for n, state in states.items())])


def _row(name: str, state: TopicState | None, is_declared: bool) -> tuple[str, ...]:
    word = "yes" if is_declared else "no"
    if state is None:
        return (name, "-", "-", word, "does not exist; create it with: pixstream topics apply")
    settings = ", ".join(f"{key}={value}" for key, value in sorted(state.config.items()))
    return (name, str(state.partitions), str(state.replication), word, settings or "-")
