"""Events from the future and the far past, and a machine whose clock is set: nothing breaks."""

import datetime as dt
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.event.categories import Category
from pixstream.event.model import PixEvent, encode
from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows
from tests.lake.conftest import Lake

LakeFactory = Callable[[int], Lake]
NOW = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
TODAY = NOW.date()
DAY = dt.timedelta(days=1)
FAR = dt.datetime(2099, 1, 1, tzinfo=dt.UTC)
ENDS = (
    dt.datetime.min.replace(tzinfo=dt.UTC),
    dt.datetime.max.replace(tzinfo=dt.UTC),
    dt.datetime(1969, 12, 31, 23, 59, 59, tzinfo=dt.UTC),
    dt.datetime(2262, 4, 12, tzinfo=dt.UTC),
)
"""Times that no parser of ours accepts, but that another writer's events may have."""


@pytest.fixture
def lake(make_lake: LakeFactory) -> Lake:
    made = make_lake(100)
    made.today = TODAY
    return made


def some(count: int, time: dt.datetime, first: int = 0) -> list[PixEvent]:
    return [event(first + n, time=time) for n in range(count)]


def test_an_event_at_either_end_of_the_calendar_goes_into_its_partition_and_comes_once(
    tmp_path: Path,
) -> None:
    place = TopicIdPartition("pix.recebimentos", "id-1", 0)
    lake = DeltaLake(type="delta_lake", uri=str(tmp_path), known_ids=3)
    events = [
        event(number, category=Category.RECEBIMENTO, ingested_at=NOW) for number in range(len(ENDS))
    ]
    for one, time in zip(events, ENDS, strict=True):
        one.event_time = time
    for turn in range(2):  # the second time they are repetitions, at new offsets
        records = [
            Record("pix.recebimentos", 0, turn * 10 + n, 1_700_000_000_000, None, encode(e), ())
            for n, e in enumerate(events)
        ]
        decoded = decode(records)
        assert not decoded.bad
        lake.write(EventBatch(decoded.table, {place: turn * 10 + 10}, "cluster"), _refuse)
    table = LakeTable(Location(str(tmp_path), "recebimentos"))
    dates = sorted(str(file.date) for file in table.live().values())
    assert dates[0] == "0001-01-01"
    assert dates[-1] == "9999-12-31"
    assert lake.counts["written"] == len(ENDS)
    assert lake.counts["deduplicated"] == len(ENDS)
    assert lake.offsets([place], "cluster") == {place: 20}


def _refuse(rows: Any, reason: str) -> None:
    raise AssertionError(reason, rows)


def test_a_future_event_does_not_push_todays_ids_out_of_memory(lake: Lake) -> None:
    lake.append(rows(some(5, FAR)))
    for day in range(4):
        lake.append(rows(some(30, NOW - (3 - day) * DAY)))
    today = {bytes.fromhex(e.event_id) for e in some(30, NOW)}
    assert today <= lake.ids.dates.keys()
    assert lake.ids.ceiling is None
    assert len(lake.ids.dates) <= 100


def test_a_source_whose_clock_is_years_ahead_does_not_push_todays_ids_out_of_memory(
    lake: Lake, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        for day in range(6):
            lake.append(rows(some(25, FAR + day * DAY)))
            lake.append(rows(some(25, NOW - (5 - day) * DAY)))
    assert "in the future" in caplog.text
    today = {bytes.fromhex(e.event_id) for e in some(25, NOW)}
    assert today <= lake.ids.dates.keys()
    assert lake.ids.ceiling == TODAY + DAY
    assert "less than one day" not in caplog.text
    assert lake.append(rows(some(25, FAR) + some(25, NOW))).num_rows == 0
    assert lake.append(rows(some(25, NOW - 5 * DAY))).num_rows == 0


def test_an_event_told_first_with_a_time_in_the_future_is_known_when_it_is_told_again(
    lake: Lake,
) -> None:
    wrong = [event(n, time=NOW, event_time=FAR) for n in range(120)]
    assert lake.append(rows(wrong)).num_rows == 120
    assert lake.ids.ceiling is not None
    again = [event(n, time=NOW, event_time=FAR) for n in range(120)]
    assert lake.append(rows(again)).num_rows == 0


def test_ids_of_a_future_date_are_in_memory_once_the_calendar_comes_to_it(lake: Lake) -> None:
    soon = NOW + 3 * DAY
    lake.append(rows(some(20, soon)))
    lake.append(rows(some(90, NOW)))
    assert lake.ids.ceiling == TODAY + DAY
    assert lake.ids.elsewhere() == {soon.date()}
    lake.today = TODAY + 2 * DAY
    assert lake.append(rows(some(20, soon))).num_rows == 0
    assert lake.ids.elsewhere() <= {TODAY}
    assert {bytes.fromhex(e.event_id) for e in some(20, soon)} <= lake.ids.dates.keys()


def test_the_last_commit_before_midnight_is_known_after_it(lake: Lake) -> None:
    soon = NOW + 2 * DAY
    lake.append(rows(some(20, soon)))
    lake.append(rows(some(90, NOW)))
    assert lake.ids.ceiling == TODAY + DAY
    last = some(20, soon, first=20)
    assert lake.append(rows(last)).num_rows == 20
    lake.today = TODAY + DAY
    assert lake.append(rows(last)).num_rows == 0
    assert {bytes.fromhex(e.event_id) for e in last} <= lake.ids.dates.keys()


def test_a_machine_whose_clock_is_set_back_stays_right_and_recovers(lake: Lake) -> None:
    days = [some(30, NOW - (3 - day) * DAY) for day in range(4)]
    lake.today = TODAY - 365 * DAY
    for day in days:
        assert lake.append(rows(day)).num_rows == 30
    assert all(lake.append(rows(day)).num_rows == 0 for day in days)
    lake.today = TODAY
    assert all(lake.append(rows(day)).num_rows == 0 for day in days)
    assert {bytes.fromhex(e.event_id) for e in days[-1]} <= lake.ids.dates.keys()


def test_a_restart_knows_future_ids_as_before(make_lake: LakeFactory, lake: Lake) -> None:
    for day in range(4):
        lake.append(rows(some(30, NOW - (3 - day) * DAY)))
        lake.append(rows(some(30, FAR + day * DAY)))
    again = make_lake(100)
    again.today = TODAY
    assert again.append(rows(some(30, NOW) + some(30, FAR))).num_rows == 0
    assert {bytes.fromhex(e.event_id) for e in some(30, NOW)} <= again.ids.dates.keys()
