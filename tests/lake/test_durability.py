import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pixstream.lake import durability
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable


def entry(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A table whose newest version is 2, with two application transactions in each."""
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    for version in (1, 2):
        table.commit([], {"app/0": version, "app/1": version})
        table.refresh()
    return tmp_path / "pagamentos"


@pytest.mark.parametrize("bytes_left", [0, 1, 200])
def test_a_half_written_newest_entry_is_set_aside(
    place: Path, bytes_left: int, caplog: pytest.LogCaptureFixture
) -> None:
    whole = entry(place, 2).read_bytes()
    entry(place, 2).write_bytes(whole[:bytes_left])
    with caplog.at_level(logging.WARNING):
        table = LakeTable(Location(str(place.parent), "pagamentos"))
    assert (table.version, table.offset("app/0")) == (1, 1)
    assert "set aside" in caplog.text
    table.commit([], {"app/0": 5})
    assert table.refresh() == 2
    assert DeltaTable(place).transaction_version("app/0") == 5


def test_an_entry_cut_between_two_lines_is_half_written_too(place: Path) -> None:
    lines = entry(place, 2).read_text().splitlines()
    assert len(lines) == 3
    entry(place, 2).write_text("\n".join(lines[:-1]))
    assert LakeTable(Location(str(place.parent), "pagamentos")).version == 1


def test_pages_of_zeros_are_half_written(place: Path) -> None:
    whole = entry(place, 2).read_bytes()
    entry(place, 2).write_bytes(whole[:100] + bytes(len(whole) - 100))
    assert LakeTable(Location(str(place.parent), "pagamentos")).version == 1


def test_whole_entries_stay(place: Path) -> None:
    before = sorted(path.name for path in place.rglob("*"))
    durability.set_aside_torn(place)
    assert sorted(path.name for path in place.rglob("*")) == before


def test_a_torn_checkpoint_is_set_aside_and_the_entries_tell(place: Path) -> None:
    DeltaTable(place).create_checkpoint()
    checkpoint = place / "_delta_log" / f"{2:020}.checkpoint.parquet"
    checkpoint.write_bytes(checkpoint.read_bytes()[:-100])
    table = LakeTable(Location(str(place.parent), "pagamentos"))
    assert (table.version, table.offset("app/1")) == (2, 2)
    assert not checkpoint.exists()


def test_a_torn_pointer_to_the_checkpoint_is_removed(place: Path) -> None:
    DeltaTable(place).create_checkpoint()
    (place / "_delta_log" / "_last_checkpoint").write_bytes(b'{"vers')
    assert LakeTable(Location(str(place.parent), "pagamentos")).offset("app/1") == 2


def test_a_place_without_a_log_has_nothing_torn(tmp_path: Path) -> None:
    durability.set_aside_torn(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_expired_entries_need_no_sync(place: Path) -> None:
    entry(place, 1).unlink()
    durability.sync_log(place, range(1, 3))


def test_a_parquet_file_is_told_from_a_torn_one(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    assert durability._whole_parquet(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert not durability._whole_parquet(file)
