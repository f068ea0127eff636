"""A batch of events in columns, as a destination receives it."""

from __future__ import annotations

from types import MappingProxyType
from typing import (
    TYPE_CHECKING,
    NamedTuple,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

    from pixstream.kafka.ports import TopicIdPartition


class EventBatch(NamedTuple):
    """Decoded events in columns, with the Kafka coordinates of each row.

    Attributes:
        table: rows in consumption order, schema `columns.schema.EVENT_SCHEMA` (the event's fields
            and `_topic`, `_partition`, `_offset`, `_kafka_timestamp`, `_ingested_at`), followed by
            columns, and children of payer and payee, for new fields of a newer writer: each a
            string, an integer or a boolean, null in most rows.
        next_offsets: the next offset of each partition in the batch, past transaction markers and
            past rows that became dead letters; a partition may have no row in `table`.
        cluster_id: Kafka's cluster id, part of the key under which a destination stores offsets.
        begins: the offset at which this batch began, for each partition where the caller knows it.
            A destination with a lower stored offset has been reset in the meantime: the batch lacks
            the records in between and must not advance the stored offset.
    """

    table: pa.Table
    next_offsets: Mapping[TopicIdPartition, int]
    cluster_id: str
    begins: Mapping[TopicIdPartition, int] = MappingProxyType({})
