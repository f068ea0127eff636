"""The event ids in a table: those of the newest dates in memory, the others in the table.

Every id of a row with `event_date` from the floor to the ceiling is in memory; `deduplication`
looks the others up in the rest of the table. There is no ceiling while few events are dated in the
future. Once they exceed `FUTURE_SHARE` of the memory bound (a source with a wrong clock), they are
evicted, so that they do not displace today's ids.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections import Counter
from itertools import repeat
from typing import TYPE_CHECKING, Any

from pixstream.columns.schema import PARTITION_COLUMN
from pixstream.lake import files

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import pyarrow as pa

    from pixstream.lake.files import DataFile
    from pixstream.lake.table import LakeTable

log = logging.getLogger("pixstream.lake")

FUTURE_SHARE = 0.1

_DAY = dt.timedelta(days=1)


def _utc_today() -> dt.date:
    return dt.datetime.now(dt.UTC).date()


class KnownIds:
    """The ids of one table.

    Args:
        table: whose ids these are.
        bound: how many ids may be in memory, about 110 bytes each.
        today: returns the UTC date; dates after tomorrow count as the future.

    Attributes:
        dates: the dates of the rows of each id in memory.
        files: the data files of the snapshot that `catch_up` has read.
        floor: ids of rows dated before it are not in memory; None while all are.
        ceiling: the same for rows dated after it; it follows the calendar.
    """

    def __init__(
        self, table: LakeTable, bound: int, today: Callable[[], dt.date] = _utc_today
    ) -> None:
        self._table = table
        self._bound = bound
        self._today = today
        self.dates: dict[bytes, tuple[dt.date, ...]] = {}
        self._shared: dict[tuple[dt.date, ...], tuple[dt.date, ...]] = {}
        self.files: dict[str, DataFile] = {}
        self._seen: set[str] = set()
        self._version = -1
        self.floor: dt.date | None = None
        self.ceiling: dt.date | None = None

    @property
    def complete(self) -> bool:
        """Whether every id of the table is in memory."""
        return self.floor is None and self.ceiling is None

    def catch_up(self) -> None:
        """Load the ids of files added since the last call, newest dates first; at first, of all."""
        if self._version != self._table.version:
            live = self._table.live()
            new = [live[path] for path in live.keys() - self._seen]
            for file in sorted(new, key=lambda file: file.date, reverse=True):
                self._load(file)
            self.files, self._seen = live, set(live)
            self._version = self._table.version
        # Last, after `files` is updated: ids above the ceiling in files that `expect` noted are
        # not in memory yet.
        self._raise_ceiling()

    def expect(self, paths: Iterable[str]) -> None:
        """Note files whose ids are already known, so that `catch_up` does not read them."""
        self._seen.update(paths)

    def add(self, rows: pa.Table) -> None:
        """Add the ids of rows that were appended."""
        self._add(keys(rows["event_id"]), rows[PARTITION_COLUMN].to_pylist())

    def elsewhere(self) -> set[dt.date]:
        """Return the dates in the table whose ids are not in memory."""
        return {file.date for file in self.files.values() if self._is_elsewhere(file.date)}

    def _is_elsewhere(self, date: dt.date) -> bool:
        return (self.floor is not None and date < self.floor) or (
            self.ceiling is not None and date > self.ceiling
        )

    def _load(self, file: DataFile) -> None:
        """Load the ids of a file, unless its date is out of range."""
        if not self._is_elsewhere(file.date):
            ids = files.read(self._table.location, file, ["event_id"])["event_id"]
            self._add(keys(ids), repeat(file.date))

    def _add(self, keys: Iterable[bytes], dates: Iterable[dt.date]) -> None:
        for key, date in zip(keys, dates, strict=False):
            held = self.dates.get(key, ())
            if date in held or (not held and self._is_elsewhere(date)):
                continue
            both = (*held, date)
            self.dates[key] = self._shared.setdefault(both, both)
        if len(self.dates) > self._bound:
            self._set_ceiling()
        if len(self.dates) > self._bound:
            self._raise_floor()

    def _future(self) -> dt.date:
        """Return the last date not in the future, allowing for time zones and clock skew."""
        return min(self._today(), dt.date.max - _DAY) + _DAY

    def _set_ceiling(self) -> None:
        """Evict ids dated in the future, if there are too many."""
        last = self._future()
        far = sum(min(dates) > last for dates in self.dates.values())
        if far <= self._bound * FUTURE_SHARE:
            return
        log.warning(
            "%s: %d known ids are of events dated after %s, in the future: they are looked up in "
            "the table from now on, which is slow. Is the clock of a source wrong, or this "
            "machine's?",
            self._table.location,
            far,
            last,
        )
        self.ceiling = last if self.ceiling is None else max(last, self.ceiling)
        self.dates = {key: dates for key, dates in self.dates.items() if min(dates) <= self.ceiling}

    def _raise_ceiling(self) -> None:
        """Load the ids of dates that are no longer in the future."""
        if self.ceiling is None or self._future() <= self.ceiling:
            return
        below, self.ceiling = self.ceiling, self._future()
        for file in self.files.values():
            if below < file.date <= self.ceiling:
                self._load(file)

    def _raise_floor(self) -> None:
        """Evict whole dates, oldest first, until a tenth of the bound is free."""
        held = Counter(max(dates) for dates in self.dates.values())
        for date in sorted(held):
            if held.total() <= self._bound * 9 // 10:
                break
            del held[date]
            floor = min(date, dt.date.max - _DAY) + _DAY
        if self.floor is None:
            log.info(
                "%s: known_ids is reached; ids dated before %s are looked up in the table from now "
                "on, and this date advances with time",
                self._table.location,
                floor,
            )
        self.floor = floor
        if not held:
            log.warning(
                "%s: known_ids covers less than one day of ids: every arrival is looked up in the "
                "table, which is slow; set known_ids above the events of a day",
                self._table.location,
            )
        self.dates = {key: dates for key, dates in self.dates.items() if max(dates) >= floor}


def keys(ids: pa.ChunkedArray[Any]) -> list[bytes]:
    """Convert event ids to 16 bytes each, a third of the memory of the strings."""
    return list(map(bytes.fromhex, ids.to_pylist()))
