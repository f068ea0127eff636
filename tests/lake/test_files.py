import datetime as dt
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixstream.lab.demo import tables
from pixstream.lake import files
from pixstream.lake.location import Location
from pixstream.lake.log import durability
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)


def table_of(place: Path, rows: pa.Table) -> LakeTable:
    table = LakeTable(Location(str(place), "pagamentos"))
    table.commit(files.write(table.location, rows, "zstd"))
    table.refresh()
    return table


def test_one_file_a_date_with_its_rows_in_order(tmp_path: Path) -> None:
    times = [NOON, NOON + dt.timedelta(days=1), NOON, NOON - dt.timedelta(days=9), NOON]
    batch = rows([event(n, time=time) for n, time in enumerate(times)])
    table = table_of(tmp_path, batch)
    live = sorted(table.live().values(), key=lambda file: file.date)
    assert [(str(file.date), file.rows) for file in live] == [
        *(("2026-11-11", 1), ("2026-11-20", 3), ("2026-11-21", 1))
    ]
    assert files.read(table.location, live[1], ["_offset"])["_offset"].to_pylist() == [0, 2, 4]
    assert all(file.size == (tmp_path / "pagamentos" / file.path).stat().st_size for file in live)


def test_deltalake_reads_what_was_written(tmp_path: Path) -> None:
    batch = rows([event(1, extra={"a": "b"}, flags=["id_irregular"]), event(2)])
    table_of(tmp_path, batch)
    read = tables.read(tmp_path / "pagamentos")
    assert read is not None
    assert read.select(batch.schema.names).to_pylist() == batch.to_pylist()
    assert read.schema.field("amount_centavos").type == pa.int64()
    assert read.schema.field("event_time").type == pa.timestamp("us", tz="UTC")


def test_no_rows_make_no_file(tmp_path: Path) -> None:
    assert files.write(Location(str(tmp_path), "pagamentos"), rows([]), "zstd") == []


def test_files_and_their_directories_reach_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[Path] = []
    monkeypatch.setattr(durability, "sync", synced.extend)
    place = Location(str(tmp_path), "pagamentos")
    (action,) = files.write(place, rows([event(1)]), "zstd")
    path = tmp_path / "pagamentos" / action.path
    assert synced == [path, path.parent, tmp_path / "pagamentos"]
    synced.clear()
    files.write(Location(str(tmp_path), "pagamentos", fsync=False), rows([event(1)]), "zstd")
    assert synced == []


def test_find_reads_only_row_groups_with_a_hit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "ROW_GROUP", 10)
    batch = rows([event(n) for n in range(40)])
    table = table_of(tmp_path, batch)
    asked: list[tuple[int, int]] = []
    read = pq.ParquetFile.read_row_group

    def spying(self: pq.ParquetFile, group: int, columns: list[str]) -> pa.Table:
        asked.append((group, len(columns)))
        return read(self, group, columns)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", spying)
    wanted = batch["event_id"].take([33, 12]).combine_chunks()
    found = files.find(table.location, table.live().values(), wanted, ["event_id", "_offset"])
    assert found["_offset"].to_pylist() == [12, 33]
    assert [group for group, columns in asked if columns == 2] == [1, 3]


def test_find_without_files_is_an_empty_table_of_the_columns(tmp_path: Path) -> None:
    none = files.find(Location(str(tmp_path), "x"), [], pa.array(["a"]), ["event_id", "payer"])
    assert (none.num_rows, none.column_names) == (0, ["event_id", "payer"])
