"""The four ports through which pixstream uses Kafka, and the values that pass through them.

`Outbox` writes in transactions, `Inbox` reads as a member of a group, `load` (on the client) reads
the compacted topic of producers' positions, `Admin` manages topics. Each library has one package
that implements all of them: `confluent`, `kafka_python`; `memory` is the test double.

Errors: `Transient` where waiting may help, `FencedError` when a newer owner exists, `KafkaError`
for the rest. A message names the broker, the topic and what to do, never a payload or a password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, Protocol, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from pixstream.event.record import Headers


class TopicIdPartition(NamedTuple):
    """A partition of a topic with its id: a recreated topic has another id."""

    topic: str
    topic_id: str
    partition: int


Membership: TypeAlias = object
"""The member's identity in the group's current generation, as its client library represents it."""


class TopicPartition(NamedTuple):
    """A partition by the name of its topic."""

    topic: str
    partition: int


class Span(NamedTuple):
    """Where records of a transaction are in a partition; others' records may lie between them.

    Attributes:
        first: lowest offset; -1: Kafka has them, but did not say where (the answer to a record was
            lost, and the repeated one is a duplicate).
        last: highest offset; -1 as well.
        records: how many.
    """

    first: int
    last: int
    records: int

    def and_at(self, offset: int) -> Span:
        """Return the span with one more record."""
        if min(self.first, offset) < 0:
            return Span(max(self.first, offset), max(self.last, offset), self.records + 1)
        return Span(min(self.first, offset), max(self.last, offset), self.records + 1)


class Record(NamedTuple):
    """A record as Kafka stores it; `timestamp` is in milliseconds since the epoch."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Headers


class TopicSpec(NamedTuple):
    """The declared state of a topic; `config` has Kafka's own topic settings as strings."""

    name: str
    partitions: int
    replication: int
    config: Mapping[str, str]


class TopicState(NamedTuple):
    """The actual state of a topic; `config` has only settings set on the topic itself."""

    name: str
    topic_id: str
    partitions: int
    replication: int
    config: Mapping[str, str]


class Transaction(Protocol):
    """The operations inside an open transaction; `transactions` begins and ends one."""

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """Hand over one record; block while the client's queue is full.

        Raises:
            KafkaError: unknown topic, not authorised, or a record larger than the topic allows.
        """

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """Commit the group's offsets with this transaction, and only with it.

        Kafka rejects the transaction if the group rebalanced without this member. So a process
        that was silent for too long moves no offset, whatever it still believes to own.

        Args:
            offsets: the next offset of each partition that this member owns.
            membership: the current membership of the inbox that read them, see `Inbox.membership`.

        Raises:
            Transient: the group has rebalanced, or Kafka does not answer.
            FencedError: another process is this member now.
            KafkaError: this principal may not read with the group.
        """


class Outbox(Transaction, Protocol):
    """A transactional, idempotent writer with one transactional id and acks=all.

    Order of calls: `begin`, any number of `send` and `send_offsets`, then `commit` or `abort`.
    Opening it (`Client.outbox`) fences the previous owner of the transactional id. Only
    `transactions.Writer` calls these methods.
    """

    def begin(self) -> None:
        """Start a transaction.

        Raises:
            Transient: this writer can no longer be used; a newly opened one may work.
        """

    def commit(self) -> None:
        """Make everything since `begin` visible atomically; return when it is durable in Kafka.

        Raises:
            Transient: not committed; the transaction is aborted or will be. Begin again.
            FencedError: a newer owner exists.
        """

    def spans(self) -> Mapping[TopicPartition, Span]:
        """Return where Kafka stored the records of the last committed transaction."""

    def abort(self) -> None:
        """Abort the open transaction; read_committed readers never see any of it."""

    def close(self) -> None:
        """Release the connection; an open transaction is aborted."""


class Listener(NamedTuple):
    """The rebalance callbacks of a group member, called in its own thread during `poll`.

    `assigned` gets the new partitions and the group's committed offsets (absent: none) and
    returns the offset to start from for EVERY new partition. `revoked` is called before another
    member may own the partitions, and also when they were lost (the session expired).
    """

    assigned: Callable[
        [Collection[TopicIdPartition], Mapping[TopicIdPartition, int]],
        Mapping[TopicIdPartition, int],
    ]
    revoked: Callable[[Collection[TopicPartition]], None]


class Inbox(Protocol):
    """A member of a consumer group: read_committed, static membership, eager assignment.

    There is no automatic offset reset: an offset that Kafka no longer has raises.
    """

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """Return up to `max_records` of the assigned partitions; none after `timeout` seconds.

        Raises:
            TopicChangedError: the position is outside the offsets that the partition still has.
            Transient: no broker answers now.
        """

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """Return the next offset per assigned partition: the client's own, past markers.

        Every call asks Kafka, also for a member without partitions, which an outage may have
        taken away: an answer proves that Kafka is available.

        Raises:
            TopicChangedError: a topic was recreated while it was being read.
            Transient: no broker answers now.
        """

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """Continue from these offsets (assigned partitions only)."""

    def pause(self) -> None:
        """Fetch nothing; `poll` goes on, so the member stays in the group."""

    def resume(self) -> None:
        """Fetch again after `pause`."""

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """Commit the group's offsets; silently skip partitions that this member no longer owns."""

    def membership(self) -> Membership:
        """Return the member's identity for `Transaction.send_offsets`.

        It changes only after the listener's `revoked` was called.

        Raises:
            Transient: the group rebalanced without this member; the next `poll` reports it.
        """

    def close(self) -> None:
        """Close the consumer; the static membership and its partitions stay reserved."""


class Admin(Protocol):
    """The administration port: topics, and the offsets of partitions and groups."""

    def cluster_id(self) -> str:
        """Return Kafka's cluster id.

        Raises:
            KafkaError: no bootstrap server answers, or the password is wrong.
        """

    def topics(self) -> Mapping[str, TopicState]:
        """Return every topic that this principal may see, except internal ones."""

    def create(self, spec: TopicSpec) -> None:
        """Create a topic; a topic that already exists is an error."""

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """Set these topic settings; the others stay as they are (incremental)."""

    def add_partitions(self, topic: str, total: int) -> None:
        """Raise the number of partitions to `total`."""

    def delete(self, topic: str) -> None:
        """Delete a topic and its records."""

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """Return each partition's last stable offset, its end for read_committed readers."""

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """Return the first offset that each partition still has."""

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """Return each partition's first offset whose record is of this time or later.

        The time is the record's timestamp in Kafka, since the epoch. For a partition without such
        a record it is the end offset.
        """

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """Return the offsets that the group committed."""

    def group_members(self, group: str) -> Sequence[str]:
        """Return the current members of the group, by their static names where they have one.

        A static member whose process ended stays a member until its session expires.
        """

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """Commit offsets for a group, which must not have members.

        Raises:
            KafkaError: the group has members, or this principal may not; nothing is changed.
        """

    def close(self) -> None:
        """Release the connection."""


class Client(Protocol):
    """One library's implementation of the ports."""

    def outbox(self, transactional_id: str) -> Outbox:
        """Open a writer and fence the previous owner of `transactional_id`."""

    def inbox(self, *, group: str, topics: Sequence[str], member: str, listener: Listener) -> Inbox:
        """Join `group` as the static member `member` (group.instance.id)."""

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """Return the last committed value per key of a compacted topic, read to its end.

        Keys without `key_prefix` and keys with a tombstone are left out; the prefix stays in the
        key.
        """

    def scan(self, topic: str) -> Iterator[Record]:
        """Yield every committed record of a topic from its beginning to its current end."""

    def between(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        keys: Collection[bytes] | None = None,
    ) -> Iterator[Record]:
        """Yield the committed records of some partitions from one offset to before another.

        Args:
            topic: its name.
            ranges: first offset and the one to stop before, by partition. An offset that Kafka no
                longer has, or not yet, is left out: the range is what the partition has of it.
            keys: only records with one of these keys; None: all. It is the cheapest filter.

        Raises:
            KafkaError: the topic or a partition does not exist, or may not be read.
            Transient: Kafka does not answer, or no longer.
        """

    def admin(self) -> Admin:
        """Open an administration client."""
