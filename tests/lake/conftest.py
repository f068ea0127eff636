"""Events and rows for the tests of the tables."""

import datetime as dt
from collections.abc import Callable, Sequence
from pathlib import Path

import pyarrow as pa
import pytest

from pixstream.decoding import decode
from pixstream.event import PixEvent, encode
from pixstream.kafka import Record
from pixstream.lake import files
from pixstream.lake.identity import KnownIds
from pixstream.lake.location import Location
from pixstream.lake.screening import screen
from pixstream.lake.table import LakeTable

EventFactory = Callable[..., PixEvent]
RowFactory = Callable[..., pa.Table]

LakeFactory = Callable[[int], "Lake"]

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


def _rows(events: Sequence[PixEvent], *, partition: int = 0, first: int = 0) -> pa.Table:
    records = [
        Record("pix.pagamentos", partition, first + n, 1_700_000_000_000, None, encode(event), ())
        for n, event in enumerate(events)
    ]
    decoded = decode(records)
    assert not decoded.bad
    return decoded.table


@pytest.fixture(scope="session")
def rows() -> RowFactory:
    """`rows(events, partition=0, first=0)`: the decoded batch of these events."""
    return _rows


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
def days(event: EventFactory) -> list[list[PixEvent]]:
    """Ten days with ten events each."""
    return [[event(n, time=NOON + (d - 19) * DAY) for n in range(10)] for d in range(10)]
