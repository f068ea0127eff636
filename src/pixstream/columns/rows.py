"""Decodes an event's JSON into a flat row, and rows into columns: the fast path of `decoding`.

The row type is derived from `event.PixEvent`, with the types that are cheapest to create: literals
instead of enumerations, strings instead of times, which Arrow checks and converts by column.
"""

from __future__ import annotations

from functools import reduce
from operator import or_
from typing import TYPE_CHECKING, Annotated, Any, Literal

import msgspec
import msgspec.inspect as mi
import pyarrow as pa
from msgspec import Meta

from pixstream.columns.schema import EVENT, EVENT_SCHEMA, PARTIES, PARTY, TIMESTAMP
from pixstream.event.model import SCHEMA_VERSION

if TYPE_CHECKING:
    from collections.abc import Sequence

TIMES = [field.name for field in EVENT if EVENT_SCHEMA.field(field.name).type == TIMESTAMP]
"""The columns that hold times."""

_NAMES = [field.name for field in EVENT]
_TEXT = pa.string()
_LEAST, _MOST = -(2**63), 2**63 - 1
"""The range of a 64-bit column."""


def _row_type(kind: mi.Type) -> Any:
    """Return a field's type in the flat row: str for times, literals for enums, 64-bit integers."""
    kind = kind.type if isinstance(kind, mi.Metadata) else kind
    match kind:
        case mi.UnionType():
            found = reduce(or_, (_row_type(member) for member in kind.types))
        case mi.EnumType():
            found = Literal[tuple(word.value for word in kind.cls)]
        case mi.StructType():
            found = kind.cls
        case mi.IntType():
            least = _LEAST if kind.ge is None else kind.ge
            found = Annotated[int, Meta(ge=least, le=_MOST)]
        case _:
            found = _PLAIN.get(type(kind), str)
    return found


_PLAIN: dict[type[mi.Type], Any] = {
    mi.BoolType: bool,
    mi.NoneType: None,
    mi.ListType: list[str],
    mi.DictType: dict[str, str],
}

_Party = msgspec.defstruct(
    "_Party",
    [(f.name, _row_type(f.type), f.default) for f in PARTY],
    kw_only=True,
    gc=False,
)
"""A party that may have unknown fields."""


def _row(version: Any, *, strict: bool) -> Any:
    """Return the type of a row whose `schema_version` has this type.

    A field that a later version added has a default, because older records lack it.
    """
    fields: list[Any] = []
    for field in EVENT:
        kind = version if field.name == "schema_version" else _row_type(field.type)
        if field.name in PARTIES and not strict:
            kind = _Party
        fields.append((field.name, kind) if field.required else (field.name, kind, field.default))
    return msgspec.defstruct("Row", fields, kw_only=True, forbid_unknown_fields=strict, gc=False)


_VERSIONS: Any = Literal[tuple(range(1, SCHEMA_VERSION + 1))]
parse = msgspec.json.Decoder(_row(_VERSIONS, strict=True)).decode
"""`parse(value)`: decode an event's JSON strictly into a flat row; times are unchecked strings."""

parse_known = msgspec.json.Decoder(_row(Annotated[int, Meta(ge=1, le=_MOST)], strict=False)).decode
"""The same for a record of any version: decode the known fields, ignore the others."""


def columns_of(rows: Sequence[Any]) -> dict[str, pa.Array[Any]]:
    """Turn flat rows into columns, one per field; times stay strings."""
    return {
        name: _array(column, _TEXT if name in TIMES else EVENT_SCHEMA.field(name).type)
        for name, column in zip(_NAMES, _transposed(rows, len(_NAMES)), strict=True)
    }


def _transposed(rows: Sequence[Any], width: int) -> Sequence[Sequence[Any]]:
    return list(zip(*map(msgspec.structs.astuple, rows), strict=True)) if rows else [()] * width


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    if isinstance(kind, pa.StructType):
        columns = _transposed(values, kind.num_fields)
        arrays = [_array(column, field.type) for column, field in zip(columns, kind, strict=True)]
        return pa.StructArray.from_arrays(arrays, fields=list(kind))
    if isinstance(kind, pa.MapType):
        values = [list(value.items()) for value in values]
    return pa.array(values, kind)
