"""Decides whether an arrival adds anything to its event.

The comparison covers the business fields, including new fields of a newer version: everything
except where, when and from which source the event arrived. A field adds nothing if it is null or
absent, or if it equals that field in any stored arrival. Sealed values differ each time (random
nonce), so the `sealed` texts of `extra` do not count as a difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.columns.schema import EVENT
from pixstream.event.model import Direction, Flag

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

TOLD_APART = {
    *("event_id", "ingested_at", "source", "source_ref", "source_time", "flags", "revision"),
    "schema_version",
}
"""Fields that describe an arrival, not the fact."""

BUSINESS = [field.name for field in EVENT if field.name not in TOLD_APART]
COLUMNS = ["event_id", "revision", "flags", *BUSINESS]
"""The columns of a stored row that the comparison needs."""

_SLICE = 2000
"""How many rows are Python objects at the same time."""

_SEALED = ("sealed", "unknown_sealed")


def decide(stored: pa.Table, arrivals: pa.Table) -> list[int | None]:
    """Return the revision to store each arrival as; None for one that adds nothing.

    The first arrival of an event keeps its own revision. Arrivals are processed in order, each
    compared with the stored rows and the arrivals before it.

    Args:
        stored: rows of the table, with the columns of `arrivals`.
        arrivals: with `COLUMNS`, plus new columns.
    """
    rows = pa.concat_tables([stored, arrivals]).combine_chunks()
    order = pc.sort_indices(rows["event_id"])  # stable: what is stored stays before what arrives
    rows = rows.take(order)
    decided: list[int | None] = [None] * rows.num_rows
    current, known, highest = None, set[int | None](), 0
    heads = [column.to_pylist() for column in (order, rows["event_id"], rows["revision"])]
    for place, event_id, own, (fact, arrived) in zip(*heads, _facts(rows), strict=True):
        revision = own
        if event_id != current:
            current, known, highest = event_id, {None}, own
        elif place >= stored.num_rows:
            if known.issuperset(arrived):
                continue
            revision = highest + 1
        decided[place] = revision
        known.update(fact)
        highest = max(highest, revision)
    return decided[stored.num_rows :]


_Numbers = tuple[int | None, ...]


def _facts(rows: pa.Table) -> Iterator[tuple[_Numbers, _Numbers]]:
    """Encode each row as numbers, one for each field and value, None for null.

    Yields:
        a row's numbers as a stored row, and as an arrival: an arrival's inferred time and unknown
        direction carry no information.
    """
    of_the_fact = [n for n in rows.column_names if n not in TOLD_APART and n != "extra"]
    leaves = rows.select(of_the_fact).flatten()
    silent = {
        leaves.column_names.index("event_time"): _guessed(rows["flags"]),
        leaves.column_names.index("direction"): pc.equal(leaves["direction"], Direction.UNKNOWN),
    }
    leaves = _numbered(leaves)
    extras: dict[tuple[str, str], int] = {}
    for start in range(0, rows.num_rows, _SLICE):
        part = leaves.slice(start, _SLICE)
        columns = [column.to_pylist() for column in part.columns]
        quiet = [mask.slice(start, _SLICE).to_pylist() for mask in silent.values()]
        arrived = list(columns)
        for place, mask in zip(silent, quiet, strict=True):
            arrived[place] = [None if q else n for q, n in zip(mask, columns[place], strict=True)]
        clear = [_clear(extra, extras) for extra in rows["extra"].slice(start, _SLICE).to_pylist()]
        columns, arrived = list(zip(*columns, strict=True)), list(zip(*arrived, strict=True))
        for fact, news, extra in zip(columns, arrived, clear, strict=True):
            yield (*fact, *extra), (*news, *extra)


def _guessed(flags: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return pa.chunked_array(
        [[Flag.TIME_INFERRED in some for some in flags.to_pylist()]], pa.bool_()
    )


def _numbered(leaves: pa.Table) -> pa.Table:
    """Number the distinct values from 0, each column continuing where the previous one ended."""
    columns: list[Any] = []
    first = 0
    for column in leaves.columns:
        coded: Any = column.combine_chunks().dictionary_encode()
        columns.append(pc.add(coded.indices.cast(pa.int64()), first))
        first += len(coded.dictionary)
    return pa.table(columns, names=leaves.column_names)


def _clear(extra: Sequence[tuple[str, str]], known: dict[tuple[str, str], int]) -> list[int]:
    """Encode the clear part of `extra` as negative numbers, distinct from those of the fields."""
    return [known.setdefault(pair, -1 - len(known)) for pair in extra if pair[0] not in _SEALED]
