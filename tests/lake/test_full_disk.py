"""A real disk that is full, or read-only, in the middle of a run: a small tmpfs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from pixstream.columns.batch import EventBatch
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import DestinationError, Transient
from pixstream.kafka.ports import TopicIdPartition
from pixstream.lab.demo import tables
from pixstream.lake import append, maintenance
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from pixstream.testing import event, rows

WHERE = TopicIdPartition("pix.pagamentos", "id-1", 0)
PAGE = 4096
_GUARD = 'cat >/dev/null; umount -l "$0"'


class Disk:
    """A file system of 2 MB with a ballast file that takes what should not be free."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.ballast = root / "ballast"

    @property
    def free(self) -> int:
        """Pages that are free."""
        stat = os.statvfs(self.root)
        return stat.f_bavail * stat.f_bsize // PAGE

    def leave(self, pages: int) -> None:
        """Leave just so many pages free."""
        self.ballast.unlink(missing_ok=True)
        with self.ballast.open("wb") as file:
            file.write(bytes((self.free - pages) * PAGE))
        assert self.free == pages

    def remount(self, how: str) -> None:
        command = ["mount", "-o", f"remount,{how}", str(self.root)]
        subprocess.run(command, check=True, capture_output=True)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Disk]:
    """Mounted for the test; unmounted by a guard even when pytest itself is killed."""
    root = tmp_path / "disk"
    root.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "pixstream-test", str(root)]
    try:
        done = subprocess.run(command, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount command")
    if done.returncode:
        pytest.skip("this user may not mount a tmpfs; root in a container with SYS_ADMIN may")
    guard = ["sh", "-c", _GUARD, str(root)]
    with subprocess.Popen(guard, stdin=subprocess.PIPE, start_new_session=True):
        yield Disk(root)
    assert not root.is_mount()


class Lake:
    """The consumer on that disk, and what Kafka holds: a batch of ten events after the other."""

    def __init__(self, disk: Disk, rows: Any, **settings: Any) -> None:
        self.place = disk.root / "lake"
        self.rows = rows
        self.settings = settings
        self.restart()

    def restart(self) -> None:
        uri = str(self.place)
        self.consumer = DeltaLake(type="delta_lake", uri=uri, compression="snappy", **self.settings)

    def write(self, number: int) -> None:
        part = self.rows.slice(number * 10, 10)
        self.consumer.write(EventBatch(part, {WHERE: number * 10 + 10}, "cluster"), refuse)

    def files(self) -> set[Path]:
        return {path for path in self.place.rglob("*") if path.is_file()}

    def offsets(self) -> list[int]:
        table = tables.read(self.place / "pagamentos")
        return sorted(table["_offset"].to_pylist()) if table is not None else []


@pytest.fixture
def kafka() -> Any:
    """Rows as they are read anew for each test: a hundred events."""
    return rows([event(number) for number in range(100)])


def refuse(rows: Any, reason: str) -> None:
    raise AssertionError(reason, rows)


def test_a_disk_that_fills_up_is_waited_for_and_then_each_row_comes_once(
    disk: Disk, kafka: Any
) -> None:
    lake = Lake(disk, kafka)
    lake.write(0)
    before = lake.files()
    failures = []
    for pages in range(40):
        disk.leave(pages)
        left = disk.free
        try:
            lake.write(1)
        except Transient as error:
            failures.append(str(error))
            assert lake.offsets() == list(range(10))
            written = lake.files() - before
            assert len(written) <= 1, "each new try would fill the disk further"
            assert all(path.suffix == ".parquet" for path in written)
            assert disk.free in {left, left - sum(-(-p.stat().st_size // PAGE) for p in written)}
        else:
            break
    assert len(failures) > 3
    assert all("the disk is full; nothing is lost" in told for told in failures)
    assert lake.offsets() == list(range(20))
    disk.ballast.unlink()
    lake.restart()
    lake.write(1)
    lake.write(2)
    assert lake.offsets() == list(range(30))
    assert len(lake.files() - before) == 4, "nothing is left of the tries that failed"


def test_a_process_that_ends_while_the_disk_is_full_reads_on_where_it_was(
    disk: Disk, kafka: Any
) -> None:
    lake = Lake(disk, kafka)
    lake.write(0)
    for pages in range(4):
        disk.leave(pages)
        with pytest.raises(Transient):
            lake.write(1)
        lake.restart()
        assert lake.consumer.offsets([WHERE], "cluster") == {WHERE: 10}
    disk.ballast.unlink()
    lake.write(1)
    assert lake.offsets() == list(range(20))


def test_maintenance_on_a_full_disk_changes_no_row(
    disk: Disk, kafka: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(maintenance, "ENOUGH", 2)
    monkeypatch.setattr(append, "_SWEEP_SECONDS", 0.0)
    lake = Lake(disk, kafka, maintain_every=1)
    number = 0
    for pages in range(60):
        disk.leave(pages)
        try:
            lake.write(number)
        except Transient:
            assert lake.offsets() == list(range(number * 10))
        else:
            number += 1
            assert lake.offsets() == list(range(number * 10))
        if number == 3:
            break
    assert number == 3
    disk.ballast.unlink()
    lake.restart()
    lake.write(3)
    assert lake.offsets() == list(range(40))
    assert len(LakeTable(Location(str(lake.place), "pagamentos")).live()) == 1


def test_a_new_table_waits_for_room(disk: Disk, kafka: Any) -> None:
    disk.leave(0)
    lake = Lake(disk, kafka)
    with pytest.raises(Transient, match="the disk is full"):
        lake.write(0)
    disk.ballast.unlink()
    lake.write(0)
    assert lake.offsets() == list(range(10))


def test_a_disk_that_turns_read_only_stops_and_what_was_confirmed_stays(
    disk: Disk, kafka: Any
) -> None:
    lake = Lake(disk, kafka)
    lake.write(0)
    before = lake.files()
    disk.remount("ro")
    with pytest.raises(DestinationError, match=r"mount the disk writable \(EROFS\)"):
        lake.write(1)
    lake.restart()
    with pytest.raises(DestinationError, match="EROFS"):
        lake.write(1)
    assert lake.consumer.offsets([WHERE], "cluster") == {WHERE: 10}
    assert lake.files() == before
    disk.remount("rw")
    lake.restart()
    lake.write(1)
    assert lake.offsets() == list(range(20))


def test_what_a_killed_process_left_is_swept_after_seven_days(tmp_path: Path, kafka: Any) -> None:
    lake = Lake(Disk(tmp_path), kafka)
    lake.write(0)
    table = lake.place / "pagamentos"
    (live,) = table.glob("event_date=*/*.parquet")
    old, young = (live.with_name(f"part-{name}.snappy.parquet") for name in ("old", "young"))
    for path in (old, young):
        path.write_bytes(b"PAR1 torn")
    week_ago = time.time() - 8 * 24 * 3600
    os.utime(old, (week_ago, week_ago))
    maintenance.sweep(LakeTable(Location(str(lake.place), "pagamentos")))
    assert sorted(table.glob("event_date=*/*.parquet")) == sorted([live, young])
    assert lake.offsets() == list(range(10))
