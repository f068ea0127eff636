"""Schema evolution: adds new columns in a commit of their own, before the commit of the rows.

A crash between the two leaves a column without values, which is harmless. Older files lack the
column and read as null. New fields of `payer` and `payee` are added inside these structs, where a
version that knows the field also has it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import pyarrow as pa
from deltalake import CommitProperties
from deltalake import Field as DeltaField
from deltalake.exceptions import DeltaError

from pixstream.columns.schema import PARTIES
from pixstream.columns.shapes import beyond, missing
from pixstream.errors import Transient
from pixstream.lake.table import NO_HOOKS

if TYPE_CHECKING:
    from pixstream.lake.table import LakeTable

log = logging.getLogger("pixstream.lake")

_ACTIONS = 1
"""Actions in the commit, besides commitInfo: the metadata."""


def trimmed(rows: pa.Table) -> pa.Table:
    """Return the rows without those columns beyond an event's that have no value in any row."""
    for path in beyond(rows.schema):
        side, _, name = path.rpartition(".")
        if not side and rows[name].null_count == rows.num_rows:
            rows = rows.drop_columns([name])
        elif side:
            rows = _without_empty_child(rows, side, name)
    return rows


def widen(table: LakeTable, rows: pa.Schema) -> bool:
    """Add the columns of this schema that the table lacks; return True if the snapshot changed.

    Raises:
        Transient: since the rows were decoded, the table has gained one with another type.
        OSError: not committed.
        DeltaError: not committed.
    """
    held = beyond(table.schema)
    other = sorted(p for p, kind in beyond(rows).items() if not held.get(p, kind).equals(kind))
    if other:
        raise Transient(
            f"{table.location}: another writer has just added {', '.join(other)} with another "
            "type; the batch is decoded again, and values of the other type are sealed into extra"
        )
    fields = missing(rows, table.schema)
    if not fields:
        return False
    base = table.version
    try:
        table.handle.alter.add_columns(
            [DeltaField.from_arrow(field) for field in fields],
            commit_properties=CommitProperties(
                custom_metadata=table.about(_ACTIONS), max_commit_retries=0
            ),
            post_commithook_properties=NO_HOOKS,
        )
    except (OSError, DeltaError):
        if table.refresh() == base:
            raise
    else:
        table.refresh()
        log.info("%s: added columns %s", table.location, ", ".join(_paths(fields)))
    return True


def _paths(fields: list[pa.Field[Any]]) -> list[str]:
    paths: list[str] = []
    for field in fields:
        if field.name in PARTIES:
            paths += [f"{field.name}.{child.name}" for child in field.type]
        else:
            paths.append(field.name)
    return paths


def _without_empty_child(rows: pa.Table, side: str, name: str) -> pa.Table:
    party: Any = rows[side].combine_chunks()
    place = party.type.get_field_index(name)
    if party.field(place).null_count < len(party):
        return rows
    fields = [field for field in party.type if field.name != name]
    kept = pa.StructArray.from_arrays([party.field(f.name) for f in fields], fields=fields)
    at = rows.schema.get_field_index(side)
    return rows.set_column(at, rows.schema.field(at).with_type(kept.type), kept)
