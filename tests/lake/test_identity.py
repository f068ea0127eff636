import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from pixstream.event import PixEvent
from pixstream.lake import files
from pixstream.lake.identity import KnownIds
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable

EventFactory = Callable[..., PixEvent]
RowFactory = Callable[..., pa.Table]
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


class Lake:
    """A table, and what its writer knows of it."""

    def __init__(self, place: Path, bound: int) -> None:
        self.table = LakeTable(Location(str(place), "pagamentos"))
        self.ids = KnownIds(self.table, bound)

    def append(self, rows: pa.Table) -> pa.Table:
        """Append what is new; the rows that were appended."""
        self.table.refresh()
        self.ids.catch_up()
        screened = self.ids.screen(rows)
        new = files.write(self.table.location, screened.rows, "snappy")
        self.table.commit(new)
        self.table.refresh()
        self.ids.add(screened.rows)
        self.ids.expect(action.path for action in new)
        return screened.rows


@pytest.fixture
def days(event: EventFactory) -> list[list[PixEvent]]:
    """Ten days with ten events each."""
    return [[event(n, time=FIRST + d * DAY) for n in range(10)] for d in range(10)]


def test_all_ids_are_in_memory_while_they_fit(
    tmp_path: Path, rows: RowFactory, days: list[list[PixEvent]]
) -> None:
    lake = Lake(tmp_path, 100)
    for day in days:
        lake.append(rows(day))
    assert (len(lake.ids), lake.ids.floor) == (100, None)
    again = Lake(tmp_path, 100)
    again.table.refresh()
    again.ids.catch_up()
    assert (len(again.ids), again.ids.floor) == (100, None)


def test_the_floor_rises_by_whole_days_and_says_so_once(
    tmp_path: Path,
    rows: RowFactory,
    days: list[list[PixEvent]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lake = Lake(tmp_path, 55)
    with caplog.at_level(logging.INFO):
        for day in days:
            lake.append(rows(day))
    assert lake.ids.floor == (FIRST + 6 * DAY).date()
    assert len(lake.ids) == 40
    assert caplog.text.count("known_ids is reached") == 1
    again = Lake(tmp_path, 55)
    again.ids.catch_up()
    assert again.ids.floor == (FIRST + 6 * DAY).date()
    assert len(again.ids) == 40


@pytest.mark.parametrize("restarted", [False, True])
def test_repeated_events_are_found_on_both_sides_of_the_floor(
    tmp_path: Path, rows: RowFactory, days: list[list[PixEvent]], *, restarted: bool
) -> None:
    lake = Lake(tmp_path, 55)
    for day in days:
        lake.append(rows(day))
    if restarted:
        lake = Lake(tmp_path, 55)
    for day in days:
        assert lake.append(rows(day)).num_rows == 0


def test_an_old_event_told_with_another_date_is_found(
    tmp_path: Path, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = Lake(tmp_path, 55)
    for day in days:
        lake.append(rows(day))
    late = event(3, time=FIRST)
    late.event_time = FIRST + 9 * DAY
    kept = lake.append(rows([late]))
    assert kept["revision"].to_pylist() == [1]
    assert lake.append(rows([late])).num_rows == 0
    restarted = Lake(tmp_path, 55)
    assert restarted.append(rows([late])).num_rows == 0
    third = event(3, time=FIRST, reason="AB03")
    assert restarted.append(rows([third]))["revision"].to_pylist() == [2]


def test_an_identifier_without_a_date_is_looked_up_everywhere(
    tmp_path: Path, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = Lake(tmp_path, 55)
    odd = event(0, time=FIRST, end_to_end_id="short-id")
    lake.append(rows([odd]))
    for day in days:
        lake.append(rows(day))
    odd.event_time = FIRST + 9 * DAY
    assert lake.append(rows([odd]))["revision"].to_pylist() == [1]


def test_a_new_event_with_an_old_date_is_kept(
    tmp_path: Path, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = Lake(tmp_path, 55)
    for day in days:
        lake.append(rows(day))
    late = event(77, time=FIRST)
    assert lake.append(rows([late])).num_rows == 1
    assert lake.append(rows([late])).num_rows == 0


def test_a_bound_below_one_day_stays_right_and_warns(
    tmp_path: Path,
    rows: RowFactory,
    days: list[list[PixEvent]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lake = Lake(tmp_path, 5)
    with caplog.at_level(logging.WARNING):
        for day in days[:3]:
            lake.append(rows(day))
    assert "less than one day" in caplog.text
    assert len(lake.ids) == 0
    assert all(lake.append(rows(day)).num_rows == 0 for day in days[:3])


def test_what_another_writer_appended_is_known(
    tmp_path: Path, rows: RowFactory, days: list[list[PixEvent]]
) -> None:
    one, other = Lake(tmp_path, 100), Lake(tmp_path, 100)
    one.append(rows(days[0]))
    assert other.append(rows(days[0] + days[1])).num_rows == 10
    assert one.append(rows(days[1])).num_rows == 0


def test_own_files_are_not_read_again(
    tmp_path: Path,
    rows: RowFactory,
    days: list[list[PixEvent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = Lake(tmp_path, 1000)
    monkeypatch.setattr(files, "read", None)
    for day in days:
        lake.append(rows(day))
    assert len(lake.ids) == 100
