"""How far the columns of a table or a batch may differ from an event's; one fitted to another.

A table that a newer version wrote to, or that gained columns for a newer writer's fields, has more
than `EVENT_SCHEMA`; one that is older has less, until its next rows.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pixstream.columns.schema import EVENT, EVENT_SCHEMA, PARTIES, TABLE_SCHEMA

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
