import datetime as dt
import errno
import subprocess
import sys
import textwrap
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pixstream.columns.batch import EventBatch
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import ClusterChangedError, DestinationError, TopicChangedError, Transient
from pixstream.event.categories import Category
from pixstream.kafka.ports import TopicIdPartition
from pixstream.lab.demo import tables
from pixstream.lake import append
from pixstream.lake.log import durability, verification
from pixstream.lake.table import LakeTable
from pixstream.testing import batch, event, partition


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


class Lake:
    """The consumer over one directory; `open` starts it anew, as after a restart."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.open()

    def open(self, **settings: Any) -> None:
        self.consumer = DeltaLake(type="delta_lake", uri=str(self.place), **settings)

    def write(self, batch: EventBatch) -> None:
        self.consumer.write(batch, reject)

    def offsets(self, *partitions: TopicIdPartition) -> Mapping[TopicIdPartition, int]:
        return self.consumer.offsets(partitions, "cluster")

    def rows(self, name: str = "pagamentos") -> list[dict[str, Any]]:
        table = tables.read(self.place / name)
        assert table is not None
        table = table.sort_by([("_partition", "ascending"), ("_offset", "ascending")])
        rows: list[dict[str, Any]] = table.to_pylist()
        return rows

    def stats(self, *names: str) -> tuple[float, ...]:
        return tuple(self.consumer.counts[name] for name in names)


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake")


class TestOffsets:
    def test_written_twice_is_written_once(self, lake: Lake) -> None:
        same = batch({partition(): (0, [event(n) for n in range(5)])})
        lake.write(same)
        lake.write(same)
        lake.open()
        lake.write(same)
        assert [row["_offset"] for row in lake.rows()] == [0, 1, 2, 3, 4]
        assert lake.offsets(partition()) == {partition(): 5}

    def test_a_batch_that_overlaps_gives_only_its_new_part(self, lake: Lake) -> None:
        events = [event(n) for n in range(8)]
        lake.write(batch({partition(): (0, events[:5])}))
        lake.write(batch({partition(): (2, events[2:])}))
        assert [row["_offset"] for row in lake.rows()] == list(range(8))
        assert lake.stats("written", "deduplicated", "replayed") == (8, 0, 3)

    def test_a_lower_offset_is_never_accepted(self, lake: Lake) -> None:
        lake.write(batch({partition(): (100, [event(n) for n in range(5)])}))
        lake.write(batch({partition(): (10, [event(n) for n in range(5, 9)])}))
        assert lake.offsets(partition()) == {partition(): 105}
        assert len(lake.rows()) == 5

    def test_one_partition_behind_does_not_hold_back_another(self, lake: Lake) -> None:
        lake.write(batch({partition(0): (0, [event(0)]), partition(1): (50, [event(1)])}))
        lake.write(batch({partition(0): (0, [event(0), event(2)]), partition(1): (9, [event(3)])}))
        assert lake.offsets(partition(0), partition(1)) == {partition(0): 2, partition(1): 51}
        assert [(r["_partition"], r["_offset"]) for r in lake.rows()] == [(0, 0), (0, 1), (1, 50)]

    def test_a_batch_of_poison_alone_advances(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [])}, {partition(): 17}))
        lake.open()
        assert lake.offsets(partition()) == {partition(): 17}
        assert lake.rows() == []

    def test_the_offset_past_a_transaction_marker_counts(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0)])}, {partition(): 2}))
        assert lake.offsets(partition()) == {partition(): 2}

    def test_a_partition_never_seen_has_no_offset_and_asking_creates_nothing(
        self, lake: Lake
    ) -> None:
        assert lake.offsets(partition(0), partition(1)) == {}
        assert not lake.place.exists()
        lake.write(batch({partition(): (0, [])}))
        assert DeltaTable.is_deltatable(str(lake.place / "pagamentos"))
        assert lake.offsets(partition(0), partition(1)) == {partition(0): 0}

    def test_consumers_have_their_own(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        lake.consumer.name = "second"
        assert lake.offsets(partition()) == {}
        assert lake.consumer.offsets([partition()], "another") == {}

    def test_another_cluster_stops_until_a_person_takes_it_over(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0), event(1)])}))
        lake.open()
        there = partition(topic_id="id-2")
        again = batch({there: (0, [event(1), event(2)])})._replace(cluster_id="another")
        with pytest.raises(ClusterChangedError, match="offsets set … --new-topic"):
            lake.consumer.offsets([there], "another")
        with pytest.raises(ClusterChangedError):
            lake.write(again)
        lake.consumer.set_offsets({there: 0}, "another")
        assert lake.consumer.offsets([there], "another") == {there: 0}
        lake.write(again)
        assert len(lake.rows()) == 3
        assert lake.offsets(partition()) == {partition(): 2}

    def test_offsets_of_another_process_are_seen(self, lake: Lake) -> None:
        assert lake.offsets(partition()) == {}
        Lake(lake.place).write(batch({partition(): (0, [event(0)])}))
        assert lake.offsets(partition()) == {partition(): 1}

    def test_a_recreated_topic_stops_with_an_instruction(self, lake: Lake) -> None:
        assert lake.offsets(partition()) == {}
        lake.write(batch({partition(): (0, [event(0)])}))
        lake.open()
        again = partition(topic_id="id-2")
        with pytest.raises(TopicChangedError, match="offsets set … --new-topic"):
            lake.offsets(again)
        lake.consumer.name = "lake_2"
        assert lake.offsets(again) == {}
        lake.write(batch({again: (0, [event(0), event(1)])}))
        assert [row["revision"] for row in lake.rows()] == [0, 0]

    def test_offsets_that_a_person_decided_go_back_too_and_rows_read_again_add_nothing(
        self, lake: Lake
    ) -> None:
        events = [event(n) for n in range(6)]
        lake.write(batch({partition(0): (0, events[:4]), partition(1): (0, events[4:])}))
        lake.consumer.set_offsets({partition(0): 1}, "cluster")
        assert lake.offsets(partition(0), partition(1)) == {partition(0): 1, partition(1): 2}
        lake.open()
        assert lake.offsets(partition(0), partition(1)) == {partition(0): 1, partition(1): 2}
        lake.write(batch({partition(0): (1, events[1:4])}))
        assert lake.stats("written", "deduplicated", "replayed") == (0, 3, 0)
        assert len(lake.rows()) == 6
        assert lake.offsets(partition(0)) == {partition(0): 4}

    def test_a_batch_that_was_read_beyond_a_decision_is_refused(self, lake: Lake) -> None:
        events = [event(n) for n in range(20)]
        lake.write(batch({partition(): (0, events[:10])}))
        lake.consumer.set_offsets({partition(): 5}, "cluster")
        late = batch({partition(): (10, events[10:])})
        with pytest.raises(DestinationError, match="expects offset 5 of partition 0"):
            lake.write(late._replace(begins={partition(): 10}))
        assert lake.offsets(partition()) == {partition(): 5}
        assert len(lake.rows()) == 10
        lake.write(batch({partition(): (5, events[5:])})._replace(begins={partition(): 5}))
        assert len(lake.rows()) == 20

    def test_a_batch_may_begin_before_what_the_table_knows_or_where_it_knows_nothing(
        self, lake: Lake
    ) -> None:
        events = [event(n) for n in range(8)]
        first = batch({partition(): (30, events[:4])})
        lake.write(first._replace(begins={partition(): 30}))
        lake.write(batch({partition(): (32, events[2:])})._replace(begins={partition(): 32}))
        assert lake.offsets(partition()) == {partition(): 38}
        assert len(lake.rows()) == 8

    def test_a_decision_is_one_commit_a_table_that_a_torn_log_check_accepts(
        self, lake: Lake
    ) -> None:
        lake.write(batch({partition(n): (0, [event(n)]) for n in range(3)}))
        version = LakeTable(lake.consumer._location("pagamentos")).version
        again = {partition(n, topic_id="id-2"): 7 for n in range(3)}
        lake.consumer.set_offsets(again, "cluster")
        lake.open()
        assert lake.consumer.offsets([*again], "cluster") == again
        table = LakeTable(lake.consumer._location("pagamentos"))
        assert table.version == version + 1
        assert not list(lake.place.rglob("*.torn"))
        table.checkpoint()
        assert Lake(lake.place).consumer.offsets([*again], "cluster") == again

    def test_a_recreated_topic_that_a_person_took_over_goes_on_without_doubling(
        self, lake: Lake
    ) -> None:
        lake.write(batch({partition(): (0, [event(0), event(1)])}))
        again = partition(topic_id="id-2")
        lake.consumer.set_offsets({again: 0}, "cluster")
        lake.write(batch({again: (0, [event(1), event(2)])}))
        assert len(lake.rows()) == 3
        with pytest.raises(TopicChangedError):
            lake.write(batch({partition(): (2, [event(3)])}))

    def test_a_decision_for_a_table_that_is_not_there_creates_it(self, lake: Lake) -> None:
        lake.consumer.set_offsets({partition(): 5}, "cluster")
        lake.open()
        assert lake.offsets(partition()) == {partition(): 5}

    def test_a_decision_that_a_faster_writer_beat_is_not_taken(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        monkeypatch.setattr(LakeTable, "refresh", lambda table: table.version)
        other = Lake(lake.place)
        other.offsets(partition())
        lake.write(batch({partition(): (1, [event(1)])}))
        monkeypatch.undo()
        stale = other.consumer._table("pix.pagamentos")
        monkeypatch.setattr(stale, "refresh", lambda: stale.version)
        with pytest.raises(Transient, match="cannot commit"):
            other.consumer.set_offsets({partition(): 0}, "cluster")
        assert Lake(lake.place).offsets(partition()) == {partition(): 2}

    def test_a_write_without_offsets_asked_before_is_tied_to_its_topic_too(
        self, lake: Lake
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        lake.open()
        with pytest.raises(TopicChangedError):
            lake.write(batch({partition(topic_id="id-2"): (0, [event(1)])}))
        assert len(lake.rows()) == 1

    def test_rows_without_their_next_offset_are_a_fault(self, lake: Lake) -> None:
        whole = batch({partition(0): (0, [event(0)]), partition(1): (0, [event(1)])})
        ends = {partition(1): 1}
        with pytest.raises(DestinationError, match="not the offsets they end at"):
            lake.write(whole._replace(next_offsets=ends))
        assert lake.rows() == []


class TestTables:
    def test_each_topic_has_its_table(self, lake: Lake) -> None:
        returns = partition(0, "pix.estornos")
        refund = event(1, category=Category.ESTORNO)
        lake.write(batch({partition(): (0, [event(0)]), returns: (5, [refund])}))
        assert [row["category"] for row in lake.rows()] == ["pagamento"]
        assert [row["category"] for row in lake.rows("estornos")] == ["estorno"]
        assert lake.offsets(partition(), returns) == {partition(): 1, returns: 6}
        assert lake.stats("written") == (2,)

    def test_columns_are_typed_and_whole(self, lake: Lake) -> None:
        night = dt.datetime(2026, 11, 20, 23, 30, tzinfo=dt.timezone(dt.timedelta(hours=-3)))
        lake.write(batch({partition(2): (7, [event(0, time=night, extra={"a": "b"})])}))
        table = tables.read(lake.place / "pagamentos")
        assert table is not None
        assert table.schema.field("amount_centavos").type == pa.int64()
        assert table.schema.field("event_time").type == pa.timestamp("us", tz="UTC")
        assert table.schema.field("event_date").type == pa.date32()
        (row,) = table.to_pylist()
        assert row["amount_centavos"] == 1234
        assert row["event_time"] == night
        assert row["event_date"] == dt.date(2026, 11, 21)
        assert row["payer"]["ispb"] == "12345678"
        assert row["extra"] == [("a", "b")]
        assert (row["_topic"], row["_partition"], row["_offset"]) == ("pix.pagamentos", 2, 7)

    def test_a_topic_of_no_category_has_no_table(self, lake: Lake) -> None:
        with pytest.raises(DestinationError, match="not a topic of events"):
            lake.write(batch({}, {partition(0, "pix.dlq"): 3}))

    def test_check_opens_what_is_there_and_creates_nothing(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0), event(1)])}))
        others = [category.plural for category in Category if category != Category.PAGAMENTO]
        told = ["pagamentos: 2 rows", *(f"{name}: no table yet" for name in others)]
        assert lake.consumer.check() == ", ".join(told)
        assert not (lake.place / "estornos").exists()

    def test_maintenance_comes_by_itself(self, lake: Lake) -> None:
        lake.open(maintain_every=10)
        for n in range(25):
            lake.write(batch({partition(): (n, [event(n)])}))
        lake.write(batch({partition(): (25, [event(n) for n in range(26)])}))
        assert len(lake.rows()) == 26
        assert lake.stats("written", "deduplicated") == (26, 25)
        assert len(DeltaTable(lake.place / "pagamentos").file_uris()) < 10
        assert (lake.place / "pagamentos" / "_delta_log" / "_last_checkpoint").exists()


class TestDuplicates:
    def test_within_a_batch(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0), event(1), event(0), event(0)])}))
        assert [row["_offset"] for row in lake.rows()] == [0, 1]
        assert lake.stats("written", "deduplicated", "revisions") == (2, 2, 0)

    @pytest.mark.parametrize("restarted", [False, True])
    def test_across_batches_and_partitions(
        self,
        lake: Lake,
        *,
        restarted: bool,
    ) -> None:
        lake.write(batch({partition(0): (0, [event(0), event(1)])}))
        if restarted:
            lake.open()
        lake.write(batch({partition(0): (2, [event(0)]), partition(1): (0, [event(1), event(2)])}))
        assert [(r["_partition"], r["_offset"]) for r in lake.rows()] == [(0, 0), (0, 1), (1, 1)]
        assert lake.stats("deduplicated") == (2,)
        assert lake.offsets(partition(0), partition(1)) == {partition(0): 3, partition(1): 2}

    def test_older_than_what_memory_holds(self, lake: Lake) -> None:
        lake.open(known_ids=20)
        days = [dt.datetime(2026, 11, d, 12, tzinfo=dt.UTC) for d in range(1, 9)]
        events = [[event(n, time=day) for n in range(8)] for day in days]
        offset = 0
        for some in events:
            lake.write(batch({partition(): (offset, some)}))
            offset += 8
        lake.write(batch({partition(): (offset, [*events[0], event(99, time=days[0])])}))
        assert len(lake.rows()) == 65
        assert lake.stats("written", "deduplicated") == (65, 8)

    def test_a_revision_is_kept_and_numbered(self, lake: Lake) -> None:
        first, second = event(0), event(0, txid="T1", source="bank_api")
        lake.write(batch({partition(): (0, [first])}))
        lake.write(batch({partition(): (1, [second, first, second])}))
        lake.open()
        lake.write(batch({partition(): (4, [event(0, reason="AB03"), second])}))
        rows = lake.rows()
        assert [(row["_offset"], row["revision"]) for row in rows] == [(0, 0), (1, 1), (4, 2)]
        assert [row["txid"] for row in rows] == [None, "T1", None]
        assert len({row["event_id"] for row in rows}) == 1
        assert lake.stats("written", "revisions", "deduplicated") == (1, 1, 1)

    def test_nothing_but_duplicates_still_advances(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        lake.write(batch({partition(): (1, [event(0)])}))
        lake.open()
        assert lake.offsets(partition()) == {partition(): 2}
        assert len(lake.rows()) == 1


class TestFailures:
    def test_a_commit_that_happened_but_raised_is_done(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        commit = LakeTable.commit

        def lost_answer(self: LakeTable, *arguments: Any) -> None:
            commit(self, *arguments)
            raise DeltaError("no answer")

        monkeypatch.setattr(LakeTable, "commit", lost_answer)
        lake.write(batch({partition(): (0, [event(0), event(1), event(0)])}))
        monkeypatch.undo()
        assert len(lake.rows()) == 2
        assert lake.stats("written", "deduplicated") == (2, 1)
        lake.write(batch({partition(): (3, [event(1), event(2)])}))
        assert len(lake.rows()) == 3

    def test_a_commit_that_did_not_happen_is_tried_again_by_the_framework(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.offsets(partition())
        same = batch({partition(): (0, [event(0)])})

        def refused(*_: Any) -> None:
            raise DeltaError("secret")

        monkeypatch.setattr(LakeTable, "commit", refused)
        with pytest.raises(Transient, match="cannot commit") as caught:
            lake.write(same)
        assert "secret" not in str(caught.value)
        assert lake.stats("written") == (0,)
        monkeypatch.undo()
        lake.write(same)
        assert len(lake.rows()) == 1
        assert lake.stats("written") == (1,)

    def test_an_unknown_fault_goes_up_as_it_is(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        def fault(*_: Any) -> None:
            raise TypeError("a fault of the program")

        monkeypatch.setattr(LakeTable, "commit", fault)
        with pytest.raises(TypeError):
            lake.write(batch({partition(): (0, [event(0)])}))

    def test_a_full_disk_is_waited_for(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        same = batch({partition(): (0, [event(0)])})

        def full(*_: Any, **__: Any) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        with monkeypatch.context() as patch:
            patch.setattr(pq, "write_table", full)
            with pytest.raises(Transient, match=r"disk is full.*ENOSPC"):
                lake.write(same)
        lake.write(same)
        assert len(lake.rows()) == 1

    def test_a_disk_that_fails_while_syncing_stops(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.offsets(partition())

        def broken(*_: Any) -> None:
            raise OSError(errno.EIO, "Input/output error")

        monkeypatch.setattr(durability, "sync", broken)
        with pytest.raises(DestinationError, match="disk failed"):
            lake.write(batch({partition(): (0, [event(0)])}))

    def test_an_unreadable_data_file_stops(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.write(batch({partition(): (0, [event(0)])}))
        (file,) = (lake.place / "pagamentos").glob("event_date=*/*.parquet")
        file.write_bytes(b"PAR1 nonsense")
        lake.open()
        with pytest.raises(DestinationError, match="has 13 bytes, where the log says"):
            lake.offsets(partition())
        monkeypatch.setattr(verification, "RECENT", 0)  # as if it were an old file
        with pytest.raises(DestinationError, match="cannot be read"):
            lake.write(batch({partition(): (1, [event(0)])}))

    def test_another_writer_in_between_makes_a_new_plan(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        other = Lake(lake.place)
        lake.offsets(partition(0))
        commit = LakeTable.commit

        def others_first(self: LakeTable, *arguments: Any) -> None:
            monkeypatch.setattr(LakeTable, "commit", commit)
            other.write(batch({partition(1): (0, [event(0), event(1)])}))
            commit(self, *arguments)

        monkeypatch.setattr(LakeTable, "commit", others_first)
        lake.write(batch({partition(0): (0, [event(0), event(2)])}))
        assert [(r["_partition"], r["_offset"]) for r in lake.rows()] == [(0, 1), (1, 0), (1, 1)]
        assert lake.stats("written", "deduplicated") == (1, 1)

    def test_a_zombie_with_the_same_partition_writes_nothing_twice(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        owner = Lake(lake.place)
        lake.offsets(partition())
        events = [event(n) for n in range(6)]
        commit = LakeTable.commit

        def owner_first(self: LakeTable, *arguments: Any) -> None:
            monkeypatch.setattr(LakeTable, "commit", commit)
            owner.write(batch({partition(): (0, events)}))
            commit(self, *arguments)

        monkeypatch.setattr(LakeTable, "commit", owner_first)
        lake.write(batch({partition(): (0, events[:4])}))
        assert [row["_offset"] for row in lake.rows()] == list(range(6))
        assert lake.offsets(partition()) == {partition(): 6}
        assert lake.stats("written") == (0,)

    def test_writers_that_are_always_faster_make_it_wait(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.write(batch({partition(): (0, [])}))
        other = LakeTable(lake.consumer._tables["pagamentos"].location)
        monkeypatch.setattr(append, "_TRIES", 3)
        commit = LakeTable.commit

        def always_late(self: LakeTable, *arguments: Any) -> None:
            other.refresh()
            commit(other, [], {})
            commit(self, *arguments)

        monkeypatch.setattr(LakeTable, "commit", always_late)
        with pytest.raises(Transient, match="other writers 3 times"):
            lake.write(batch({partition(): (0, [event(0)])}))
        assert len(list((lake.place / "pagamentos").glob("event_date=*/*.parquet"))) == 1

    def test_a_file_in_place_of_the_directory_stops(self, tmp_path: Path) -> None:
        (tmp_path / "lake").write_text("in the way")
        consumer = DeltaLake(type="delta_lake", uri=str(tmp_path / "lake"))
        with pytest.raises(DestinationError, match="not a directory"):
            consumer.check()


class TestPowerCut:
    def test_rows_reach_the_disk_before_the_log_and_the_log_before_the_return(
        self,
        lake: Lake,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        lake.write(batch({partition(): (0, [])}))
        steps: list[str] = []
        commit = DeltaTable.create_write_transaction

        def committing(self: DeltaTable, *arguments: Any, **options: Any) -> None:
            steps.append("commit")
            commit(self, *arguments, **options)

        monkeypatch.setattr(DeltaTable, "create_write_transaction", committing)
        monkeypatch.setattr(durability, "sync", lambda paths: steps.extend(p.name for p in paths))
        lake.write(batch({partition(): (0, [event(0), event(1)])}))
        (file,) = (lake.place / "pagamentos").glob("event_date=*/*.parquet")
        entry = max((lake.place / "pagamentos" / "_delta_log").glob("*.json"))
        assert steps == [
            *(file.name, file.parent.name, "pagamentos", "commit"),
            *(entry.name, "_delta_log", "pagamentos"),
        ]

    def test_a_lost_newest_entry_is_read_again_from_kafka(self, lake: Lake) -> None:
        lake.write(batch({partition(): (0, [event(0), event(1)])}))
        second = batch({partition(): (2, [event(2)])})
        lake.write(second)
        entry = max((lake.place / "pagamentos" / "_delta_log").glob("*.json"))
        entry.write_bytes(b"")
        lake.open()
        assert lake.offsets(partition()) == {partition(): 2}
        lake.write(second)
        assert [row["_offset"] for row in lake.rows()] == [0, 1, 2]


WRITER = """
    import sys
    from pixstream.consumers.delta_lake.consumer import DeltaLake
    from pixstream.testing import batch, event, partition

    number = int(sys.argv[2])
    lake = DeltaLake(type="delta_lake", uri=sys.argv[1], maintain_every=8)
    mine = partition(number)
    assert lake.offsets([mine], "cluster") == {}
    for commit in range(20):
        own = [event(1000 * number + 10 * commit + n) for n in range(1, 10)]
        shared = [event(9000 + commit)]
        lake.write(batch({mine: (commit * 10, own + shared)}), None)
    print(lake.counts)
"""


def test_two_processes_on_one_table_lose_and_double_nothing(lake: Lake) -> None:
    code = textwrap.dedent(WRITER)
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(lake.place), str(number)],
            stdout=subprocess.PIPE,
            text=True,
        )
        for number in range(2)
    ]
    told = [writer.communicate(timeout=120)[0] for writer in writers]
    assert [writer.returncode for writer in writers] == [0, 0], told
    rows = lake.rows()
    assert len(rows) == 2 * 20 * 9 + 20
    assert max(Counter(row["event_id"] for row in rows).values()) == 1
    ends = {partition(0): 200, partition(1): 200}
    assert lake.offsets(partition(0), partition(1)) == ends
