import datetime as dt
from collections.abc import Callable

import pyarrow as pa
import pytest

from pixstream.columns import revisions
from pixstream.event.categories import Category
from pixstream.event.model import PixEvent
from pixstream.testing import event, rows
from tests.lake.conftest import Lake

LakeFactory = Callable[[int], Lake]
DAY = dt.timedelta(days=1)
FIRST = dt.datetime(2026, 11, 1, 12, tzinfo=dt.UTC)


@pytest.mark.parametrize("restarted", [False, True])
def test_repeated_events_are_found_on_both_sides_of_the_floor(
    make_lake: LakeFactory, days: list[list[PixEvent]], *, restarted: bool
) -> None:
    lake = make_lake(55)
    for day in days:
        lake.append(rows(day))
    if restarted:
        lake = make_lake(55)
    for day in days:
        assert lake.append(rows(day)).num_rows == 0


def test_an_old_event_told_with_another_date_is_found(
    make_lake: LakeFactory, days: list[list[PixEvent]]
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
    make_lake: LakeFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(55)
    odd = event(0, time=FIRST, end_to_end_id="short-id")
    lake.append(rows([odd]))
    for day in days:
        lake.append(rows(day))
    odd.event_time = FIRST + 9 * DAY
    assert lake.append(rows([odd]))["revision"].to_pylist() == [1]


def test_a_new_event_with_an_old_date_is_kept(
    make_lake: LakeFactory, days: list[list[PixEvent]]
) -> None:
    lake = make_lake(55)
    for day in days:
        lake.append(rows(day))
    late = event(77, time=FIRST)
    assert lake.append(rows([late])).num_rows == 1
    assert lake.append(rows([late])).num_rows == 0


def test_what_another_writer_appended_is_known(
    make_lake: LakeFactory, days: list[list[PixEvent]]
) -> None:
    one, other = make_lake(100), make_lake(100)
    one.append(rows(days[0]))
    assert other.append(rows(days[0] + days[1])).num_rows == 10
    assert one.append(rows(days[1])).num_rows == 0


def test_providers_that_retry_for_days_and_returns_after_months_come_once(
    make_lake: LakeFactory,
) -> None:
    lake = make_lake(30)
    today = FIRST + 120 * DAY
    for day in range(0, 121, 10):
        lake.append(rows([event(n, time=FIRST + day * DAY) for n in range(10)]))
    assert lake.ids.floor is not None
    assert lake.ids.floor > (today - 60 * DAY).date()

    repeated = event(3, time=today - 60 * DAY)
    assert lake.append(rows([repeated])).num_rows == 0

    original = event(4, time=today - 90 * DAY)
    back = f"D12345678{today - 2 * DAY:%Y%m%d%H%M}00000000001"
    returned = event(
        4,
        time=today,
        category=Category.ESTORNO,
        end_to_end_id=original.end_to_end_id,
        return_id=back,
    )
    late = event(
        5,
        time=today - 90 * DAY,
        category=Category.ESTORNO,
        return_id=f"D12345678{today - 90 * DAY:%Y%m%d%H%M}00000000002",
    )
    assert lake.append(rows([returned, late])).num_rows == 2
    again = make_lake(30)
    for told in (repeated, original, returned, late):
        assert again.append(rows([told, told])).num_rows == 0


def test_where_every_event_is_looked_up_only_those_told_before_are_compared(
    make_lake: LakeFactory,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    lake = make_lake(5)
    lake.append(rows([event(n) for n in range(20)]))
    compared: list[int] = []
    decide = revisions.decide

    def counting(stored: pa.Table, arrivals: pa.Table) -> list[int | None]:
        compared.append(arrivals.num_rows)
        return decide(stored, arrivals)

    monkeypatch.setattr(revisions, "decide", counting)
    batch = [event(3), *(event(n) for n in range(20, 40)), event(30)]
    assert lake.append(rows(batch)).num_rows == 20
    assert compared == [3]
