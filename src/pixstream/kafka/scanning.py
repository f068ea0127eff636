"""Reading: what is done alike with both client libraries."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, TypeVar

from pixstream.errors import Transient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from pixstream.kafka.ports import Record
    from pixstream.kafka.settings import KafkaSettings

PARTITION_FETCH_BYTES = 2**20
"""Of one partition in one answer, as compressed; a batch that is larger comes alone."""

FETCH_BYTES = 16 * 2**20
"""Of one answer of a broker, likewise."""

QUEUE_BYTES = 32 * 2**20
"""What librdkafka reads ahead; it may exceed this by one answer, decompressed."""

ASSIGNOR = "roundrobin"
"""How the group's leader deals out partitions: all of them in every generation (eagerly).

The cooperative way takes two generations, and who must ask for the second one may be killed before
it does. It comes back as the static member that it was, into a group that is stable, and is given
what it had: partitions that nobody has stay so until somebody else joins or leaves.
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
    were aborted or compacted away. The ends are those of uncommitted reading: what was committed
    before now may lie behind somebody's open transaction, which is waited for.

    Args:
        topic: for the message.
        ends: where each partition ends; one that is empty is left out.
        poll: called with the seconds to wait; returns records.
        position: the next offset of a partition.
        patience: seconds without any progress before giving up.

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
                f"topic {topic}: its end was not reached, there was nothing new for {patience:g} s:"
                " Kafka does not answer, or a transaction is left open"
            )


def heartbeat_ms(settings: KafkaSettings) -> int:
    """How often a member tells that it lives; with the answer it learns of a rebalance."""
    return min(settings.session_timeout_ms // 4, _HEARTBEAT_MILLISECONDS)


def last_values(records: Iterable[Record], key_prefix: str) -> dict[str, bytes]:
    """Return what compaction would keep: the last value per key, keys with a tombstone left out."""
    prefix, values = key_prefix.encode(), dict[str, bytes]()
    for record in records:
        if record.key is None or not record.key.startswith(prefix):
            continue
        if record.value is None:
            values.pop(record.key.decode(), None)
        else:
            values[record.key.decode()] = record.value
    return values
