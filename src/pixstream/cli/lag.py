"""`pixstream lag`: how far behind every consumer and processor is."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING

import click
import msgspec

from pixstream.cli.consumer_groups import consumer_groups
from pixstream.cli.watching import watch, watchable
from pixstream.kafka.lag import lag as measure
from pixstream.kafka.lag import totals

if TYPE_CHECKING:
    from collections.abc import Sequence

    from rich.table import Table

    from pixstream.cli.root import Root
    from pixstream.cli.watching import Watch
    from pixstream.kafka.lag import PartitionLag


@click.command()
@watchable(2.0)
@click.pass_obj
def lag(root: Root, *, how: Watch) -> None:
    """Show how many offsets each component still has to read, per partition.

    The end offset is that of committed transactions. A note points out records that expired before
    they were read, and topics that were recreated after their offsets were committed. The exit code
    is always 0.

    \b
    Examples:
      pixstream lag
      pixstream lag --watch
      pixstream lag --format json | jq .total
    """  # noqa: D301  \b keeps click from rewrapping the paragraph
    settings = root.load()
    groups = consumer_groups(settings)
    with closing(root.client(settings).admin()) as admin:
        watch(
            how,
            lambda: measure(admin, groups),
            as_json=as_json,
            page=table,
        )


def as_json(partitions: Sequence[PartitionLag]) -> bytes:
    """Return the lag for programs."""
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
    """Return the lag for people: a row per partition, and the total of each group."""
    from rich.table import Table

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
