"""`pixstream lag`: how far every consumer is behind."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec
from rich.console import Console
from rich.live import Live
from rich.table import Table

from pixstream.kafka.acls import group_id
from pixstream.kafka.lag import lag as measure
from pixstream.kafka.lag import totals
from pixstream.kafka.topics import EVENT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka import Admin
    from pixstream.kafka.lag import PartitionLag

_PIPE_COLUMNS = 160


def consumer_groups(settings: Settings) -> dict[str, list[str]]:
    """The topics that each enabled consumer's group reads."""
    return {
        group_id(name): [EVENT_TOPICS[category] for category in consumer.categories]
        for name, consumer in settings.consumers.items()
        if consumer.enabled
    }


@click.command()
@click.option("--watch", is_flag=True, help="Look again and again, until Ctrl-C.")
@click.option(
    "--interval",
    type=click.FloatRange(min=0.1),
    default=2.0,
    show_default=True,
    help="Seconds between two looks of --watch.",
)
@click.option(
    "--format",
    "form",
    type=click.Choice(["table", "json"]),
    default="table",
    show_default=True,
    help="json: one object a look, on one line.",
)
@click.pass_obj
def lag(root: Root, watch: bool, interval: float, form: str) -> None:
    """Show how many offsets each consumer has yet to read, per partition.

    The end is that of committed transactions. A note says where records expired before they were
    read, and where a topic is not the one whose offsets were committed. The exit code is 0.

    \b
    Examples:
      pixstream lag
      pixstream lag --watch
      pixstream lag --format json | jq .total
    """  # noqa: D301  \b is click's mark
    settings = root.load()
    groups = consumer_groups(settings)
    with closing(root.client(settings).admin()) as admin:
        looks = _looks(admin, groups, interval if watch else None)
        try:
            (_print_json if form == "json" else _print_tables)(looks, watch)
        except KeyboardInterrupt:
            click.echo()


def _looks(
    admin: Admin, groups: dict[str, list[str]], interval: float | None
) -> Iterator[list[PartitionLag]]:
    yield measure(admin, groups)
    while interval is not None:
        time.sleep(interval)
        yield measure(admin, groups)


def _print_json(looks: Iterator[list[PartitionLag]], watch: bool) -> None:
    del watch
    for partitions in looks:
        groups = totals(partitions)
        content = {
            "total": sum(groups.values()),
            "groups": groups,
            "partitions": [
                {**p._asdict(), "lag": p.lag, "alarm": p.alarm or None} for p in partitions
            ],
        }
        click.echo(msgspec.json.encode(content))


def _print_tables(looks: Iterator[list[PartitionLag]], watch: bool) -> None:
    console = Console()
    if not console.is_terminal:
        console.width = _PIPE_COLUMNS
    if watch and console.is_terminal:
        with Live(console=console, auto_refresh=False) as live:
            for partitions in looks:
                live.update(table(partitions), refresh=True)
    else:
        for partitions in looks:
            console.print(table(partitions))


def table(partitions: Sequence[PartitionLag]) -> Table:
    """One row a partition, and one with the sum of each group."""
    result = Table("group", "topic", box=None, pad_edge=False)
    for name in ("partition", "committed", "end", "lag"):
        result.add_column(name, justify="right")
    result.add_column("note", style="red")
    for group, total in totals(partitions).items():
        for p in partitions:
            if p.group == group:
                committed = "-" if p.committed is None else str(p.committed)
                numbers = (str(p.partition), committed, str(p.end), str(p.lag))
                result.add_row(group, p.topic, *numbers, p.alarm)
        result.add_row(group, "all", "", "", "", str(total), style="bold")
    return result
