import logging
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable

from pixstream.errors import DestinationError
from pixstream.lake.location import Location
from pixstream.lake.log import recovery
from pixstream.lake.table import LakeTable


def entry(table: Path, version: int) -> Path:
    return table / "_delta_log" / f"{version:020}.json"


def tear(path: Path, how: str) -> None:
    whole = path.read_bytes()
    cuts = {"empty": b"", "cut": whole[:100], "between lines": whole[: whole.index(b"\n") + 1]}
    if how == "absent":
        path.unlink()
    else:
        path.write_bytes(cuts[how])


def unsynced(place: Path, commits: int) -> None:
    """Commits of a process that did not come to wait for the disk in between."""
    table = LakeTable(Location(str(place.parent), "pagamentos"))
    for _ in range(commits):
        table.commit([], {"app/0": table.version + 1})
        table.refresh()


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


@pytest.mark.parametrize("how", ["absent", "empty", "cut", "between lines"])
def test_what_follows_a_torn_entry_that_nothing_calls_durable_goes_with_it(
    place: Path, how: str
) -> None:
    unsynced(place, 3)
    tear(entry(place, 4), how)
    table = LakeTable(Location(str(place.parent), "pagamentos"))
    assert (table.version, table.offset("app/0")) == (3, 3)
    aside = sorted(path.name for path in (place / "_delta_log").glob(".*.torn"))
    torn = [] if how == "absent" else [f".{entry(place, 4).name}.torn"]
    assert aside == [*torn, f".{entry(place, 5).name}.torn"]


@pytest.mark.parametrize("how", ["absent", "empty", "cut", "between lines"])
def test_a_torn_entry_that_a_later_one_calls_durable_is_left_for_a_person(
    place: Path, how: str
) -> None:
    for _ in range(3):
        unsynced(place, 1)
    tear(entry(place, 4), how)
    before = sorted(path.name for path in place.rglob("*"))
    with pytest.raises(DestinationError, match=r"log is damaged|json is torn"):
        LakeTable(Location(str(place.parent), "pagamentos"))
    assert sorted(path.name for path in place.rglob("*")) == before


def test_entries_that_say_nothing_stand_on_what_is_before_them(place: Path) -> None:
    DeltaTable(place).alter.set_table_properties({"delta.x": "1"}, raise_if_not_exists=False)
    tear(entry(place, 1), "empty")
    with pytest.raises(DestinationError, match=f"version 1: _delta_log/{entry(place, 1).name}"):
        LakeTable(Location(str(place.parent), "pagamentos"))


def test_a_creation_that_was_cut_is_made_again(place: Path) -> None:
    for version in (1, 2):
        entry(place, version).unlink()
    tear(entry(place, 0), "between lines")
    assert LakeTable(Location(str(place.parent), "pagamentos")).version == 0


def test_a_pointer_to_a_checkpoint_that_is_not_there_is_removed(place: Path) -> None:
    DeltaTable(place).create_checkpoint()
    (place / "_delta_log" / f"{2:020}.checkpoint.parquet").unlink()
    assert LakeTable(Location(str(place.parent), "pagamentos")).offset("app/1") == 2


def test_nothing_before_a_checkpoint_is_looked_for(place: Path) -> None:
    table = LakeTable(Location(str(place.parent), "pagamentos"))
    table.checkpoint()
    for version in range(3):
        entry(place, version).unlink()
    recovery.set_aside_torn(place)
    assert LakeTable(table.location).offset("app/0") == 2


def test_whole_entries_stay(place: Path) -> None:
    before = sorted(path.name for path in place.rglob("*"))
    recovery.set_aside_torn(place)
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
    recovery.set_aside_torn(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_parquet_file_is_told_from_a_torn_one(tmp_path: Path) -> None:
    file = tmp_path / "x.parquet"
    pq.write_table(pa.table({"a": [1]}), file)
    assert recovery._whole_parquet(file)
    file.write_bytes(file.read_bytes()[:-1])
    assert not recovery._whole_parquet(file)
