"""Cuts a buffer before the first record of each new schema version.

The records before the cut are then written, whatever the contract says of those after it, and a
consumer that stops at a frozen field has committed exactly how far it came. Only the first record
of a version causes a cut: after it, old and new records may alternate, as they do while producers
are upgraded one by one, without a commit for each.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pixstream.kafka.ports import Record, TopicIdPartition

VERSION_HEADER = "schema-version"

_DIGITS = 9


class Segment(NamedTuple):
    """Records that are written together.

    Attributes:
        records: in consumption order.
        next_offsets: the next offsets of the partitions after them.
        version: the highest version in this and all earlier segments.
    """

    records: Sequence[Record]
    next_offsets: Mapping[TopicIdPartition, int]
    version: int


def segments(
    records: Sequence[Record], ahead: Mapping[TopicIdPartition, int], known: int
) -> list[Segment]:
    """Cut a buffer into at least one segment, which is empty if there are no records.

    Args:
        records: in consumption order.
        ahead: the next offset of each partition after all records, also of those without records.
        known: the highest version seen before, which does not cause a cut.
    """
    starts = _starts(records, known)
    ends = [start for start, _ in starts[1:]] + [len(records)]
    left: dict[tuple[str, int], int] = {}
    found: list[Segment] = []
    for (start, highest), end in reversed(list(zip(starts, ends, strict=True))):
        part = records[start:end]
        following = ahead if end == len(records) else _following(part, left, ahead)
        found.append(Segment(part, following, highest))
        if start:
            left.update({(r.topic, r.partition): r.offset for r in reversed(part)})
    return found[::-1]


def _starts(records: Sequence[Record], known: int) -> list[tuple[int, int]]:
    """Return where each segment begins, and the highest version up to its end."""
    starts = [(0, known)]
    for index, record in enumerate(records):
        found = version(record)
        if found > known:
            known = found
            if index == 0:
                starts.clear()
            starts.append((index, known))
    return starts


def _following(
    part: Sequence[Record],
    left: Mapping[tuple[str, int], int],
    ahead: Mapping[TopicIdPartition, int],
) -> dict[TopicIdPartition, int]:
    """Return the next offsets after a part: each partition's first record behind it, if any."""
    moved = {(record.topic, record.partition) for record in part}
    return {
        p: left.get((p.topic, p.partition), offset)
        for p, offset in ahead.items()
        if (p.topic, p.partition) in moved
    }


def version(record: Record) -> int:
    """Return the version in the record's header; 0 if it is absent or not a number."""
    for name, value in record.headers:
        if name == VERSION_HEADER:
            return int(value) if value.isdigit() and len(value) <= _DIGITS else 0
    return 0
