"""A table gains columns while it is written to: in a commit of its own, before the rows' commit.

A crash between the two leaves a column without a value, which harms nobody. Older files have none
of it and read as null. Children of `payer` and `payee` are added inside of them: there a version
that knows the field has it too.
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
"""Of the entry, beside what it says of itself: the metadata."""


def trimmed(rows: pa.Table) -> pa.Table:
    """The rows without what they have beyond an event where none of them has a value in it."""
    for path in beyond(rows.schema):
        side, _, name = path.rpartition(".")
        if not side and rows[name].null_count == rows.num_rows:
            rows = rows.drop_columns([name])
        elif side:
            rows = _without_empty_child(rows, side, name)
    return rows


def widen(table: LakeTable, rows: pa.Schema) -> bool:
    """Add what rows of this schema have and the table has not; True when the snapshot changed.

    Raises:
        Transient: the table has one of them with another type since the rows were decoded.
        OSError: not committed.
        DeltaError: not committed.
    """
    held = beyond(table.schema)
    other = sorted(p for p, kind in beyond(rows).items() if not held.get(p, kind).equals(kind))
    if other:
        raise Transient(
            f"{table.location}: another writer gave {', '.join(other)} another type just now; the "
            "batch is decoded again, values of the other type are then sealed into extra"
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
        log.info("%s: has gained %s", table.location, ", ".join(_paths(fields)))
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
