"""`pixstream offsets show`."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.console import output
from pixstream.cli.offsets.selection import reader_named
from pixstream.loops import offsets

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from pixstream.cli.root import Root
    from pixstream.loops.partition_state import PartitionState

_SHOWN = ("consumer", "topic", "partition", "remembered", "committed", "beginning", "end")


@click.command()
@click.argument("names", metavar="[NAME]...", nargs=-1)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json prints one list.",
)
@click.pass_obj
def show_command(root: Root, names: Sequence[str], form: str) -> None:
    """Show the offsets of the destination, the consumer group and Kafka for each partition.

    If a destination stores offsets itself, as Delta tables do, its offset takes precedence over
    the group's. A note shows where the two differ and, if the component cannot continue, what an
    operator can do. Nothing is changed or created.

    \b
    Examples:
      pixstream offsets show
      pixstream offsets show delta_lake --format json | jq '.[] | select(.note != "")'
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    names = names or [name for name, r in settings.readers.items() if r.enabled]
    with closing(root.client(settings).admin()) as admin:
        found = [s for name in names for s in offsets.show(reader_named(settings, name), admin)]
    if form == "json":
        rows = [
            {
                **{name: getattr(s, name) for name in _SHOWN},
                "lag": s.lag,
                "note": s.note(),
            }
            for s in found
        ]
        click.echo(msgspec.json.format(msgspec.json.encode(rows), indent=2))
    else:
        _print(found)


def _print(found: Collection[PartitionState]) -> None:
    from rich.table import Table

    table = Table("consumer", "topic", box=None, pad_edge=False)
    for title in ("partition", "destination", "group", "beginning", "end", "lag"):
        table.add_column(title, justify="right")
    table.add_column("note", style="red", overflow="fold")
    for s in found:
        destination = _number(s.remembered) if s.remembers else "not stored"
        numbers = (destination, _number(s.committed), str(s.beginning), str(s.end), str(s.lag))
        table.add_row(s.consumer, s.topic, str(s.partition), *numbers, s.note())
    output().print(table)


def _number(offset: int | None) -> str:
    return "-" if offset is None else str(offset)
