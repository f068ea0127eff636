"""Reading from the Kafka in memory as a member of a group."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.errors import Transient
from pixstream.kafka import faults
from pixstream.kafka.memory.broker import GroupMember
from pixstream.kafka.ports import (
    Listener,
    Membership,
    Record,
    TopicIdPartition,
    TopicPartition,
)

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pixstream.kafka.memory.broker import MemoryBroker


class MemoryInbox:
    """`kafka.Inbox` in memory: each poll assigns partitions in the order of the members' names."""

    def __init__(
        self,
        kafka: MemoryBroker,
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
        self._ids: dict[str, str] = {}  # of the topics that were ever assigned

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
        for topic, known in self._ids.items():
            if self._kafka.topic(topic).topic_id != known:
                raise faults.recreated(topic)
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
        return GroupMember(self, self._generation)

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
            self._ids |= {place.topic: place.topic_id for place in new}

    def _revoke(self, gone: Collection[TopicIdPartition]) -> None:
        if gone:
            self._listener.revoked([TopicPartition(p.topic, p.partition) for p in gone])
        for place in gone:
            del self.owned[place]
