import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pixstream.errors import DestinationError
from pixstream.lab.demo import tables
from pixstream.lake import files, maintenance
from pixstream.lake.location import Location
from pixstream.lake.log import durability
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows

Fill = Callable[[LakeTable, int], None]


@pytest.fixture
def fill() -> Fill:
    def fill(table: LakeTable, commits: int) -> None:
        """Append three rows a commit, offsets with them."""
        for n in range(commits):
            first = table.refresh() * 3
            batch = rows([event(first + k) for k in range(3)], first=first)
            table.commit(files.write(table.location, batch, "zstd"), {"app/0": first + n + 3})
            table.refresh()

    return fill


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    return LakeTable(Location(str(tmp_path), "pagamentos"))


def content(table: LakeTable) -> list[dict[str, Any]]:
    read = tables.read(Path(table.location.uri))
    assert read is not None
    rows: list[dict[str, Any]] = read.sort_by("_offset").to_pylist()
    return rows


def test_small_files_become_one_and_no_row_changes(table: LakeTable, fill: Fill) -> None:
    fill(table, 10)
    before, offset = content(table), table.offset("app/0")
    (path,) = maintenance.maintain(table, "zstd")
    assert content(table) == before
    assert list(table.live()) == [path]
    assert table.live()[path].rows == 30
    assert table.offset("app/0") == offset
    assert table.version == 11


def test_few_files_stay(table: LakeTable, fill: Fill) -> None:
    fill(table, maintenance.ENOUGH - 1)
    assert maintenance.maintain(table, "zstd") == []
    assert len(table.live()) == maintenance.ENOUGH - 1


def test_large_files_stay(table: LakeTable, fill: Fill, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(table, 10)
    monkeypatch.setattr(maintenance, "SMALL", 10)
    assert maintenance.maintain(table, "zstd") == []


def test_a_merged_file_does_not_grow_without_end(
    table: LakeTable, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, 20)
    size = max(file.size for file in table.live().values())
    monkeypatch.setattr(maintenance, "SMALL", size * 5)
    (path,) = maintenance.maintain(table, "zstd")
    assert table.live()[path].rows in {30, 33}
    assert sum(file.rows for file in table.live().values()) == 60


def test_the_checkpoint_carries_offsets_and_topics(table: LakeTable, fill: Fill) -> None:
    table.remember("topic", "id-1")
    fill(table, 3)
    offset = table.offset("app/0")
    maintenance.maintain(table, "zstd")
    log = Path(table.location.uri) / "_delta_log"
    assert (log / f"{table.version:020}.checkpoint.parquet").exists()
    for entry in sorted(log.glob("*.json"))[:-1]:
        entry.unlink()
    again = LakeTable(table.location)
    assert again.offset("app/0") == offset
    again.remember("topic", "id-1")
    assert again.refresh() == table.version


def test_merged_rows_are_on_the_disk_before_the_log_names_them(
    table: LakeTable, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, 10)
    table.sync()
    steps: list[str] = []
    commit = table.commit

    def committing(*arguments: Any) -> None:
        steps.append("commit")
        commit(*arguments)

    def syncing(paths: Any) -> None:
        steps.extend(path.suffix for path in paths if path.suffix)

    monkeypatch.setattr(table, "commit", committing)
    monkeypatch.setattr(durability, "sync", syncing)
    maintenance.maintain(table, "zstd")
    assert steps == [".parquet", "commit", ".json", ".parquet"]


def test_an_append_in_between_is_kept(
    table: LakeTable, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, 10)
    other = LakeTable(table.location)
    write = files.write

    def while_others_append(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(files, "write", write)
        fill(other, 2)
        return write(*arguments, **options)

    monkeypatch.setattr(files, "write", while_others_append)
    assert len(maintenance.maintain(table, "zstd")) == 1
    assert len(content(table)) == 36
    assert len(table.live()) == 3


def test_two_processes_do_not_merge_the_same_files_twice(
    table: LakeTable, fill: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(table, 10)
    before = content(table)
    other = LakeTable(table.location)
    write = files.write

    def while_others_merge(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(files, "write", write)
        assert len(maintenance.maintain(other, "zstd")) == 1
        return write(*arguments, **options)

    monkeypatch.setattr(files, "write", while_others_merge)
    assert maintenance.maintain(table, "zstd") == []
    assert content(table) == before


def test_a_file_with_fewer_rows_than_the_log_says_stops(table: LakeTable, fill: Fill) -> None:
    fill(table, 10)
    first, second = list(table.live())[:2]
    place = Path(table.location.uri)
    short = files.read(table.location, table.live()[second]).slice(0, 1)
    pq.write_table(short, place / first)
    with pytest.raises(DestinationError, match="does not contain the rows"):
        maintenance.maintain(table, "zstd")


@pytest.mark.parametrize("error", [OSError(28, "secret"), DeltaError("secret")])
def test_what_fails_here_fails_alone(
    table: LakeTable,
    fill: Fill,
    error: Exception,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    fill(table, 10)

    def failing(*_: Any) -> None:
        raise error

    monkeypatch.setattr(table, "checkpoint", failing)
    monkeypatch.setattr(DeltaTable, "vacuum", lambda *_, **__: failing())
    with caplog.at_level(logging.WARNING):
        assert maintenance.maintain(table, "zstd") == []
        maintenance.sweep(table)
    assert caplog.text.count("failed") == 2
    assert "secret" not in caplog.text


def test_sweep_deletes_only_what_expired(table: LakeTable, fill: Fill) -> None:
    fill(table, 10)
    maintenance.maintain(table, "zstd")
    place = Path(table.location.uri)
    assert len(list(place.glob("event_date=*/*.parquet"))) == 11
    maintenance.sweep(table)
    assert len(list(place.glob("event_date=*/*.parquet"))) == 11
    table.handle.alter.set_table_properties(
        {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
    )
    table.refresh()
    maintenance.sweep(table)
    assert len(list(place.glob("event_date=*/*.parquet"))) == 1
    assert len(content(table)) == 30
