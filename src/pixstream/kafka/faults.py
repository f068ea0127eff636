"""The exceptions and messages for Kafka's errors, the same for both client libraries.

Both libraries pass on the error codes of Kafka's protocol; `fault` turns a code into an exception
of `pixstream.errors`. A message consists of our words and the code's name, never of the library's
text.
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
"""ILLEGAL_GENERATION, UNKNOWN_MEMBER_ID: the group rebalanced without this member."""

_FENCED = frozenset({47, 82, 90})  # INVALID_PRODUCER_EPOCH, FENCED_INSTANCE_ID, PRODUCER_FENCED
_PASSING = frozenset(
    # The codes that the protocol calls retriable, and two (45, 59) after which a new transaction
    # starts with new sequence numbers.
    {5, 6, 7, 8, 9, 13, 14, 15, 16, 19, 20, 27, 41, 45, 51, 56, 59, 72, 74, 75, 76, 78, 88, 89}
    | {120}
)
_ACLS = "`pixstream topics acls` prints the permissions that each component needs"
_ADVICE = {
    3: "the topic does not exist: create it with `pixstream topics apply`",
    10: "the record is larger than the topic allows: raise its max.message.bytes",
    17: "Kafka does not allow this topic name",
    29: f"this user is not allowed to do this with the topic: {_ACLS}",
    30: f"this user is not allowed to use the consumer group: {_ACLS}",
    31: f"this user is not allowed to do this in the cluster: {_ACLS}",
    36: "the topic already exists",
    37: "Kafka does not allow this number of partitions: the number can only grow",
    38: "the cluster has fewer brokers than replicas",
    40: "Kafka rejects one of these settings",
    44: "the cluster's policy forbids it",
    50: "kafka.transaction_timeout_ms is longer than the broker allows: lower it",
    26: "kafka.session_timeout_ms is outside the bounds that the broker allows",
    53: f"this user is not allowed to use the transactional id: {_ACLS}",
    58: "the broker rejects the user name or password: check kafka.sasl",
    87: "Kafka rejects the record: in a compacted topic every record needs a key",
}


def fault(what: str, code: int, name: str, *, passing: bool = False) -> PixstreamError:
    """Return the exception for an error code of Kafka.

    Args:
        what: the operation and its object; the message begins with it.
        code: a code of Kafka's protocol, or a negative one of the library.
        name: the code's name, for people who look it up.
        passing: the library says that a retry may help.
    """
    if code in _FENCED:
        return fenced(what, name)
    if code in _PASSING or (passing and code not in _ADVICE):
        return Transient(f"{what}: Kafka cannot do it now ({name}); it will be tried again")
    return KafkaError(f"{what}: {_ADVICE.get(code, 'Kafka rejects it')} ({name})")


def creating(spec: TopicSpec) -> str:
    """Return the beginning of a message about a topic that could not be created."""
    settings = f" with {', '.join(spec.config)}" if spec.config else ""
    return f"topic {spec.name} could not be created{settings}"


def fenced(what: str, name: str) -> FencedError:
    """Return the error of a process that a newer one has fenced."""
    return FencedError(
        f"{what}: another process took over, or this one was silent for longer than its "
        f"transaction or session timeout ({name}). Uncommitted records stay invisible; this "
        "process must end"
    )


def group_is_alive(what: str, name: str) -> KafkaError:
    """Return the error of a commit on behalf of a group that still has members."""
    return KafkaError(
        f"{what}: the group has members ({name}). Stop every process of the component and wait "
        "for kafka.session_timeout_ms; nothing was changed"
    )


def lost_membership(what: str, name: str) -> Transient:
    """Return the error of a member whose group rebalanced without it."""
    return Transient(
        f"{what}: its group rebalanced without it ({name}). This transaction stays invisible; the "
        "new owner of the partitions reads the same records"
    )


def spent(what: str) -> Transient:
    """Return the error of a writer that gave up a record: only a new epoch may continue."""
    return Transient(
        f"{what}: Kafka did not accept a record of the last transaction; a new writer is needed"
    )


def in_doubt(what: str, name: str) -> KafkaError:
    """Return the error of a commit without an answer: only Kafka knows whether it happened."""
    return KafkaError(
        f"{what}: Kafka did not answer whether it committed ({name}). This process must restart; "
        "it then reads the outcome from the committed positions"
    )


def offset_gone(topic: str, partition: int, offset: int) -> TopicChangedError:
    """Return the error of a position outside the offsets that a partition still has."""
    return TopicChangedError(
        f"topic {topic}, partition {partition}: offset {offset} does not exist: the records "
        "expired, or the topic was recreated. pixstream skips nothing by itself: set the offset to "
        "continue from with `pixstream offsets set`"
    )


def recreated(topic: str) -> TopicChangedError:
    """Return the error of a topic whose id has changed since the assignment."""
    return TopicChangedError(
        f"topic {topic} was deleted and recreated while it was being read. pixstream skips nothing "
        "by itself: set the offset to continue from with `pixstream offsets set`"
    )
