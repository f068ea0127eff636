"""The difference between declared and existing topics, and the changes that remove it.

Planning is a pure function; applying asks an `Admin` for one change after another. A change that
could lose records or their order is refused with its reason, never tried:

- partitions never shrink (Kafka cannot), and grow only while the topic is drained: a key moves to
  another partition, so its unread older records could be read after newer ones;
- Kafka's own reassignment tool moves replicas, not pixstream;
- an undeclared topic is kept, unless deletion is allowed.

It compares only the settings that the YAML (or a default of `topics`) names.
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
from pixstream.wording import counted

if TYPE_CHECKING:
    from pixstream.kafka.ports import Admin, TopicSpec, TopicState

Lags: TypeAlias = Callable[[str], Mapping[str, int]]
"""`lags(topic)`: the lag of each consumer group that reads the topic."""


def plan(
    wanted: Sequence[TopicSpec],
    actual: Mapping[str, TopicState],
    *,
    lags: Lags,
    allow_delete: bool = False,
) -> Plan:
    """Compare the declared topics with the existing ones.

    Args:
        wanted: every declared topic.
        actual: `Admin.topics()`.
        lags: called only for a topic that needs more partitions.
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

    After an error, make a new plan and apply it: it continues where this one stopped.

    Raises:
        KafkaError: Kafka rejected a change; the later changes were not tried.
        Transient: Kafka did not answer; the later changes were not tried.
    """
    to_do = changes.to_do
    for number, change in enumerate(to_do):
        try:
            _make(change, admin)
        except (KafkaError, Transient) as error:
            raise type(error)(
                f"Failed: {change}\n{error}\nChanges made before, which stay: {number} of "
                f"{len(to_do)}. The later changes were not tried. Fix the cause and apply again."
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
            "kafka-reassign-partitions moves replicas between brokers; use it, or declare "
            f"replication: {state.replication}",
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
            "Kafka cannot remove partitions without their records; declare partitions: "
            f"{state.partitions}, or move to a new topic",
        )
    behind = {group: lag for group, lag in sorted(lags(spec.name).items()) if lag}
    if behind:
        groups = ", ".join(f"{group} has {counted(lag, 'record')}" for group, lag in behind.items())
        return RefusedChange(
            spec.name,
            what,
            f"keys move to other partitions, and {groups} to read, so newer records could "
            "overtake older ones; stop the producers, wait until `pixstream lag` shows 0, and "
            "apply again",
        )
    return AddPartitions(spec.name, state.partitions, spec.partitions)


def _normal(value: str | None) -> str | Decimal | None:
    """Return one form for values that Kafka treats as equal: 0.50 and 0.5, "a, b" and "a,b"."""
    if value is None:
        return None
    try:
        return Decimal(value)
    except InvalidOperation:
        return value.replace(" ", "").lower()
