"""The columns of an event, derived from `event.PixEvent`, in memory and in the Delta tables.

`EVENT_SCHEMA` is the one shape of a batch: the event's fields under their own names (`payer` and
`payee` nested), `event_date`, and the Kafka coordinates of each row, which begin with `_`.
"""

from __future__ import annotations

from typing import Any

import msgspec.inspect as mi
import pyarrow as pa

from pixstream.event import PixEvent

TIMESTAMP = pa.timestamp("us", tz="UTC")

PARTITION_COLUMN = "event_date"
"""The UTC date of `event_time`: what the tables are partitioned by (Law 8)."""

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
    """The Arrow type of a field's msgspec type.

    Raises:
        TypeError: a type that no field of an event has had so far.
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
    """Tell whether a field may be null."""
    kind = kind.type if isinstance(kind, mi.Metadata) else kind
    return isinstance(kind, mi.UnionType) and kind.includes_none


def _bare(kind: mi.Type) -> mi.Type:
    """The type itself, without its description and without null."""
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
        raise TypeError(f"{struct.__name__} is no struct")
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

EVENT_SCHEMA = _schema(comments=False)
"""The shape of every batch."""

TABLE_SCHEMA = _schema(comments=True)
"""The same with a comment on each column, which a new table keeps."""

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
"""Columns with few values; a dictionary on any other costs time and saves nothing."""


_LATER = {field.name for field in EVENT if not field.required}
"""Fields that a later version added: a table that is older gains them with its next rows."""


def differences(found: pa.Schema) -> list[str]:
    """What keeps a table of this schema from taking events; empty when nothing does.

    A table may have more than an event has, if that may be null: a newer version added it.
    """
    problems = [
        f"{name}: absent"
        for name in EVENT_SCHEMA.names
        if found.get_field_index(name) < 0 and name not in _LATER
    ]
    for field in found:
        index = EVENT_SCHEMA.get_field_index(field.name)
        if index >= 0 and not _fits(field.type, EVENT_SCHEMA.field(index).type):
            problems.append(f"{field.name}: of another type")
    more = [field for field, path in _fields(found) if path not in _PATHS and not field.nullable]
    problems += [f"{field.name}: unexpected, and may not be null" for field in more]
    return problems


def beyond(found: pa.Schema) -> dict[str, pa.DataType]:
    """What a schema has beyond an event: types by name, `payer.…` and `payee.…` for children."""
    return {path: field.type for field, path in _fields(found) if path not in _PATHS}


def new_columns(schema: pa.Schema) -> list[str]:
    """The columns that a schema has beyond an event's."""
    return [name for name in schema.names if name not in _PATHS]


def missing(wanted: pa.Schema, found: pa.Schema) -> list[pa.Field[Any]]:
    """The columns, and structs of only those children, that `wanted` has and `found` has not."""
    fields: list[pa.Field[Any]] = []
    for field in wanted:
        place = found.get_field_index(field.name)
        if place < 0:
            described = TABLE_SCHEMA.get_field_index(field.name)
            fields.append(TABLE_SCHEMA.field(described) if described >= 0 else field)
        elif field.name in PARTIES:
            held = {child.name for child in found.field(place).type}
            children = [child for child in field.type if child.name not in held]
            if children:
                fields.append(field.with_type(pa.struct(children)))
    return fields


def aligned(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    """The rows with the columns and children of `schema`; null where they have none.

    Raises:
        pyarrow.ArrowInvalid: a value is not of the type there.
    """
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _fields(schema: pa.Schema) -> list[tuple[pa.Field[Any], str]]:
    """Columns, and children of payer and payee, with their dotted paths."""
    fields = [(field, field.name) for field in schema]
    structs = [f for f in schema if f.name in PARTIES and isinstance(f.type, pa.StructType)]
    return fields + [(child, f"{f.name}.{child.name}") for f in structs for child in f.type]


_PATHS = frozenset(path for _, path in _fields(EVENT_SCHEMA))


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Tell whether two types are the same, but for children of a struct that only one has."""
    if isinstance(found, pa.StructType) and isinstance(wanted, pa.StructType):
        ours = {child.name: child.type for child in wanted}
        return all(ours.get(child.name, child.type).equals(child.type) for child in found)
    return bool(found.equals(wanted))
