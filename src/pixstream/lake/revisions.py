"""Does an arrival add anything to what is known of its event?

Compared are the business fields: all but where, when and by whom the event was told. A field that
is null or absent adds nothing; one that equals the field of some stored telling adds nothing. What
is sealed differs each time (random nonce), so `sealed` texts of `extra` are no difference.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.event import Direction, Flag
from pixstream.lake.schema import EVENT

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

TOLD_APART = {
    *("event_id", "ingested_at", "source", "source_ref", "source_time", "flags", "revision"),
    "schema_version",
}
"""Fields of a telling, not of the fact."""

BUSINESS = [field.name for field in EVENT if field.name not in TOLD_APART]
COLUMNS = ["event_id", "revision", "flags", *BUSINESS]
"""What must be known of a stored row."""

_SEALED = ("sealed", "unknown_sealed")


def decide(stored: pa.Table, arrivals: pa.Table) -> list[int | None]:
    """What becomes of each arrival: None when it adds nothing, else the revision it is kept as.

    The first telling of an event keeps its own revision. Arrivals are taken in order, each beside
    what is stored and what came before it.

    Args:
        stored: rows of the table, with `COLUMNS`.
        arrivals: with `COLUMNS`.
    """
    rows = pa.concat_tables([stored, arrivals]).combine_chunks()
    events: dict[str, _Event] = {}
    decided: list[int | None] = []
    heads = zip(rows["event_id"].to_pylist(), rows["revision"].to_pylist(), strict=True)
    facts, told = _facts(rows)
    for place, (event_id, revision) in enumerate(heads):
        event, number = events.get(event_id), revision
        if place >= stored.num_rows:
            if event and event.known.issuperset(told[place]):
                decided.append(None)
                continue
            number = event.highest + 1 if event else revision
            decided.append(number)
        if event is None:
            event = events[event_id] = _Event()
        event.known.update(facts[place])
        event.highest = max(event.highest, number)
    return decided


class _Event:
    """Every fact told of one event so far, null among them, and its highest revision."""

    __slots__ = ("highest", "known")

    def __init__(self) -> None:
        self.known: set[int | None] = {None}
        self.highest = 0


_Facts = list[tuple[int | None, ...]]


def _facts(rows: pa.Table) -> tuple[_Facts, _Facts]:
    """Each row as numbers, one for each field and value, None for null.

    Returns:
        what a row says once it is stored, and what it says as an arrival: there a guessed time and
        an unknown direction say nothing.
    """
    leaves = rows.select([name for name in BUSINESS if name != "extra"]).flatten()
    numbers = count()
    columns = {name: _numbered(leaves[name], numbers) for name in leaves.column_names}
    extras = _extras(rows["extra"].to_pylist(), numbers)
    facts = [(*row, *extra) for row, extra in zip(_turned(columns.values()), extras, strict=True)]
    guessed = pa.array([Flag.TIME_INFERRED in flags for flags in rows["flags"].to_pylist()])
    unknown = pc.equal(leaves["direction"], Direction.UNKNOWN.value)
    for name, silent in (("event_time", guessed), ("direction", unknown)):
        pairs = zip(columns[name], silent.to_pylist(), strict=True)
        columns[name] = [None if quiet else number for number, quiet in pairs]
    told = [(*row, *extra) for row, extra in zip(_turned(columns.values()), extras, strict=True)]
    return facts, told


def _numbered(column: pa.ChunkedArray[Any], numbers: Iterator[int]) -> list[int | None]:
    """A column with a number of its own in place of each of its values."""
    coded: Any = column.combine_chunks().dictionary_encode()
    own = pa.array([next(numbers) for _ in coded.dictionary], pa.int64())
    numbered: list[int | None] = own.take(coded.indices).to_pylist()
    return numbered


def _extras(
    extras: Iterable[Sequence[tuple[str, str]]], numbers: Iterator[int]
) -> list[tuple[int, ...]]:
    """The same for the clear part of `extra`."""
    known: dict[tuple[str, str], int] = {}
    clear = ([pair for pair in extra if pair[0] not in _SEALED] for extra in extras)
    return [
        tuple(
            known[pair] if pair in known else known.setdefault(pair, next(numbers))
            for pair in pairs
        )
        for pairs in clear
    ]


def _turned(columns: Iterable[list[int | None]]) -> Iterator[tuple[int | None, ...]]:
    return zip(*columns, strict=True)
