"""Where a query begins to read."""

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from pixstream.errors import DestinationError, TopicChangedError
from pixstream.kafka.ports import TopicIdPartition
from pixstream.kafka.prefixed import Names
from pixstream.spark.beginning import Last, StartingOffsets, beginning
from pixstream.spark.schemas import BRONZE_SCHEMA, to_spark

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, SparkSession

pytestmark = pytest.mark.spark

NOON = dt.datetime(2026, 11, 20, 12, tzinfo=dt.UTC)
HELD = {TopicIdPartition("pix.pagamentos", "id-1", n): 0 for n in range(3)}


@pytest.fixture
def bronze(spark: "SparkSession") -> "DataFrame":
    """Offsets 0 to 9 of partition 0 and 0 to 4 of partition 1, in two batches."""
    made: list[dict[str, Any]] = [
        dict.fromkeys(BRONZE_SCHEMA.names)
        | {
            "topic": "pix.pagamentos",
            "topic_id": "id-1",
            "partition": partition,
            "offset": offset,
            "query_id": "query",
            "batch_id": offset // 5,
            "ingested_at": NOON + dt.timedelta(minutes=offset // 5),
        }
        for partition, count in ((0, 10), (1, 5))
        for offset in range(count)
    ]
    return spark.createDataFrame(made, to_spark(BRONZE_SCHEMA))


def offsets(found: StartingOffsets) -> Any:
    return msgspec.json.decode(found.offsets)


def test_without_bronze_the_configuration_decides(tmp_path: Path) -> None:
    for start in ("earliest", "latest"):
        assert beginning(None, str(tmp_path), HELD, start, "stop") == StartingOffsets(start)


def test_a_checkpoint_decides(bronze: "DataFrame", tmp_path: Path) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "0").touch()
    assert beginning(bronze, str(tmp_path), HELD, "earliest", "stop") == StartingOffsets("earliest")


def test_without_one_bronze_does(bronze: "DataFrame", tmp_path: Path) -> None:
    found = beginning(bronze, str(tmp_path), HELD, "latest", "stop")
    assert offsets(found) == {"pix.pagamentos": {"0": 10, "1": 5, "2": 0}}
    assert found.unsettled == Last("query", 1)


def test_offsets_that_expired_stop_it_or_are_told(
    bronze: "DataFrame", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    held = HELD | {TopicIdPartition("pix.pagamentos", "id-1", 1): 8}
    with pytest.raises(
        DestinationError, match=r"pagamentos-1: offset 5 has expired: retention deleted 3"
    ):
        beginning(bronze, str(tmp_path), held, "earliest", "stop")
    found = beginning(bronze, str(tmp_path), held, "earliest", "continue")
    assert offsets(found)["pix.pagamentos"]["1"] == 8
    assert "retention deleted 3 offsets unread" in caplog.text


def test_a_checkpoint_with_a_prefix_tells_its_gaps_by_our_names(
    bronze: "DataFrame", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("offsets", "commits"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "0").write_text('v1\n{}\n{"acme.pix.pagamentos":{"0":2,"1":5,"2":0}}')
    held = HELD | {TopicIdPartition("pix.pagamentos", "id-1", 1): 8}
    names = Names("acme.")
    beginning(bronze, str(tmp_path), held, "earliest", "continue", names=names)
    assert "pix.pagamentos-1: offset 5 has expired: retention deleted 3 offsets" in caplog.text
    assert "acme." not in caplog.text


def test_another_incarnation_of_a_topic_is_refused_whatever_the_checkpoint_says(
    bronze: "DataFrame", tmp_path: Path
) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "offsets" / "0").touch()
    held = {TopicIdPartition("pix.pagamentos", "id-2", 0): 0}
    with pytest.raises(TopicChangedError, match=r"has the id id-2, bronze was fed from id-1"):
        beginning(bronze, str(tmp_path), held, "earliest", "stop")


def test_tables_that_are_gone_while_the_checkpoint_is_there_are_told(tmp_path: Path) -> None:
    (tmp_path / "commits").mkdir()
    (tmp_path / "commits" / "0").touch()
    with pytest.raises(DestinationError, match=r"no table bronze: it was deleted.*Mount or"):
        beginning(None, str(tmp_path), HELD, "earliest", "stop")


def test_an_empty_bronze_that_held_rows_once_is_not_taken_for_a_new_one(
    bronze: "DataFrame", tmp_path: Path
) -> None:
    empty = bronze.limit(0)
    assert beginning(empty, str(tmp_path), HELD, "latest", "stop", used=False).offsets == "latest"
    with pytest.raises(DestinationError, match=r"bronze is empty although it once had rows"):
        beginning(empty, str(tmp_path), HELD, "latest", "stop", used=True)


def test_the_last_batch_is_the_highest_whatever_the_clock_said(
    bronze: "DataFrame", tmp_path: Path
) -> None:
    from pyspark.sql.functions import expr

    clock = expr("ingested_at - make_interval(0, 0, 0, 0, batch_id)")  # set back before batch 1
    found = beginning(
        bronze.withColumn("ingested_at", clock), str(tmp_path), HELD, "latest", "stop"
    )
    assert found.unsettled == Last("query", 1)


def test_what_expired_after_the_checkpoint_is_told_where_the_query_goes_on_all_the_same(
    bronze: "DataFrame", tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "offsets").mkdir()
    (tmp_path / "commits").mkdir()
    for batch in (9, 10):
        (tmp_path / "commits" / str(batch)).touch()
        ends = {"pix.pagamentos": {"0": batch, "1": 5, "2": 0}}
        lines = ["v1", '{"batchWatermarkMs":0}', msgspec.json.encode(ends).decode()]
        (tmp_path / "offsets" / str(batch)).write_text("\n".join(lines))
    held = HELD | {TopicIdPartition("pix.pagamentos", "id-1", 0): 12}
    assert beginning(bronze, str(tmp_path), held, "earliest", "continue") == StartingOffsets(
        "earliest"
    )
    assert "pix.pagamentos-0: offset 10 has expired: retention deleted 2 offsets" in caplog.text
    assert "pix.pagamentos-1" not in caplog.text
