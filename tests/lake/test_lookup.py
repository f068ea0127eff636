"""A few rows found in a table: by any of several columns, and what is not read for it."""

import datetime as dt
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from pixstream.errors import DestinationError
from pixstream.event.model import Party
from pixstream.lake import files
from pixstream.lake.location import Location
from pixstream.lake.lookup import lookup
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
DAY = dt.timedelta(days=1)


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    """Three days with ten events each; the third of each day has a payee with a document."""
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    for day in range(3):
        known = {3: {"payee": Party(document=f"k1.person{day}")}}
        events = [event(n, time=NOON + day * DAY, **known.get(n, {})) for n in range(10)]
        new = files.write(table.location, rows(events, first=10 * day), "zstd")
        table.commit(new)
        table.refresh()
    return table


def test_a_row_is_found_by_any_of_its_columns(table: LakeTable) -> None:
    one, other = event(4, time=NOON), event(5, time=NOON + DAY)
    wanted = {"end_to_end_id": {one.end_to_end_id}, "event_id": [other.event_id]}
    found = lookup(table.location, table.live().values(), wanted, ["end_to_end_id", "_offset"])
    assert sorted((row.values["_offset"], row.file.date.day) for row in found) == [
        (4, 20),
        (15, 21),
    ]
    assert [*found[0].values] == ["end_to_end_id", "_offset"]


def test_the_child_of_a_struct_is_compared(table: LakeTable) -> None:
    wanted = {"payer.document": {"k1.person1"}, "payee.document": {"k1.person1"}}
    found = lookup(table.location, table.live().values(), wanted, ["_offset", "extra"])
    assert [row.values for row in found] == [{"_offset": 13, "extra": {}}]


def test_what_a_file_lacks_is_neither_compared_nor_returned(table: LakeTable) -> None:
    some = table.live().values()
    assert lookup(table.location, some, {"nowhere": {1}}, ["_offset"]) == []
    found = lookup(table.location, some, {"_offset": {7}}, ["_offset", "nowhere"])
    assert [row.values for row in found] == [{"_offset": 7}]
    assert lookup(table.location, some, {"_offset": set()}, ["_offset"]) == []


def test_a_row_group_that_its_statistics_exclude_is_not_read(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[object] = []
    whole = pq.ParquetFile.read_row_group

    def counted(self: pq.ParquetFile, group: int, columns: list[str]) -> object:
        read.append(columns)
        return whole(self, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", counted)
    found = lookup(table.location, table.live().values(), {"_offset": {25}}, ["event_id"])
    assert [row.values["event_id"] for row in found] == [event(5, time=NOON + 2 * DAY).event_id]
    assert read == [["_offset"], ["event_id"]]


def test_a_file_that_is_gone_is_named_by_its_table(table: LakeTable) -> None:
    assert table.location.directory
    (gone, *_) = table.live()
    (table.location.directory / gone).unlink()
    with pytest.raises(DestinationError, match=r"table pagamentos at .*: cannot read it"):
        lookup(table.location, table.live().values(), {"event_id": {"x"}}, ["event_id"])
