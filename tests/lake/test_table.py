import shutil
from pathlib import Path
from typing import Any

import pytest
from deltalake import DeltaTable
from deltalake.exceptions import CommitFailedError, DeltaError

from pixstream.errors import ClusterChangedError, DestinationError, TopicChangedError, Transient
from pixstream.lake import files
from pixstream.lake.location import Location
from pixstream.lake.log import durability
from pixstream.lake.table import LakeTable, Tie, ties
from pixstream.testing import event, rows


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return Location(str(tmp_path), "pagamentos")


def test_offsets_are_those_of_the_snapshot_in_hand(place: Location) -> None:
    table, other = LakeTable(place), LakeTable(place)
    assert table.offset("app/0") is None
    other.commit([], {"app/0": 7})
    assert table.offset("app/0") is None
    assert table.refresh() == 1
    assert table.offset("app/0") == 7
    table.commit([], {"app/0": 9})
    table.refresh()
    assert table.offset("app/0") == DeltaTable(place.uri).transaction_version("app/0") == 9


def test_a_commit_on_an_old_snapshot_fails_and_changes_nothing(place: Location) -> None:
    table, other = LakeTable(place), LakeTable(place)
    other.commit([], {"app/0": 7})
    with pytest.raises(CommitFailedError):
        table.commit([], {"app/1": 3})
    assert table.refresh() == 1
    assert (table.offset("app/0"), table.offset("app/1")) == (7, None)


def test_a_topic_is_remembered_by_its_id(place: Location) -> None:
    LakeTable(place).remember("cluster/lake/pix.pagamentos", "id-1")
    table = LakeTable(place)
    table.remember("cluster/lake/pix.pagamentos", "id-1")
    table.remember("cluster/other/pix.pagamentos", "id-2")
    assert table.version == 2
    with pytest.raises(TopicChangedError, match="deleted and recreated") as caught:
        table.remember("cluster/lake/pix.pagamentos", "id-3")
    assert "--new-topic" in str(caught.value)


def test_two_processes_may_remember_the_same_topic_at_once(place: Location) -> None:
    table, other = LakeTable(place), LakeTable(place)
    other.remember("cluster/lake/topic", "id-1")
    table.remember("cluster/lake/topic", "id-1")
    assert table.refresh() == 1
    stale = LakeTable(place)
    other.remember("cluster/lake/second", "id-1")
    with pytest.raises(TopicChangedError):
        stale.remember("cluster/lake/second", "id-2")


def test_a_table_fed_from_another_cluster_is_not_tied_to_this_one(place: Location) -> None:
    LakeTable(place).remember("old/lake/pix.pagamentos", "id-1")
    table = LakeTable(place)
    with pytest.raises(ClusterChangedError, match=r"another Kafka cluster.*--new-topic"):
        table.remember("new/lake/pix.pagamentos", "id-2")
    assert table.refresh() == 1
    table.decide({"app/0": 0}, "new/lake/pix.pagamentos", "id-2")
    table.remember("new/lake/pix.pagamentos", "id-2")
    table.remember("old/lake/pix.pagamentos", "id-1")
    with pytest.raises(ClusterChangedError):
        table.remember("third/lake/pix.pagamentos", "id-3")
    table.remember("third/other/pix.pagamentos", "id-3")


def test_a_topic_that_cannot_be_remembered_is_an_error(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    table = LakeTable(place)

    def refuse(*_: Any) -> None:
        raise DeltaError("secret")

    monkeypatch.setattr(table, "_remember", refuse)
    with pytest.raises(Transient, match="cannot commit"):
        table.remember("topic", "id-1")


def test_a_table_that_goes_away_stops(place: Location) -> None:
    table = LakeTable(place)
    shutil.rmtree(place.uri)
    with pytest.raises(DestinationError, match="its log is gone"):
        table.refresh()


def test_the_log_is_on_the_disk_after_opening_and_after_sync(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced: list[str] = []

    def spy(paths: Any) -> None:
        synced.extend(path.name for path in paths)

    monkeypatch.setattr(durability, "sync", spy)
    LakeTable(place)
    assert f"{0:020}.json" in synced
    table, other = LakeTable(place), LakeTable(place)
    other.commit([], {"app/0": 1})
    synced.clear()
    table.refresh()
    table.commit([], {"app/1": 1})
    table.refresh()
    table.sync()
    assert synced == [f"{1:020}.json", f"{2:020}.json", "_delta_log", "pagamentos"]


def test_on_an_object_store_nothing_is_synced_and_all_else_works(
    place: Location,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Path(place.uri).mkdir()
    monkeypatch.setattr(durability, "sync", None)
    place.directory, place.uri, place.fsync = None, Path(place.uri).as_uri(), False
    table = LakeTable(place)
    table.commit(files.write(place, rows([event(1)]), "zstd"), {"app/0": 1})
    table.refresh()
    table.sync()
    table.checkpoint()
    (file,) = LakeTable(place).live().values()
    assert files.read(place, file)["_offset"].to_pylist() == [0]


def test_the_ties_of_a_table_name_cluster_consumer_and_topic(tmp_path: Path) -> None:
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    table.remember("cluster/lake/pix.pagamentos", "id-1")
    table.remember("cluster/lake/pix.estornos", "id-2")
    table.refresh()
    (tie,) = ties(table.handle, "pix.pagamentos")
    assert tie == Tie("cluster", "lake", "id-1")
    assert tie.app_id(2) == "pixstream/cluster/lake/id-1/2"
    assert ties(table.handle, "pagamentos") == []
