"""The ACLs of each component: exactly the Kafka permissions that its work needs.

Each component has one principal. Every component writes dead letters; only producers use positions;
only an operator creates or changes topics. In Kafka's own authorizer, Read, Write, Alter or Delete
implies Describe, AlterConfigs implies DescribeConfigs, and (since 2.8) Write implies
IdempotentWrite; so none of these is listed here.
"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING, Literal, NamedTuple

from pixstream.event.categories import TOPIC_PREFIX
from pixstream.kafka.names import DLQ, DLQ_STATE, EVENT_TOPICS, POSITIONS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

from pixstream.kafka.names import DEAD_LETTERS, group_id, transactional_prefix

Operation = Literal["Alter", "AlterConfigs", "Create", "Delete", "Describe", "Read", "Write"]


ResourceType = Literal["topic", "group", "transactional-id"]


Pattern = Literal["literal", "prefixed"]


OPERATOR = "operator"
"""The component name under which the permissions of `pixstream topics`, `lag`, … are listed."""


_TOPIC_CARE: tuple[Operation, ...] = ("Create", "Alter", "AlterConfigs", "Delete")


_STATE_CARE: tuple[Operation, ...] = ("Read", "Write")


class Acl(NamedTuple):
    """One permission: `principal` may do `operation` on the named resource, from any host."""

    principal: str
    operation: Operation
    resource: ResourceType
    name: str
    pattern: Pattern = "literal"


def for_producer(who: str, component: str) -> list[Acl]:
    """Return a producer's ACLs: events, dead letters and positions in its own transactions."""
    return [
        *(Acl(who, "Write", "topic", topic) for topic in (*EVENT_TOPICS.values(), DLQ, POSITIONS)),
        Acl(who, "Read", "topic", POSITIONS),
        _own_transactions(who, component),
    ]


def for_consumer(who: str, component: str, topics: Iterable[str]) -> list[Acl]:
    """Return a consumer's ACLs: its topics and group, dead letters in its own transactions."""
    return [
        *(Acl(who, "Read", "topic", topic) for topic in topics),
        Acl(who, "Read", "group", group_id(component)),
        Acl(who, "Write", "topic", DLQ),
        _own_transactions(who, component),
    ]


def for_processor(
    who: str, component: str, reads: Iterable[str], *, writes: Iterable[str], state: str | None
) -> list[Acl]:
    """Return a processor's ACLs: those of a consumer, its outputs, and the topic of its state.

    Kafka needs no further permission for a transaction that commits the offsets of a group.
    """
    return [
        *for_consumer(who, component, reads),
        *(Acl(who, "Write", "topic", topic) for topic in writes),
        *(Acl(who, operation, "topic", state) for operation in _STATE_CARE if state is not None),
    ]


def for_operator(who: str, topics: Iterable[str]) -> list[Acl]:
    """Return an operator's ACLs: to apply `topics`, set offsets, read and replay dead letters.

    Delete is included for `topics apply --allow-delete`; omit it where nobody may delete topics.
    """
    patterns: list[tuple[str, Pattern]] = [(TOPIC_PREFIX, "prefixed")]
    patterns += [(topic, "literal") for topic in topics if not topic.startswith(TOPIC_PREFIX)]
    return [
        *(
            Acl(who, operation, "topic", name, pattern)
            for name, pattern in patterns
            for operation in _TOPIC_CARE
        ),
        Acl(who, "Read", "topic", DLQ),
        Acl(who, "Read", "topic", DLQ_STATE),
        *(Acl(who, "Write", "topic", topic) for topic in (DLQ_STATE, *EVENT_TOPICS.values())),
        Acl(who, "Write", "transactional-id", DEAD_LETTERS),
        # Kafka requires both to set the offsets of a group.
        *(Acl(who, "Read", "topic", topic) for topic in EVENT_TOPICS.values()),
        Acl(who, "Read", "group", group_id(""), "prefixed"),
    ]


def prefixed(acls: Iterable[Acl], prefix: str) -> list[Acl]:
    """Return the ACLs with the names that topics, groups and transactional ids have in Kafka."""
    return [acl._replace(name=f"{prefix}{acl.name}") for acl in acls]


def commands(acls: Iterable[Acl], bootstrap_servers: str) -> Iterator[str]:
    """Yield the command lines of Kafka's own tool, one per principal and resource."""
    operations: dict[tuple[str, ResourceType, str, Pattern], list[str]] = {}
    for acl in acls:
        key = (acl.principal, acl.resource, acl.name, acl.pattern)
        operations.setdefault(key, []).append(acl.operation)
    for (who, resource, name, pattern), allowed in operations.items():
        yield shlex.join(
            [
                "kafka-acls.sh",
                *("--bootstrap-server", bootstrap_servers),
                *("--add", "--allow-principal", who),
                *(word for operation in allowed for word in ("--operation", operation)),
                *(f"--{resource}", name),
                *("--resource-pattern-type", pattern),
            ]
        )


def _own_transactions(who: str, component: str) -> Acl:
    return Acl(who, "Write", "transactional-id", transactional_prefix(component), "prefixed")
