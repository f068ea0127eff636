import shutil
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pixstream.errors import DestinationError
from pixstream.lake import files, maintenance
from pixstream.lake.location import Location
from pixstream.lake.log import verification
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A table of twelve commits with a row each, version 3 a checkpoint."""
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    for number in range(12):
        part = rows([event(number)], first=number)
        table.commit(files.write(table.location, part, "zstd"), {"app/0": number + 1})
        table.refresh()
        table.sync()
        if table.version == 3:
            table.checkpoint()
    return tmp_path / "pagamentos"


def open_again(place: Path) -> LakeTable:
    return LakeTable(Location(str(place.parent), "pagamentos"))


def added(place: Path, version: int) -> Path:
    entry = verification._read(Location(str(place.parent), "pagamentos"), version)
    assert entry is not None
    (path,) = entry.added
    return place / path


def gone(path: Path) -> None:
    path.unlink()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def zeros(path: Path) -> None:
    path.write_bytes(bytes(path.stat().st_size))


def other_rows(path: Path) -> None:
    size = path.stat().st_size
    pq.write_table(pa.table({"event_id": pa.array([], pa.string())}), path)
    assert path.stat().st_size < size


def test_whole_files_are_said_nothing_about(place: Path) -> None:
    assert open_again(place).version == 12


@pytest.mark.parametrize(
    ("breaks", "words"),
    [(gone, "is gone"), (cut, "bytes, where the log says"), (zeros, "not a complete Parquet file")],
)
def test_a_broken_file_stops_with_its_name_its_version_and_the_ways_out(
    place: Path, breaks: Callable[[Path], None], words: str
) -> None:
    path = added(place, 7)
    breaks(path)
    with pytest.raises(DestinationError, match=words) as caught:
        open_again(place)
    told = str(caught.value)
    assert "table pagamentos at" in told
    assert "version 7" in told
    assert f"event_date=2026-11-20/{path.name}" in told
    assert "backup" in told
    assert f"{7:020} on, and _last_checkpoint" in told


def test_a_file_of_other_rows_is_broken(place: Path) -> None:
    path = added(place, 7)
    table = open_again(place)
    (file,) = (f for f in table.live().values() if f.path.endswith(path.name))
    other_rows(path)
    told = verification._fault(table.location, file._replace(size=path.stat().st_size))
    assert told == "has 0 rows, where the log says 1"


def test_both_ways_out_lead_out(place: Path, tmp_path: Path) -> None:
    path = added(place, 7)
    kept = path.read_bytes()
    path.unlink()
    with pytest.raises(DestinationError):
        open_again(place)
    path.write_bytes(kept)
    assert open_again(place).offset("app/0") == 12

    path.unlink()
    away = tmp_path / "away"
    away.mkdir()
    for file in (place / "_delta_log").iterdir():
        if file.name[:20] >= f"{7:020}" or file.name == "_last_checkpoint":
            shutil.move(file, away)
    table = open_again(place)
    assert (table.version, table.offset("app/0")) == (6, 6)
    assert sum(file.rows for file in table.live().values()) == 6


def test_many_faults_are_counted(place: Path) -> None:
    for version in range(2, 12):
        added(place, version).unlink()
    with pytest.raises(DestinationError, match=r"version 2: .*; and 5 more\."):
        open_again(place)


def test_an_empty_entry_does_not_pass_for_a_commit_of_nothing(place: Path) -> None:
    (place / "_delta_log" / f"{9:020}.json").write_bytes(b"")
    with pytest.raises(DestinationError, match=f"version 9: _delta_log/{9:020}.json is torn"):
        open_again(place)


def test_only_recent_commits_are_looked_at(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    added(place, 7).unlink()
    monkeypatch.setattr(verification, "RECENT", 5)
    assert open_again(place).version == 12
    monkeypatch.setattr(verification, "RECENT", 6)
    with pytest.raises(DestinationError, match="version 7"):
        open_again(place)


def test_files_that_were_merged_since_may_go(place: Path) -> None:
    table = open_again(place)
    old = set(table.live())
    assert maintenance.maintain(table, "zstd")
    for path in old:
        (place / path).unlink()
    assert open_again(place).version == 13


def test_expired_entries_are_no_fault(place: Path) -> None:
    table = open_again(place)
    table.checkpoint()
    for version in range(8):
        (place / "_delta_log" / f"{version:020}.json").unlink()
    assert open_again(place).offset("app/0") == 12
