"""What every side knows of a consumer's offsets, and a person's decision to change them.

A decision is planned first, so that it can be shown, then applied: to the group, which Kafka
refuses while the group has members, then to the destination. Broken off in between, it has no
effect: the destination's word counts at the next start, and the same decision can be taken again.
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
"""Where to go on: what Kafka still holds, its end, an offset, or the first record of a time on."""


class Change(NamedTuple):
    """One partition of a decision: from where it stands to the next offset wanted."""

    standing: PartitionState
    new: int

    @property
    def goes_back(self) -> bool:
        """Records that were read would be read again."""
        old = self.standing.next
        return old is not None and not self.standing.recreated and self.new < old

    @property
    def unread(self) -> int:
        """How many offsets will never be read: records, and markers of transactions among them."""
        at = self.standing
        old = at.beginning if at.next is None or at.recreated else at.next
        return max(0, min(self.new, at.end) - old)


def show(reader: Reader, admin: Admin) -> list[PartitionState]:
    """Where a consumer or processor stands in each partition of its topics, in order.

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
    """What a decision would change; nothing is changed yet.

    Args:
        found: the partitions that it is about, see `show`.
        admin: to ask for the offsets of a time.
        to: where to go on.
        new_topic: a topic that was created anew, or is another cluster's, is the right one.
        allow_rewind: records may be read again.

    Raises:
        PixstreamError: it may not be done so; the message says what is missing.
    """
    changes = [Change(s, offset) for s, offset in _targets(found, admin, to)]
    for change in changes:
        s, where = change.standing, f"{change.standing.topic}-{change.standing.partition}"
        if s.recreated and not new_topic:
            what = (
                f"{s.topic} is that of another Kafka cluster than {s.consumer} was fed from"
                if s.moved
                else f"{s.topic} was deleted and created anew, {s.consumer} was fed from the "
                "former one"
            )
            raise PixstreamError(
                f"{what}: if the new one is right, say so with --new-topic. Nothing is changed"
            )
        if not s.beginning <= change.new <= s.end:
            raise PixstreamError(
                f"{where} holds the offsets {s.beginning} to {s.end}, {change.new} is not among "
                "them: the consumer could not go on there. Nothing is changed"
            )
        if change.goes_back and not allow_rewind:
            raise PixstreamError(
                f"{where}: {change.new} lies before {s.next}: records would be read again. A table "
                "drops what it holds by event_id, another destination gets it twice: say that it "
                "is meant with --allow-rewind. Nothing is changed"
            )
    return changes


def apply(reader: Reader, admin: Admin, changes: Collection[Change]) -> None:
    """Change the group, then the destination.

    Raises:
        KafkaError: the group has members, or this user may not; nothing is changed.
        PixstreamError: the destination could not be told: see the module, do it again.
    """
    if isinstance(reader, RemembersOffsets) and not isinstance(reader, AcceptsOffsets):
        raise PixstreamError(
            f"{reader.name}: its destination remembers offsets but cannot be told others "
            "(it has no set_offsets). Nothing is changed"
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
