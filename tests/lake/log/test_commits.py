"""The commit that made a record visible, found in the log of a table."""

import datetime as dt
from pathlib import Path

import pytest

from pixstream.lake.location import Location
from pixstream.lake.log import commits
from pixstream.lake.table import LakeTable

APP = "pixstream/cluster/lake/id/0"
COMMITS = 40


@pytest.fixture
def table(tmp_path: Path) -> LakeTable:
    """A table in which each commit advances the offsets of one partition by ten."""
    table = LakeTable(Location(str(tmp_path), "pagamentos"))
    for number in range(1, COMMITS + 1):
        table.commit([], {APP: 10 * number})
        table.refresh()
    return table


def decoded(table: LakeTable, version: int) -> dt.datetime:
    """When the records of a version were decoded."""
    commit = commits.read(table.location, version)
    assert commit
    return commit.time


def test_the_commit_of_an_offset_is_the_first_that_is_past_it(table: LakeTable) -> None:
    for offset, version in [(0, 1), (9, 1), (10, 2), (255, 26), (399, 40)]:
        when = decoded(table, version)
        found = commits.commit_of(table.location, table.version, when, APP, offset)
        assert found
        assert found.version == version
        assert found.time == when
        assert found.offsets == {APP: 10 * version}


def test_few_entries_of_a_long_log_are_read(
    table: LakeTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []
    whole = commits.read

    def counted(location: Location, version: int) -> commits.Commit | None:
        read.append(version)
        found = whole(location, version)
        # As if there were an hour from one commit to the next.
        return found and found._replace(time=found.time + version * dt.timedelta(hours=1))

    monkeypatch.setattr(commits, "read", counted)
    when = decoded(table, 26)
    read.clear()
    found = commits.commit_of(table.location, table.version, when, APP, 255)
    assert found
    assert found.version == 26
    assert len(read) < 10


def test_what_no_commit_holds_yet_has_none(table: LakeTable) -> None:
    when = decoded(table, COMMITS)
    assert commits.commit_of(table.location, table.version, when, APP, 400) is None
    assert commits.commit_of(table.location, table.version, when, "another", 0) is None


def test_where_entries_have_expired_no_later_commit_is_named_instead(table: LakeTable) -> None:
    when = decoded(table, 1)
    assert table.location.directory
    for version in range(20):
        (table.location.directory / "_delta_log" / f"{version:020}.json").unlink()
    assert commits.read(table.location, 3) is None
    assert commits.commit_of(table.location, table.version, when, APP, 5) is None


def test_a_torn_entry_is_no_commit(table: LakeTable) -> None:
    assert table.location.directory
    entry = table.location.directory / "_delta_log" / f"{7:020}.json"
    entry.write_bytes(entry.read_bytes()[:30])
    assert commits.read(table.location, 7) is None
