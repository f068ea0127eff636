import errno
import os
from pathlib import Path

import pytest

from pixstream.errors import DestinationError
from pixstream.lake.location import Location
from pixstream.lake.log import durability, entries
from pixstream.lake.table import LakeTable


def test_expired_entries_need_no_sync(tmp_path: Path) -> None:
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    for version in (1, 2):
        table.commit([], {"app/0": version})
        table.refresh()
    place = tmp_path / "pagamentos"
    (place / durability.LOG / entries.name(1)).unlink()
    durability.sync_log(place, range(1, 3))


def test_the_whole_way_to_a_new_table_is_synced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a" / "b" / "c"
    place.mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr(durability, "sync", synced.extend)
    durability.sync_way(place)
    assert synced[:4] == [place, place.parent, place.parent.parent, tmp_path]


def test_the_way_ends_where_another_file_system_or_another_user_begins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "a" / "b"
    place.mkdir(parents=True)
    synced: list[Path] = []
    monkeypatch.setattr(durability, "sync", synced.extend)
    monkeypatch.setattr(os, "access", lambda path, _: path != tmp_path / "a")
    durability.sync_way(place)
    assert synced == [place]
    if Path("/proc/self").exists():
        synced.clear()
        durability.sync_way(Path("/proc/self"))
        assert Path("/") not in synced


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EDQUOT, errno.EIO])
def test_a_failed_fsync_is_a_failed_disk_and_is_never_tried_again(
    tmp_path: Path, number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(_: int) -> None:
        raise OSError(number, "secret")

    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    monkeypatch.setattr(os, "fsync", failing)
    with pytest.raises(DestinationError, match=f"disk failed .fsync, {errno.errorcode[number]}"):
        durability.sync([tmp_path])
    with pytest.raises(DestinationError, match="the disk failed"):
        table.remember("topic", "id-1")


def test_descriptors_are_closed_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[int] = []
    close = os.close

    def closing(descriptor: int) -> None:
        closed.append(descriptor)
        close(descriptor)

    def failing(_: int) -> None:
        raise OSError(errno.EIO, "secret")

    monkeypatch.setattr(os, "fsync", failing)
    monkeypatch.setattr(os, "close", closing)
    with pytest.raises(DestinationError):
        durability.sync([tmp_path])
    assert len(closed) == 1
