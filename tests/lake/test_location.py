from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pyarrow import fs

from pixstream.lake.location import Location


def test_a_path_is_a_local_directory_and_waits_for_the_disk(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    place = Location("data/lake", "pagamentos")
    assert place.directory == tmp_path / "data" / "lake" / "pagamentos"
    assert place.uri == str(place.directory)
    assert place.fsync
    assert not Location("data/lake", "pagamentos", fsync=False).fsync


def test_a_file_uri_is_a_local_directory() -> None:
    assert Location("file:///srv/the%20lake", "x").directory == Path("/srv/the lake/x")


def test_an_object_store_has_no_directory_and_no_disk_to_wait_for() -> None:
    place = Location("s3://bucket/lake/", "pagamentos", options={"AWS_REGION": "sa-east-1"})
    assert place.directory is None
    assert place.uri == "s3://bucket/lake/pagamentos"
    assert not place.fsync
    assert str(place) == "table pagamentos at s3://bucket/lake/pagamentos"


def test_files_are_named_by_their_path_inside_the_table(tmp_path: Path) -> None:
    place = Location(str(tmp_path), "pagamentos")
    place.filesystem.create_dir("event_date=2026-11-20")
    with place.filesystem.open_output_stream("event_date=2026-11-20/x") as stream:
        stream.write(b"1")
    assert (tmp_path / "pagamentos" / "event_date=2026-11-20" / "x").read_bytes() == b"1"


def test_an_object_stores_files_are_reached_through_deltalake(tmp_path: Path) -> None:
    place = Location(str(tmp_path), "pagamentos")
    place.directory, place.uri = None, tmp_path.as_uri()
    assert isinstance(place.filesystem, fs.PyFileSystem)
    with place.filesystem.open_output_stream("a/b.parquet") as stream:
        pq.write_table(pa.table({"n": [1]}), stream)
    assert pq.read_table(tmp_path / "a" / "b.parquet").to_pylist() == [{"n": 1}]
