"""`pixstream positions`: where every producer is in its streams."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import click
import msgspec

from pixstream.cli.console import print_columns
from pixstream.event.identifiers import mask_documents
from pixstream.kafka.names import POSITIONS
from pixstream.loops.positions import from_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixstream.cli.root import Root
    from pixstream.kafka.ports import Client
    from pixstream.privacy import Vault


class _Row(NamedTuple):
    """The position of a producer in one of its streams."""

    producer: str
    stream: str
    position: str


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
def positions(root: Root, names: Sequence[str], form: str) -> None:
    """Show the position of each producer in each of its streams, as its last commit left it.

    A stream is an account, a file or a directory, and its position a text of the producer's own. A
    CPF or CNPJ in it is masked. Nothing is changed.

    \b
    Examples:
      pixstream positions
      pixstream positions system_log --format json | jq -r '.[].position'
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    from pixstream.privacy import keys

    settings = root.load()
    unknown = [name for name in names if name not in settings.producers]
    if unknown:
        known = ", ".join(settings.producers)
        raise click.BadParameter(f"unknown producer {', '.join(unknown)}; configured: {known}")
    _, vault = keys(settings.privacy)
    client = root.client(settings)
    rows = [row for name in names or settings.producers for row in _rows(client, name, vault)]
    if form == "json":
        shown = [row._asdict() for row in rows]
        click.echo(msgspec.json.format(msgspec.json.encode(shown), indent=2))
    else:
        print_columns([_Row._fields, *rows])


def _rows(client: Client, name: str, vault: Vault) -> Iterator[_Row]:
    """Yield the positions of a producer, in the order of its streams."""
    prefix = f"{name}/"
    for key, value in sorted(client.load(POSITIONS, prefix).items()):
        position = from_record(key.encode(), value, vault)
        yield _Row(name, mask_documents(key.removeprefix(prefix)), mask_documents(position))
