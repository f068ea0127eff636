"""Does an arrival add anything to what is known of its event?

Compared are the business fields: all but where, when and by whom the event was told. A field that
is null or absent adds nothing; one that equals the field of some stored telling adds nothing. What
is sealed differs each time (random nonce), so `sealed` texts of `extra` are no difference.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from pixstream.event import Direction, Flag
from pixstream.lake.schema import EVENT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

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

    Cost: in columns where the first known telling says it all; row by row for what may be a
    revision.
    """
    known = pa.concat_tables([stored, arrivals])
    ids = known["event_id"].combine_chunks()
    first = pc.index_in(arrivals["event_id"].combine_chunks(), value_set=ids)
    same = _nothing_new(arrivals, known.take(first))
    decided: list[int | None] = arrivals["revision"].to_pylist()
    unclear = set()
    for place, (told, nothing) in enumerate(zip(first.to_pylist(), same, strict=True)):
        if told == stored.num_rows + place:
            continue
        decided[place] = None
        if not nothing:
            unclear.add(ids[told].as_py())
    if unclear:
        mask = pc.is_in(ids, value_set=pa.array(sorted(unclear)))
        places = pc.indices_nonzero(mask).to_pylist()
        before = sum(place < stored.num_rows for place in places)
        revisions = _in_order(known.take(places), before)
        for place, revision in zip(places[before:], revisions, strict=True):
            decided[place - stored.num_rows] = revision
    return decided


def _nothing_new(arrivals: pa.Table, known: pa.Table) -> list[bool]:
    """Tell row by row whether an arrival adds nothing to the known row beside it."""
    ours, theirs = _telling(_leaves(arrivals), arrivals), _leaves(known)
    same: Any = pa.repeat(pa.scalar(True), arrivals.num_rows)
    for name in ours.column_names:
        equal = pc.fill_null(pc.equal(ours[name], theirs[name]), False)
        same = pc.and_(same, pc.or_(pc.is_null(ours[name]), equal))
    extras = zip(arrivals["extra"].to_pylist(), known["extra"].to_pylist(), strict=True)
    return [
        bool(rest) and _clear(extra) <= _clear(other)
        for rest, (extra, other) in zip(same.to_pylist(), extras, strict=True)
    ]


def _in_order(rows: pa.Table, stored: int) -> list[int | None]:
    """Decide on the arrivals among `rows`, row by row; the first `stored` rows are stored."""
    known: dict[str, _Known] = defaultdict(_Known)
    decided: list[int | None] = []
    leaves = _leaves(rows)
    facts, told = leaves.to_pylist(), _telling(leaves, rows).to_pylist()
    for place, head in enumerate(rows.select(["event_id", "revision", "extra"]).to_pylist()):
        event = known[head["event_id"]]
        revision = head["revision"]
        if place >= stored:
            if event.highest is not None and _pairs(told[place], head) <= event.pairs:
                decided.append(None)
                continue
            revision = revision if event.highest is None else event.highest + 1
            decided.append(revision)
        event.pairs |= _pairs(facts[place], head)
        event.highest = max(revision, event.highest or 0)
    return decided


class _Known:
    """Every field and value told of one event so far, and its highest revision."""

    def __init__(self) -> None:
        self.pairs: set[tuple[str, object]] = set()
        self.highest: int | None = None


def _pairs(fields: Mapping[str, object], head: Mapping[str, Any]) -> set[tuple[str, object]]:
    pairs = {(name, value) for name, value in fields.items() if value is not None}
    return pairs | _clear(head["extra"])


def _leaves(rows: pa.Table) -> pa.Table:
    """The business fields flat (`payer.ispb`), `extra` apart."""
    return rows.select([name for name in BUSINESS if name != "extra"]).flatten()


def _telling(leaves: pa.Table, rows: pa.Table) -> pa.Table:
    """The leaves with null where an arrival only says that it does not know."""
    unknown = pc.equal(leaves["direction"], Direction.UNKNOWN.value)
    guessed = pa.array([Flag.TIME_INFERRED in flags for flags in rows["flags"].to_pylist()])
    for name, void in (("direction", unknown), ("event_time", guessed)):
        kind = leaves.schema.field(name).type
        blanked = pc.if_else(void, pa.scalar(None, kind), leaves[name])
        leaves = leaves.set_column(leaves.schema.get_field_index(name), name, blanked)
    return leaves


def _clear(extra: Sequence[tuple[str, str]]) -> set[tuple[str, object]]:
    """The clear part of `extra`, under names that no field has."""
    return {(f"extra/{name}", value) for name, value in extra if name not in _SEALED}
