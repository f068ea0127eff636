"""Deduplicates a batch: drops arrivals that add nothing and numbers revisions.

An id that is not in memory may be in the rest of the table. It is looked up in the partitions from
the day before the identifier's own date on, and in those around the arrival's date. This finds
every earlier arrival except one dated more than a day before the identifier's date and more than a
day away from the new arrival's date.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

import pyarrow as pa

from pixstream.columns import revisions
from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.columns.shapes import new_columns
from pixstream.event.identifiers import id_date
from pixstream.lake import files
from pixstream.lake.known_ids import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from pixstream.lake.known_ids import KnownIds
    from pixstream.lake.location import Location

_DAY = dt.timedelta(days=1)


class Screened(NamedTuple):
    """Rows to append, with revisions numbered, and counts of duplicates and revisions."""

    rows: pa.Table
    deduplicated: int
    revisions: int


def screen(rows: pa.Table, ids: KnownIds, location: Location) -> Screened:
    """Drop arrivals that add nothing to the table and the batch; number the revisions.

    Args:
        rows: of `EVENT_SCHEMA` and new columns, in order.
        ids: caught up with the snapshot that the rows will be committed on.
        location: of the table.

    Cost: one look-up in memory for an event that is new and recent. For the others `files.find` in
    the partitions of their dates, and for those that may be older than the floor, in every
    partition from their identifier's date to the floor; about 30 µs to compare each event that
    arrived before. benchmarks/bench_dedup.py measures it.
    """
    suspects, partitions = _suspects(rows, ids)
    if not suspects:
        return Screened(rows, 0, 0)
    compared = [*revisions.COLUMNS, *new_columns(rows.schema)]
    arrivals = rows.take(pa.array(suspects)).select(compared)
    searched = [file for file in ids.files.values() if file.date in partitions]
    wanted = arrivals["event_id"].combine_chunks()
    stored = files.find(location, searched, wanted, compared, rows.schema)
    again = _repeated(wanted.to_pylist(), stored["event_id"].to_pylist())
    decided = revisions.decide(stored, arrivals.take(pa.array(again, pa.int64())))
    return _apply(rows, dict(zip((suspects[n] for n in again), decided, strict=True)))


def _repeated(arrived: list[str], stored: list[str]) -> list[int]:
    """Return the indices of arrivals whose event is in the table, or twice in the batch.

    When every event has to be looked up, hardly any of them is repeated.
    """
    counts, known = Counter(arrived), set(stored)
    return [n for n, one in enumerate(arrived) if one in known or counts[one] > 1]


def _suspects(rows: pa.Table, ids: KnownIds) -> tuple[list[int], set[dt.date]]:
    """Return the rows that may be repeated, with their first arrivals, and where to look."""
    arrived = keys(rows["event_id"])
    repeated = {key for key, count in Counter(arrived).items() if count > 1}
    if not repeated and ids.complete and ids.dates.keys().isdisjoint(arrived):
        return [], set()
    old = _old_dates(rows, ids.elsewhere())
    suspects: list[int] = []
    partitions: set[dt.date] = set()
    for place, key in enumerate(arrived):
        dates = ids.dates.get(key, ())
        if dates or key in repeated or old[place]:
            suspects.append(place)
            partitions.update(dates, old[place])
    return suspects, partitions


def _old_dates(rows: pa.Table, elsewhere: set[dt.date]) -> list[set[dt.date]]:
    """Return, for each row, the partitions not in memory that may contain its earlier arrivals."""
    if not elsewhere:
        return [set()] * rows.num_rows
    columns = [rows[n].to_pylist() for n in ("return_id", "end_to_end_id", PARTITION_COLUMN)]
    places = [(id_date(ret or e2e), date) for ret, e2e, date in zip(*columns, strict=True)]
    near = {
        # Only differences: one day after the last date of the calendar is not a date.
        (own, date): {
            d for d in elsewhere if own is None or own - d <= _DAY or abs(d - date) <= _DAY
        }
        for own, date in set(places)
    }
    return [near[place] for place in places]


def _apply(rows: pa.Table, decided: Mapping[int, int | None]) -> Screened:
    """Drop the rows that add nothing and number the revisions."""
    numbers = rows["revision"].to_pylist()
    dropped = {place for place, revision in decided.items() if revision is None}
    revised = {
        place: revision
        for place, revision in decided.items()
        if revision is not None and revision != numbers[place]
    }
    if revised:
        for place, revision in revised.items():
            numbers[place] = revision
        at = rows.schema.get_field_index("revision")
        field = rows.schema.field(at)
        rows = rows.set_column(at, field, pa.array(numbers, field.type))
    if dropped:
        rows = rows.filter(pa.array([place not in dropped for place in range(rows.num_rows)]))
    return Screened(rows, len(dropped), len(revised))
