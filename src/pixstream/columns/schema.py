"""The columns of an event, derived from `event.PixEvent`, in memory and in the Delta tables.

`EVENT_SCHEMA` is the schema of every batch: the event's fields under their own names (`payer` and
`payee` nested), `event_date`, and the Kafka coordinates of each row, whose names begin with `_`.
"""

from __future__ import annotations

from typing import Any

import msgspec.inspect as mi
import pyarrow as pa

from pixstream.event.model import Party, PixEvent

TIMESTAMP = pa.timestamp("us", tz="UTC")

PARTITION_COLUMN = "event_date"
"""The UTC date of `event_time`: what the tables are partitioned by."""

PARTIES = ("payer", "payee")
"""The columns that have children."""

_COORDINATES: tuple[tuple[str, pa.DataType, str], ...] = (
    (PARTITION_COLUMN, pa.date32(), "UTC date of event_time"),
    ("_topic", pa.string(), "Kafka topic of the record"),
    ("_partition", pa.int32(), "Kafka partition of the record"),
    ("_offset", pa.int64(), "Kafka offset of the record"),
    ("_kafka_timestamp", TIMESTAMP, "timestamp of the record in Kafka"),
    ("_ingested_at", TIMESTAMP, "when the consumer decoded the record, UTC"),
)

_MAY_BE_NULL = {"_kafka_timestamp"}

_SCALARS: dict[type[mi.Type], pa.DataType] = {
    mi.StrType: pa.string(),
    mi.EnumType: pa.string(),
    mi.IntType: pa.int64(),
    mi.BoolType: pa.bool_(),
    mi.DateTimeType: TIMESTAMP,
}


def arrow_type(kind: mi.Type) -> pa.DataType:
    """Return the Arrow type of a field's msgspec type.

    Raises:
        TypeError: a type that no event field uses yet.
    """
    kind = _bare(kind)
    if type(kind) in _SCALARS:
        return _SCALARS[type(kind)]
    if isinstance(kind, mi.ListType):
        return pa.list_(pa.field("element", arrow_type(kind.item_type)))
    if isinstance(kind, mi.DictType):
        return pa.map_(arrow_type(kind.key_type), arrow_type(kind.value_type))
    if isinstance(kind, mi.StructType):
        return pa.struct([pa.field(f.name, arrow_type(f.type)) for f in kind.fields])
    raise TypeError(f"no column type for {kind}")


def nullable(kind: mi.Type) -> bool:
    """Return whether a field may be null."""
    kind = kind.type if isinstance(kind, mi.Metadata) else kind
    return isinstance(kind, mi.UnionType) and kind.includes_none


def _bare(kind: mi.Type) -> mi.Type:
    """Return the type itself, without its description and without null."""
    if isinstance(kind, mi.Metadata):
        return _bare(kind.type)
    if isinstance(kind, mi.UnionType):
        (one,) = [t for t in kind.types if not isinstance(t, mi.NoneType)]
        return _bare(one)
    return kind


def _description(kind: mi.Type) -> str:
    extra: dict[str, Any] = (kind.extra_json_schema or {}) if isinstance(kind, mi.Metadata) else {}
    return str(extra.get("description", ""))


def _info(struct: type) -> mi.StructType:
    info = mi.type_info(struct)
    if not isinstance(info, mi.StructType):
        raise TypeError(f"{struct.__name__} is not a struct")
    return info


def _schema(*, comments: bool) -> pa.Schema:
    def field(name: str, kind: pa.DataType, null: bool, text: str) -> pa.Field[Any]:  # noqa: FBT001
        return pa.field(name, kind, null, metadata={"comment": text} if comments else None)

    fields = [
        field(f.name, arrow_type(f.type), nullable(f.type), _description(f.type)) for f in EVENT
    ]
    fields += [field(name, kind, name in _MAY_BE_NULL, text) for name, kind, text in _COORDINATES]
    return pa.schema(fields)


EVENT = _info(PixEvent).fields
"""msgspec's description of the event's fields, in their order."""

PARTY = _info(Party).fields
"""The same for the fields of payer and payee."""

EVENT_SCHEMA = _schema(comments=False)
"""The schema of every batch."""

TABLE_SCHEMA = _schema(comments=True)
"""The same with a comment on each column, stored in a new table."""

DICTIONARY_COLUMNS = [
    *("category", "direction", "currency", "status", "initiation", "purpose", "reason", "channel"),
    *("device_os", "source", "flags.list.element", "revision", "schema_version"),
    *(
        f"{side}.{field}"
        for side in PARTIES
        for field in ("ispb", "branch", "document_type", "account_type", "key_type")
    ),
    *("_topic", "_partition", "_ingested_at"),
]
"""Columns with few distinct values; a dictionary on any other costs time and saves nothing."""
