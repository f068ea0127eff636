"""What a fault of Kafka is called, the same whichever client library reports it.

Both libraries pass on the error codes of Kafka's protocol; `fault` turns one into an exception of
`pixstream.errors`. A message holds our words and the code's name, never the library's text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import FencedError, KafkaError, PixstreamError, TopicChangedError, Transient

if TYPE_CHECKING:
    from pixstream.kafka.ports import TopicSpec

UNKNOWN_TOPIC = 3
TOPIC_DENIED = 29
REBALANCING = 27
LOST_MEMBERSHIP = frozenset({22, 25})
"""ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID: the group went on without this member."""

_FENCED = frozenset({47, 82, 90})  # INVALID_PRODUCER_EPOCH, FENCED_INSTANCE_ID, PRODUCER_FENCED
_PASSING = frozenset(
    # Retriable by the protocol's own table, and two (45, 59) after which a new transaction starts
    # with new sequence numbers.
    {5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 27, 41, 45, 51, 56, 59, 72, 74, 75, 76, 78, 88, 89}
    | {120}
)
_ACLS = "`pixstream topics acls` prints the permissions that each component needs"
_ADVICE = {
    3: "no such topic: create it with `pixstream topics apply`",
    10: "the record is larger than the topic takes: raise its max.message.bytes",
    17: "Kafka does not take a topic of this name",
    29: f"this user may not do that with the topic: {_ACLS}",
    30: f"this user may not use the consumer group: {_ACLS}",
    31: f"this user may not do that in this cluster: {_ACLS}",
    36: "the topic exists already",
    37: "Kafka does not take this number of partitions: it can only grow",
    38: "Kafka cannot keep so many replicas: it has fewer brokers",
    40: "Kafka does not take one of these settings",
    44: "the cluster's policy forbids it",
    50: "Kafka allows no transactions as long as kafka.transaction_timeout_ms: lower it",
    26: "Kafka allows no sessions of kafka.session_timeout_ms: it has its own bounds for them",
    53: f"this user may not use the transactional id: {_ACLS}",
    58: "the broker refuses user or password: look at kafka.sasl",
    87: "Kafka refuses the record: a compacted topic takes none without a key",
}


def fault(what: str, code: int, name: str, *, passing: bool = False) -> PixstreamError:
    """Return the exception for an error code of Kafka.

    Args:
        what: what was tried, on what: the subject of the message.
        code: of Kafka's protocol, or a library's own negative one.
        name: the code's name, for those who look it up.
        passing: the library says that trying again may help.
    """
    if code in _FENCED:
        return fenced(what, name)
    if code in _PASSING or (passing and code not in _ADVICE):
        return Transient(f"{what}: Kafka cannot do it now ({name}); it will be tried again")
    return KafkaError(f"{what}: {_ADVICE.get(code, 'Kafka refuses it')} ({name})")


def creating(spec: TopicSpec) -> str:
    """Return the subject of a message about a topic that could not be created."""
    settings = f" with {', '.join(spec.config)}" if spec.config else ""
    return f"topic {spec.name} could not be created{settings}"


def fenced(what: str, name: str) -> FencedError:
    """Return the error of a process that a newer one has replaced."""
    return FencedError(
        f"{what}: another process took over, or this one was silent for longer than its "
        f"transaction or session timeout ({name}). Nothing uncommitted will be seen; this process "
        "must end"
    )


def group_is_alive(what: str, name: str) -> KafkaError:
    """Return the error of whoever would commit in the place of a group that has members."""
    return KafkaError(
        f"{what}: the group has members ({name}). Stop the component everywhere and wait for "
        "kafka.session_timeout_ms; nothing is changed"
    )


def lost_membership(what: str, name: str) -> Transient:
    """Return the error of a member whose group went on without it."""
    return Transient(
        f"{what}: its group was rebalanced without it ({name}). Nothing of this transaction will "
        "be seen; whoever owns the partitions now reads the same records"
    )


def spent(what: str) -> Transient:
    """Return the error of a writer that gave up a record: what follows needs a new epoch."""
    return Transient(
        f"{what}: a record of the last transaction was not taken; this writer takes no other"
    )


def in_doubt(what: str, name: str) -> KafkaError:
    """Return the error of a commit whose answer never came: only Kafka knows what became of it."""
    return KafkaError(
        f"{what}: Kafka did not say whether it is done ({name}). This process must start again: "
        "then the committed positions tell"
    )


def offset_gone(topic: str, partition: int, offset: int) -> TopicChangedError:
    """Return the error of a position outside the range that a partition still holds."""
    return TopicChangedError(
        f"topic {topic}, partition {partition}: offset {offset} is not there: the records expired, "
        "or the topic was recreated. Nothing is skipped without a decision: set where to go on "
        "with `pixstream offsets set`"
    )


def recreated(topic: str) -> TopicChangedError:
    """Return the error of a topic whose id is no longer the one at assignment."""
    return TopicChangedError(
        f"topic {topic} was deleted and created anew while it was being read. Nothing is skipped "
        "without a decision: set where to go on with `pixstream offsets set`"
    )
