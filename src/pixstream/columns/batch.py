"""A batch of events in columns, as a destination gets it."""

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
            and `_topic`, `_partition`, `_offset`, `_kafka_timestamp`, `_ingested_at`); behind them
            further columns, and in payer and payee further children, for new fields of a newer
            writer: a text, an integer or a boolean each, null in most rows.
        next_offsets: where each partition of the batch goes on, past transaction markers and past
            rows that became dead letters; a partition may stand here without any row in `table`.
        cluster_id: Kafka's cluster id, part of what a destination remembers offsets by.
        begins: where reading for this batch began in those partitions, as far as the caller knows.
            A destination that remembers a lower offset was set back meanwhile: what lies between
            is not in the batch, which must not move its offset.
    """

    table: pa.Table
    next_offsets: Mapping[TopicIdPartition, int]
    cluster_id: str
    begins: Mapping[TopicIdPartition, int] = MappingProxyType({})
