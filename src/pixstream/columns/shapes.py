"""Compares the columns of tables and batches with those of an event, and aligns them.

A table has more columns than `EVENT_SCHEMA` if a newer version wrote to it, or if schema evolution
added columns for a newer writer's fields. An older table has fewer, until its next rows.
"""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from pixstream.columns.schema import EVENT, EVENT_SCHEMA, PARTIES, TABLE_SCHEMA

_LATER = {field.name for field in EVENT if not field.required}
"""Fields that a later version added: an older table gains them with its next rows."""


def differences(found: pa.Schema) -> list[str]:
    """Return the reasons why a table of this schema cannot store events; empty if it can.

    A table may have further columns if they are nullable: a newer version added them.
    """
    problems = [
        f"{name}: absent"
        for name in EVENT_SCHEMA.names
        if found.get_field_index(name) < 0 and name not in _LATER
    ]
    for field in found:
        index = EVENT_SCHEMA.get_field_index(field.name)
        if index >= 0 and not _fits(field.type, EVENT_SCHEMA.field(index).type):
            problems.append(f"{field.name}: has another type")
    more = [field for field, path in _fields(found) if path not in _PATHS and not field.nullable]
    problems += [f"{field.name}: unexpected, and may not be null" for field in more]
    return problems


def beyond(found: pa.Schema) -> dict[str, pa.DataType]:
    """Return the types of columns beyond an event's, by path: `payer.…` and `payee.…` too."""
    return {path: field.type for field, path in _fields(found) if path not in _PATHS}


def new_columns(schema: pa.Schema) -> list[str]:
    """Return the names of the columns that a schema has beyond an event's."""
    return [name for name in schema.names if name not in _PATHS]


def missing(wanted: pa.Schema, found: pa.Schema) -> list[pa.Field[Any]]:
    """Return the columns, and structs of only those children, that `found` lacks of `wanted`."""
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
    """Return the rows with the columns and children of `schema`, null where they lack one.

    Raises:
        pyarrow.ArrowInvalid: a value cannot be cast to the column's type.
    """
    columns = [
        rows[field.name].cast(field.type)
        if field.name in rows.column_names
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


def _fields(schema: pa.Schema) -> list[tuple[pa.Field[Any], str]]:
    """Return columns, and children of payer and payee, with their dotted paths."""
    fields = [(field, field.name) for field in schema]
    structs = [f for f in schema if f.name in PARTIES and isinstance(f.type, pa.StructType)]
    return fields + [(child, f"{f.name}.{child.name}") for f in structs for child in f.type]


_PATHS = frozenset(path for _, path in _fields(EVENT_SCHEMA))


def _fits(found: pa.DataType, wanted: pa.DataType) -> bool:
    """Return whether two types are equal, ignoring struct children that only one of them has."""
    if isinstance(found, pa.StructType) and isinstance(wanted, pa.StructType):
        ours = {child.name: child.type for child in wanted}
        return all(ours.get(child.name, child.type).equals(child.type) for child in found)
    return bool(found.equals(wanted))
