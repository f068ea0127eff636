"""Tables that gain columns while they are written to, and tables that a newer version widened."""

import errno
import json
import threading
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, QueryBuilder
from deltalake import Field as DeltaField
from deltalake.exceptions import DeltaError
from deltalake.schema import PrimitiveType

from pixstream.columns.batch import EventBatch
from pixstream.columns.decoding import decode
from pixstream.columns.schema import EVENT_SCHEMA
from pixstream.columns.shapes import beyond
from pixstream.consumers.console.consumer import Console
from pixstream.consumers.delta_lake.consumer import DeltaLake
from pixstream.errors import DestinationError, Transient
from pixstream.event.model import SCHEMA_VERSION, PixEvent, encode
from pixstream.kafka.ports import Record, TopicIdPartition
from pixstream.lab.demo import tables
from pixstream.lake import maintenance
from pixstream.lake.location import Location
from pixstream.lake.log import entries
from pixstream.lake.table import LakeTable
from pixstream.plugins.consumer import HasColumns
from pixstream.testing import event, partition


def reject(rows: Sequence[int], reason: str) -> None:
    raise AssertionError(f"{reason}: {rows}")


def told_newer(event: PixEvent, **new: Any) -> bytes:
    """The event as the next version tells it; `payer` and `payee` add to theirs."""
    document = json.loads(encode(event))
    for side in ("payer", "payee"):
        document[side] |= new.pop(side, {})
    return json.dumps(document | new | {"schema_version": SCHEMA_VERSION + 1}).encode()


class Lake:
    """The consumer over one directory, fed with the values of records."""

    def __init__(self, place: Path, where: TopicIdPartition) -> None:
        self.place, self.where = place, where
        self.open()

    def open(self) -> None:
        self.consumer = DeltaLake(type="delta_lake", uri=str(self.place), fsync=False)

    def batch(self, first: int, values: Sequence[bytes], topic: str = "") -> EventBatch:
        where = self.where._replace(topic=topic) if topic else self.where
        records = [
            Record(where.topic, where.partition, first + n, 1_700_000_000_000, None, value, ())
            for n, value in enumerate(values)
        ]
        decoded = decode(records, seal_extra=seal, columns=self.consumer.columns)
        assert not decoded.bad
        return EventBatch(decoded.table, {where: first + len(values)}, "cluster")

    def write(self, first: int, values: Sequence[bytes], topic: str = "") -> None:
        self.consumer.write(self.batch(first, values, topic), reject)

    def rows(self, name: str = "pagamentos") -> list[dict[str, Any]]:
        table = tables.read(self.place / name)
        assert table is not None
        rows: list[dict[str, Any]] = table.sort_by("_offset").to_pylist()
        return rows

    def delta(self, name: str = "pagamentos") -> DeltaTable:
        return DeltaTable(self.place / name)

    def columns(self, name: str = "pagamentos") -> dict[str, pa.DataType]:
        return beyond(pa.schema(self.delta(name).schema().to_arrow()))


def seal(unknown: Mapping[str, Any], event_id: str) -> dict[str, str]:
    del event_id
    return {"sealed": json.dumps(unknown)}


@pytest.fixture
def lake(tmp_path: Path) -> Lake:
    return Lake(tmp_path / "lake", partition())


class TestAColumnAppears:
    def test_without_a_restart_and_older_rows_are_null(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        lake.write(1, [told_newer(event(1), novelty="a", payer={"nick": 7}), encode(event(2))])
        lake.write(3, [encode(event(3)), told_newer(event(4), novelty="b")])
        assert [row["novelty"] for row in lake.rows()] == [None, "a", None, None, "b"]
        assert [row["payer"]["nick"] for row in lake.rows()] == [None, 7, None, None, None]
        assert lake.columns() == {"novelty": pa.string(), "payer.nick": pa.int64()}
        assert lake.consumer.columns() == lake.columns()
        lake.open()
        lake.write(5, [encode(event(5))])
        assert [row["_offset"] for row in lake.rows()] == [0, 1, 2, 3, 4, 5]

    def test_to_every_reader(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        lake.write(1, [told_newer(event(1), novelty=True, payee={"nick": "n"})])
        query = "select _offset, novelty, payee['nick'] as nick from t order by _offset"
        found = QueryBuilder().register("t", lake.delta()).execute(query).read_all()
        assert pa.table(found).to_pylist() == [
            {"_offset": 0, "novelty": None, "nick": None},
            {"_offset": 1, "novelty": True, "nick": "n"},
        ]
        (row,) = (
            lake.delta()
            .to_pyarrow_dataset()
            .filter(pa.dataset.field("novelty"))
            .to_table()
            .to_pylist()
        )
        assert row["payee"]["nick"] == "n"

    def test_the_first_batch_of_a_new_table_may_have_it(self, lake: Lake) -> None:
        lake.write(0, [told_newer(event(0), novelty=1)])
        assert [row["novelty"] for row in lake.rows()] == [1]
        comment = lake.delta().schema().to_arrow().field("payer").metadata[b"comment"]
        assert comment == b"who sends the money in this event"

    def test_what_the_table_says_of_its_columns_stays(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        before = pa.schema(lake.delta().schema().to_arrow())
        lake.write(1, [told_newer(event(1), payer={"nick": "n"})])
        after = pa.schema(lake.delta().schema().to_arrow())
        place = before.get_field_index("payer")
        assert after.remove(place).equals(before.remove(place), check_metadata=True)
        assert after.field("payer").metadata == before.field("payer").metadata
        assert not after.field("payer").nullable
        assert list(after.field("payer").type)[:-1] == list(before.field("payer").type)
        metadata = lake.delta().metadata()
        assert metadata.partition_columns == ["event_date"]
        assert any(name.startswith("pixstream.topic_id/") for name in metadata.configuration)

    def test_only_where_it_has_a_value(self, lake: Lake) -> None:
        returns = "pix.estornos"
        some = lake.batch(0, [told_newer(event(0), novelty=1), encode(event(1))])
        other = lake.batch(0, [encode(event(2))], returns)
        both = pa.concat_tables([some.table, other.table], promote_options="default")
        offsets = {**some.next_offsets, **other.next_offsets}
        lake.consumer.write(EventBatch(both, offsets, "cluster"), reject)
        assert lake.columns() == {"novelty": pa.int64()}
        assert lake.columns("estornos") == {}
        assert len(lake.rows("estornos")) == 1

    def test_of_the_type_that_another_table_gave_it(self, lake: Lake) -> None:
        lake.write(0, [told_newer(event(0), novelty=1)])
        lake.write(0, [told_newer(event(1), novelty="text")], "pix.estornos")
        assert lake.columns("estornos") == {}
        (row,) = lake.rows("estornos")
        assert dict(row["extra"]) == {"sealed": '{"novelty": "text"}'}
        assert "unknown_field" in row["flags"]

    def test_not_where_tables_disagree(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        lake.write(0, [encode(event(1))], "pix.estornos")
        for name, kind in (("pagamentos", "string"), ("estornos", "long")):
            lake.delta(name).alter.add_columns([DeltaField("novelty", PrimitiveType(kind))])
        assert lake.consumer.columns() == {"novelty": pa.null()}
        lake.write(1, [told_newer(event(2), novelty="text")])
        assert dict(lake.rows()[1]["extra"]) == {"sealed": '{"novelty": "text"}'}

    def test_its_commit_counts_its_actions(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        lake.write(1, [told_newer(event(1), novelty=1, payer={"nick": "n"})])
        log = sorted((lake.place / "pagamentos" / "_delta_log").glob("*.json"))
        assert b"ADD COLUMN" in log[-2].read_bytes()
        assert all(entries.parse(path.read_bytes()) is not None for path in log)
        assert len(log[-2].read_bytes().splitlines()) == 2

    def test_the_console_shows_such_events(
        self, lake: Lake, capsys: pytest.CaptureFixture[str]
    ) -> None:
        batch = lake.batch(0, [told_newer(event(0), novelty="secret", payer={"nick": "secret"})])
        console = Console(type="console")
        assert not isinstance(console, HasColumns)
        console.write(batch, reject)
        shown = capsys.readouterr().out
        assert "R$ 12,34" in shown
        assert "secret" not in shown


class TestExactlyOnce:
    def test_a_crash_between_the_two_commits(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lake.write(0, [encode(event(0))])

        def killed(*_: Any) -> None:
            raise KeyboardInterrupt

        monkeypatch.setattr(LakeTable, "commit", killed)
        with pytest.raises(KeyboardInterrupt):
            lake.write(1, [told_newer(event(1), novelty="a")])
        monkeypatch.undo()
        assert lake.columns() == {"novelty": pa.string()}
        lake.open()
        assert lake.consumer.offsets([lake.where], "cluster") == {lake.where: 1}
        version = lake.delta().version()
        lake.write(1, [told_newer(event(1), novelty="a")])
        assert [row["novelty"] for row in lake.rows()] == [None, "a"]
        assert lake.delta().version() == version + 1

    def test_the_same_batch_again(self, lake: Lake) -> None:
        values = [told_newer(event(0), novelty="a"), encode(event(1))]
        lake.write(0, values)
        version = lake.delta().version()
        lake.write(0, values)
        lake.open()
        lake.write(0, values)
        assert (len(lake.rows()), lake.delta().version()) == (2, version)

    @pytest.mark.parametrize("done", [True, False])
    def test_an_error_of_the_first_commit(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch, *, done: bool
    ) -> None:
        lake.write(0, [encode(event(0))])
        alterer = type(lake.delta().alter)
        add_columns = alterer.add_columns

        def fails(*arguments: Any, **options: Any) -> None:
            if done:
                add_columns(*arguments, **options)
            raise DeltaError(f"no answer (os error {errno.ENOSPC})")

        monkeypatch.setattr(alterer, "add_columns", fails)
        if done:
            lake.write(1, [told_newer(event(1), novelty="a")])
        else:
            with pytest.raises(Transient, match="the disk is full"):
                lake.write(1, [told_newer(event(1), novelty="a")])
            monkeypatch.undo()
            assert lake.columns() == {}
            lake.write(1, [told_newer(event(1), novelty="a")])
        assert [row["novelty"] for row in lake.rows()] == [None, "a"]

    def test_two_writers_that_add_the_same_at_once(
        self, lake: Lake, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        lake.write(0, [encode(event(0))])
        other = Lake(lake.place, partition(1))
        alterer = type(lake.delta().alter)
        add_columns = alterer.add_columns
        turn = iter([lambda: other.write(0, [told_newer(event(9), novelty="b", extra_one=1)])])

        def second(*arguments: Any, **options: Any) -> None:
            next(turn, lambda: None)()
            add_columns(*arguments, **options)

        monkeypatch.setattr(alterer, "add_columns", second)
        lake.write(1, [told_newer(event(1), novelty="a", payer={"nick": "n"})])
        assert lake.columns() == {
            "novelty": pa.string(),
            "extra_one": pa.int64(),
            "payer.nick": pa.string(),
        }
        found = {(r["_partition"], r["_offset"]): r["novelty"] for r in lake.rows()}
        assert found == {(0, 0): None, (0, 1): "a", (1, 0): "b"}

    def test_two_writers_with_different_types_lose_nothing(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        late = lake.batch(1, [told_newer(event(1), novelty="text")])
        other = Lake(lake.place, partition(1))
        other.write(0, [told_newer(event(9), novelty=5)])
        with pytest.raises(Transient, match=r"novelty with another type.*decoded again"):
            lake.consumer.write(late, reject)
        lake.write(1, [told_newer(event(1), novelty="text")])
        found = {(r["_partition"], r["_offset"]): r for r in lake.rows()}
        assert found[1, 0]["novelty"] == 5
        assert found[0, 1]["novelty"] is None
        assert dict(found[0, 1]["extra"]) == {"sealed": '{"novelty": "text"}'}

    def test_many_writers_in_threads(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        failed: list[BaseException] = []

        def run(number: int) -> None:
            mine = Lake(lake.place, partition(number))
            try:
                for n in range(4):
                    new = {f"field_{n}": number, "payee": {f"child_{n}": "x"}}
                    while True:
                        try:
                            mine.write(n, [told_newer(event(100 * number + n), **new)])
                            break
                        except Transient:
                            continue
            except BaseException as error:  # noqa: BLE001  it is shown below
                failed.append(error)

        threads = [threading.Thread(target=run, args=(number,)) for number in (1, 2, 3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert failed == []
        found = {(r["_partition"], r["_offset"]): r for r in lake.rows()}
        assert len(found) == len(lake.rows()) == 13
        for number in (1, 2, 3):
            for n in range(4):
                assert found[number, n][f"field_{n}"] == number
                assert found[number, n]["payee"][f"child_{n}"] == "x"


class TestRevisions:
    def test_a_telling_that_adds_a_new_field_is_a_revision(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0)), encode(event(1))])
        lake.write(2, [told_newer(event(0), novelty="a"), told_newer(event(1), payee={"nick": 1})])
        lake.write(4, [told_newer(event(0), novelty="a"), told_newer(event(1), payee={"nick": 1})])
        lake.write(6, [encode(event(0)), told_newer(event(1), payee={"nick": 2})])
        assert [(r["_offset"], r["revision"]) for r in lake.rows()] == [
            *((0, 0), (1, 0), (2, 1), (3, 1), (7, 2))
        ]
        assert lake.consumer.counts["deduplicated"] == 3

    def test_after_a_restart_too(self, lake: Lake) -> None:
        lake.write(0, [told_newer(event(0), novelty="a", payer={"nick": "n"})])
        lake.open()
        lake.write(1, [encode(event(0)), told_newer(event(0), novelty="a", other=None)])
        assert len(lake.rows()) == 1
        lake.write(3, [told_newer(event(0), other=True)])
        assert [row["revision"] for row in lake.rows()] == [0, 1]


class TestMaintenance:
    def test_merging_keeps_what_was_added(self, lake: Lake) -> None:
        for n in range(maintenance.ENOUGH):
            new: dict[str, Any] = {"novelty": f"v{n}", "payer": {"nick": n}} if n % 2 else {}
            lake.write(n, [told_newer(event(n), **new)])
        before = lake.rows()
        table = LakeTable(Location(str(lake.place), "pagamentos", fsync=False))
        assert len(maintenance.maintain(table, "zstd")) == 1
        assert len(lake.delta().file_uris()) == 1
        assert lake.rows() == before
        assert [row["payer"]["nick"] for row in before] == [
            n if n % 2 else None for n in range(maintenance.ENOUGH)
        ]
        lake.open()
        lake.write(0, [encode(event(50))])
        lake.write(maintenance.ENOUGH, [told_newer(event(51), novelty="w")])
        assert lake.rows()[-1]["novelty"] == "w"


class TestATableOfANewerVersion:
    def test_with_columns_of_any_type_is_fed_as_before(self, lake: Lake) -> None:
        lake.write(0, [encode(event(0))])
        kinds = ["timestamp", "double", "string"]
        lake.delta().alter.add_columns(
            [DeltaField(f"c_{kind}", PrimitiveType(kind)) for kind in kinds]
        )
        lake.delta().alter.set_table_properties(
            {"pixstream.unheard_of": "5"}, raise_if_not_exists=False
        )
        lake.open()
        assert lake.consumer.check().startswith("pagamentos: 1 row, ")
        lake.write(1, [encode(event(1))])
        lake.write(2, [told_newer(event(2), c_timestamp="2026-11-24T00:00:00Z", c_string="s")])
        rows = lake.rows()
        assert [row["c_string"] for row in rows] == [None, None, "s"]
        assert [row["c_timestamp"] for row in rows] == [None] * 3
        assert dict(rows[2]["extra"]) == {"sealed": '{"c_timestamp": "2026-11-24T00:00:00Z"}'}
        assert lake.delta().metadata().configuration["pixstream.unheard_of"] == "5"

    def test_with_a_column_that_may_not_be_null_is_refused(self, lake: Lake) -> None:
        wider = EVENT_SCHEMA.append(pa.field("novelty", pa.string(), nullable=False))
        DeltaTable.create(lake.place / "pagamentos", wider, partition_by=["event_date"])
        with pytest.raises(DestinationError, match="novelty: unexpected, and may not be null"):
            lake.consumer.check()
