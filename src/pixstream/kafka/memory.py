"""A small Kafka in memory, for tests of the code that uses the ports.

It behaves as the loops expect of Kafka: transactions with fencing, markers that occupy offsets,
read_committed, topic ids, groups that revoke partitions before they assign them, static members.
It runs in one thread and never waits.
"""

from __future__ import annotations

import dataclasses
import secrets
import zlib
from collections import defaultdict
from typing import TYPE_CHECKING, NamedTuple

from pixstream.errors import KafkaError, Transient
from pixstream.kafka import faults, scanning
from pixstream.kafka.ports import (
    Listener,
    Membership,
    Record,
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
    TopicState,
)
from pixstream.kafka.record_limits import RecordLimits

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pixstream.event.record import Headers

_LARGEST = 1_048_588


@dataclasses.dataclass
class _Transaction:
    state: str = "open"


@dataclasses.dataclass
class _Entry:
    """A record, or (with None) the marker that ends a transaction."""

    record: Record | None
    transaction: _Transaction


@dataclasses.dataclass
class _Partition:
    """The log of a partition; an entry's offset is its index."""

    entries: list[_Entry] = dataclasses.field(default_factory=list)
    begin: int = 0

    def stable_end(self) -> int:
        """Return the offset up to which no transaction is open."""
        for offset, entry in enumerate(self.entries):
            if entry.transaction.state == "open":
                return offset
        return len(self.entries)

    def read(self, offset: int, limit: int) -> tuple[list[Record], int]:
        """Return committed records from `offset` on, and the position after them."""
        found: list[Record] = []
        end = self.stable_end()
        while offset < end and len(found) < limit:
            entry = self.entries[offset]
            if entry.record is not None and entry.transaction.state == "committed":
                found.append(entry.record)
            offset += 1
        while offset < end and self.entries[offset].record is None:
            offset += 1
        return found, offset

    def at(self, milliseconds: int) -> int:
        """Return the first offset with a record of this time or later; the end if there is none."""
        for offset in range(self.begin, self.stable_end()):
            record = self.entries[offset].record
            if record is not None and record.timestamp >= milliseconds:
                return offset
        return self.stable_end()


@dataclasses.dataclass
class _Topic:
    spec: TopicSpec
    topic_id: str
    partitions: list[_Partition]


class _Member(NamedTuple):
    """A member of a group in one of its generations."""

    inbox: MemoryInbox
    generation: int


class MemoryKafka:
    """The broker; `client` returns as many clients of it as a test needs.

    Attributes:
        now: the timestamp of the next records, in milliseconds.
    """

    def __init__(self) -> None:
        self.cluster = "memory"
        self.now = 0
        self.topics: dict[str, _Topic] = {}
        self.epochs: dict[str, int] = defaultdict(int)
        self.open: dict[str, MemoryOutbox] = {}
        self.groups: dict[str, dict[str, MemoryInbox]] = defaultdict(dict)
        self.generations: dict[str, int] = defaultdict(int)
        self.committed: dict[str, dict[TopicPartition, int]] = defaultdict(dict)
        self._failures: dict[str, list[Exception]] = defaultdict(list)

    def client(self) -> MemoryClient:
        """Return another client of this broker."""
        return MemoryClient(self)

    def fail(self, operation: str, error: Exception) -> None:
        """Make the next call of an operation raise `error`.

        Args:
            operation: `outbox`, `begin`, `send`, `send_offsets`, `commit` (of a transaction),
                `poll`, `positions`, `group_commit` or `load`.
            error: the exception that it raises instead of doing anything.
        """
        self._failures[operation].append(error)

    def expire(self, topic: str, partition: int, before: int) -> None:
        """Delete the records before this offset, as retention does."""
        self.topic(topic).partitions[partition].begin = before

    def evict(self, group: str, member: str) -> None:
        """Expire the session of a member: its partitions go to the other members."""
        self.groups[group].pop(member)
        self.generations[group] += 1

    def attempt(self, operation: str) -> None:
        """Raise the error that `fail` planned for this operation."""
        if self._failures[operation]:
            raise self._failures[operation].pop(0)

    def topic(self, name: str) -> _Topic:
        """Return a topic by name.

        Raises:
            KafkaError: the topic does not exist.
        """
        if name not in self.topics:
            raise faults.fault(f"topic {name}", faults.UNKNOWN_TOPIC, "UNKNOWN_TOPIC_OR_PARTITION")
        return self.topics[name]

    def max_message_bytes(self, topic: str) -> int:
        """Return the size of the largest record that the topic accepts."""
        return int(self.topic(topic).spec.config.get("max.message.bytes", _LARGEST))

    def partitions(self, topics: Collection[str]) -> dict[TopicIdPartition, _Partition]:
        """Return every partition of these topics."""
        return {
            TopicIdPartition(name, topic.topic_id, number): partition
            for name, topic in ((name, self.topic(name)) for name in topics)
            for number, partition in enumerate(topic.partitions)
        }


class MemoryClient:
    """`kafka.Client` in memory."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka = kafka

    def outbox(self, transactional_id: str) -> MemoryOutbox:
        """See `kafka.Client`."""
        self._kafka.attempt("outbox")
        return MemoryOutbox(self._kafka, transactional_id)

    def inbox(
        self, *, group: str, topics: Sequence[str], member: str, listener: Listener
    ) -> MemoryInbox:
        """See `kafka.Client`."""
        self._kafka.partitions(topics)
        inbox = MemoryInbox(self._kafka, group, topics, member, listener)
        self._kafka.groups[group][member] = inbox
        self._kafka.generations[group] += 1
        return inbox

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """See `kafka.Client`."""
        self._kafka.attempt("load")
        return scanning.last_values(self.scan(topic), key_prefix)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `kafka.Client`; it does not wait for an open transaction, it raises."""
        for partition in self._kafka.topic(topic).partitions:
            if partition.stable_end() < len(partition.entries):
                raise Transient(f"topic {topic}: a transaction is left open")
            yield from partition.read(partition.begin, len(partition.entries))[0]

    def admin(self) -> MemoryAdmin:
        """See `kafka.Client`."""
        return MemoryAdmin(self._kafka)


class MemoryOutbox:
    """`kafka.Outbox` in memory."""

    def __init__(self, kafka: MemoryKafka, transactional_id: str) -> None:
        self._kafka = kafka
        self._id = transactional_id
        former = kafka.open.get(transactional_id)
        if former is not None:
            former.end("aborted")
        kafka.epochs[transactional_id] += 1
        self._epoch = kafka.epochs[transactional_id]
        self._limits = RecordLimits(kafka.max_message_bytes)
        self._transaction: _Transaction | None = None
        self._touched: list[_Partition] = []
        self._offsets: dict[tuple[str, TopicPartition], int] = {}
        kafka.open[transactional_id] = self

    def begin(self) -> None:
        """See `kafka.Outbox`."""
        self._check("begin")
        self._transaction, self._touched, self._offsets = _Transaction(), [], {}

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Outbox`."""
        try:
            self._check("send")
            self._limits.check(topic, key, value, headers)
        except Exception:
            self.end("aborted")
            raise
        transaction = self._transaction
        if transaction is None:
            raise KafkaError(f"transactional id {self._id}: no transaction is open")
        partitions = self._kafka.topic(topic).partitions
        number = zlib.crc32(key or secrets.token_bytes(4)) % len(partitions)
        partition = partitions[number]
        offset = len(partition.entries)
        record = Record(topic, number, offset, self._kafka.now, key, value, list(headers))
        partition.entries.append(_Entry(record, transaction))
        if all(partition is not touched for touched in self._touched):
            self._touched.append(partition)

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """See `kafka.Outbox`."""
        assert isinstance(membership, _Member)  # noqa: S101  MemoryInbox returns no other type
        group = membership.inbox.group
        try:
            self._check("send_offsets")
            membership.inbox.check_member(membership.generation)
        except Exception:
            self.end("aborted")
            raise
        for place, offset in offsets.items():
            self._offsets[group, TopicPartition(place.topic, place.partition)] = offset

    def pending(self, group: str, partition: TopicPartition) -> bool:
        """Return whether the open transaction moves the group's offset of this partition."""
        return self._transaction is not None and (group, partition) in self._offsets

    def commit(self) -> None:
        """See `kafka.Outbox`."""
        try:
            self._check("commit")
        except Exception:
            self.end("aborted")
            raise
        self.end("committed")

    def abort(self) -> None:
        """See `kafka.Outbox`."""
        self.end("aborted")

    def close(self) -> None:
        """See `kafka.Outbox`."""
        self.end("aborted")

    def end(self, state: str) -> None:
        """Write the markers of the open transaction, if there is one."""
        if self._transaction is not None:
            self._transaction.state = state
            for partition in self._touched:
                partition.entries.append(_Entry(None, self._transaction))
            for (group, place), offset in self._offsets.items() if state == "committed" else ():
                self._kafka.committed[group][place] = offset
        self._transaction = None

    def _check(self, operation: str) -> None:
        if self._epoch != self._kafka.epochs[self._id]:
            raise faults.fenced(f"transactional id {self._id}", "PRODUCER_FENCED")
        self._kafka.attempt(operation)


class MemoryInbox:
    """`kafka.Inbox` in memory: each poll assigns partitions in the order of the members' names."""

    def __init__(
        self,
        kafka: MemoryKafka,
        group: str,
        topics: Sequence[str],
        member: str,
        listener: Listener,
    ) -> None:
        self._kafka, self.group, self._member = kafka, group, member
        self._topics, self._listener = topics, listener
        self._paused = False
        self._generation = 0
        self.owned: dict[TopicIdPartition, int] = {}

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """See `kafka.Inbox`; it never waits."""
        del timeout
        self._kafka.attempt("poll")
        members = self._kafka.groups[self.group]
        if members.get(self._member) is not self:
            if not self.owned and self._member in members:
                raise faults.fenced(f"group {self.group}", "FENCED_INSTANCE_ID")
            members.setdefault(self._member, self)
            self._revoke(set(self.owned))
        self._generation = self._kafka.generations[self.group]
        unanswered: Transient | None = None
        try:
            self._rebalance(members)
        except Transient as error:
            unanswered = error  # new partitions stay unread; the next poll asks for them again
        found: list[Record] = []
        for place, offset in [] if self._paused else list(self.owned.items()):
            partition = self._kafka.topic(place.topic).partitions[place.partition]
            if not partition.begin <= offset <= len(partition.entries):
                raise faults.offset_gone(place.topic, place.partition, offset)
            records, self.owned[place] = partition.read(offset, max_records - len(found))
            found += records
        if unanswered is not None and not found:
            raise unanswered
        return found

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Inbox`."""
        self._kafka.attempt("positions")
        for place in self.owned:
            if self._kafka.topic(place.topic).topic_id != place.topic_id:
                raise faults.recreated(place.topic)
        return dict(self.owned)

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        self.owned |= {place: at for place, at in offsets.items() if place in self.owned}

    def pause(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = True

    def resume(self) -> None:
        """See `kafka.Inbox`."""
        self._paused = False

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        self._kafka.attempt("group_commit")
        if self._kafka.groups[self.group].get(self._member) is not self:
            return  # evicted: the group rebalanced without this member
        self._kafka.committed[self.group] |= {
            TopicPartition(place.topic, place.partition): at
            for place, at in offsets.items()
            if place in self.owned
        }

    def membership(self) -> Membership:
        """See `kafka.Inbox`."""
        self.check_member()
        return _Member(self, self._generation)

    def check_member(self, generation: int | None = None) -> None:
        """Check that this is still the member of its group, in this generation if one is given.

        Raises:
            FencedError: another process is this member now.
            Transient: the group rebalanced without this member.
        """
        present = self._kafka.groups[self.group].get(self._member)
        if present is None:
            raise faults.lost_membership(f"group {self.group}", "UNKNOWN_MEMBER_ID")
        if present is not self:
            raise faults.fenced(f"group {self.group}", "FENCED_INSTANCE_ID")
        if generation not in {None, self._kafka.generations[self.group]}:
            raise faults.lost_membership(f"group {self.group}", "ILLEGAL_GENERATION")

    def close(self) -> None:
        """See `kafka.Inbox`; the member stays in the group until `MemoryKafka.evict`."""

    def _rebalance(self, members: Mapping[str, MemoryInbox]) -> None:
        places = sorted(self._kafka.partitions(self._topics))
        names = sorted(members)
        mine = {p for i, p in enumerate(places) if names[i % len(names)] == self._member}
        # A recreated topic's partitions stay until `positions` or a poll notices.
        mine |= {p for p in self.owned if p not in places}
        self._revoke(set(self.owned) - mine)
        others = {p for name, inbox in members.items() if inbox is not self for p in inbox.owned}
        names_owned = {(p.topic, p.partition) for p in self.owned}
        new = [p for p in sorted(mine - others) if (p.topic, p.partition) not in names_owned]
        if new:
            known = self._kafka.committed[self.group]
            keys = {p: TopicPartition(p.topic, p.partition) for p in new}
            writers = self._kafka.open.values()
            if any(w.pending(self.group, key) for w in writers for key in keys.values()):
                raise Transient(f"group {self.group}: an open transaction is moving an offset")
            committed = {p: known[key] for p, key in keys.items() if key in known}
            starts = self._listener.assigned(new, committed)
            self.owned |= {place: starts[place] for place in new}

    def _revoke(self, gone: Collection[TopicIdPartition]) -> None:
        if gone:
            self._listener.revoked([TopicPartition(p.topic, p.partition) for p in gone])
        for place in gone:
            del self.owned[place]


class MemoryAdmin:
    """`kafka.Admin` in memory."""

    def __init__(self, kafka: MemoryKafka) -> None:
        self._kafka = kafka

    def cluster_id(self) -> str:
        """See `kafka.Admin`."""
        return self._kafka.cluster

    def topics(self) -> Mapping[str, TopicState]:
        """See `kafka.Admin`."""
        return {
            name: TopicState(
                name, t.topic_id, len(t.partitions), t.spec.replication, dict(t.spec.config)
            )
            for name, t in self._kafka.topics.items()
        }

    def create(self, spec: TopicSpec) -> None:
        """See `kafka.Admin`."""
        if spec.name in self._kafka.topics:
            what = f"topic {spec.name} could not be created"
            raise faults.fault(what, 36, "TOPIC_ALREADY_EXISTS")
        partitions = [_Partition() for _ in range(spec.partitions)]
        self._kafka.topics[spec.name] = _Topic(spec, secrets.token_urlsafe(16), partitions)

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """See `kafka.Admin`."""
        found = self._kafka.topic(topic)
        found.spec = found.spec._replace(config={**found.spec.config, **config})

    def add_partitions(self, topic: str, total: int) -> None:
        """See `kafka.Admin`."""
        partitions = self._kafka.topic(topic).partitions
        if total <= len(partitions):
            what = f"topic {topic} could not get {total} partitions"
            raise faults.fault(what, 37, "INVALID_PARTITIONS")
        partitions += [_Partition() for _ in range(total - len(partitions))]

    def delete(self, topic: str) -> None:
        """See `kafka.Admin`; groups lose their offsets of the topic, as in Kafka."""
        self._kafka.topic(topic)
        del self._kafka.topics[topic]
        for offsets in self._kafka.committed.values():
            for place in [p for p in offsets if p.topic == topic]:
                del offsets[place]

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.stable_end() for p, log in self._kafka.partitions(topics).items()}

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.begin for p, log in self._kafka.partitions(topics).items()}

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return {p: log.at(milliseconds) for p, log in self._kafka.partitions(topics).items()}

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """See `kafka.Admin`."""
        return dict(self._kafka.committed[group])

    def group_members(self, group: str) -> Sequence[str]:
        """See `kafka.Admin`."""
        return sorted(self._kafka.groups[group])

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See `kafka.Admin`."""
        what = f"the offsets of group {group} could not be set"
        if self._kafka.groups[group]:
            raise faults.group_is_alive(what, "UNKNOWN_MEMBER_ID")
        for place in offsets:
            self._kafka.topic(place.topic)
        self._kafka.committed[group] |= offsets

    def close(self) -> None:
        """See `kafka.Admin`."""
