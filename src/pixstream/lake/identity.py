"""Which events a table holds already: the newest dates in memory, older ones asked of the table.

Every id of a row with `event_date` on or after the floor is in memory. Another may still be in the
older part: it is looked up there in the partitions from the day before its identifier's own date
on, and in those around the arrival's date. That finds every telling but one: dated before its
identifier's date by more than a day, and by more than a day differently than the arrival.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow as pa

from pixstream.identifiers import id_date
from pixstream.lake import files, revisions
from pixstream.lake.schema import PARTITION_COLUMN

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from pixstream.lake.files import DataFile
    from pixstream.lake.table import LakeTable

log = logging.getLogger("pixstream.lake")

_DAY = dt.timedelta(days=1)


class Screened(NamedTuple):
    """Rows to append, revisions numbered, and what was found about the others."""

    rows: pa.Table
    deduplicated: int
    revisions: int


class KnownIds:
    """The ids of one table.

    Args:
        table: whose ids these are.
        bound: how many ids may be in memory, about 110 bytes each.
    """

    def __init__(self, table: LakeTable, bound: int) -> None:
        self._table = table
        self._bound = bound
        self._dates: dict[bytes, tuple[dt.date, ...]] = {}
        self._shared: dict[tuple[dt.date, ...], tuple[dt.date, ...]] = {}
        self._files: dict[str, DataFile] = {}
        self._seen: set[str] = set()
        self._version = -1
        self.floor: dt.date | None = None

    def __len__(self) -> int:
        """How many ids are in memory."""
        return len(self._dates)

    def catch_up(self) -> None:
        """Learn the ids of files that came since, newest dates first; all of them at the start."""
        if self._version == self._table.version:
            return
        live = self._table.live()
        new = [live[path] for path in live.keys() - self._seen]
        for file in sorted(new, key=lambda file: file.date, reverse=True):
            self._load(file)
        self._files, self._seen = live, set(live)
        self._version = self._table.version

    def expect(self, paths: Iterable[str]) -> None:
        """Note files whose ids are known already, so that `catch_up` does not read them."""
        self._seen.update(paths)

    def add(self, rows: pa.Table) -> None:
        """Know the rows that were appended."""
        self._add(_keys(rows["event_id"]), rows[PARTITION_COLUMN].to_pylist())

    def screen(self, rows: pa.Table) -> Screened:
        """Drop arrivals that add nothing to what table and batch hold; number the revisions.

        Args:
            rows: of `EVENT_SCHEMA`, in order. The snapshot in hand must have been caught up with.

        Cost: nothing beyond a look-up in memory for an event that is new and not old. For the
        others `files.find` in the partitions of their dates; for ids older than the floor, in
        every partition from their identifier's date to the floor.
        """
        keys = _keys(rows["event_id"])
        suspects, partitions = self._suspects(rows, keys)
        if not suspects:
            return Screened(rows, 0, 0)
        arrivals = rows.take(pa.array(suspects)).select(revisions.COLUMNS)
        searched = [file for file in self._files.values() if file.date in partitions]
        wanted = arrivals["event_id"].combine_chunks()
        stored = files.find(self._table.location, searched, wanted, revisions.COLUMNS)
        decided = revisions.decide(stored, arrivals)
        return _apply(rows, dict(zip(suspects, decided, strict=True)))

    def _suspects(self, rows: pa.Table, keys: Sequence[bytes]) -> tuple[list[int], set[dt.date]]:
        """Rows that may have been told before, with first tellings in the batch; where to look."""
        repeated = {key for key, count in Counter(keys).items() if count > 1}
        if not repeated and self.floor is None and self._dates.keys().isdisjoint(keys):
            return [], set()
        old = self._old_dates(rows)
        suspects: list[int] = []
        partitions: set[dt.date] = set()
        for place, key in enumerate(keys):
            dates = self._dates.get(key, ())
            if dates or key in repeated or old[place]:
                suspects.append(place)
                partitions.update(dates, old[place])
        return suspects, partitions

    def _old_dates(self, rows: pa.Table) -> list[set[dt.date]]:
        """The older partitions where each row may have been told before."""
        older = {file.date for file in self._files.values() if self._is_old(file.date)}
        if not older:
            return [set()] * rows.num_rows
        columns = [rows[n].to_pylist() for n in ("return_id", "end_to_end_id", PARTITION_COLUMN)]
        places = [(id_date(ret or e2e), date) for ret, e2e, date in zip(*columns, strict=True)]
        near = {
            (own, date): {
                d for d in older if own is None or d >= own - _DAY or abs(d - date) <= _DAY
            }
            for own, date in set(places)
        }
        return [near[place] for place in places]

    def _is_old(self, date: dt.date) -> bool:
        return self.floor is not None and date < self.floor

    def _load(self, file: DataFile) -> None:
        """Read the ids of a file, unless it belongs to the older part."""
        if not self._is_old(file.date):
            ids = files.read(self._table.location, file, ["event_id"])["event_id"]
            self._add(_keys(ids), repeat(file.date))

    def _add(self, keys: Iterable[bytes], dates: Iterable[dt.date]) -> None:
        for key, date in zip(keys, dates, strict=False):
            held = self._dates.get(key, ())
            if date in held or (not held and self._is_old(date)):
                continue
            both = (*held, date)
            self._dates[key] = self._shared.setdefault(both, both)
        if len(self._dates) > self._bound:
            self._raise_floor()

    def _raise_floor(self) -> None:
        """Forget the oldest dates, whole, until a tenth of the bound is free."""
        held = Counter(max(dates) for dates in self._dates.values())
        for date in sorted(held):
            if held.total() <= self._bound * 9 // 10:
                break
            del held[date]
            floor = date + _DAY
        if self.floor is None:
            log.info(
                "%s: known_ids is reached; ids dated before %s are looked up in the table from now "
                "on, and the floor moves on with time",
                self._table.location,
                floor,
            )
        self.floor = floor
        if not held:
            log.warning(
                "%s: known_ids holds less than one day of ids: every arrival is looked up in the "
                "table, which is slow; set known_ids above the events of a day",
                self._table.location,
            )
        self._dates = {key: dates for key, dates in self._dates.items() if max(dates) >= floor}


def _keys(ids: pa.ChunkedArray[Any]) -> list[bytes]:
    """Event ids as 16 bytes each: a third of the memory of their texts."""
    return list(map(bytes.fromhex, ids.to_pylist()))


def _apply(rows: pa.Table, decided: Mapping[int, int | None]) -> Screened:
    """Leave out what adds nothing, number what is a revision."""
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
