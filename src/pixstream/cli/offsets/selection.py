"""Which consumer and which of its partitions a command is about."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from pixstream.kafka.names import EVENT_TOPICS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pixstream.config.settings import Settings
    from pixstream.loops.partition_state import Standing
    from pixstream.plugins.consumer import Consumer


def consumer_named(settings: Settings, name: str) -> Consumer:
    """Return the configured consumer of this name.

    Raises:
        BadParameter: there is none.
    """
    if name not in settings.consumers:
        known = ", ".join(settings.consumers)
        raise click.BadParameter(f"unknown consumer {name}; configured: {known}")
    return settings.consumers[name]


def partitions_named(
    found: Sequence[Standing], consumer: Consumer, topic: str | None, partition: int | None
) -> list[Standing]:
    """Return the partitions that `--topic` and `--partition` select.

    Raises:
        UsageError: the consumer reads no such partition, or the topic is ambiguous.
    """
    if topic is None:
        if partition is not None and len(consumer.categories) > 1:
            raise click.UsageError("--partition needs --topic: the consumer reads several topics")
        return [s for s in found if partition in {None, s.partition}]
    wanted = EVENT_TOPICS.get(topic, topic)
    chosen = [s for s in found if s.topic == wanted and partition in {None, s.partition}]
    if not chosen:
        known = ", ".join(f"{s.topic}-{s.partition}" for s in found)
        raise click.UsageError(f"{consumer.name} does not read that partition; it reads {known}")
    return chosen
