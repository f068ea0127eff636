from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from deltalake.exceptions import DeltaError

from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.errors import DestinationError, Transient
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable


@pytest.fixture
def place(tmp_path: Path) -> Location:
    return Location(str(tmp_path), "pagamentos")


def test_a_missing_table_is_created_with_its_columns_and_properties(place: Location) -> None:
    table = LakeTable(place)
    made = DeltaTable(place.uri)
    assert pa.schema(made.schema().to_arrow()).equals(EVENT_SCHEMA)
    assert made.metadata().partition_columns == ["event_date"]
    assert made.metadata().name == "pagamentos"
    assert made.metadata().configuration["delta.dataSkippingNumIndexedCols"] == "0"
    assert made.protocol().min_reader_version == 1
    assert table.version == 0
    assert LakeTable(place).version == 0


def test_a_table_with_other_columns_is_refused_by_name(place: Location) -> None:
    colour = pa.schema([pa.field("event_id", pa.string()), pa.field("colour", pa.string(), False)])
    write_deltalake(place.uri, pa.table({"event_id": ["a"], "colour": ["blue"]}, schema=colour))
    with pytest.raises(DestinationError, match=r"category: absent.*colour: unexpected"):
        LakeTable(place)


def test_a_table_partitioned_otherwise_is_refused(place: Location) -> None:
    DeltaTable.create(place.uri, EVENT_SCHEMA, partition_by=["category"])
    with pytest.raises(DestinationError, match="not partitioned by event_date"):
        LakeTable(place)


def test_a_file_in_place_of_the_directory_stops(tmp_path: Path) -> None:
    (tmp_path / "lake").write_text("in the way")
    for location in (Location(str(tmp_path), "lake"), Location(str(tmp_path / "lake"), "x")):
        with pytest.raises(DestinationError, match="not a directory"):
            LakeTable(location)


@pytest.mark.skipif(not Path("/sys").is_dir(), reason="no /sys that refuses new directories")
def test_a_place_where_nobody_may_write_stops() -> None:
    with pytest.raises(DestinationError, match="permission denied"):
        LakeTable(Location("/sys", "pixstream-table"))


def test_a_table_that_somebody_else_made_just_now_is_opened(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    create = DeltaTable.create

    def others_first(*arguments: Any, **options: Any) -> None:
        create(*arguments, **options)
        create(*arguments, **options)

    monkeypatch.setattr(DeltaTable, "create", others_first)
    assert LakeTable(place).version == 0


def test_a_table_that_cannot_be_created_says_why(
    place: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise DeltaError("secret (os error 28)")

    monkeypatch.setattr(DeltaTable, "create", full)
    with pytest.raises(Transient, match="cannot open: the disk is full") as caught:
        LakeTable(place)
    assert "secret" not in str(caught.value)
