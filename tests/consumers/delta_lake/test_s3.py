"""The tests of `delta_lake` once more, against S3 over HTTP; and what only an object store has."""

import importlib.util
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
import uuid
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from deltalake import DeltaTable
from pyarrow import fs

from pixstream.columns.batch import EventBatch
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import DestinationError, PixstreamError, Transient
from pixstream.kafka.ports import TopicIdPartition
from pixstream.lake import append, maintenance, query
from pixstream.lake.location import Location
from pixstream.lake.table import LakeTable
from pixstream.testing import batch, event, partition
from tests.conftest import S3


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


class Lake:
    """The consumer over a prefix of its own; `open` starts it anew, as after a restart."""

    options: Mapping[str, str] = {}

    def __init__(self, place: str) -> None:
        self.place = place
        self.open()

    def open(self, **settings: Any) -> None:
        options = {**self.options, "max_retries": "1", **settings.pop("storage_options", {})}
        self.consumer = DeltaLake(
            type="delta_lake", uri=self.place, storage_options=options, **settings
        )

    def write(self, batch: EventBatch) -> None:
        self.consumer.write(batch, reject)

    def offsets(self, *partitions: TopicIdPartition) -> Mapping[TopicIdPartition, int]:
        return self.consumer.offsets(partitions, "cluster")

    def location(self, name: str = "pagamentos") -> Location:
        return Location(self.place, name, options=self.options)

    def rows(self, name: str = "pagamentos") -> list[dict[str, Any]]:
        place = self.location(name)
        table = DeltaTable(place.uri, storage_options=place.options)
        read = table.to_pyarrow_table(filesystem=place.filesystem)
        read = read.sort_by([("_partition", "ascending"), ("_offset", "ascending")])
        rows: list[dict[str, Any]] = read.to_pylist()
        return rows

    def stats(self, *names: str) -> tuple[float, ...]:
        return tuple(self.consumer.counts[name] for name in names)


@pytest.fixture
def lake(s3: S3) -> Iterator[Lake]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lake, "options", s3.options)
        yield Lake(f"s3://lake/{uuid.uuid4()}")


LOOK_AT_A_DISK = (
    "test_a_partition_never_seen_has_no_offset_and_asking_creates_nothing",
    "test_a_decision_is_one_commit_a_table_that_a_torn_log_check_accepts",
    "test_a_disk_that_fails_while_syncing_stops",
    "test_an_unreadable_data_file_stops",
    "test_writers_that_are_always_faster_make_it_wait",
    "test_a_file_in_place_of_the_directory_stops",
)


def on_s3(name: str) -> type:
    """The tests of a class of the local tests, but for those that look at the disk itself."""
    return type(name, (getattr(LOCAL, name),), dict.fromkeys(LOOK_AT_A_DISK))


def _local() -> Any:
    path = Path(__file__).with_name("test_consumer.py")
    spec = importlib.util.spec_from_file_location("delta_lake_on_s3", path)
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.Lake = Lake  # type: ignore[attr-defined]
    return module


LOCAL = _local()
TestOffsets = on_s3("TestOffsets")
TestDuplicates = on_s3("TestDuplicates")
TestFailures = on_s3("TestFailures")


class TestCommits:
    def test_every_log_entry_asks_to_be_the_first_of_its_name(self, lake: Lake, s3: S3) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        entries = [r for r in s3.requests() if r["method"] == "PUT" and ".json" in str(r["path"])]
        assert {request["if_none_match"] for request in entries} == {"*"}

    def test_a_commit_whose_answer_was_lost_is_refused_by_the_store_and_done_once(
        self, lake: Lake, s3: S3
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        s3.fail("PUT", r"_delta_log/\d+\.json$", when="after", times=1)
        lake.write(batch({partition(): (1, [event(1), event(2)])}))
        answers = [r["status"] for r in s3.requests() if r["if_none_match"]][-2:]
        assert answers == ["503", "412"], "sent again by the client, refused by the store"
        lake.open()
        assert lake.offsets(partition()) == {partition(): 3}
        assert [row["_offset"] for row in lake.rows()] == [0, 1, 2]

    @pytest.mark.parametrize("path", [r"\.parquet$", r"_delta_log/\d+\.json$"])
    @pytest.mark.parametrize("when", ["before", "after"])
    def test_a_store_that_fails_is_waited_for_and_then_each_row_comes_once(
        self,
        lake: Lake,
        s3: S3,
        path: str,
        when: str,
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        same = batch({partition(): (1, [event(1), event(2)])})
        s3.fail("PUT", path, when=when)
        if "json" not in path or when == "before":
            with pytest.raises(Transient):
                lake.write(same)
            assert [row["_offset"] for row in lake.rows()] == [0]
        s3.fail("PUT", path, times=0)
        lake.write(same)
        lake.write(same)
        assert [row["_offset"] for row in lake.rows()] == [0, 1, 2]

    def test_a_process_killed_between_rows_and_commit_leaves_nothing_that_counts(
        self, lake: Lake
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        code = """
            import os, signal
            from pixstream.lake.table import LakeTable
            LakeTable.commit = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
            lake.write(batch({partition(): (1, [event(1)])}), None)
        """
        assert child(lake, code).wait(60) == -signal.SIGKILL
        place = lake.location()
        table = DeltaTable(place.uri, storage_options=place.options)
        dead = table.vacuum(retention_hours=0, enforce_retention_duration=False, full=True)
        assert len(dead) == 1
        lake.open()
        assert lake.offsets(partition()) == {partition(): 1}
        lake.write(batch({partition(): (1, [event(1)])}))
        assert [row["_offset"] for row in lake.rows()] == [0, 1]

    def test_two_processes_on_one_table_lose_and_double_nothing(self, lake: Lake) -> None:
        code = """
            for commit in range(10):
                own = [event(1000 * number + 10 * commit + n) for n in range(1, 10)]
                shared = [event(9000 + commit)]
                lake.write(batch({partition(number): (commit * 10, own + shared)}), None)
        """
        writers = [child(lake, f"number = {n}\n{textwrap.dedent(code)}") for n in range(2)]
        assert [writer.wait(120) for writer in writers] == [0, 0]
        rows = lake.rows()
        assert len(rows) == 2 * 10 * 9 + 10
        assert max(Counter(row["event_id"] for row in rows).values()) == 1
        ends = {partition(0): 100, partition(1): 100}
        assert lake.offsets(partition(0), partition(1)) == ends

    def test_merge_checkpoint_and_sweep(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(maintenance, "ENOUGH", 3)
        monkeypatch.setattr(append, "_SWEEP_SECONDS", 0.0)
        lake.open(maintain_every=5)
        for n in range(5):
            lake.write(batch({partition(): (n, [event(n)])}))
        before = lake.rows()
        table = LakeTable(lake.location())
        assert len(table.live()) == 1
        assert "_last_checkpoint" in {
            info.base_name for info in listing(lake, "pagamentos/_delta_log")
        }
        table.handle.alter.set_table_properties(
            {"delta.deletedFileRetentionDuration": "interval 0 seconds"}
        )
        table.refresh()
        maintenance.sweep(table)
        assert len(listing(lake, "pagamentos/event_date=2026-11-20")) == 1
        lake.open()
        assert lake.rows() == before
        assert lake.offsets(partition()) == {partition(): 5}

    def test_a_recent_file_that_is_gone_is_named(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        (file,) = LakeTable(lake.location()).live()
        lake.location().filesystem.delete_file(file)
        lake.open()
        with pytest.raises(DestinationError, match=f"version 2: {file} is gone"):
            lake.offsets(partition())


def test_a_query_reads_the_table_with_the_consumers_own_options(lake: Lake) -> None:
    lake.write(batch({partition(): (0, [event(n) for n in range(3)])}))
    reader = query.select(lake.consumer.tables, "SELECT count(*) FROM pagamentos")
    assert list(query.rows(reader)) == [(3,)]
    with pytest.raises(PixstreamError, match=r"table estornos at s3://.* does not exist yet"):
        query.select(lake.consumer.tables, "SELECT count(*) FROM estornos")


class TestCheck:
    def test_an_empty_prefix_has_no_table_yet(self, lake: Lake) -> None:
        assert "pagamentos: no table yet" in lake.consumer.check()

    def test_a_table_is_counted(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        assert "pagamentos: 1 row" in lake.consumer.check()

    @pytest.mark.parametrize(
        ("method", "path"),
        [("PUT", "_pixstream_check_"), ("POST", "^/lake$")],
        ids=["put", "delete"],
    )
    def test_a_role_that_may_not_write(self, lake: Lake, s3: S3, method: str, path: str) -> None:
        s3.fail(method, path, status=403)
        with pytest.raises(DestinationError, match=r"write and delete there: .* lack the right"):
            lake.consumer.check()

    def test_it_leaves_nothing_behind(self, lake: Lake) -> None:
        lake.consumer.check()
        place = lake.location()
        found = place.filesystem.get_file_info(
            fs.FileSelector("", allow_not_found=True, recursive=True)
        )
        assert list(found) == []

    def test_a_bucket_that_is_not_there(self, lake: Lake) -> None:
        lake.place = f"s3://{uuid.uuid4()}/lake"
        lake.open()
        with pytest.raises(DestinationError, match="bucket or container does not exist"):
            lake.consumer.check()

    @pytest.mark.parametrize(
        ("options", "kind", "words"),
        [
            ({"AWS_ENDPOINT_URL": "http://127.0.0.1:9"}, Transient, "no answer; check"),
            ({"AWS_ALLOW_HTTP": "false"}, DestinationError, "needs aws_allow_http"),
            ({"timeout": "soon"}, DestinationError, "storage_options are wrong"),
        ],
    )
    def test_settings_that_cannot_work(
        self, lake: Lake, options: dict[str, str], kind: type[Exception], words: str
    ) -> None:
        lake.open(storage_options=options)
        with pytest.raises(kind, match=words) as caught:
            lake.consumer.check()
        assert "test-secret" not in str(caught.value)
        assert "test-key" not in str(caught.value)

    def test_a_store_that_nobody_knows(self, lake: Lake) -> None:
        lake.place = "s4://lake/x"
        lake.open()
        with pytest.raises(DestinationError, match="names an unknown kind of store"):
            lake.consumer.check()

    def test_conditional_put_must_stay_on(self, lake: Lake) -> None:
        lake.open(storage_options={"conditional_put": "disabled"})
        with pytest.raises(DestinationError, match="conditional_put must stay on"):
            lake.write(batch({partition(): (0, [event(0)])}))

    def test_credentials_that_the_store_refuses(self, own_s3: S3) -> None:
        httpx2.post(f"{own_s3.url}/moto-api/reset-auth", content=b"0").raise_for_status()
        consumer = DeltaLake(
            type="delta_lake", uri="s3://lake/x", storage_options=dict(own_s3.options)
        )
        with pytest.raises(DestinationError, match="refuses these credentials") as caught:
            consumer.check()
        with pytest.raises(DestinationError, match="refuses these credentials"):
            consumer.write(batch({partition(): (0, [event(0)])}), reject)
        assert "test-secret" not in str(caught.value)
        assert "test-key" not in str(caught.value)

    def test_a_store_that_hangs_stops_no_other_thread(self, own_s3: S3) -> None:
        options = {**own_s3.options, "timeout": "2s", "max_retries": "0"}
        consumer = DeltaLake(type="delta_lake", uri="s3://lake/x", storage_options=options)
        consumer.write(batch({partition(): (0, [event(0)])}), reject)
        os.kill(own_s3.pid, signal.SIGSTOP)
        gaps = Gaps()
        try:
            for action in (
                lambda: consumer.write(batch({partition(): (1, [event(1)])}), reject),
                lambda: consumer.offsets([partition()], "cluster"),
                lambda: Location("s3://lake", "x", options=options).filesystem.get_file_info("y"),
            ):
                with pytest.raises((Transient, OSError)):
                    action()
            longest = gaps.stop()
        finally:
            os.kill(own_s3.pid, signal.SIGCONT)
        assert longest < 1.5, "the interpreter was held while the store did not answer"


class Gaps:
    """How long, at most, no other thread came to its turn."""

    def __init__(self) -> None:
        self._end = threading.Event()
        self._longest = 0.0
        self._thread = threading.Thread(target=self._tick, daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        last = time.monotonic()
        while not self._end.wait(0.02):
            now = time.monotonic()
            self._longest, last = max(self._longest, now - last), now

    def stop(self) -> float:
        self._end.set()
        self._thread.join()
        return self._longest


def listing(lake: Lake, under: str) -> Sequence[Any]:
    place = Location(lake.place, under, options=lake.options)
    found: Sequence[Any] = place.filesystem.get_file_info(fs.FileSelector("", recursive=True))
    return [info for info in found if info.is_file]


def child(lake: Lake, code: str) -> subprocess.Popen[bytes]:
    """A process with a consumer of its own on the same tables."""
    start = f"""
import sys
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.testing import batch, event, partition
lake = DeltaLake(
    type="delta_lake", uri={lake.place!r}, storage_options={dict(lake.options)!r}, maintain_every=8
)
"""
    return subprocess.Popen([sys.executable, "-c", start + textwrap.dedent(code)])
