"""The names in Kafka that all components share: topics, groups, transactional ids, principals."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pixstream.event.categories import TOPIC_PREFIX, Category

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TOPICS: Final[Mapping[str, str]] = MappingProxyType(
    {category.plural: category.topic for category in Category}
)
"""The topic of each category of events, by the category's plural (the table's name)."""

DLQ: Final = f"{TOPIC_PREFIX}dlq"
"""Dead letters: what could not be read, decoded or written. They never expire."""

POSITIONS: Final = f"{TOPIC_PREFIX}positions"
"""Each producer's position in its streams: compacted, one partition."""

DLQ_STATE: Final = f"{TOPIC_PREFIX}dlq.state"
"""The state of each dead letter, by its id: compacted, one partition. No mark means open."""

CHANGELOG_PREFIX: Final = f"{TOPIC_PREFIX}state."
"""Prefix of every processor's changelog, its state by key: compacted, one partition."""

DEAD_LETTERS = "pixstream.dead-letters"
"""The transactional id for replaying or discarding dead letters: one process at a time. No
component's id begins with it."""


def group_id(component: str) -> str:
    """Return the consumer group of a component."""
    return f"pixstream.{component}"


def transactional_id(component: str, replica: int, replicas: int | None = None) -> str:
    """Return the transactional id of one process of a component.

    A producer's id also names its number of replicas (`replicas`): with another number its streams
    belong to other processes, which therefore need other ids (see `loops.ownership`).
    """
    layout = "" if replicas is None else f"{replicas}/"
    return f"{transactional_prefix(component)}{layout}{replica}"


def layout_id(component: str) -> str:
    """Return the transactional id for changing the number of a producer's replicas."""
    return f"{transactional_prefix(component)}layout"


def principal(component: str, template: str = "User:{component}") -> str:
    """Return the principal of a component: `template` with its name for `{component}`."""
    return template.replace("{component}", component)


def transactional_prefix(component: str) -> str:
    """Return the prefix of every transactional id of a component."""
    return f"pixstream/{component}/"


def changelog(component: str) -> str:
    """Return the topic that keeps a processor's state."""
    return f"{CHANGELOG_PREFIX}{component}"
