"""Reading from Kafka: what both client libraries share."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pixstream.errors import KafkaError, Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping

    from pixstream.kafka.ports import Record, TopicIdPartition
    from pixstream.kafka.settings import KafkaSettings

PARTITION_FETCH_BYTES = 2**20
"""Fetch limit per partition in one response, compressed; a larger batch comes alone."""

FETCH_BYTES = 16 * 2**20
"""Fetch limit of one response of a broker, compressed."""

QUEUE_BYTES = 32 * 2**20
"""Limit of librdkafka's read-ahead; it may exceed this by one response, decompressed."""

METADATA_MILLISECONDS = 30_000
"""Age at which a reader asks for metadata again: so long a new partition may go unread.

Both libraries' default is five minutes.
"""

ASSIGNOR = "roundrobin"
"""The group's assignment strategy: it assigns all partitions in every generation (eagerly).

Cooperative assignment takes two generations, and the member that must request the second one may be
killed before it does. It returns as the same static member, finds the group stable, and gets its
old partitions back: partitions without an owner stay so until another member joins or leaves.
"""

_PAUSE_SECONDS = 0.2
_HEARTBEAT_MILLISECONDS = 1000
Partition = TypeVar("Partition")


def to_end(
    topic: str,
    ends: Mapping[Partition, int],
    poll: Callable[[float], Iterable[Record]],
    position: Callable[[Partition], int],
    patience: float,
) -> Iterator[Record]:
    """Yield records until each partition's position reaches its end.

    A position, unlike the last record's offset, also passes transaction markers and records that
    were aborted or compacted away. The ends are read_uncommitted ends: a record committed before
    now may come after an open transaction, so reading waits for that transaction to end.

    Args:
        topic: for the error message.
        ends: the end offset of each partition; empty partitions are left out.
        poll: called with the seconds to wait; returns records.
        position: returns the next offset of a partition.
        patience: seconds without any progress before it gives up.

    Raises:
        Transient: no progress for `patience` seconds.
    """
    standing = dict.fromkeys(ends, -1)
    deadline = time.monotonic() + patience
    while any(standing[partition] < end for partition, end in ends.items()):
        yield from poll(_PAUSE_SECONDS)
        now = {partition: position(partition) for partition in ends}
        if now != standing:
            standing, deadline = now, time.monotonic() + patience
        elif time.monotonic() > deadline:
            raise Transient(
                f"topic {topic}: reading stopped before its end, without progress for "
                f"{patience:g} s: Kafka does not answer, or a transaction is still open"
            )


def clipped(
    topic: str,
    ranges: Mapping[int, tuple[int, int]],
    begins: Mapping[TopicIdPartition, int],
    ends: Mapping[TopicIdPartition, int],
) -> dict[int, tuple[int, int]]:
    """Return what the partitions have of these ranges, without empty ones.

    Raises:
        KafkaError: the topic has no such partition.
    """
    held = {p.partition: (at, ends[p]) for p, at in begins.items()}
    unknown = sorted(ranges.keys() - held.keys())
    if unknown:
        raise KafkaError(f"topic {topic} has no partition {unknown[0]}: it has {len(held)}")
    found = {
        number: (max(first, held[number][0]), min(stop, held[number][1]))
        for number, (first, stop) in ranges.items()
    }
    return {number: (first, stop) for number, (first, stop) in found.items() if first < stop}


def within(
    records: Iterable[Record],
    ranges: Mapping[int, tuple[int, int]],
    keys: Collection[bytes] | None,
) -> Iterator[Record]:
    """Yield the records before the end of their partition's range, with one of these keys."""
    for record in records:
        if record.offset < ranges[record.partition][1] and (keys is None or record.key in keys):
            yield record


def heartbeat_ms(settings: KafkaSettings) -> int:
    """Return the heartbeat interval of a member; the answer also announces a rebalance."""
    return min(settings.session_timeout_ms // 4, _HEARTBEAT_MILLISECONDS)


def last_values(records: Iterable[Record], key_prefix: str) -> dict[str, bytes]:
    """Return what compaction would keep: the last value per key, without tombstones."""
    prefix, values = key_prefix.encode(), dict[str, bytes]()
    for record in records:
        if record.key is None or not record.key.startswith(prefix):
            continue
        if record.value is None:
            values.pop(record.key.decode(), None)
        else:
            values[record.key.decode()] = record.value
    return values
