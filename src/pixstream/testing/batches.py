"""Records and batches as the framework passes them to a consumer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.event.categories import Category
from pixstream.event.model import PixEvent, encode
from pixstream.kafka.ports import Record, TopicIdPartition

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pyarrow as pa

CLUSTER = "cluster"
"""The id of the Kafka cluster that batches come from."""

_WRITTEN = 1_700_000_000_000
_TOPIC = Category.PAGAMENTO.topic


def partition(number: int = 0, topic: str = _TOPIC, topic_id: str = "id-1") -> TopicIdPartition:
    """Make a partition's name; another `topic_id` is another incarnation of the topic."""
    return TopicIdPartition(topic, topic_id, number)


def record(
    value: PixEvent | bytes, *, offset: int = 0, partition: int = 0, topic: str = _TOPIC
) -> Record:
    """Make the record of an event, or of any bytes."""
    data = encode(value) if isinstance(value, PixEvent) else value
    return Record(topic, partition, offset, _WRITTEN, None, data, ())


def rows(
    events: Sequence[PixEvent], *, partition: int = 0, first: int = 0, topic: str = _TOPIC
) -> pa.Table:
    """Decode events that are in a partition from the offset `first` on.

    Raises:
        ValueError: an event does not match the schema.
    """
    return _decoded(
        record(event, offset=first + n, partition=partition, topic=topic)
        for n, event in enumerate(events)
    )


def batch(
    events: Mapping[TopicIdPartition, tuple[int, Sequence[PixEvent]]],
    next_offsets: Mapping[TopicIdPartition, int] | None = None,
) -> EventBatch:
    """Make a batch of the events of several partitions.

    Args:
        events: for each partition, the offset of its first event and the events.
        next_offsets: the next offset of a partition, if not right after its last event
            (transaction markers occupy offsets).

    Raises:
        ValueError: an event does not match the schema.
    """
    table = _decoded(
        record(event, offset=first + n, partition=where.partition, topic=where.topic)
        for where, (first, some) in events.items()
        for n, event in enumerate(some)
    )
    ends = {where: first + len(some) for where, (first, some) in events.items()}
    return EventBatch(table, {**ends, **(next_offsets or {})}, CLUSTER)


def _decoded(records: Iterable[Record]) -> pa.Table:
    decoded = decode(list(records))
    if decoded.bad:
        raise ValueError(f"not an event: {decoded.bad[0]}")
    return decoded.table
