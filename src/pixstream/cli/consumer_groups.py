"""The consumer groups of a configuration."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.kafka.names import EVENT_TOPICS, group_id

if TYPE_CHECKING:
    from pixstream.config.settings import Settings


def consumer_groups(settings: Settings) -> dict[str, list[str]]:
    """Return the group of each enabled consumer or processor, with the topics it reads."""
    return {
        group_id(name): [EVENT_TOPICS[category] for category in reader.categories]
        for name, reader in settings.readers.items()
        if reader.enabled
    }
