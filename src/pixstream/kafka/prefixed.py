"""A client for installations whose names in Kafka begin with a prefix (`kafka.topic_prefix`).

Everything else in pixstream calls a topic `pix.pagamentos`, whatever it is called in Kafka: this is
the only place where the names differ. Groups and transactional ids carry the prefix too, so that
two installations on one cluster never share one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

from pixstream.kafka.ports import (
    Listener,
    Record,
    TopicIdPartition,
    TopicPartition,
    TopicSpec,
    TopicState,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from pixstream.event.record import Headers
    from pixstream.kafka.ports import Admin, Client, Inbox, Membership, Outbox, Span

_Partition = TypeVar("_Partition", TopicIdPartition, TopicPartition)


class Names(NamedTuple):
    """Translates between pixstream's names and those in Kafka."""

    prefix: str

    def outside(self, name: str) -> str:
        """Return the name that Kafka has for one of pixstream's."""
        return f"{self.prefix}{name}"

    def inside(self, name: str) -> str:
        """Return pixstream's name for one in Kafka, which begins with the prefix."""
        return name.removeprefix(self.prefix)

    def ours(self, name: str) -> bool:
        """Return whether a name in Kafka begins with the prefix."""
        return name.startswith(self.prefix)

    def to_kafka(self, offsets: Mapping[_Partition, int]) -> dict[_Partition, int]:
        """Return offsets by partition with Kafka's names."""
        return {p._replace(topic=self.outside(p.topic)): at for p, at in offsets.items()}

    def from_kafka(self, offsets: Mapping[_Partition, int]) -> dict[_Partition, int]:
        """Return offsets by partition with pixstream's names; others are left out."""
        return {
            p._replace(topic=self.inside(p.topic)): at
            for p, at in offsets.items()
            if self.ours(p.topic)
        }

    def record(self, record: Record) -> Record:
        """Return a record with pixstream's name of its topic."""
        return Record(self.inside(record[0]), *record[1:])


class PrefixedClient:
    """`kafka.Client` over another one, with names translated.

    Args:
        client: knows Kafka's names only.
        prefix: not empty.
    """

    def __init__(self, client: Client, prefix: str) -> None:
        self._client = client
        self._names = Names(prefix)

    def outbox(self, transactional_id: str) -> _Outbox:
        """See `kafka.Client`."""
        return _Outbox(self._client.outbox(self._names.outside(transactional_id)), self._names)

    def inbox(
        self, *, group: str, topics: Sequence[str], member: str, listener: Listener
    ) -> _Inbox:
        """See `kafka.Client`."""
        names = self._names

        def assigned(
            new: Collection[TopicIdPartition], committed: Mapping[TopicIdPartition, int]
        ) -> Mapping[TopicIdPartition, int]:
            ours = [p._replace(topic=names.inside(p.topic)) for p in new]
            return names.to_kafka(listener.assigned(ours, names.from_kafka(committed)))

        def revoked(gone: Collection[TopicPartition]) -> None:
            listener.revoked([p._replace(topic=names.inside(p.topic)) for p in gone])

        inbox = self._client.inbox(
            group=names.outside(group),
            topics=[names.outside(topic) for topic in topics],
            member=member,
            listener=Listener(assigned, revoked),
        )
        return _Inbox(inbox, names)

    def load(self, topic: str, key_prefix: str) -> Mapping[str, bytes]:
        """See `kafka.Client`."""
        return self._client.load(self._names.outside(topic), key_prefix)

    def scan(self, topic: str) -> Iterator[Record]:
        """See `kafka.Client`."""
        return map(self._names.record, self._client.scan(self._names.outside(topic)))

    def between(
        self,
        topic: str,
        ranges: Mapping[int, tuple[int, int]],
        keys: Collection[bytes] | None = None,
    ) -> Iterator[Record]:
        """See `kafka.Client`."""
        found = self._client.between(self._names.outside(topic), ranges, keys)
        return map(self._names.record, found)

    def admin(self) -> _Admin:
        """See `kafka.Client`."""
        return _Admin(self._client.admin(), self._names)


class _Outbox:
    """`kafka.Outbox` with names translated."""

    def __init__(self, outbox: Outbox, names: Names) -> None:
        self._outbox = outbox
        self._names = names
        self.begin = outbox.begin
        self.commit = outbox.commit
        self.abort = outbox.abort
        self.close = outbox.close

    def send(self, topic: str, key: bytes | None, value: bytes | None, headers: Headers) -> None:
        """See `kafka.Transaction`."""
        self._outbox.send(self._names.outside(topic), key, value, headers)

    def spans(self) -> Mapping[TopicPartition, Span]:
        """See `kafka.Outbox`."""
        return {
            place._replace(topic=self._names.inside(place.topic)): span
            for place, span in self._outbox.spans().items()
        }

    def send_offsets(self, offsets: Mapping[TopicIdPartition, int], membership: Membership) -> None:
        """See `kafka.Transaction`."""
        self._outbox.send_offsets(self._names.to_kafka(offsets), membership)


class _Inbox:
    """`kafka.Inbox` with names translated."""

    def __init__(self, inbox: Inbox, names: Names) -> None:
        self._inbox = inbox
        self._names = names
        self.pause = inbox.pause
        self.resume = inbox.resume
        self.membership = inbox.membership
        self.close = inbox.close

    def poll(self, max_records: int, timeout: float) -> Sequence[Record]:
        """See `kafka.Inbox`."""
        return [*map(self._names.record, self._inbox.poll(max_records, timeout))]

    def positions(self) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Inbox`."""
        return self._names.from_kafka(self._inbox.positions())

    def seek(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        self._inbox.seek(self._names.to_kafka(offsets))

    def commit(self, offsets: Mapping[TopicIdPartition, int]) -> None:
        """See `kafka.Inbox`."""
        self._inbox.commit(self._names.to_kafka(offsets))


class _Admin:
    """`kafka.Admin` with names translated; topics without the prefix do not exist for it."""

    def __init__(self, admin: Admin, names: Names) -> None:
        self._admin = admin
        self._names = names
        self.cluster_id = admin.cluster_id
        self.close = admin.close

    def topics(self) -> Mapping[str, TopicState]:
        """See `kafka.Admin`."""
        return {
            self._names.inside(name): state._replace(name=self._names.inside(name))
            for name, state in self._admin.topics().items()
            if self._names.ours(name)
        }

    def create(self, spec: TopicSpec) -> None:
        """See `kafka.Admin`."""
        self._admin.create(spec._replace(name=self._names.outside(spec.name)))

    def configure(self, topic: str, config: Mapping[str, str]) -> None:
        """See `kafka.Admin`."""
        self._admin.configure(self._names.outside(topic), config)

    def add_partitions(self, topic: str, total: int) -> None:
        """See `kafka.Admin`."""
        self._admin.add_partitions(self._names.outside(topic), total)

    def delete(self, topic: str) -> None:
        """See `kafka.Admin`."""
        self._admin.delete(self._names.outside(topic))

    def end_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._names.from_kafka(self._admin.end_offsets(self._outside(topics)))

    def beginning_offsets(self, topics: Collection[str]) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._names.from_kafka(self._admin.beginning_offsets(self._outside(topics)))

    def offsets_at(
        self, topics: Collection[str], milliseconds: int
    ) -> Mapping[TopicIdPartition, int]:
        """See `kafka.Admin`."""
        return self._names.from_kafka(self._admin.offsets_at(self._outside(topics), milliseconds))

    def group_offsets(self, group: str) -> Mapping[TopicPartition, int]:
        """See `kafka.Admin`."""
        return self._names.from_kafka(self._admin.group_offsets(self._names.outside(group)))

    def group_members(self, group: str) -> Sequence[str]:
        """See `kafka.Admin`."""
        return self._admin.group_members(self._names.outside(group))

    def set_group_offsets(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        """See `kafka.Admin`."""
        self._admin.set_group_offsets(self._names.outside(group), self._names.to_kafka(offsets))

    def _outside(self, topics: Collection[str]) -> list[str]:
        return [self._names.outside(topic) for topic in topics]
