"""Events and rows for the tests of the tables."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pixstream.event.model import PixEvent
from pixstream.lake import files
from pixstream.lake.deduplication import screen
from pixstream.lake.known_ids import KnownIds
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from pixstream.testing import event

LakeFactory = Callable[[int], "Lake"]

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


class Lake:
    """A table, and what its writer knows of it; `today` is after everything but the far future."""

    today = dt.date(2100, 1, 1)

    def __init__(self, place: Path, bound: int) -> None:
        self.table = LakeTable(Location(str(place), "pagamentos"))
        self.ids = KnownIds(self.table, bound, lambda: self.today)

    def append(self, rows: pa.Table) -> pa.Table:
        """Append what is new; the rows that were appended."""
        self.table.refresh()
        self.ids.catch_up()
        screened = screen(rows, self.ids, self.table.location)
        new = files.write(self.table.location, screened.rows, "snappy")
        self.table.commit(new)
        self.table.refresh()
        self.ids.add(screened.rows)
        self.ids.expect(action.path for action in new)
        return screened.rows


@pytest.fixture
def make_lake(tmp_path: Path) -> LakeFactory:
    """`make_lake(bound)`: the one table of the test, and a writer that has just started on it."""
    return lambda bound: Lake(tmp_path, bound)


@pytest.fixture
def days() -> list[list[PixEvent]]:
    """Ten days with ten events each."""
    return [[event(n, time=NOON + (d - 19) * DAY) for n in range(10)] for d in range(10)]
