"""The difference between the topics that should exist and those that do, and how to end it.

Planning is a pure function; applying asks an `Admin` for one change after the other. A change that
could lose records or their order is refused with its reason, never tried:

- partitions never shrink (Kafka cannot), and grow only while the topic is drained: a key moves to
  another partition, so an unread older record of it could be read after a newer one;
- replicas are moved by Kafka's own reassignment tool, not here;
- a topic that nobody declares is left alone, unless deleting was allowed.

Only the settings that the YAML (or a default of `topics`) names are compared.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, TypeAlias

from pixstream.errors import KafkaError, Transient
from pixstream.event.categories import TOPIC_PREFIX
from pixstream.kafka.topics.changes import (
    AddPartitions,
    Change,
    Configure,
    Create,
    Delete,
    Kept,
    Plan,
    RefusedChange,
)

if TYPE_CHECKING:
    from pixstream.kafka.ports import Admin, TopicSpec, TopicState

Lags: TypeAlias = Callable[[str], Mapping[str, int]]
"""`lags(topic)`: how many records each consumer group that reads the topic has yet to read."""


def plan(
    wanted: Sequence[TopicSpec],
    actual: Mapping[str, TopicState],
    *,
    lags: Lags,
    allow_delete: bool = False,
) -> Plan:
    """Compare what is declared with what exists.

    Args:
        wanted: every declared topic.
        actual: `Admin.topics()`.
        lags: asked only about a topic that is to get more partitions.
        allow_delete: plan the deletion of undeclared topics under `TOPIC_PREFIX`.
    """
    changes: list[Change] = []
    for spec in wanted:
        state = actual.get(spec.name)
        changes += [Create(spec)] if state is None else _differences(spec, state, lags)
    declared = {spec.name for spec in wanted}
    strangers = sorted(n for n in actual if n.startswith(TOPIC_PREFIX) and n not in declared)
    changes += [Delete(name) if allow_delete else Kept(name) for name in strangers]
    return Plan(changes)


def apply(changes: Plan, admin: Admin) -> Iterator[Change]:
    """Make the changes in order, yielding each one once Kafka has made it.

    Applying a plan that is made anew goes on where an error stopped it.

    Raises:
        KafkaError: Kafka refused a change; the later ones were not tried.
        Transient: Kafka did not answer; the later ones were not tried.
    """
    to_do = changes.to_do
    for number, change in enumerate(to_do):
        try:
            _make(change, admin)
        except (KafkaError, Transient) as error:
            raise type(error)(
                f"Not done: {change}\n{error}\nChanges made, which stay: {number} of {len(to_do)}. "
                "The later ones were not tried. Mend the cause and apply again."
            ) from error
        yield change


def _make(change: Create | Configure | AddPartitions | Delete, admin: Admin) -> None:
    match change:
        case Create(spec):
            admin.create(spec)
        case Configure(topic, settings):
            admin.configure(topic, {key: new for key, _, new in settings})
        case AddPartitions(topic, _, new):
            admin.add_partitions(topic, new)
        case Delete(topic):
            admin.delete(topic)


def _differences(spec: TopicSpec, state: TopicState, lags: Lags) -> Iterator[Change]:
    if spec.replication != state.replication:
        yield RefusedChange(
            spec.name,
            f"replication {state.replication} -> {spec.replication}",
            "moving copies between brokers is the work of kafka-reassign-partitions; do that, or "
            f"declare replication: {state.replication}",
        )
    if spec.partitions != state.partitions:
        yield _partitions(spec, state, lags)
    settings = tuple(
        (key, state.config.get(key), new)
        for key, new in sorted(spec.config.items())
        if _normal(state.config.get(key)) != _normal(new)
    )
    if settings:
        yield Configure(spec.name, settings)


def _partitions(spec: TopicSpec, state: TopicState, lags: Lags) -> RefusedChange | AddPartitions:
    what = f"partitions {state.partitions} -> {spec.partitions}"
    if spec.partitions < state.partitions:
        return RefusedChange(
            spec.name,
            what,
            "Kafka cannot take partitions away without their records; declare partitions: "
            f"{state.partitions}, or move to a new topic",
        )
    behind = {group: lag for group, lag in sorted(lags(spec.name).items()) if lag}
    if behind:
        groups = ", ".join(f"{group} has {lag}" for group, lag in behind.items())
        return RefusedChange(
            spec.name,
            what,
            f"keys move to other partitions, and {groups} records to read, so newer ones could "
            "overtake older ones; stop the producers, wait until `pixstream lag` shows 0, apply "
            "again",
        )
    return AddPartitions(spec.name, state.partitions, spec.partitions)


def _normal(value: str | None) -> str | Decimal | None:
    """One form for texts that mean the same to Kafka: 0.50 and 0.5, "a, b" and "a,b"."""
    if value is None:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return value.replace(" ", "").lower()
