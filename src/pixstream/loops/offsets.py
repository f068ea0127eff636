"""Shows the offsets of a consumer or processor, and applies an operator's decision to change them.

A decision is planned first, so that it can be shown. Then it is applied: to the group, which Kafka
refuses while the group has members, and then to the destination. If it is interrupted in between,
it has no effect: the destination's offsets take precedence at the next start, and the operator can
apply the same decision again.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from pixstream.errors import PixstreamError
from pixstream.kafka.lag import patiently
from pixstream.kafka.names import EVENT_TOPICS, group_id
from pixstream.kafka.ports import TopicIdPartition, TopicPartition
from pixstream.loops.assignment import standings
from pixstream.plugins.consumer import AcceptsOffsets, RemembersOffsets

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from pixstream.kafka.ports import Admin
    from pixstream.loops.partition_state import PartitionState
    from pixstream.plugins.reader import Reader

Target: TypeAlias = Literal["earliest", "latest"] | int | dt.datetime
"""Where to continue: the first or the end offset, an offset, or the first record from a time on."""


class Change(NamedTuple):
    """A decision for one partition: its present state and its new next offset."""

    standing: PartitionState
    new: int

    @property
    def goes_back(self) -> bool:
        """Whether records that were read would be read again."""
        old = self.standing.next
        return old is not None and not self.standing.recreated and self.new < old

    @property
    def unread(self) -> int:
        """Number of offsets that will never be read, transaction markers among them."""
        at = self.standing
        old = at.beginning if at.next is None or at.recreated else at.next
        return max(0, min(self.new, at.end) - old)


def show(reader: Reader, admin: Admin) -> list[PartitionState]:
    """Return the state of each partition of a consumer or processor, in order.

    Raises:
        PixstreamError: the destination or Kafka does not answer, or refuses.
    """
    group = group_id(reader.name)
    committed = patiently(lambda: admin.group_offsets(group))
    topics = [EVENT_TOPICS[category] for category in reader.categories]
    partitions = list(admin.beginning_offsets(topics))
    known = {p: committed.get(TopicPartition(p.topic, p.partition)) for p in partitions}
    found = standings(
        reader,
        admin,
        admin.cluster_id(),
        partitions,
        {p: offset for p, offset in known.items() if offset is not None},
    )
    begun = {s.topic for s in found.values() if s.next is not None}
    return [s._replace(begun=s.topic in begun) for s in found.values()]


def plan(
    found: Sequence[PartitionState],
    admin: Admin,
    to: Target,
    *,
    new_topic: bool = False,
    allow_rewind: bool = False,
) -> list[Change]:
    """Return what a decision would change, without changing anything.

    Args:
        found: the partitions to change, see `show`.
        admin: looks up the offsets of a time.
        to: where to continue.
        new_topic: accept a topic that was recreated or belongs to another cluster.
        allow_rewind: allow records to be read again.

    Raises:
        PixstreamError: the decision is not allowed; the message says what is missing.
    """
    changes = [Change(s, offset) for s, offset in _targets(found, admin, to)]
    for change in changes:
        s, where = change.standing, f"{change.standing.topic}-{change.standing.partition}"
        if s.recreated and not new_topic:
            what = (
                f"{s.topic} belongs to another Kafka cluster than the one that fed {s.consumer}"
                if s.moved
                else f"{s.topic} was deleted and recreated; {s.consumer} was fed from the former "
                "topic"
            )
            raise PixstreamError(
                f"{what}. If the new one is right, add --new-topic. Nothing was changed"
            )
        if not s.beginning <= change.new <= s.end:
            raise PixstreamError(
                f"{where} has the offsets {s.beginning} to {s.end}; {change.new} is not among "
                "them, so the consumer could not continue there. Nothing was changed"
            )
        if change.goes_back and not allow_rewind:
            raise PixstreamError(
                f"{where}: {change.new} is before {s.next}: records would be read again. A table "
                "drops repeated events by event_id, any other destination receives them twice. If "
                "this is intended, add --allow-rewind. Nothing was changed"
            )
    return changes


def apply(reader: Reader, admin: Admin, changes: Collection[Change]) -> None:
    """Change the offsets of the group, then those of the destination.

    Raises:
        KafkaError: the group has members, or this user lacks permission; nothing was changed.
        PixstreamError: the destination could not be changed; apply the decision again.
    """
    if isinstance(reader, RemembersOffsets) and not isinstance(reader, AcceptsOffsets):
        raise PixstreamError(
            f"{reader.name}: its destination remembers offsets but does not accept new ones "
            "(it has no set_offsets). Nothing was changed"
        )
    admin.set_group_offsets(
        group_id(reader.name),
        {TopicPartition(c.standing.topic, c.standing.partition): c.new for c in changes},
    )
    if isinstance(reader, AcceptsOffsets):
        offsets: Mapping[TopicIdPartition, int] = {
            TopicIdPartition(c.standing.topic, c.standing.topic_id, c.standing.partition): c.new
            for c in changes
        }
        reader.set_offsets(offsets, admin.cluster_id())


def _targets(
    found: Sequence[PartitionState], admin: Admin, to: Target
) -> list[tuple[PartitionState, int]]:
    if isinstance(to, dt.datetime):
        milliseconds = int(to.timestamp() * 1000)
        times = admin.offsets_at({s.topic for s in found}, milliseconds)
        at = {(p.topic, p.partition): offset for p, offset in times.items()}
        return [(s, at[s.topic, s.partition]) for s in found]
    if isinstance(to, int):
        return [(s, to) for s in found]
    return [(s, s.beginning if to == "earliest" else s.end) for s in found]
