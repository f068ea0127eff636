import datetime as dt
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pytest

from pixstream.event import PixEvent

EventFactory = Callable[..., PixEvent]
RowFactory = Callable[..., pa.Table]
LakeFactory = Callable[[int], Any]
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("restarted", [False, True])
def test_repeated_events_are_found_on_both_sides_of_the_floor(
    make_lake: LakeFactory, rows: RowFactory, days: list[list[PixEvent]], *, restarted: bool
) -> None:
    lake = make_lake(55)
    for day in days:
        lake.append(rows(day))
    if restarted:
        lake = make_lake(55)
    for day in days:
        assert lake.append(rows(day)).num_rows == 0


def test_an_old_event_told_with_another_date_is_found(
    make_lake: LakeFactory, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(55)
    for day in days:
        lake.append(rows(day))
    late = event(3, time=FIRST)
    late.event_time = FIRST + 9 * DAY
    kept = lake.append(rows([late]))
    assert kept["revision"].to_pylist() == [1]
    assert lake.append(rows([late])).num_rows == 0
    restarted = make_lake(55)
    assert restarted.append(rows([late])).num_rows == 0
    third = event(3, time=FIRST, reason="AB03")
    assert restarted.append(rows([third]))["revision"].to_pylist() == [2]


def test_an_identifier_without_a_date_is_looked_up_everywhere(
    make_lake: LakeFactory, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(55)
    odd = event(0, time=FIRST, end_to_end_id="short-id")
    lake.append(rows([odd]))
    for day in days:
        lake.append(rows(day))
    odd.event_time = FIRST + 9 * DAY
    assert lake.append(rows([odd]))["revision"].to_pylist() == [1]


def test_a_new_event_with_an_old_date_is_kept(
    make_lake: LakeFactory, rows: RowFactory, event: EventFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(55)
    for day in days:
        lake.append(rows(day))
    late = event(77, time=FIRST)
    assert lake.append(rows([late])).num_rows == 1
    assert lake.append(rows([late])).num_rows == 0


def test_what_another_writer_appended_is_known(
    make_lake: LakeFactory, rows: RowFactory, days: list[list[PixEvent]]
) -> None:
    one, other = make_lake(100), make_lake(100)
    one.append(rows(days[0]))
    assert other.append(rows(days[0] + days[1])).num_rows == 10
    assert one.append(rows(days[1])).num_rows == 0
