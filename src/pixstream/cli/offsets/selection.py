"""The selection of a consumer or processor, and of its partitions, for a command."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.kafka.names import EVENT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.config.settings import Settings
    from pixstream.loops.partition_state import PartitionState
    from pixstream.plugins.reader import Reader


def reader_named(settings: Settings, name: str) -> Reader:
    """Return the configured consumer or processor of this name.

    Raises:
        BadParameter: there is no such component.
    """
    if name not in settings.readers:
        known = ", ".join(settings.readers)
        raise click.BadParameter(f"unknown consumer or processor {name}; configured: {known}")
    return settings.readers[name]


def partitions_named(
    found: Sequence[PartitionState], reader: Reader, topic: str | None, partition: int | None
) -> list[PartitionState]:
    """Return the partitions that `--topic` and `--partition` select.

    Raises:
        UsageError: the component does not read the partition, or the topic is ambiguous.
    """
    if topic is None:
        if partition is not None and len(reader.categories) > 1:
            raise click.UsageError(f"--partition needs --topic: {reader.name} reads several topics")
        return [s for s in found if partition in {None, s.partition}]
    wanted = EVENT_TOPICS.get(topic, topic)
    chosen = [s for s in found if s.topic == wanted and partition in {None, s.partition}]
    if not chosen:
        known = ", ".join(f"{s.topic}-{s.partition}" for s in found)
        raise click.UsageError(f"{reader.name} does not read that partition; it reads {known}")
    return chosen
