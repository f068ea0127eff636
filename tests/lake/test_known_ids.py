import datetime as dt
import logging
from collections.abc import Callable

import pytest

from pixstream.event.model import PixEvent
from pixstream.lake import files
from pixstream.testing import event, rows
from tests.lake.conftest import Lake

LakeFactory = Callable[[int], Lake]
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


def test_all_ids_are_in_memory_while_they_fit(
    make_lake: LakeFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(100)
    for day in days:
        lake.append(rows(day))
    assert (len(lake.ids.dates), lake.ids.floor) == (100, None)
    again = make_lake(100)
    again.table.refresh()
    again.ids.catch_up()
    assert (len(again.ids.dates), again.ids.floor) == (100, None)


def test_the_floor_rises_by_whole_days_and_says_so_once(
    make_lake: LakeFactory,
    days: list[list[PixEvent]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lake = make_lake(55)
    with caplog.at_level(logging.INFO):
        for day in days:
            lake.append(rows(day))
    assert lake.ids.floor == (FIRST + 6 * DAY).date()
    assert len(lake.ids.dates) == 40
    assert caplog.text.count("known_ids is reached") == 1
    again = make_lake(55)
    again.ids.catch_up()
    assert again.ids.floor == (FIRST + 6 * DAY).date()
    assert len(again.ids.dates) == 40


def test_a_bound_below_one_day_stays_right_and_warns(
    make_lake: LakeFactory,
    days: list[list[PixEvent]],
    caplog: pytest.LogCaptureFixture,
) -> None:
    lake = make_lake(5)
    with caplog.at_level(logging.WARNING):
        for day in days[:3]:
            lake.append(rows(day))
    assert "less than one day" in caplog.text
    assert len(lake.ids.dates) == 0
    assert all(lake.append(rows(day)).num_rows == 0 for day in days[:3])


def test_own_files_are_not_read_again(
    make_lake: LakeFactory,
    days: list[list[PixEvent]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = make_lake(1000)
    monkeypatch.setattr(files, "read", None)
    for day in days:
        lake.append(rows(day))
    assert len(lake.ids.dates) == 100


def test_dates_at_the_ends_of_the_calendar_do_no_harm(make_lake: LakeFactory) -> None:
    lake = make_lake(5)
    ends = [dt.datetime(year, 12, 31, 12, tzinfo=dt.UTC) for year in (1, 9999)]
    events = [event(n, time=end) for end in ends for n in range(6)]
    assert lake.append(rows(events)).num_rows == 12
    first = dt.datetime(1, 1, 1, 12, tzinfo=dt.UTC)
    assert lake.append(rows([*events, event(7, time=first)])).num_rows == 1
