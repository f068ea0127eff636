"""`pixstream lag`: how far every consumer is behind."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec
from rich.table import Table

from pixstream.cli.looking import looking, show
from pixstream.kafka.lag import lag as measure
from pixstream.kafka.lag import totals
from pixstream.kafka.names import EVENT_TOPICS, group_id

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.cli.looking import Looking
    from pixstream.cli.main import Root
    from pixstream.config.settings import Settings
    from pixstream.kafka.lag import PartitionLag


def consumer_groups(settings: Settings) -> dict[str, list[str]]:
    """The topics that each enabled consumer's group reads."""
    return {
        group_id(name): [EVENT_TOPICS[category] for category in consumer.categories]
        for name, consumer in settings.consumers.items()
        if consumer.enabled
    }


@click.command()
@looking(2.0)
@click.pass_obj
def lag(root: Root, *, how: Looking) -> None:
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
        show(
            how,
            lambda: measure(admin, groups),
            as_json=as_json,
            page=table,
        )


def as_json(partitions: Sequence[PartitionLag]) -> bytes:
    """One look, for programs."""
    groups = totals(partitions)
    return msgspec.json.encode(
        {
            "total": sum(groups.values()),
            "groups": groups,
            "partitions": [
                {**p._asdict(), "lag": p.lag, "alarm": p.alarm or None} for p in partitions
            ],
        }
    )


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
