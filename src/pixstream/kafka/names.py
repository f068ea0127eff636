"""The names in Kafka that everyone agrees on: topics, groups, transactional ids, principals."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from pixstream.event.categories import TOPIC_PREFIX, Category

if TYPE_CHECKING:
    from collections.abc import Mapping

EVENT_TOPICS: Final[Mapping[str, str]] = MappingProxyType(
    {category.plural: category.topic for category in Category}
)
"""The topic of each category of events, by the category's plural (as the tables are named)."""

DLQ: Final = f"{TOPIC_PREFIX}dlq"
"""Dead letters: whatever could not be read, decoded or written. It never expires."""

POSITIONS: Final = f"{TOPIC_PREFIX}positions"
"""Where each producer stands in its streams: compacted, one partition."""

DLQ_STATE: Final = f"{TOPIC_PREFIX}dlq.state"
"""What became of each dead letter, by its id: compacted, one partition. No mark: it is open."""

CHANGELOG_PREFIX: Final = f"{TOPIC_PREFIX}state."
"""Begins the name of every processor's changelog: its state by key; compacted, one partition."""

DEAD_LETTERS = "pixstream.dead-letters"
"""The transactional id of whoever replays or discards dead letters: one at a time. No component's
id begins so."""


def group_id(component: str) -> str:
    """The consumer group of a component."""
    return f"pixstream.{component}"


def transactional_id(component: str, replica: int, replicas: int | None = None) -> str:
    """The transactional id of one process of a component.

    A producer's names how many replicas there are (`replicas`) too: its streams lie elsewhere with
    another number, so its processes then are others (see `loops.ownership`).
    """
    layout = "" if replicas is None else f"{replicas}/"
    return f"{transactional_prefix(component)}{layout}{replica}"


def layout_id(component: str) -> str:
    """The transactional id of whoever changes the number of a producer's replicas."""
    return f"{transactional_prefix(component)}layout"


def principal(component: str, template: str = "User:{component}") -> str:
    """The principal of a component: `template` with its name in the place of `{component}`."""
    return template.replace("{component}", component)


def transactional_prefix(component: str) -> str:
    """How every transactional id of a component begins."""
    return f"pixstream/{component}/"


def changelog(component: str) -> str:
    """The topic that keeps a processor's state."""
    return f"{CHANGELOG_PREFIX}{component}"
