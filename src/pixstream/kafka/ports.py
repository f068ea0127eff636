"""What pixstream asks of Kafka: four ports, and the values that pass through them.

`Outbox` writes in transactions, `Inbox` reads as a member of a group, `load` (on the client) reads
the compacted topic of producers' positions, `Admin` looks after topics. One package a library
implements them all: `confluent`, `kafka_python`; `memory` is the test double.

Errors: `Transient` where waiting may help, `FencedError` when a newer owner exists, `KafkaError`
for the rest. A message names broker, topic and what to do, never a payload or a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pixstream.event.record import Headers


class TopicIdPartition(NamedTuple):
    """A partition of one incarnation of a topic: a recreated topic has another id."""

    topic: str
    topic_id: str
    partition: int


Membership: TypeAlias = object
"""Who a member of a group is in the group's present generation, as its client library says it."""


class TopicPartition(NamedTuple):
    """A partition by the name of its topic."""

    topic: str
    partition: int


class Record(NamedTuple):
    """A record as it lies in Kafka; `timestamp` in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class TopicSpec(NamedTuple):
    """What a topic should be; `config` holds Kafka's own topic settings as strings."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


class TopicState(NamedTuple):
    """What a topic is; `config` holds only settings that differ from the broker's defaults."""

    name: str
    topic_id: str
    partitions: int
    replication: int
    config: Mapping[str, str]


class Transaction(Protocol):
    """What may be done while a transaction is open; see `transactions` for how one is begun."""

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Hand over one record; blocks while the client's queue is full.

        Raises:
            KafkaError: unknown topic, not authorised, record larger than the topic takes.
        """

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """Let the group's offsets move with the commit of this transaction, and only with it.

        A transaction is refused where the group went on without this member, so a process that
        was silent for too long moves nothing, whatever it still believes to own.

        Args:
            offsets: the next offset of partitions that are ours.
            membership: of the inbox that read them, as it is now, see `Inbox.membership`.

        Raises:
            Transient: the group was rebalanced meanwhile, or Kafka does not answer.
            FencedError: another process is this member now.
            KafkaError: this principal may not read with the group.
        """


class Outbox(Transaction, Protocol):
    """A transactional writer with one transactional id; acks=all, idempotent.

    Order of calls: `begin`, any number of `send` and `send_offsets`, then `commit` or `abort`.
    Opening it (`Client.outbox`) has already fenced the former owner of the transactional id. Only
    `transactions.Writer` calls these.
    """

    def begin(self) -> None:
        """Start a transaction.

        Raises:
            Transient: this writer is of no more use; another one, opened anew, may be.
        """

    def commit(self) -> None:
        """Make everything since `begin` visible at once; returns when Kafka holds it durably.

        Raises:
            Transient: not committed, the transaction is aborted or will be; begin again.
            FencedError: a newer owner exists.
        """

    def abort(self) -> None:
        """Give up the open transaction; nothing of it is ever seen by read_committed readers."""

    def close(self) -> None:
        """Release the connection; an open transaction is aborted."""


class Listener(NamedTuple):
    """What a group member wants to know about its partitions, in its own thread, during `poll`.

    `assigned` gets the new partitions and the group's committed offsets (absent: none) and
    returns the offset to start from for EVERY one of them. `revoked` comes before others may own
    them, also when they were lost (a session that expired).
    """

    assigned: Callable[
        [Collection[TopicIdPartition], Mapping[TopicIdPartition, int]],
        Mapping[TopicIdPartition, int],
    ]
    revoked: Callable[[Collection[TopicPartition]], None]


class Inbox(Protocol):
    """A member of a consumer group: read_committed, static membership, eager assignment.

    `auto.offset.reset` is always error: an offset that Kafka no longer holds raises.
    """

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """Up to `max_records` records of the assigned partitions; empty after `timeout` seconds.

        Raises:
            TopicChangedError: the position is out of the range that the partition still holds.
            Transient: no broker answers now.
        """

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """The next offset per assigned partition: the client's own, past transaction markers.

        Kafka is asked each time, also by a member that has no partition, perhaps because an outage
        took it: an answer says that Kafka is there.

        Raises:
            TopicChangedError: a topic was created anew while it was being read.
            Transient: no broker answers now.
        """

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """Go on from these offsets (assigned partitions only)."""

    def pause(self) -> None:
        """Fetch nothing while still polling (the member stays in the group)."""

    def resume(self) -> None:
        """Fetch again after `pause`."""

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """Commit to the Kafka group; partitions that are no longer ours are left out quietly."""

    def membership(self) -> Membership:
        """What `Transaction.send_offsets` needs to know of this member.

        It changes only after the listener was told that partitions are revoked.

        Raises:
            Transient: the group went on without this member; the next `poll` says so.
        """

    def close(self) -> None:
        """Leave without losing the static membership's place."""


class Admin(Protocol):
    """Looks after topics and reads offsets."""

    def cluster_id(self) -> str:
        """Kafka's cluster id.

        Raises:
            KafkaError: nobody answers at the bootstrap servers, or the password is wrong.
        """

    def topics(self) -> Mapping[str, TopicState]:
        """Every topic that this principal may see, internal ones left out."""

    def create(self, spec: TopicSpec) -> None:
        """Create a topic; one that exists already is an error."""

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """Set these topic settings and leave the others alone (incremental)."""

    def add_partitions(self, topic: str, total: int) -> None:
        """Raise the number of partitions to `total`."""

    def delete(self, topic: str) -> None:
        """Delete a topic with all that it holds."""

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """The offset after the last record of each partition, read_committed (stable offset)."""

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """The first offset that each partition still holds."""

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """The first offset of each partition whose record is of this time or later.

        The time is that of the record in Kafka, since the epoch; a partition without such a record
        is answered with its end.
        """

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """What the group committed."""

    def group_members(self, group: str) -> Sequence[str]:
        """The members that the group has now, by their static names where they have one.

        A static member that ended stays one until its session expires.
        """

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit in the place of the group's members, which must not exist.

        Raises:
            KafkaError: the group has members, or this principal may not; nothing is changed.
        """

    def close(self) -> None:
        """Release the connection."""


class Client(Protocol):
    """One library's implementation of the ports."""

    def outbox(self, transactional_id: str) -> Outbox:
        """Open a writer and fence the former owner of `transactional_id`."""

    def inbox(self, *, group: str, topics: Sequence[str], member: str, listener: Listener) -> Inbox:
        """Join `group` as the static member `member` (group.instance.id)."""

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """The last committed value per key of a compacted topic, read to its end.

        Keys without `key_prefix` and tombstones are left out; the prefix stays in the key.
        """

    def scan(self, topic: str) -> Iterator[Record]:
        """Every committed record of a topic from its beginning to the end it has now."""

    def admin(self) -> Admin:
        """Open an administration client."""
