"""Does an arrival add anything to what is known of its event?

Compared are the business fields, new fields of a newer version among them: all but where, when and
by whom the event was told. A field that is null or absent adds nothing; one that equals the field
of some stored telling adds nothing. What is sealed differs each time (random nonce), so `sealed`
texts of `extra` are no difference.
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
"""Fields of a telling, not of the fact."""

BUSINESS = [field.name for field in EVENT if field.name not in TOLD_APART]
COLUMNS = ["event_id", "revision", "flags", *BUSINESS]
"""What must be known of a stored row."""

_SLICE = 2000
"""Rows that are Python objects at a time."""

_SEALED = ("sealed", "unknown_sealed")


def decide(stored: pa.Table, arrivals: pa.Table) -> list[int | None]:
    """What becomes of each arrival: None when it adds nothing, else the revision it is kept as.

    The first telling of an event keeps its own revision. Arrivals are taken in order, each beside
    what is stored and what came before it.

    Args:
        stored: rows of the table, with the columns of `arrivals`.
        arrivals: with `COLUMNS`, and new columns.
    """
    rows = pa.concat_tables([stored, arrivals]).combine_chunks()
    order = pc.sort_indices(rows["event_id"])  # stable: what is stored stays before what arrives
    rows = rows.take(order)
    decided: list[int | None] = [None] * rows.num_rows
    current, known, highest = None, set[int | None](), 0
    heads = [column.to_pylist() for column in (order, rows["event_id"], rows["revision"])]
    for place, event_id, own, (fact, told) in zip(*heads, _facts(rows), strict=True):
        revision = own
        if event_id != current:
            current, known, highest = event_id, {None}, own
        elif place >= stored.num_rows:
            if known.issuperset(told):
                continue
            revision = highest + 1
        decided[place] = revision
        known.update(fact)
        highest = max(highest, revision)
    return decided[stored.num_rows :]


_Numbers = tuple[int | None, ...]


def _facts(rows: pa.Table) -> Iterator[tuple[_Numbers, _Numbers]]:
    """Each row as numbers, one for each field and value, None for null.

    Yields:
        what a row says once it is stored, and what it says as an arrival: there a guessed time and
        an unknown direction say nothing.
    """
    told_of_the_fact = [n for n in rows.column_names if n not in TOLD_APART and n != "extra"]
    leaves = rows.select(told_of_the_fact).flatten()
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
        told = list(columns)
        for place, mask in zip(silent, quiet, strict=True):
            told[place] = [None if q else n for q, n in zip(mask, columns[place], strict=True)]
        clear = [_clear(extra, extras) for extra in rows["extra"].slice(start, _SLICE).to_pylist()]
        columns, told = list(zip(*columns, strict=True)), list(zip(*told, strict=True))
        for fact, words, extra in zip(columns, told, clear, strict=True):
            yield (*fact, *extra), (*words, *extra)


def _guessed(flags: pa.ChunkedArray[Any]) -> pa.ChunkedArray[Any]:
    return pa.chunked_array(
        [[Flag.TIME_INFERRED in some for some in flags.to_pylist()]], pa.bool_()
    )


def _numbered(leaves: pa.Table) -> pa.Table:
    """Every value as a number of its own, from 0 on, each column going on where the last ended."""
    columns: list[Any] = []
    first = 0
    for column in leaves.columns:
        coded: Any = column.combine_chunks().dictionary_encode()
        columns.append(pc.add(coded.indices.cast(pa.int64()), first))
        first += len(coded.dictionary)
    return pa.table(columns, names=leaves.column_names)


def _clear(extra: Sequence[tuple[str, str]], known: dict[tuple[str, str], int]) -> list[int]:
    """The clear part of `extra` as numbers below those of the fields."""
    return [known.setdefault(pair, -1 - len(known)) for pair in extra if pair[0] not in _SEALED]
