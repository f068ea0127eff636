"""Spark's schemas, derived from the event schema."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from pixstream.columns.schema import EVENT_SCHEMA, TIMESTAMP

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pyspark.sql.types import StructType

_HEADERS = pa.list_(
    pa.field("element", pa.struct([pa.field("key", pa.string()), pa.field("value", pa.binary())]))
)

BRONZE_SCHEMA = pa.schema(
    [
        pa.field("topic", pa.string()),
        pa.field("topic_id", pa.string()),
        pa.field("partition", pa.int32()),
        pa.field("offset", pa.int64()),
        pa.field("timestamp", TIMESTAMP),
        pa.field("key", pa.binary()),
        pa.field("value", pa.binary()),
        pa.field("headers", _HEADERS),
        pa.field("query_id", pa.string()),
        pa.field("batch_id", pa.int64()),
        pa.field("ingested_at", TIMESTAMP),
        pa.field("ingest_date", pa.date32()),
    ]
)
"""A record as it was in Kafka, with the batch that read it; partitioned by `ingest_date`, UTC."""

REASON, MESSAGE, NEW = "_reason", "_message", "_new"
"""Further columns of a decoded batch: why a record is not an event (`event.Reason` and a text),
and which columns it needs that the table lacks (JSON, types by path)."""

RAW = "_raw"
"""What a letter needs of a record that is not an event: the columns of bronze."""

DECODED_ONLY = pa.schema(
    [
        pa.field(REASON, pa.string()),
        pa.field(MESSAGE, pa.string()),
        pa.field(NEW, pa.string()),
        pa.field(RAW, pa.struct(list(BRONZE_SCHEMA))),
    ]
)


def decoded_schema(telling: pa.Schema) -> pa.Schema:
    """Return the schema of decoded bronze rows: an event, or what is wrong with the record."""
    return pa.schema([*(field.with_nullable(nullable=True) for field in telling), *DECODED_ONLY])


def telling_schema(columns: Mapping[str, pa.DataType]) -> pa.Schema:
    """`EVENT_SCHEMA` with columns for fields of newer versions.

    Args:
        columns: types by name, `payer.…` and `payee.…` for their children, in the tables' order.
    """
    fields = list(EVENT_SCHEMA)
    for path, kind in columns.items():
        side, _, name = path.rpartition(".")
        if not side:
            fields.append(pa.field(name, kind))
            continue
        place = EVENT_SCHEMA.get_field_index(side)
        children = [*fields[place].type, pa.field(name, kind)]
        fields[place] = fields[place].with_type(pa.struct(children))
    return pa.schema(fields)


def to_spark(schema: pa.Schema) -> StructType:
    """The same columns as Spark calls them, each of which may be null."""
    from pyspark.sql.pandas.types import from_arrow_schema

    nullable = pa.schema([field.with_nullable(nullable=True) for field in schema])
    return from_arrow_schema(nullable, prefer_timestamp_ntz=False)
